"""Static files, packed on the way for browsers that take it.

Only these: a page holds secrets beside what others may have put into its address, and packing the two together tells of the secret.
"""

from __future__ import annotations

from pathlib import Path

from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

LEAST_BYTES = 1024


class PackedFiles(StaticFiles):
    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder)
        self._packed = GZipMiddleware(super().__call__, minimum_size=LEAST_BYTES, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._packed(scope, receive, send)
