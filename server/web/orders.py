"""Orders to the daemon of one node, from its page: what interrupts something is confirmed first; then the order's own page follows."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire import orders, states
from server.auth import NODE_CONTROL, Caller
from server.door import Door
from server.errors import BadInput, Conflict, NotFound, OpsError
from server.services import Services
from server.web import session, targets
from server.web.once import once
from server.web.render import Pages

CONFIRMED = (orders.AGENT_STOP, orders.AGENT_RESTART)
"""They cut off what runs; all others can be given at a click."""

GIVEN = (orders.AGENT_START, *CONFIRMED, orders.COLLECT, orders.LOG_LEVEL, orders.DIAGNOSE)
"""All but the configuration, which has pages of its own."""


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def confirm(request: Request, caller: Caller) -> Response:
        verb = request.path_params["verb"]
        if verb not in CONFIRMED:
            raise NotFound("there is no page at this address")
        return await ask(request, verb, "", [], None)

    async def ask(request: Request, verb: str, level: str, names: Sequence[str], problem: OpsError | None) -> Response:
        """What it does; and, of a node in protected groups, their names."""
        node = await services.nodes.get(request.path_params["id"])
        running = await services.commands.page(node_id=node["id"], task_id="", state=states.STARTED, limit=1, offset=0)
        values = {
            "node": node,
            "verb": verb,
            "level": level,
            "running": running.total,
            "ttl": services.config.command_ttl,
            "guards": targets.confirming(await services.groups.guarding([node["id"]]), names),
            # The click that led here had no field for the name: only a name that was typed can be wrong.
            "problem": problem if names else None,
            "field": problem.field if problem else "",
        }
        return pages.render(request, "order", values, status=problem.status if problem else 200)

    async def give(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        verb, level = fields.get("verb"), fields.get("level")
        if verb not in GIVEN:
            raise BadInput(f"verb: {verb[:40]!r} is unknown; use one of {', '.join(GIVEN)}", field="verb")
        level = level if verb == orders.LOG_LEVEL else ""
        node_id, now, names = request.path_params["id"], services.clock(), fields.all("confirm")
        give = services.orders.give
        try:
            command = await once(
                services, request, caller, str, lambda along: give(caller, node_id, verb, now, level=level, confirm=names, along=along)
            )
        except Conflict as refused:
            if refused.field != "confirm":
                raise
            return await ask(request, verb, level, names, refused)
        return RedirectResponse(f"/commands/{command}", 303)

    return [
        door.route("/nodes/{id}/orders/{verb}", confirm, NODE_CONTROL),
        door.route("/nodes/{id}/orders", give, NODE_CONTROL, ["POST"]),
    ]
