"""Static files: our own script as one file, and all packed on the way for browsers that take it.

The pieces of the script lie in static/js, a topic each; nine requests for them would be most of a first view's. Packed are only
these: a page holds secrets beside what others may have put into its address, and packing the two together tells of the secret.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.datastructures import Headers
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Receive, Scope, Send

LEAST_BYTES = 1024
SCRIPT = "app.js"
PIECES = ("core", "times", "choose", "charts", "live", "drafts", "put", "keys")
"""Of the script, in the order that they need each other; what ties them to the page is in SCRIPT itself, last."""


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
