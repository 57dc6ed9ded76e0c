"""`/api/v1/nodes`: the list, one node with what is known of it, its agent and log, its retirement (M1, M2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import RETIRED
from server.answers import good
from server.api.calls import Call, Listed, body, listed, query
from server.api.groups import Version
from server.api.node_shapes import (
    Agent,
    Daemon,
    Given,
    LinesOfLog,
    ListedNode,
    Node,
    NodeList,
    NodeLog,
    NodeState,
    NodeTable,
    NodeTimeline,
    TimelineSpan,
)
from server.api.once import created
from server.api.parameters import Query, order_of
from server.api.versions import tagged, version_of
from server.api.windows import maintenance
from server.auth import NODE_CONTROL, NODE_EDIT, NODE_READ, NODE_RETIRE, Caller
from server.db import Row
from server.door import Door
from server.service.node_edit import NodeChange
from server.service.windows import Active
from server.services import Services
from server.tables import CSV, JSON, download

_LISTED = (
    "id",
    "name",
    "hostname",
    "ip",
    "tags",
    "state",
    "state_since",
    "online",
    "last_seen",
    "daemon_version",
    "agent_state",
    "agent_version",
)
_ONE = (*_LISTED[:-2], "created_at", "facts", "version")


_LINE = ("at", "component", "level", "logger", "message")


class WantedOrder(msgspec.Struct, forbid_unknown_fields=True):
    """`level` is for `log-level`, `text` and `base` for `configure`, see `host.wire.orders.Order`. `confirm`: the names of
    protected groups that hold the node."""

    verb: str
    level: str = ""
    text: str = ""
    base: str = ""
    confirm: list[str] = []


class WantedChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is left out stays as it is. `tags`: all of them; `groups`: kind → a group's id, empty for none; `fields`: name → value,
    empty for none; `confirm`: the names of protected groups that hold the node."""

    tags: dict[str, str] | None = None
    groups: dict[str, str] | None = None
    fields: dict[str, str] | None = None
    confirm: list[str] = []


class Confirmed(Query, frozen=True, kw_only=True):
    confirm: Annotated[list[str], Meta(description="the name of a protected group that holds the node; may be repeated")] = msgspec.field(
        default_factory=list
    )


def routes(door: Door, services: Services) -> list[Route]:
    async def page(request: Request, caller: Caller) -> Response:
        wanted = query(request, NodeList)
        read = None if wanted.select is None else await services.selections.read(wanted.select)
        found = await services.nodes.page(
            q=wanted.q,
            state=wanted.state,
            limit=wanted.size,
            offset=wanted.offset,
            order=order_of(wanted.sort),
            selected=read.condition if read else None,
        )
        now = services.clock()
        active = await services.windows.active([row["id"] for row in found.rows], now)
        return good(now, listed(wanted, [_listed(row, active) for row in found.rows], found.total))

    async def export(request: Request, kind: str) -> Response:
        wanted, now, rows = query(request, NodeTable), services.clock(), services.node_export
        read = None if wanted.select is None else await services.selections.read(wanted.select)
        selected = read.condition if read else None
        ids = await rows.start(q=wanted.q, state=wanted.state, selected=selected, order=order_of(wanted.sort))
        return download(kind, "nodes", await rows.columns(), rows.rows(ids, now))

    async def as_csv(request: Request, caller: Caller) -> Response:
        """Streamed: RFC 4180, UTF-8 without a mark, the names of the columns first. Times are ISO 8601 in UTC.

        What a spreadsheet would take for a formula has an apostrophe before it.
        """
        return await export(request, CSV)

    async def as_json(request: Request, caller: Caller) -> Response:
        """Streamed: an array of objects, without envelope; the same columns as in CSV, null for what is not known."""
        return await export(request, JSON)

    async def one(request: Request, caller: Caller) -> Response:
        now, node_id = services.clock(), request.path_params["id"]
        row = await services.nodes.get(node_id)
        data = {name: row[name] for name in _ONE}
        data |= {"metrics": await services.metrics.latest(node_id, now), "agent": await services.nodes.agent(node_id)}
        groups = (await services.groups.of_nodes([node_id])).get(node_id, [])
        data |= {"groups": {row["kind"]: {"id": row["id"], "name": row["name"]} for row in groups}}
        data |= {"fields": (await services.edits.values_of([node_id])).get(node_id, {})}
        data |= {"maintenance": maintenance((await services.windows.active([node_id], now)).get(node_id))}
        return tagged(good(now, data), row["version"])

    async def edit(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, WantedChange)
        change, node_id = NodeChange(wanted.tags, wanted.groups, wanted.fields), request.path_params["id"]
        version = await services.node_edit.edit(caller, node_id, version_of(request), change, now, wanted.confirm)
        return tagged(good(now, {"version": version}), version)

    async def replace(request: Request, caller: Caller) -> Response:
        """The document's own word for it; what a PUT leaves out stays too, so that nobody clears what he never saw."""
        return await edit(request, caller)

    async def retire(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.nodes.retire(caller, request.path_params["id"], now, query(request, Confirmed).confirm)
        return good(now, {"state": RETIRED})

    async def agent(request: Request, caller: Caller) -> Response:
        return good(services.clock(), await services.nodes.agent(request.path_params["id"]))

    async def daemon(request: Request, caller: Caller) -> Response:
        node_id = request.path_params["id"]
        await services.nodes.get(node_id)
        return good(services.clock(), _daemon(await services.nodes.daemon(node_id)))

    async def order(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, WantedOrder)
        more: dict[str, Any] = {"level": wanted.level, "text": wanted.text, "base": wanted.base, "confirm": wanted.confirm}
        return await created(
            services,
            request,
            caller,
            now,
            str,
            lambda along: services.orders.give(caller, request.path_params["id"], wanted.verb, now, along=along, **more),
            lambda made: {"command_id": made},
        )

    async def log(request: Request, caller: Caller) -> Response:
        node_id = request.path_params["id"]
        await services.nodes.get(node_id)
        found = await services.logs.page(node_id=node_id, **query(request, LinesOfLog).narrowed())
        lines = [{name: row[name] for name in _LINE} for row in found.rows]
        dropped = await services.nodes.drops(node_id)
        data = {"lines": lines, "next": found.next, "searched_to": found.searched_to, "dropped": dropped}
        return good(services.clock(), data)

    async def timeline(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), query(request, TimelineSpan)
        found = await services.timelines.page(
            caller,
            request.path_params["id"],
            now,
            kind=wanted.kind,
            since=wanted.since,
            until=wanted.until,
            before=wanted.before,
            limit=wanted.size,
        )
        return good(now, {"items": [asdict(one) for one in found.entries], "next": found.next, "kept": found.kept})

    return [
        door.route("/api/v1/nodes", page, NODE_READ, call=Call("Nodes by name", query=NodeList, answer=Listed[ListedNode])),
        door.route(
            "/api/v1/nodes/export.csv",
            as_csv,
            NODE_READ,
            call=Call("All nodes of a filter as CSV", query=NodeTable, answer=str, media="text/csv"),
        ),
        door.route(
            "/api/v1/nodes/export.json",
            as_json,
            NODE_READ,
            call=Call("All nodes of a filter as JSON", query=NodeTable, answer=list[dict[str, Any]], media="application/json"),
        ),
        door.route("/api/v1/nodes/{id}", one, NODE_READ, call=Call("One node with what is known of it", answer=Node, etag=True)),
        door.route(
            "/api/v1/nodes/{id}",
            edit,
            NODE_EDIT,
            ("PATCH",),
            Call("Edit a node", body=WantedChange, answer=Version, versioned=True, etag=True),
        ),
        door.route(
            "/api/v1/nodes/{id}",
            replace,
            NODE_EDIT,
            ("PUT",),
            Call("Edit a node, as PATCH does", body=WantedChange, answer=Version, versioned=True, etag=True),
        ),
        door.route("/api/v1/nodes/{id}", retire, NODE_RETIRE, ("DELETE",), Call("Retire a node", query=Confirmed, answer=NodeState)),
        door.route("/api/v1/nodes/{id}/agent", agent, NODE_READ, call=Call("How it stands with its agent", answer=Agent)),
        door.route(
            "/api/v1/nodes/{id}/log",
            log,
            NODE_READ,
            call=Call("Warnings and errors of its daemon and agent", query=LinesOfLog, answer=NodeLog),
        ),
        door.route(
            "/api/v1/nodes/{id}/timeline", timeline, NODE_READ, call=Call("What befell it", query=TimelineSpan, answer=NodeTimeline)
        ),
        door.route("/api/v1/nodes/{id}/daemon", daemon, NODE_READ, call=Call("How it stands with its daemon", answer=Daemon)),
        door.route(
            "/api/v1/nodes/{id}/orders",
            order,
            NODE_CONTROL,
            ("POST",),
            Call("An order for its daemon", body=WantedOrder, answer=Given, status=201),
        ),
    ]


def _daemon(row: Row) -> dict[str, Any]:
    """Both None until the daemon has told them."""
    if not row:
        return {"health": None, "configuration": None}
    told = {
        "text": row["configuration"],
        "hash": row["configuration_hash"],
        "note": row["configuration_note"],
        "at": row["configuration_at"],
    }
    health = row["health"] | {"at": row["health_at"]} if row["health_at"] else None
    return {"health": health, "configuration": told if row["configuration_hash"] else None}


def _listed(row: Row, active: Mapping[str, Active]) -> dict[str, Any]:
    more = {"os": row["facts"].os, "arch": row["facts"].arch, "maintenance": maintenance(active.get(row["id"]))}
    return {name: row[name] for name in _LISTED} | more
