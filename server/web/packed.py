"""Static files: our own script as one file, and all packed on the way for browsers that take it.

The pieces of the script lie in static/js, a topic each; nine requests for them would be most of a first view's.

Pages are packed too, but only for who came from our own pages or typed the address. A page holds what is secret beside what others may
have put into its address, and its packed length tells how much the two are alike (BREACH): so nobody else may choose what is asked. A
browser says who asks in `Sec-Fetch-Site`, which no script can set.
"""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

LEAST_BYTES = 1024
PAGE_LEVEL = 3
"""Of gzip, for what is packed at each visit: 100 KB take 1 ms."""

OWN = ("same-origin", "none")
SCRIPT = "app.js"
PIECES = ("core", "times", "choose", "charts", "live", "drafts", "put", "keys")
"""Of the script, in the order that they need each other; what ties them to the page is in SCRIPT itself, last."""


def packed(request: Request, response: Response) -> Response:
    """The page packed, where its browser takes that and says that nobody else has chosen the address."""
    body = bytes(response.body)
    wanted = "gzip" in request.headers.get("accept-encoding", "") and request.headers.get("sec-fetch-site") in OWN
    if wanted and len(body) >= LEAST_BYTES:
        response.body = gzip.compress(body, PAGE_LEVEL)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Content-Length"] = str(len(response.body))
    return response


class PackedFiles(StaticFiles):
    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)
        # Read once, as the version in its address is: every page asks for it.
        pieces = [folder / "js" / f"{name}.js" for name in PIECES]
        self._script = b";\n".join(file.read_bytes() for file in (*pieces, folder / SCRIPT))
        self._tag = f'"{hashlib.sha256(self._script).hexdigest()[:32]}"'
        self._packed = GZipMiddleware(super().__call__, minimum_size=LEAST_BYTES, compresslevel=6)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path != SCRIPT or scope["method"] not in ("GET", "HEAD"):
            return await super().get_response(path, scope)
        response = Response(self._script, media_type="text/javascript", headers={"ETag": self._tag})
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._packed(scope, receive, send)
