"""`/api/v1/groups`: trees of groups, and who is in them (M1). A change needs `If-Match` with the version it was made of."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.once import created
from server.api.parameters import Query, Short, arranged, one_of, sorts
from server.api.versions import tagged, version_of
from server.auth import GROUP_EDIT, NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput
from server.service.groups import KINDS, Change
from server.service.outcomes import Outcome
from server.service.page import sifted
from server.services import Services

_SHOWN = ("id", "kind", "name", "path", "parent_id", "protected", "nodes", "total", "version", "updated_at", "updated_by")


class Group(Answer):
    """`path`: with the names above; `nodes` are in itself, `total` with all below. `parent_id` is empty at the top."""

    id: str
    kind: str
    name: str
    path: str
    parent_id: str
    protected: bool
    nodes: int
    total: int
    version: int
    updated_at: int
    updated_by: str


class MadeGroup(Answer):
    id: str
    version: int


class Version(Answer):
    """The new one."""

    version: int


class Results(Answer):
    """What became of each: one that cannot be changed holds up no other."""

    results: list[Outcome]
    changed: int
    failed: int


class WhichTree(Short, frozen=True, kw_only=True):
    """Without `sort` in the order of the trees."""

    kind: Annotated[str, one_of(*KINDS)] = ""
    q: Annotated[str, Meta(description="is looked for in the path")] = ""
    sort: Annotated[str, sorts("path", "name", "nodes", "total", "updated_at")] | None = None


class Deletion(Query, frozen=True, kw_only=True):
    """`move_up`: nodes and groups in it go to the group above; `confirm`: the name, for a protected one."""

    move_up: bool = False
    confirm: str = ""


class NewGroup(msgspec.Struct, forbid_unknown_fields=True):
    """`parent`: the id of the group above; empty for the top of the tree."""

    kind: str
    name: str
    parent: str = ""
    protected: bool = False


class GroupChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    name: str | None = None
    parent: str | None = None
    protected: bool | None = None


class Members(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes` are ids; `select` stands in their place. `confirm`: the names of protected groups that hold any of them."""

    nodes: list[str] = []
    select: str | None = None
    confirm: list[str] = []


def routes(door: Door, services: Services) -> list[Route]:
    groups = services.groups

    async def tree(request: Request, caller: Caller) -> Response:
        wanted = query(request, WhichTree)
        items = sifted([_shown(row) for row in await groups.tree()], wanted.q, ("path",), kind=wanted.kind)
        return good(services.clock(), cut(wanted, items if wanted.sort is None else arranged(items, wanted.sort)))

    async def one(request: Request, caller: Caller) -> Response:
        row = await groups.get(request.path_params["id"])
        return tagged(good(services.clock(), _shown(row)), row["version"])

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, NewGroup)
        return await created(
            services,
            request,
            caller,
            now,
            str,
            lambda along: groups.make(caller, wanted.kind, wanted.name, wanted.parent, wanted.protected, now, along),
            lambda made: {"id": made, "version": 1},
        )

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, GroupChange)
        new = Change(wanted.name, wanted.parent, wanted.protected)
        return good(now, {"version": await groups.change(caller, request.path_params["id"], version_of(request), new, now)})

    async def delete(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), query(request, Deletion)
        version = version_of(request)
        await groups.delete(caller, request.path_params["id"], version, now, move_up=wanted.move_up, confirm=wanted.confirm)
        return good(now, None)

    async def put(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Members)
        ids = await meant(services, wanted.nodes, wanted.select)
        done = await groups.put(caller, request.path_params["id"], ids, now, wanted.confirm)
        return good(now, results(done))

    async def take_out(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Members)
        ids = await meant(services, wanted.nodes, wanted.select)
        done = await groups.take_out(caller, request.path_params["kind"], ids, now, wanted.confirm)
        return good(now, results(done))

    return [
        door.route("/api/v1/groups", tree, NODE_READ, call=Call("Groups, tree by tree", query=WhichTree, answer=Listed[Group])),
        door.route("/api/v1/groups", make, GROUP_EDIT, ("POST",), Call("Make a group", body=NewGroup, answer=MadeGroup, status=201)),
        door.route("/api/v1/groups/{id}", one, NODE_READ, call=Call("One group", answer=Group, etag=True)),
        door.route(
            "/api/v1/groups/{id}",
            change,
            GROUP_EDIT,
            ("PATCH",),
            Call("Change or move a group", body=GroupChange, answer=Version, versioned=True),
        ),
        door.route("/api/v1/groups/{id}", delete, GROUP_EDIT, ("DELETE",), Call("Delete a group", query=Deletion, versioned=True)),
        door.route(
            "/api/v1/groups/{id}/members",
            put,
            GROUP_EDIT,
            ("POST",),
            Call("Put nodes into a group, out of others of its kind", body=Members, answer=Results),
        ),
        door.route(
            "/api/v1/ungroup/{kind}",
            take_out,
            GROUP_EDIT,
            ("POST",),
            Call("Take nodes out of their groups of a kind", body=Members, answer=Results),
        ),
    ]


async def meant(services: Services, nodes: list[str], select: str | None) -> list[str]:
    """The ids that were named, or that a selector means now. Raises BadInput: also for both at once."""
    if select is None:
        return nodes
    if nodes:
        raise BadInput("select: give either nodes or select", field="select")
    return await services.selections.ids_of(select)


def results(done: list[Outcome]) -> dict[str, object]:
    """What became of each."""
    return {"results": done, "changed": sum(one.ok for one in done), "failed": sum(not one.ok for one in done)}


def _shown(row: Row) -> Row:
    return {name: row[name] for name in _SHOWN}
