"""`/api/v1/kinds`: which kinds of task nodes run, and of which fields each is made (A6, M4)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.schema import Field, Schema
from host.wire.tasks import KINDS
from server.answers import good
from server.api.calls import Answer, Call, Listed, cut, query
from server.api.parameters import Short, arranged, sorts
from server.auth import NODE_READ, Caller
from server.door import Door
from server.errors import BadInput
from server.service.commands import MAX_NODES
from server.service.page import sifted
from server.services import Services

NAMED = 100
"""How many of the nodes that lack a kind one answer names."""


class NodeKindList(Short, frozen=True, kw_only=True):
    q: Annotated[str, Meta(description="is looked for in kind, label and help")] = ""
    builtin: Annotated[bool, Meta(description="only those that come with the agent, or only plugins")] | None = None
    sort: Annotated[str, sorts("kind", "label")] = "kind"


class KindList(NodeKindList, frozen=True, kw_only=True):
    """`nodes`: ids with commas between, or given again; without it all nodes in service."""

    nodes: list[str] = msgspec.field(default_factory=list)


class Kind(Answer):
    """A kind of task; `builtin`: it comes with the agent."""

    kind: str
    label: str
    help: str
    fields: list[Field]
    dry_run: bool
    builtin: bool


class OfferedKind(Kind):
    """`same`: all nodes know the same fields. `nodes` run it, `lacking` do not; `lack_it` names some of these by id."""

    same: bool
    nodes: int
    lacking: int
    lack_it: list[str]


class NodeKinds(Listed[Kind]):
    """`refused`: plugin → why it is not among them. `told_at` is null until the agent has told."""

    refused: dict[str, str]
    told_at: int | None


def routes(door: Door, services: Services) -> list[Route]:
    async def offered(request: Request, caller: Caller) -> Response:
        wanted = query(request, KindList)
        asked = [node for text in wanted.nodes for node in text.split(",") if node]
        if len(asked) > MAX_NODES:
            raise BadInput(f"nodes: name 1 to {MAX_NODES} nodes", field="nodes")
        offers = await services.kinds.offers(list(dict.fromkeys(asked)) or None)
        items = [
            {**_schema(one.schema), "same": one.same, "nodes": len(one.nodes), "lacking": len(one.lacking), "lack_it": one.lacking[:NAMED]}
            for one in offers
        ]
        return good(services.clock(), cut(wanted, _fitting(items, wanted)))

    async def of_node(request: Request, caller: Caller) -> Response:
        node_id, wanted = request.path_params["id"], query(request, NodeKindList)
        await services.nodes.get(node_id)
        told = await services.kinds.of_node(node_id)
        items = _fitting([_schema(one) for one in told.schemas], wanted)
        return good(services.clock(), cut(wanted, items) | {"refused": told.refused, "told_at": told.at})

    return [
        door.route("/api/v1/kinds", offered, NODE_READ, call=Call("Kinds of task", query=KindList, answer=Listed[OfferedKind])),
        door.route(
            "/api/v1/nodes/{id}/kinds",
            of_node,
            NODE_READ,
            call=Call("Kinds of task that one node runs", query=NodeKindList, answer=NodeKinds),
        ),
    ]


def _schema(schema: Schema) -> dict[str, Any]:
    return {**asdict(schema), "builtin": schema.kind in KINDS}


def _fitting(items: list[dict[str, Any]], wanted: NodeKindList) -> list[dict[str, Any]]:
    return arranged(sifted(items, wanted.q, ("kind", "label", "help"), builtin=wanted.builtin), wanted.sort)
