"""The overview, what a finding is about, the log of all hosts, and the page that shows every component."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import NODE
from server.auth import COMMAND_READ, NODE_READ, Caller
from server.db import Row
from server.door import Door
from server.service.findings import CRITICAL, KINDS, WARNING, Finding, Subject
from server.service.logs import Lines
from server.service.marks import ALERT, START, UPDATE, WINDOW, Mark
from server.service.marks import Found as Marked
from server.service.overview import SILENT
from server.services import Services
from server.web import session, words
from server.web.charts import MINUTE, Chart, chart
from server.web.filters import choice, times
from server.web.marks import told
from server.web.render import Pages
from server.web.words import N_

RANGES = {"1h": 60, "6h": 360, "24h": 1440, "7d": 10_080}
"""Minutes of each range of the trends."""

STEPS = {"1h": 1, "6h": 2, "24h": 10, "7d": 60}
"""Minutes that one point stands for."""

TRENDS = (("cpu", N_("CPU")), ("memory", N_("Memory")), ("disk", N_("Fullest disk")))
BAND = (("most", N_("highest")), ("p95", N_("95th percentile")), ("median", N_("median")))
HOUR = 60 * MINUTE
LINES, PAGE, MOST_VERSIONS = 40, 100, 8
LEVELS = ("", "error", "critical")


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        now, query = services.clock(), request.query_params
        span = choice(query, "range", RANGES) or "24h"
        q = query.get("q", "")[:200].strip()
        seen = await services.overviews.look(now)
        marks = await services.marks.of_fleet(now - RANGES[span] * MINUTE, now, now)
        values: dict[str, Any] = {
            "seen": seen,
            "states": [name for name in NODE if seen.nodes.get(name)],
            "agent_states": [name for name in (*words.AGENT_STATES, SILENT) if seen.agents.get(name)],
            "most_versions": MOST_VERSIONS,
            "charts": await trends(now, span),
            **told(marks),
            "range": span,
            "ranges": list(RANGES),
            "q": q,
            "found": await services.logs.page(q=q, limit=LINES),
            "sees_commands": caller.may(COMMAND_READ),
        }
        return pages.render(request, "overview", values, block="live")

    async def trends(now: int, span: str) -> list[Chart]:
        """The fleet's minutes as bands."""
        since, step = now - RANGES[span] * MINUTE, STEPS[span] * MINUTE
        rows = await services.rollups.fleet(since, now, step)
        return [_trend(name, title, rows, since, now, step) for name, title in TRENDS]

    async def finding(request: Request, caller: Caller) -> Response:
        kind, number, now = request.path_params["kind"], session.page_of(request), services.clock()
        found = await services.attention.finding(kind, now)
        values = {
            "kind": kind,
            "about": KINDS[kind],
            "found": found,
            "subjects": found.subjects[(number - 1) * PAGE : number * PAGE] if found else [],
            "page": number,
            "page_size": PAGE,
        }
        return pages.render(request, "finding", values, block="list")

    async def log(request: Request, caller: Caller) -> Response:
        query = request.query_params
        q, node_id, level, before = (query.get(name, "")[:200].strip() for name in ("q", "node", "level", "before"))
        span, said = times(query, services.clock(), services.config)
        found = Lines([], "", None)
        if not said["problem"]:
            found = await services.logs.page(q=q, node_id=node_id, level=level, before=before, limit=PAGE, **span)
        kept = {"q": q, "level": level, "node": node_id, **said["span_kept"]}
        values = {
            "found": found,
            "kept": kept,
            "live": not (before or "until" in span or said["problem"]),
            "node": await services.nodes.get(node_id) if node_id else None,
            "levels": LEVELS,
            "before": before,
        }
        return pages.render(request, "log", values | said, block="list", status=said["problem"].status if said["problem"] else 200)

    async def style(request: Request, caller: Caller) -> Response:
        now = services.clock()
        rows = [{"at": now - n * MINUTE, **_figures(n)} for n in range(180, -1, -1) if not 60 < n < 80]
        some = [Subject(f"web-{n}", now - n * MINUTE) for n in range(1, 4)]
        line = {"node_id": "", "node_name": "web-1", "component": "daemon", "epoch": 0, "at": now}
        messages = (("error", "D4002 the manager does not answer: timed out after 20 s"), ("warning", "collector disk took 4.2 s"))
        marks = [
            Mark(WINDOW, "", now - 150 * MINUTE, now - 90 * MINUTE, "Kernel updates"),
            Mark(START, "1.1", now - 50 * MINUTE, now - 50 * MINUTE),
            Mark(UPDATE, "", now - 40 * MINUTE, now - 40 * MINUTE, "agent 1.0 → 1.1", state="succeeded"),
            Mark(ALERT, "", now - 30 * MINUTE, None, "cpu_usage of web-1 is 91 %, above 90 %", CRITICAL),
        ]
        values = {
            **told(Marked(marks, [])),
            "trend": _trend("cpu", N_("CPU"), rows, now - 180 * MINUTE, now, MINUTE),
            "findings": [Finding("offline", CRITICAL, 7, now - HOUR, some), Finding("clock", WARNING, 1, now - MINUTE, some[:1])],
            "lines": [line | {"level": level, "message": text, "seq": n} for n, (level, text) in enumerate(messages)],
        }
        return pages.render(request, "style", values)

    return [
        door.route("/", show, NODE_READ),
        door.route("/attention/{kind}", finding, NODE_READ),
        door.route("/log", log, NODE_READ),
        door.route("/style", style, NODE_READ),
    ]


def _trend(name: str, title: str, rows: list[Row], since: int, until: int, step: int) -> Chart:
    columns = [(f"{name}_usage_{part}", said) for part, said in BAND]
    return chart(name, title, "%", columns, rows, since, until, step)


def _figures(minute: int) -> Row:
    """A made-up figure for the page of components."""
    wave = 20 + 12 * ((minute % 60) / 60)
    return {"cpu_usage_most": min(99.0, wave * 3), "cpu_usage_p95": wave * 1.9, "cpu_usage_median": wave}
