"""`GET /api/v1/overview`: the fleet at one look, and `GET /api/v1/log`: what all hosts logged (M2)."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, query
from server.api.fleet import FleetPoint
from server.api.node_shapes import LinesOfLog
from server.auth import NODE_READ, Caller
from server.door import Door
from server.service.findings import Finding
from server.services import Services

NAMED = 10
"""Of what a finding is about so many are named in the answer; `GET /api/v1/overview/{kind}` has all."""

NEWEST_MS = 600_000
_RUNNING = ("id", "node_id", "node_name", "kind", "task_name", "state", "queued_at", "started_at")
_LINE = ("at", "node_id", "node_name", "component", "level", "logger", "message")


class VersionCount(Answer):
    """`version` is empty where none was told."""

    version: str
    total: int


class Versions(Answer):
    daemon: list[VersionCount]
    agent: list[VersionCount]


class UnderWay(Answer):
    """A command that has not ended."""

    id: str
    node_id: str
    node_name: str
    kind: str
    task_name: str | None
    state: str
    queued_at: int
    started_at: int | None


class AttentionSubject(Answer):
    """One of what it is about: a node, a command or an alert on it, a receiver, or a part of the manager. `said`: a sentence, or empty."""

    name: str
    since: int
    node_id: str
    command_id: str
    said: str
    alert_id: str
    receiver_id: str


class AttentionFinding(Answer):
    """What is wrong, why, and the next step. `since`: the oldest of them; `more`: there are more than `count`."""

    kind: str
    severity: str
    count: int
    more: bool
    since: int
    what: str
    why: str
    next: str
    subjects: list[AttentionSubject]


class Look(Answer):
    """`total`: nodes in service, all but the retired ones. `agents`: by state, `silent` for nodes that are not online. `alerts`: those
    not resolved, by severity. `fleet`: the newest minute; null when nothing was told lately. `attention`: the gravest first."""

    nodes: dict[str, int]
    total: int
    online_percent: float | None
    agents: dict[str, int]
    alerts: dict[str, int]
    versions: Versions
    commands: dict[str, int]
    running: list[UnderWay]
    fleet: FleetPoint | None
    attention: list[AttentionFinding]


class HostLogLine(Answer):
    at: int
    node_id: str
    node_name: str
    component: str
    level: str
    logger: str
    message: str


class HostLog(Answer):
    """The newest first. `next`: what `before` takes for what is older, empty at the end. `searched_to`: up to which time a search
    has looked; null when all that fits is here."""

    lines: list[HostLogLine]
    next: str
    searched_to: int | None


class LogSearch(LinesOfLog, frozen=True, kw_only=True):
    node: Annotated[str, Meta(max_length=26, description="a node's id")] = ""
    size: Annotated[int, Meta(ge=1, le=500, description="how many lines")] = 100


def routes(door: Door, services: Services) -> list[Route]:
    async def overview(request: Request, caller: Caller) -> Response:
        now = services.clock()
        seen = await services.overviews.look(now)
        newest = (await services.rollups.fleet(now - NEWEST_MS, now, 60_000))[-1:]
        data = {
            "nodes": seen.nodes,
            "total": seen.total,
            "online_percent": seen.online_share,
            "agents": seen.agents,
            "alerts": seen.alerts,
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
        wanted = query(request, LogSearch)
        found = await services.logs.page(node_id=wanted.node, **wanted.narrowed())
        lines = [{name: row[name] for name in _LINE} for row in found.rows]
        return good(services.clock(), {"lines": lines, "next": found.next, "searched_to": found.searched_to})

    return [
        door.route("/api/v1/overview", overview, NODE_READ, call=Call("The fleet at one look, and what needs attention", answer=Look)),
        door.route(
            "/api/v1/overview/{kind}",
            finding,
            NODE_READ,
            call=Call("One thing that needs attention, with all that it is about", answer=AttentionFinding | None),
        ),
        door.route("/api/v1/log", log, NODE_READ, call=Call("What all hosts logged, the newest first", query=LogSearch, answer=HostLog)),
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
