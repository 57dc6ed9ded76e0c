"""`/api/v1/waiting`: hosts that wait for approval; and what becomes of retired nodes (M1)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.messages import Facts
from server.answers import good
from server.api.calls import Answer, Call, Listed, body, cut, query
from server.api.groups import Members, Results, meant, results
from server.api.parameters import Query, Short, arranged, sorts
from server.auth import NODE_APPROVE, NODE_RETIRE, Caller
from server.door import Door
from server.service.page import sifted
from server.services import Services

_SHOWN = ("node_id", "name", "hostname", "ip", "public_key", "facts", "fingerprint", "same_as", "same_name", "created_at", "asked_at")


class Waiting(Answer):
    """A host that asked to be taken in. `same_as`: the node, known here, whose hardware it has; empty for none."""

    node_id: str
    name: str
    hostname: str
    ip: str
    public_key: str
    facts: Facts
    fingerprint: dict[str, str]
    same_as: str
    same_name: str | None
    created_at: int
    asked_at: int


class WaitingList(Short, frozen=True, kw_only=True):
    q: Annotated[str, Meta(description="is looked for in name, host name, address and the name of the node that it may have been")] = ""
    known: Annotated[bool, Meta(description="only those whose hardware is that of a node known here, or is not")] | None = None
    sort: Annotated[str, sorts("name", "hostname", "ip", "created_at", "asked_at")] = "created_at"


class Approved(Answer):
    node_id: str


class Restored(Answer):
    state: str


class Confirm(Query, frozen=True, kw_only=True):
    """`confirm`: the node's name."""

    confirm: str = ""


class Which(msgspec.Struct, forbid_unknown_fields=True):
    """`nodes` are ids; `select` stands in their place, and means retired nodes where it speaks of them."""

    nodes: list[str] = []
    select: str | None = None


class Hosts(msgspec.Struct, forbid_unknown_fields=True):
    """`hosts` are node_ids of those that wait; 1 to 500."""

    hosts: list[str]


class Approval(msgspec.Struct, forbid_unknown_fields=True):
    """`same_as`: the id of the node that this machine was before; empty for a new node."""

    same_as: str = ""


def routes(door: Door, services: Services) -> list[Route]:
    async def waiting(request: Request, caller: Caller) -> Response:
        wanted = query(request, WaitingList)
        rows = sifted(await services.approvals.waiting(), wanted.q, ("name", "hostname", "ip", "same_name"))
        fit = [row for row in rows if wanted.known in (None, bool(row["same_as"]))]
        return good(services.clock(), cut(wanted, [{name: row[name] for name in _SHOWN} for row in arranged(fit, wanted.sort)]))

    async def approve(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Approval)
        return good(now, {"node_id": await services.approvals.approve(caller, request.path_params["id"], now, wanted.same_as)})

    async def reject(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.approvals.reject(caller, request.path_params["id"], now)
        return good(now, None)

    async def approve_each(request: Request, caller: Caller) -> Response:
        """Each as a new node. One that looks like a node known here is not taken in so."""
        now, wanted = services.clock(), await body(request, Hosts)
        return good(now, results(await services.approvals.decide(caller, wanted.hosts, True, now)))

    async def reject_each(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Hosts)
        return good(now, results(await services.approvals.decide(caller, wanted.hosts, False, now)))

    async def retire_all(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Members)
        ids = await meant(services, wanted.nodes, wanted.select)
        return good(now, results(await services.nodes.retire_all(caller, ids, now, wanted.confirm)))

    async def restore_all(request: Request, caller: Caller) -> Response:
        now, wanted = services.clock(), await body(request, Which)
        ids = await meant(services, wanted.nodes, wanted.select)
        return good(now, results(await services.nodes.restore_all(caller, ids, now)))

    async def restore(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.nodes.restore(caller, request.path_params["id"], now)
        return good(now, {"state": "offline"})

    async def delete(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.nodes.delete(caller, request.path_params["id"], query(request, Confirm).confirm, now)
        return good(now, None)

    return [
        door.route(
            "/api/v1/waiting/approve", approve_each, NODE_APPROVE, ("POST",), Call("Take hosts in as new nodes", body=Hosts, answer=Results)
        ),
        door.route("/api/v1/waiting/reject", reject_each, NODE_APPROVE, ("POST",), Call("Refuse hosts", body=Hosts, answer=Results)),
        door.route("/api/v1/nodes/retire", retire_all, NODE_RETIRE, ("POST",), Call("Retire nodes", body=Members, answer=Results)),
        door.route(
            "/api/v1/nodes/restore", restore_all, NODE_RETIRE, ("POST",), Call("Take retired nodes back", body=Which, answer=Results)
        ),
        door.route(
            "/api/v1/waiting", waiting, NODE_APPROVE, call=Call("Hosts that wait for approval", query=WaitingList, answer=Listed[Waiting])
        ),
        door.route(
            "/api/v1/waiting/{id}/approve", approve, NODE_APPROVE, ("POST",), Call("Take a host in", body=Approval, answer=Approved)
        ),
        door.route("/api/v1/waiting/{id}/reject", reject, NODE_APPROVE, ("POST",), Call("Refuse a host, and remember its key")),
        door.route(
            "/api/v1/nodes/{id}/restore", restore, NODE_RETIRE, ("POST",), Call("Take a retired node back into service", answer=Restored)
        ),
        door.route(
            "/api/v1/nodes/{id}/data",
            delete,
            NODE_RETIRE,
            ("DELETE",),
            Call("Delete a retired node with all that is kept of it", query=Confirm),
        ),
    ]
