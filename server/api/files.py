"""`/api/v1/files`: the store of files for tasks (A2). Put in chunks, finished with a SHA-256, fetched whole or in ranges."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, listed, query
from server.api.once import created
from server.api.parameters import MAX_TIME, Paged, Query, one_of, order_of, sorts
from server.auth import FILE_READ, FILE_WRITE, Caller
from server.db import Row
from server.door import Door
from server.service.files import SORTS, STATES
from server.services import Services
from server.streams import file_answer

_SHOWN = ("id", "name", "state", "size", "received", "sha256", "node_id", "created_by", "created_at", "used_at")


class StoredFile(Answer):
    """`state`: receiving until it is whole, then ready. `sha256` is empty until then; `node_id`: the node that sent it."""

    id: str
    name: str
    state: str
    size: int
    received: int
    sha256: str
    node_id: str | None
    created_by: str
    created_at: int
    used_at: int


class ListedFile(StoredFile):
    """`commands`: how many commands use or made it."""

    commands: int


class Stored(Answer):
    """Where to go on."""

    stored: int


class FileList(Paged, frozen=True, kw_only=True):
    """All of them narrow down together."""

    q: Annotated[str, Meta(description="is looked for in the name")] = ""
    state: Annotated[str, one_of(*STATES)] = ""
    node: Annotated[str, Meta(description="the id of the node that sent it")] = ""
    sort: Annotated[str, sorts(*SORTS)] = "-created_at"


class Place(Query, frozen=True, kw_only=True):
    offset: Annotated[int, Meta(ge=0, le=MAX_TIME, description="bytes from the start")] = 0


PARTS = ((206, "One range of it"), (409, "It is not whole yet (code 1001)"), (416, "There is nothing at that range"))


class NewFile(msgspec.Struct, forbid_unknown_fields=True):
    """`size` in bytes."""

    name: str
    size: int


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    """`sha256` in hex; empty: whatever came is right."""

    sha256: str = ""


def routes(door: Door, services: Services) -> list[Route]:
    files = services.files

    async def create(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, NewFile)
        verb = files.create
        return await created(services, request, caller, now, Row, lambda along: verb(caller, wanted.name, wanted.size, now, along), _shown)

    async def page(request: Request, caller: Caller) -> Response:
        wanted = query(request, FileList)
        found = await files.page(wanted.size, wanted.offset, order_of(wanted.sort), q=wanted.q, state=wanted.state, node_id=wanted.node)
        return good(services.clock(), listed(wanted, [_shown(row) | {"commands": row["commands"]} for row in found.rows], found.total))

    async def one(request: Request, caller: Caller) -> Response:
        return good(services.clock(), _shown(await files.get(request.path_params["id"])))

    async def put(request: Request, caller: Caller) -> Response:
        now = services.clock()
        offset = query(request, Place).offset
        return good(now, {"stored": await files.put(request.path_params["id"], offset, await request.body(), now)})

    async def finish(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, Whole)
        return good(now, _shown(await files.finish(caller, request.path_params["id"], wanted.sha256, now)))

    async def fetch(request: Request, caller: Caller) -> Response:
        return file_answer(request, await files.open(caller, request.path_params["id"], services.clock()), files.parts)

    async def delete(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await files.delete(caller, request.path_params["id"], now)
        return good(now, None)

    return [
        door.route(
            "/api/v1/files", create, FILE_WRITE, ("POST",), Call("Make room for a file", body=NewFile, answer=StoredFile, status=201)
        ),
        door.route("/api/v1/files", page, FILE_READ, call=Call("Files, the newest first", query=FileList, answer=Listed[ListedFile])),
        door.route("/api/v1/files/{id}", one, FILE_READ, call=Call("One file", answer=StoredFile)),
        door.route("/api/v1/files/{id}", delete, FILE_WRITE, ("DELETE",), Call("Delete a file")),
        door.route(
            "/api/v1/files/{id}/content",
            put,
            FILE_WRITE,
            ("PUT",),
            Call("Put a chunk of at most 1 MiB", body=bytes, query=Place, answer=Stored),
        ),
        door.route(
            "/api/v1/files/{id}/content",
            fetch,
            FILE_READ,
            call=Call("Its bytes", answer=bytes, media="application/octet-stream", also=PARTS),
        ),
        door.route("/api/v1/files/{id}/finish", finish, FILE_WRITE, ("POST",), Call("The file is whole", body=Whole, answer=StoredFile)),
    ]


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _SHOWN}
