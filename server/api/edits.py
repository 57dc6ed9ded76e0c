"""Tags, notes and custom fields of nodes (M1): `/api/v1/tags`, `/api/v1/nodes/{id}/notes`, `/api/v1/fields`."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import body, good
from server.api.groups import meant, results
from server.api.versions import version_of
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.services import Services


class Tags(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes` are ids; `select` stands in their place. `remove` are names; `confirm` those of protected groups that hold any of them."""

    nodes: list[str] = []
    select: str | None = None
    add: dict[str, str] = {}
    remove: list[str] = []
    confirm: list[str] = []


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class Field(msgspec.Struct, forbid_unknown_fields=True):
    """`type`: text, number, choice (of `choices`), date or yes-no."""

    name: str
    type: str = "text"
    title: str = ""
    choices: list[str] = []


class Redefined(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    choices: list[str] = []


class Value(msgspec.Struct, forbid_unknown_fields=True):
    """An empty `value` clears the field."""

    value: str
    nodes: list[str] = []
    select: str | None = None
    confirm: list[str] = []


def routes(door: Door, services: Services) -> list[Route]:
    edits = services.edits

    async def tag(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Tags)
        ids = await meant(services, wanted.nodes, wanted.select)
        return good(now, results(await edits.tag(caller, ids, wanted.add, wanted.remove, now, wanted.confirm)))

    async def notes(request: Request, caller: Caller) -> Response:
        await services.nodes.get(request.path_params["id"])
        items = await edits.notes(request.path_params["id"])
        return good(services.clock(), {"items": items, "total": len(items)})

    async def note(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Note)
        return good(now, {"id": await edits.note(caller, request.path_params["id"], wanted.text, now)}, 201)

    async def delete_note(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await edits.delete_note(caller, request.path_params["id"], request.path_params["note"], now)
        return good(now, None)

    async def fields(request: Request, caller: Caller) -> Response:
        items = await edits.fields()
        return good(services.clock(), {"items": items, "total": len(items)})

    async def define(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Field)
        await edits.define(caller, wanted.name, wanted.title, wanted.type, wanted.choices, now)
        return good(now, {"version": 1}, 201)

    async def redefine(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Redefined)
        name = request.path_params["id"]
        return good(now, {"version": await edits.redefine(caller, name, version_of(request), wanted.title, wanted.choices, now)})

    async def undefine(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await edits.undefine(caller, request.path_params["id"], version_of(request), now)
        return good(now, None)

    async def fill(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Value)
        ids = await meant(services, wanted.nodes, wanted.select)
        return good(now, results(await edits.fill(caller, ids, request.path_params["id"], wanted.value, now, wanted.confirm)))

    return [
        door.route("/api/v1/tags", tag, NODE_EDIT, ("POST",)),
        door.route("/api/v1/nodes/{id}/notes", notes, NODE_READ),
        door.route("/api/v1/nodes/{id}/notes", note, NODE_EDIT, ("POST",)),
        door.route("/api/v1/nodes/{id}/notes/{note}", delete_note, NODE_EDIT, ("DELETE",)),
        door.route("/api/v1/fields", fields, NODE_READ),
        door.route("/api/v1/fields", define, NODE_EDIT, ("POST",)),
        door.route("/api/v1/fields/{id}", redefine, NODE_EDIT, ("PATCH",)),
        door.route("/api/v1/fields/{id}", undefine, NODE_EDIT, ("DELETE",)),
        door.route("/api/v1/fields/{id}/values", fill, NODE_EDIT, ("POST",)),
    ]
