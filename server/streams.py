"""A stored file as an answer: all of it or one range, streamed, never whole in memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from server.db import Row

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
Parts = Callable[[str, int, int], AsyncIterator[bytes]]


def file_answer(request: Request, row: Row, parts: Parts) -> Response:
    """`row` is a whole file. One range from an offset on is served as such (206); others, and none, as the whole (200)."""
    size, start, until, status = int(row["size"]), 0, int(row["size"]), 200
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{row["sha256"]}"',
        # A host's bytes must never be taken for a page: no type to render, no guessing, saved rather than shown.
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(row['name'], safe='')}",
    }
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    if match and request.headers.get("if-range", headers["ETag"]) == headers["ETag"]:
        start, until = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
        if start >= until:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
        status, headers["Content-Range"] = 206, f"bytes {start}-{until - 1}/{size}"
    headers["Content-Length"] = str(until - start)
    return StreamingResponse(parts(row["id"], start, until), status, headers, "application/octet-stream")
