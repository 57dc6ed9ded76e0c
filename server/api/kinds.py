"""`/api/v1/kinds`: which kinds of task nodes run, and of which fields each is made (A6, M4)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.schema import Schema
from host.wire.tasks import KINDS
from server.answers import good
from server.auth import NODE_READ, Caller
from server.door import Door
from server.errors import BadInput
from server.service.commands import MAX_NODES
from server.services import Services

NAMED = 100
"""How many of the nodes that lack a kind one answer names."""


def routes(door: Door, services: Services) -> list[Route]:
    async def offered(request: Request, caller: Caller) -> Response:
        asked = [node for text in request.query_params.getlist("nodes") for node in text.split(",") if node]
        if len(asked) > MAX_NODES:
            raise BadInput(f"nodes: name 1 to {MAX_NODES} nodes", field="nodes")
        offers = await services.kinds.offers(list(dict.fromkeys(asked)) or None)
        items = [
            {**_schema(one.schema), "same": one.same, "nodes": len(one.nodes), "lacking": len(one.lacking), "lack_it": one.lacking[:NAMED]}
            for one in offers
        ]
        return good(services.clock(), {"items": items})

    async def of_node(request: Request, caller: Caller) -> Response:
        node_id = request.path_params["id"]
        await services.nodes.get(node_id)
        told = await services.kinds.of_node(node_id)
        return good(services.clock(), {"items": [_schema(one) for one in told.schemas], "refused": told.refused, "told_at": told.at})

    return [
        door.route("/api/v1/kinds", offered, NODE_READ),
        door.route("/api/v1/nodes/{id}/kinds", of_node, NODE_READ),
    ]


def _schema(schema: Schema) -> dict[str, Any]:
    return {**asdict(schema), "builtin": schema.kind in KINDS}
