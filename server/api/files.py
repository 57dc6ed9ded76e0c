"""`/api/v1/files`: the store of files for tasks (A2). Put in chunks, finished with a SHA-256, fetched whole or in ranges."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import body, good
from server.api.paging import MAX_TIME, listed, whole, window
from server.auth import FILE_READ, FILE_WRITE, Caller
from server.db import Row
from server.door import Door
from server.services import Services
from server.streams import file_answer

_SHOWN = ("id", "name", "state", "size", "received", "sha256", "node_id", "created_by", "created_at", "used_at")


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
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
        wanted = await body(request, Wanted)
        return good(now, _shown(await files.create(caller, wanted.name, wanted.size, now)), 201)

    async def page(request: Request, caller: Caller) -> Response:
        wanted = window(request)
        found = await files.page(wanted.size, wanted.offset)
        return good(services.clock(), listed(wanted, [_shown(row) | {"commands": row["commands"]} for row in found.rows], found.total))

    async def one(request: Request, caller: Caller) -> Response:
        return good(services.clock(), _shown(await files.get(request.path_params["id"])))

    async def put(request: Request, caller: Caller) -> Response:
        now = services.clock()
        offset = whole(request, "offset", 0, 0, MAX_TIME)
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
        door.route("/api/v1/files", create, FILE_WRITE, ("POST",)),
        door.route("/api/v1/files", page, FILE_READ),
        door.route("/api/v1/files/{id}", one, FILE_READ),
        door.route("/api/v1/files/{id}", delete, FILE_WRITE, ("DELETE",)),
        door.route("/api/v1/files/{id}/content", put, FILE_WRITE, ("PUT",)),
        door.route("/api/v1/files/{id}/content", fetch, FILE_READ),
        door.route("/api/v1/files/{id}/finish", finish, FILE_WRITE, ("POST",)),
    ]


def _shown(row: Row) -> dict[str, Any]:
    return {name: row[name] for name in _SHOWN}
