"""Signatures on webhooks, by the convention of Standard Webhooks: HMAC-SHA256 over id, timestamp and body.

A receiver knows by `webhook-id` what it has already, by `webhook-timestamp` what is stale, and by `webhook-signature`
that it comes from here. Two secrets can be good at once: each makes a signature of its own, so one can be replaced in peace.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence

PREFIX = "whsec_"
LEAST, MOST = 24, 64


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The key in a secret. Raises ValueError: not `whsec_` and base64 of 24 to 64 bytes."""
    if not secret.startswith(PREFIX):
        raise ValueError("no prefix")
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True)
    except binascii.Error as problem:
        raise ValueError("no base64") from problem
    if not LEAST <= len(key) <= MOST:
        raise ValueError("too short or too long")
    return key


def signed(message_id: str, seconds: int, body: bytes, with_secrets: Sequence[str]) -> dict[str, str]:
    """The three headers. `seconds`: UTC."""
    content = f"{message_id}.{seconds}.".encode() + body
    made = [hmac.new(key_of(secret), content, hashlib.sha256).digest() for secret in with_secrets]
    signatures = " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made)
    return {"webhook-id": message_id, "webhook-timestamp": str(seconds), "webhook-signature": signatures}
