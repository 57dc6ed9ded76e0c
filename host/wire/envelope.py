"""The answer envelope of both REST APIs, `{code, message, data, timestamp}`, and its codes
(requirements-zh 6.2, 6.3). `timestamp` is RFC 3339, UTC."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

OK = 0
BAD_PARAMETER = 1001
NOT_AUTHENTICATED = 1002
NOT_ALLOWED = 1003
NODE_UNKNOWN = 2001
NODE_OFFLINE = 2002
TASK_FAILED = 3001
TASK_TIMED_OUT = 3002


def envelope(now: int, code: int, message: str, data: Any) -> dict[str, Any]:
    """The body of one answer; `now` in UTC milliseconds."""
    stamp = datetime.fromtimestamp(now / 1000, timezone.utc).isoformat(timespec="milliseconds")
    return {"code": code, "message": message, "data": data, "timestamp": stamp.replace("+00:00", "Z")}
