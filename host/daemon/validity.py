"""From when until when a certificate is good. The running daemon has no cryptography (D15): this reads just these two
times out of the DER, as X.509 lays it out. It proves nothing; TLS does."""

from __future__ import annotations

import ssl
from calendar import timegm
from dataclasses import dataclass


@dataclass(frozen=True)
class Validity:
    """UTC milliseconds, both ends included."""

    not_before: int
    not_after: int

    def holds(self, moment: int) -> bool:
        return self.not_before <= moment <= self.not_after


def of_pem(text: str) -> Validity:
    """Of the first certificate in `text`, which may hold a key as well. Raises ValueError."""
    begin = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find("-----END CERTIFICATE-----", begin)
    if begin < 0 or end < 0:
        raise ValueError("there is no certificate in it")
    return of_der(ssl.PEM_cert_to_DER_cert(text[begin:end] + "-----END CERTIFICATE-----\n"))


def of_der(der: bytes) -> Validity:
    """Certificate ::= { { [0] version?, serial, algorithm, issuer, { notBefore, notAfter }, … } … }. Raises ValueError."""
    try:
        content = _open(_open(der)[0])[0]
        if content[0] == 0xA0:
            content = _open(content)[1]
        for _ in range(3):
            content = _open(content)[1]
        first, rest = _open(_open(content)[0], with_tag=True)
        second, _ = _open(rest, with_tag=True)
        return Validity(_time(first), _time(second))
    except (IndexError, UnicodeDecodeError) as problem:
        raise ValueError("it is no certificate") from problem


def _open(data: bytes, with_tag: bool = False) -> tuple[bytes, bytes]:
    """The content of the first element, and what follows it."""
    size, start = data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    if start + size > len(data):
        raise ValueError("it is no certificate: it breaks off")
    return (data[:1] if with_tag else b"") + data[start : start + size], data[start + size :]


def _time(element: bytes) -> int:
    """UTCTime YYMMDDhhmmssZ (years 1950 to 2049) or GeneralizedTime YYYYMMDDhhmmssZ."""
    text = element[1:].decode("ascii")
    if element[0] == 0x17:
        text = ("19" if text >= "5" else "20") + text
    if len(text) != 15 or not text[:14].isdigit() or text[14] != "Z":
        raise ValueError("it is no certificate: its times make no sense")
    return timegm((int(text[:4]), *(int(text[i : i + 2]) for i in range(4, 14, 2)))) * 1000
