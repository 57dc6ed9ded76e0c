"""Signed requests to the agent's API (A7, S2): HMAC-SHA256 over everything that decides what happens.

The manager signs a command when a person asks for it, outside the database; the agent verifies it.
The daemon in between, and whoever can write to the database, can only pass it on or lose it.

Signed text, one item a line:  `OPS1`, key id, nonce, timestamp, expiry, METHOD, path, query,
SHA-256 of the body in hex. The nonce of a command is its id: the ledger refuses it a second time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from host.wire.headers import EXPIRES as EXPIRES
from host.wire.headers import KEY_ID as KEY_ID
from host.wire.headers import NONCE as NONCE
from host.wire.headers import SIGNATURE as SIGNATURE
from host.wire.headers import TIMESTAMP as TIMESTAMP


class SignatureError(Exception):
    """The request is not one that the holder of the key made for this moment. The text says why."""


def _text(key_id: str, nonce: str, timestamp: int, expires: int, method: str, path: str, query: str, body: bytes) -> bytes:
    digest = hashlib.sha256(body).hexdigest()
    items = ("OPS1", key_id, nonce, str(timestamp), str(expires), method.upper(), path, query, digest)
    return "\n".join(items).encode()


def sign(
    key: bytes, *, key_id: str, nonce: str, now: int, expires: int, method: str, path: str, query: str = "", body: bytes = b""
) -> dict[str, str]:
    """The headers that make this request a signed one. `now` and `expires` in UTC milliseconds.

    Raises ValueError where an item holds a line break, which would let two requests share a signature.
    """
    if any("\n" in item for item in (key_id, nonce, method, path, query)):
        raise ValueError("a signed item may not hold a line break")
    text = _text(key_id, nonce, now, expires, method, path, query, body)
    return {
        KEY_ID: key_id,
        NONCE: nonce,
        TIMESTAMP: str(now),
        EXPIRES: str(expires),
        SIGNATURE: hmac.new(key, text, hashlib.sha256).hexdigest(),
    }


def verify(
    key: bytes, headers: Mapping[str, str], *, key_id: str, now: int, method: str, path: str, query: str = "", body: bytes = b""
) -> str:
    """The nonce of a request whose signature, key id and expiry hold. The caller must refuse a nonce it knows.

    `headers` must answer `.get()` for the names above (any case is the caller's to fold).
    Raises SignatureError with one sentence.
    """
    values = {name: headers.get(name) or "" for name in (KEY_ID, NONCE, TIMESTAMP, EXPIRES, SIGNATURE)}
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise SignatureError(f"not signed: the header {missing[0]} is missing")
    # The length as well: Python refuses to read numbers of thousands of digits, and that would be no SignatureError.
    if not all(value.isascii() and value.isdigit() and len(value) <= 18 for value in (values[TIMESTAMP], values[EXPIRES])):
        raise SignatureError("timestamp and expiry must be whole milliseconds")
    if any("\n" in value for value in values.values()) or "\n" in path + query:
        raise SignatureError("a signed item may not hold a line break")
    timestamp, expires = int(values[TIMESTAMP]), int(values[EXPIRES])
    text = _text(values[KEY_ID], values[NONCE], timestamp, expires, method, path, query, body)
    expected = hmac.new(key, text, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), values[SIGNATURE].encode("utf-8", "replace")):
        raise SignatureError("the signature does not fit this request")
    if values[KEY_ID] != key_id:
        raise SignatureError("signed for another node")
    if now > expires:
        raise SignatureError(f"expired {(now - expires) // 1000} s ago by this host's clock")
    return values[NONCE]
