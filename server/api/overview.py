"""`GET /api/v1/overview`: the fleet at one look, and `GET /api/v1/log`: what all hosts logged (M2)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.paging import whole
from server.auth import NODE_READ, Caller
from server.door import Door
from server.service.findings import Finding
from server.services import Services

NAMED = 10
"""Of what a finding is about so many are named in the answer; `GET /api/v1/overview/{kind}` has all."""

LINES, MOST_LINES = 100, 500
_RUNNING = ("id", "node_id", "node_name", "kind", "task_name", "state", "queued_at", "started_at")
_LINE = ("at", "node_id", "node_name", "component", "level", "logger", "message")


def routes(door: Door, services: Services) -> list[Route]:
    async def overview(request: Request, caller: Caller) -> Response:
        now = services.clock()
        seen = await services.overviews.look(now)
        newest = (await services.rollups.fleet(now - 600_000, now, 60_000))[-1:]
        data = {
            "nodes": seen.nodes,
            "total": seen.total,
            "online_percent": seen.online_share,
            "agents": seen.agents,
            "versions": {"daemon": seen.daemon_versions, "agent": seen.agent_versions},
            "commands": seen.commands,
            "running": [{name: row[name] for name in _RUNNING} for row in seen.running],
            "fleet": newest[0] if newest else None,
            "attention": [_finding(one, NAMED) for one in seen.attention],
        }
        return good(now, data)

    async def finding(request: Request, caller: Caller) -> Response:
        now = services.clock()
        found = await services.attention.finding(request.path_params["kind"], now)
        return good(now, _finding(found, found.count) if found else None)

    async def log(request: Request, caller: Caller) -> Response:
        query = request.query_params
        found = await services.logs.page(
            q=query.get("q", "")[:200],
            node_id=query.get("node", "")[:26],
            level=query.get("level", ""),
            before=query.get("before", ""),
            limit=whole(request, "size", LINES, 1, MOST_LINES),
        )
        lines = [{name: row[name] for name in _LINE} for row in found.rows]
        return good(services.clock(), {"lines": lines, "next": found.next, "searched_to": found.searched_to})

    return [
        door.route("/api/v1/overview", overview, NODE_READ),
        door.route("/api/v1/overview/{kind}", finding, NODE_READ),
        door.route("/api/v1/log", log, NODE_READ),
    ]


def _finding(one: Finding, most: int) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "severity": one.severity,
        "count": one.count,
        "more": one.more,
        "since": one.since,
        "what": one.what,
        "why": one.why,
        "next": one.next,
        "subjects": one.subjects[:most],
    }
