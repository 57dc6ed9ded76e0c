"""`/api/v1/commands/{id}/output`: what a command wrote, from any point on, waiting for more; or all of it as bytes (M4)."""

from __future__ import annotations

import base64
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.paging import whole
from server.auth import COMMAND_READ, Caller
from server.db import Row
from server.door import Door
from server.services import Services

MAX_WAIT_S = 25
"""Below the 30 s after which proxies tend to cut."""

MAX_CHUNK = 2**31 - 1


def routes(door: Door, services: Services) -> list[Route]:
    async def read(request: Request, caller: Caller) -> Response:
        after = whole(request, "after", 0, 0, MAX_CHUNK)
        wait = whole(request, "wait", 0, 0, MAX_WAIT_S)
        part = await services.output.read(request.path_params["id"], after, wait)
        data = {"state": part.command["state"], "chunks": [_chunk(row) for row in part.chunks], "next": part.next, "done": part.done}
        return good(services.clock(), data)

    async def raw(request: Request, caller: Caller) -> Response:
        command_id, stream = request.path_params["id"], request.query_params.get("stream", "all")
        data = await services.output.whole(command_id, stream)
        # A host's bytes must never be taken for a page: no type to render, no guessing, saved rather than shown.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": f'attachment; filename="{command_id}-{stream}.out"'}
        return Response(data, media_type="application/octet-stream", headers=headers)

    return [
        door.route("/api/v1/commands/{id}/output", read, COMMAND_READ),
        door.route("/api/v1/commands/{id}/output/raw", raw, COMMAND_READ),
    ]


def _chunk(row: Row) -> dict[str, Any]:
    """`text` where the chunk is UTF-8 by itself, else `base64`: no byte is lost either way."""
    chunk = {"chunk": row["chunk"], "stream": row["stream"], "offset": row["start_offset"], "at": row["at"]}
    try:
        return chunk | {"text": row["data"].decode()}
    except UnicodeDecodeError:
        return chunk | {"base64": base64.b64encode(row["data"]).decode()}
