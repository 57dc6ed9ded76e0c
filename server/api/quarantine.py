"""`/api/v1/nodes/{id}/machines`, `…/split`, `…/merge`: one certificate that two machines use (DESIGN §4)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Call, Listed, body, cut, query
from server.api.node_shapes import NodeState
from server.api.parameters import Short, arranged, one_of, sorts
from server.auth import NODE_APPROVE, NODE_READ, Caller
from server.door import Door
from server.service.page import sifted
from server.service.quarantine import CLAIMS, FORMER, OWN, SPLIT, Machine
from server.services import Services


class Split(msgspec.Struct, forbid_unknown_fields=True):
    """`keep`: the marks of the machine that stays the node. `since`: the quarantine that was looked at, its `state_since`."""

    keep: str
    since: int | None = None


class Merge(msgspec.Struct, forbid_unknown_fields=True):
    """`machine`: the marks that the node goes on with. `since` as in Split."""

    machine: str
    since: int | None = None


class MachineList(Short, frozen=True, kw_only=True):
    standing: Annotated[str, one_of(OWN, CLAIMS, FORMER, SPLIT)] = ""
    sort: Annotated[str, sorts("first_at", "last_at", "ip")] | None = None


class Machines(Listed[Machine]):
    """The machines that call as one node; `since` goes into split and merge."""

    state: str
    since: int


def routes(door: Door, services: Services) -> list[Route]:
    async def machines(request: Request, caller: Caller) -> Response:
        node_id = request.path_params["id"]
        node, found = await services.nodes.get(node_id), await services.quarantine.machines(node_id)
        wanted = query(request, MachineList)
        fit = sifted([asdict(one) for one in found], standing=wanted.standing)
        items = fit if wanted.sort is None else arranged(fit, wanted.sort)
        return good(services.clock(), cut(wanted, items) | {"state": node["state"], "since": node["state_since"]})

    async def split(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Split)
        await services.quarantine.split(caller, request.path_params["id"], wanted.keep, now, wanted.since)
        return good(now, {"state": "offline"})

    async def merge(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Merge)
        await services.quarantine.merge(caller, request.path_params["id"], wanted.machine, now, wanted.since)
        return good(now, {"state": "offline"})

    return [
        door.route(
            "/api/v1/nodes/{id}/machines",
            machines,
            NODE_READ,
            call=Call("The machines that call as this node", query=MachineList, answer=Machines),
        ),
        door.route(
            "/api/v1/nodes/{id}/split",
            split,
            NODE_APPROVE,
            ("POST",),
            Call("One machine stays this node, the others enrol anew", body=Split, answer=NodeState),
        ),
        door.route(
            "/api/v1/nodes/{id}/merge",
            merge,
            NODE_APPROVE,
            ("POST",),
            Call("It is one machine with other hardware", body=Merge, answer=NodeState),
        ),
    ]
