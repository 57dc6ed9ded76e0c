"""`/api/v1/commands/{id}/output`: what a command wrote, from any point on, waiting for more; or all of it as bytes (M4)."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, query
from server.api.parameters import Query, one_of
from server.auth import COMMAND_READ, Caller
from server.db import Row
from server.door import Door
from server.services import Services

MAX_WAIT_S = 25
"""Below the 30 s after which proxies tend to cut."""

MAX_CHUNK = 2**31 - 1


class From(Query, frozen=True, kw_only=True):
    after: Annotated[int, Meta(ge=0, le=MAX_CHUNK, description="the first chunk that is wanted")] = 0
    wait: Annotated[int, Meta(ge=0, le=MAX_WAIT_S, description="seconds to wait for one, or for the end")] = 0


class Stream(Query, frozen=True, kw_only=True):
    stream: Annotated[str, one_of("all", "stdout", "stderr")] = "all"


class Chunk(Answer):
    """`text` where the chunk is UTF-8 by itself, else `base64`; `offset`: bytes from the start of its stream."""

    chunk: int
    stream: str
    offset: int
    at: int
    text: str | UnsetType = UNSET
    base64: str | UnsetType = UNSET


class OutputPart(Answer):
    """Go on with `after=next` until `done`. `state` is the command's."""

    state: str
    chunks: list[Chunk]
    next: int
    done: bool


def routes(door: Door, services: Services) -> list[Route]:
    async def read(request: Request, caller: Caller) -> Response:
        wanted = query(request, From)
        part = await services.output.read(request.path_params["id"], wanted.after, wanted.wait)
        data = {"state": part.command["state"], "chunks": [_chunk(row) for row in part.chunks], "next": part.next, "done": part.done}
        return good(services.clock(), data)

    async def raw(request: Request, caller: Caller) -> Response:
        command_id, stream = request.path_params["id"], query(request, Stream).stream
        data = await services.output.whole(command_id, stream)
        # A host's bytes must never be taken for a page: no type to render, no guessing, saved rather than shown.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Disposition": f'attachment; filename="{command_id}-{stream}.out"'}
        return Response(data, media_type="application/octet-stream", headers=headers)

    return [
        door.route(
            "/api/v1/commands/{id}/output",
            read,
            COMMAND_READ,
            call=Call("What a command wrote, from a chunk on", query=From, answer=OutputPart),
        ),
        door.route(
            "/api/v1/commands/{id}/output/raw",
            raw,
            COMMAND_READ,
            call=Call("All that it wrote, as bytes", query=Stream, answer=bytes, media="application/octet-stream"),
        ),
    ]


def _chunk(row: Row) -> dict[str, Any]:
    """`text` where the chunk is UTF-8 by itself, else `base64`: no byte is lost either way."""
    chunk = {"chunk": row["chunk"], "stream": row["stream"], "offset": row["start_offset"], "at": row["at"]}
    try:
        return chunk | {"text": row["data"].decode()}
    except UnicodeDecodeError:
        return chunk | {"base64": base64.b64encode(row["data"]).decode()}
