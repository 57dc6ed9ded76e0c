"""Values as they are compared: text without case, sizes in bytes, addresses as sortable text."""

from __future__ import annotations

import ipaddress
import math
import re

MOST = 255
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([kmgtp]?)(i?)(b?)", re.IGNORECASE)
_DATE = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def fold(text: str) -> str:
    """As text is stored for comparing, and as it is compared: no case, no control characters, no space around it."""
    # Cut and stripped in this order: MySQL takes no notice of spaces at the end, Python does.
    return "".join(c for c in text.casefold() if c.isprintable())[:MOST].strip()


def number_of(text: str) -> float:
    """Raises ValueError for what is no finite number."""
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError(text)
    return value


def size_of(text: str) -> int:
    """Bytes: `8GiB` and `8G` are binary, `8GB` is decimal, a bare number is bytes. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if not found or (found[3] and not found[2]):
        raise ValueError(text)
    base = 1000 if found[4] and not found[3] and found[2] else 1024
    return int(float(found[1]) * base ** _POWERS[found[2].lower()])


def date_of(text: str) -> str:
    """`2026-11-25` itself. Raises ValueError."""
    if not _DATE.fullmatch(text):
        raise ValueError(text)
    return text


def address_key(text: str) -> str:
    """An address as 32 hexadecimal digits, IPv4 within IPv6, so that a network is a span of text. Raises ValueError."""
    return _key(ipaddress.ip_address(text.strip().partition("%")[0]))


def span_of(text: str) -> tuple[str, str]:
    """First and last key of an address or a network such as `10.0.0.0/8`. Raises ValueError."""
    network = ipaddress.ip_network(text.strip(), strict=False)
    return _key(network[0]), _key(network[-1])


def _key(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    value = int(address) | 0xFFFF << 32 if address.version == 4 else int(address)
    return f"{value:032x}"
