"""Identifiers and secrets. Ids are ULIDs: 26 characters, sortable by time, safe in addresses."""

from __future__ import annotations

import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(now: int) -> str:
    """A ULID for `now` (UTC milliseconds) with 80 random bits."""
    value = (now & ((1 << 48) - 1)) << 80 | secrets.randbits(80)
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5))


def new_secret(prefix: str) -> str:
    """A secret of 256 random bits for a token or cookie; the prefix tells a leaked one's kind."""
    return f"{prefix}{secrets.token_urlsafe(32)}"
