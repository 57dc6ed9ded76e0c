"""`GET /api/v1/openapi.json`: every call of this API, without envelope. It is the same on every manager of a version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.api.calls import Call
from server.auth import PUBLIC, Caller
from server.door import Door


def routes(door: Door, document: Callable[[], dict[str, Any]]) -> list[Route]:
    """`document` is asked once, at the first call: it is made of all routes, this one too."""
    made: list[tuple[bytes, str]] = []

    async def show(request: Request, caller: Caller) -> Response:
        if not made:
            text = msgspec.json.encode(document())
            made.append((text, f'"{hashlib.sha256(text).hexdigest()[:16]}"'))
        text, tag = made[0]
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(text, media_type="application/json", headers={"ETag": tag})

    call = Call("The API as OpenAPI 3.1", answer=dict[str, Any], media="application/json", etag=True, fresh=True)
    return [door.route("/api/v1/openapi.json", show, PUBLIC, call=call)]
