"""One node: what it is, how it is, what it did; and taking it out of service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from host.wire import states
from host.wire.orders import LOG_LEVELS
from host.wire.records import Sample
from host.wire.tasks import KINDS
from server.auth import NODE_READ, NODE_RETIRE, Caller
from server.db import Row
from server.door import Door
from server.errors import Conflict, OpsError
from server.services import Services
from server.web import node_charts, session, targets
from server.web.daemon import old, told
from server.web.groups import selector_of
from server.web.render import Pages
from server.web.timeline import shown
from server.web.window_words import until

NEWEST_COMMANDS = NEWEST_ENTRIES = 8


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        node_id, now = request.path_params["id"], services.clock()
        measured = await node_charts.values_of(services, node_id, request.query_params, now)
        commands = await services.commands.page(node_id=node_id, task_id="", state="", limit=NEWEST_COMMANDS, offset=0)
        node, agent = await services.nodes.get(node_id), await services.nodes.agent(node_id)
        daemon = await services.nodes.daemon(node_id)
        newest = measured.measured_at
        values: dict[str, Any] = measured.values | {
            "node": node,
            "agent": agent,
            "machines": await services.quarantine.machines(node_id),
            "groups": await held(node_id),
            "maintenance": (await services.windows.active([node_id], now)).get(node_id),
            "until": until,
            "fields": await filled(node_id),
            "notes": await services.edits.notes(node_id),
            "measured_old": newest is not None and old(newest, node, now),
            "agent_old": old(agent["updated_at"], node, now),
            "daemon": told(daemon, node, services.config.certificate_days, now),
            "configuration": daemon if daemon.get("configuration_hash") else None,
            "latest": _whole(await services.metrics.latest(node_id, now)),
            "log_levels": LOG_LEVELS,
            "kinds": await services.kinds.of_node(node_id),
            "builtin": KINDS,
            "unfinished": await services.commands.unfinished(node_id),
            "commands": commands.rows,
            "commands_total": commands.total,
            "log": await services.nodes.log(node_id),
            "drops": await services.nodes.drops(node_id),
            "newest": [shown(one) for one in (await services.timelines.page(caller, node_id, now, limit=NEWEST_ENTRIES)).entries],
            "alerts": await services.alerts.of_node(node_id),
        }
        return pages.render(request, "node", values, block="live", status=measured.status)

    async def held(node_id: str) -> list[Row]:
        """The groups that it is in, each with its path and selector."""
        own = {row["id"] for row in (await services.groups.of_nodes([node_id])).get(node_id, [])}
        return [row | {"select": selector_of(row)} for row in await services.groups.tree() if row["id"] in own] if own else []

    async def filled(node_id: str) -> list[Row]:
        """The custom fields that it has a value of."""
        values = (await services.edits.values_of([node_id])).get(node_id, {})
        return [row | {"value": values[row["name"]]} for row in await services.edits.fields() if row["name"] in values] if values else []

    async def confirm(request: Request, caller: Caller) -> Response:
        return await ask(request, [], None)

    async def ask(request: Request, names: Sequence[str], problem: OpsError | None) -> Response:
        node = await services.nodes.get(request.path_params["id"])
        waiting = await services.commands.page(node_id=node["id"], task_id="", state=states.QUEUED, limit=1, offset=0)
        guards = targets.confirming(await services.groups.guarding([node["id"]]), names)
        values = {"node": node, "waiting": waiting.total, "guards": guards, "problem": problem, "field": problem.field if problem else ""}
        return pages.render(request, "retire", values, status=problem.status if problem else 200)

    async def retire(request: Request, caller: Caller) -> Response:
        names = (await session.form_of(request)).all("confirm")
        try:
            await services.nodes.retire(caller, request.path_params["id"], services.clock(), names)
        except Conflict as refused:
            if refused.field != "confirm":
                raise
            return await ask(request, names, refused)
        return RedirectResponse(f"/nodes/{request.path_params['id']}?notice=retired", 303)

    return [
        door.route("/nodes/{id}", show, NODE_READ),
        door.route("/nodes/{id}/retire", confirm, NODE_RETIRE),
        door.route("/nodes/{id}/retire", retire, NODE_RETIRE, ["POST"]),
    ]


def _whole(picture: dict[str, Any]) -> dict[str, Any]:
    """With a None for each section that no collector brought: one may be switched off. Empty stays empty."""
    return {**dict.fromkeys(field.name for field in fields(Sample)), **picture} if picture else {}
