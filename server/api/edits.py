"""Tags, notes and custom fields of nodes (M1): `/api/v1/tags`, `/api/v1/nodes/{id}/notes`, `/api/v1/fields`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.groups import Results, Version, meant, results
from server.api.once import created
from server.api.parameters import Short, arranged, one_of, sorts
from server.api.selectors import Made
from server.api.versions import tagged, version_of
from server.auth import NODE_EDIT, NODE_READ, Caller
from server.door import Door
from server.service.page import sifted
from server.service.selections import FIELD_TYPES
from server.services import Services


class Note(Answer):
    id: str
    text: str
    author: str
    created_at: int


class NoteList(Short, frozen=True, kw_only=True):
    q: Annotated[str, Meta(description="is looked for in the text")] = ""
    author: Annotated[str, Meta(description="only those of this person, by name")] = ""
    sort: Annotated[str, sorts("created_at", "author")] = "-created_at"


class CustomField(Answer):
    """`name` is also its id in addresses."""

    name: str
    title: str
    type: str
    choices: list[str]
    version: int
    updated_at: int
    updated_by: str


class FieldList(Short, frozen=True, kw_only=True):
    q: Annotated[str, Meta(description="is looked for in name and title")] = ""
    type: Annotated[str, one_of(*FIELD_TYPES)] = ""
    sort: Annotated[str, sorts("name", "title", "type", "updated_at")] = "name"


class Tags(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes` are ids; `select` stands in their place. `remove` are names; `confirm` those of protected groups that hold any of them."""

    nodes: list[str] = []
    select: str | None = None
    add: dict[str, str] = {}
    remove: list[str] = []
    confirm: list[str] = []


class NewNote(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class NewField(msgspec.Struct, forbid_unknown_fields=True):
    """`type`: text, number, choice (of `choices`), date or yes-no."""

    name: str
    type: str = "text"
    title: str = ""
    choices: list[str] = []


class FieldChange(msgspec.Struct, forbid_unknown_fields=True):
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
        wanted = query(request, NoteList)
        fit = sifted(await edits.notes(request.path_params["id"]), wanted.q, ("text",), author=wanted.author)
        return good(services.clock(), cut(wanted, arranged(fit, wanted.sort)))

    async def note(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewNote)
        return await created(
            services,
            request,
            caller,
            now,
            str,
            lambda along: edits.note(caller, request.path_params["id"], wanted.text, now, along),
            lambda made: {"id": made},
        )

    async def delete_note(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await edits.delete_note(caller, request.path_params["id"], request.path_params["note"], now)
        return good(now, None)

    async def fields(request: Request, caller: Caller) -> Response:
        wanted = query(request, FieldList)
        fit = sifted(await edits.fields(), wanted.q, ("name", "title"), type=wanted.type)
        return good(services.clock(), cut(wanted, arranged(fit, wanted.sort)))

    async def field(request: Request, caller: Caller) -> Response:
        row = await edits.field(request.path_params["id"])
        return tagged(good(services.clock(), row), row["version"])

    async def define(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewField)
        return await created(
            services,
            request,
            caller,
            now,
            int,
            lambda along: edits.define(caller, wanted.name, wanted.title, wanted.type, wanted.choices, now, along),
            lambda made: {"version": made},
        )

    async def redefine(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, FieldChange)
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
        door.route("/api/v1/tags", tag, NODE_EDIT, ("POST",), Call("Add tags to nodes, or remove some", body=Tags, answer=Results)),
        door.route("/api/v1/nodes/{id}/notes", notes, NODE_READ, call=Call("Notes on a node", query=NoteList, answer=Listed[Note])),
        door.route(
            "/api/v1/nodes/{id}/notes", note, NODE_EDIT, ("POST",), Call("Write a note on a node", body=NewNote, answer=Made, status=201)
        ),
        door.route("/api/v1/nodes/{id}/notes/{note}", delete_note, NODE_EDIT, ("DELETE",), Call("Delete a note")),
        door.route("/api/v1/fields", fields, NODE_READ, call=Call("Custom fields", query=FieldList, answer=Listed[CustomField])),
        door.route("/api/v1/fields", define, NODE_EDIT, ("POST",), Call("Make a custom field", body=NewField, answer=Version, status=201)),
        door.route("/api/v1/fields/{id}", field, NODE_READ, call=Call("One custom field", answer=CustomField, etag=True)),
        door.route(
            "/api/v1/fields/{id}", redefine, NODE_EDIT, ("PATCH",), Call("Change a field", body=FieldChange, answer=Version, versioned=True)
        ),
        door.route("/api/v1/fields/{id}", undefine, NODE_EDIT, ("DELETE",), Call("Delete a field with all its values", versioned=True)),
        door.route("/api/v1/fields/{id}/values", fill, NODE_EDIT, ("POST",), Call("Set a field on nodes", body=Value, answer=Results)),
    ]
