"""`/api/v1/groups`: trees of groups, and who is in them (M1). A change needs `If-Match` with the version it was made of."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import body, good
from server.api.versions import version_of
from server.auth import GROUP_EDIT, NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.errors import BadInput
from server.service.groups import Change
from server.service.outcomes import Outcome
from server.services import Services

_SHOWN = ("id", "kind", "name", "path", "parent_id", "protected", "nodes", "total", "version", "updated_at", "updated_by")


class New(msgspec.Struct, forbid_unknown_fields=True):
    """`parent`: the id of the group above; empty for the top of the tree."""

    kind: str
    name: str
    parent: str = ""
    protected: bool = False


class Changed(msgspec.Struct, forbid_unknown_fields=True):
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
        kind = request.query_params.get("kind", "")
        items = [_shown(row) for row in await groups.tree() if kind in ("", row["kind"])]
        return good(services.clock(), {"items": items, "total": len(items)})

    async def one(request: Request, caller: Caller) -> Response:
        row = await groups.get(request.path_params["id"])
        response = good(services.clock(), _shown(row))
        response.headers["ETag"] = f'"{row["version"]}"'
        return response

    async def make(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, New)
        return good(
            now, {"id": await groups.make(caller, wanted.kind, wanted.name, wanted.parent, wanted.protected, now), "version": 1}, 201
        )

    async def change(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Changed)
        new = Change(wanted.name, wanted.parent, wanted.protected)
        return good(now, {"version": await groups.change(caller, request.path_params["id"], version_of(request), new, now)})

    async def delete(request: Request, caller: Caller) -> Response:
        now, query = services.clock(), request.query_params
        move_up = query.get("move_up", "") in ("1", "true")
        await groups.delete(caller, request.path_params["id"], version_of(request), now, move_up=move_up, confirm=query.get("confirm", ""))
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
        door.route("/api/v1/groups", tree, NODE_READ),
        door.route("/api/v1/groups", make, GROUP_EDIT, ("POST",)),
        door.route("/api/v1/groups/{id}", one, NODE_READ),
        door.route("/api/v1/groups/{id}", change, GROUP_EDIT, ("PATCH",)),
        door.route("/api/v1/groups/{id}", delete, GROUP_EDIT, ("DELETE",)),
        door.route("/api/v1/groups/{id}/members", put, GROUP_EDIT, ("POST",)),
        door.route("/api/v1/ungroup/{kind}", take_out, GROUP_EDIT, ("POST",)),
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
