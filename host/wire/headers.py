"""Names of the headers that carry a command's signature, apart from `signing`, which needs hashlib and hmac:
the daemon only passes them on, and its memory is counted."""

from __future__ import annotations

KEY_ID = "X-Ops-Key"
NONCE = "X-Ops-Nonce"
TIMESTAMP = "X-Ops-Timestamp"
EXPIRES = "X-Ops-Expires"
SIGNATURE = "X-Ops-Signature"
