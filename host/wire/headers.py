"""Names of the headers that carry a command's signature, apart from `signing`, which needs hashlib and hmac:
the daemon only passes them on, and its memory is counted."""

from __future__ import annotations

import re

KEY_ID = "X-Ops-Key"
NONCE = "X-Ops-Nonce"
TIMESTAMP = "X-Ops-Timestamp"
EXPIRES = "X-Ops-Expires"
SIGNATURE = "X-Ops-Signature"

REQUEST_ID = "X-Request-Id"
"""The manager's request that gave the command: for logs only, and not signed."""

is_request_id = re.compile(r"[A-Za-z0-9_-]{8,64}").fullmatch
"""What is taken over from outside: it goes into log lines."""
