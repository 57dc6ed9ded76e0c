"""`GET /api/v1/fleet/metrics`: the whole fleet over time, from its minutes: no sample is read for it (M2)."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.paging import MAX_TIME, whole, window_of
from server.auth import NODE_READ, Caller
from server.door import Door
from server.services import Services

MINUTE_MS = 60_000
POINTS = 720


def routes(door: Door, services: Services) -> list[Route]:
    async def metrics(request: Request, caller: Caller) -> Response:
        now = services.clock()
        since, until = window_of(request, now)
        usual = max(1, -(-(until - since) // (POINTS * MINUTE_MS))) * MINUTE_MS
        step = whole(request, "step", usual, MINUTE_MS, MAX_TIME)
        points = await services.rollups.fleet(since, until, step)
        return good(now, {"since": since, "until": until, "step": step, "points": points})

    return [door.route("/api/v1/fleet/metrics", metrics, NODE_READ)]
