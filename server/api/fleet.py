"""`GET /api/v1/fleet/metrics`: the whole fleet over time, from its minutes: no sample is read for it (M2)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, query
from server.api.parameters import MAX_TIME, Span
from server.auth import NODE_READ, Caller
from server.door import Door
from server.services import Services

MINUTE_MS = 60_000
POINTS = 720


class FleetSpan(Span, frozen=True, kw_only=True):
    step: Annotated[int, Meta(ge=MINUTE_MS, le=MAX_TIME, description="ms that one point stands for")] | None = None


class FleetPoint(Answer):
    """Over the `nodes` that told something; usage in percent. `total` and `online` where they were counted; minutes of before there
    were medians and highest values have null there."""

    at: int
    nodes: int
    total: int | None
    online: int | None
    cpu_usage: float | None
    cpu_usage_median: float | None
    cpu_usage_p95: float | None
    cpu_usage_most: float | None
    memory_usage: float | None
    memory_usage_median: float | None
    memory_usage_p95: float | None
    memory_usage_most: float | None
    disk_usage: float | None
    disk_usage_median: float | None
    disk_usage_p95: float | None
    disk_usage_most: float | None


class FleetSeries(Answer):
    since: int
    until: int
    step: int
    points: list[FleetPoint]


def routes(door: Door, services: Services) -> list[Route]:
    async def metrics(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = query(request, FleetSpan)
        since, until = wanted.times(now)
        usual = max(1, -(-(until - since) // (POINTS * MINUTE_MS))) * MINUTE_MS
        step = usual if wanted.step is None else wanted.step
        points = await services.rollups.fleet(since, until, step)
        return good(now, {"since": since, "until": until, "step": step, "points": points})

    return [
        door.route("/api/v1/fleet/metrics", metrics, NODE_READ, call=Call("The whole fleet over time", query=FleetSpan, answer=FleetSeries))
    ]
