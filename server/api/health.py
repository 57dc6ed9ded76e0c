"""`GET /healthz`: 200 while the database answers, else 503; for whoever spreads the load (M11). `GET /readyz`: also
its schema is this version's. Both answer within seconds, also when the database hangs. No envelope: they are no API calls."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import plain
from server.api.calls import Answer, Call
from server.auth import PUBLIC, Caller
from server.door import Door
from server.services import Services

PATHS = ("/healthz", "/readyz")
AWAY = ((503, "It cannot; `reason` says why"),)


class Health(Answer):
    """`status`: ok, ready or unavailable."""

    status: str


def routes(door: Door, services: Services) -> list[Route]:
    async def health(request: Request, caller: Caller) -> Response:
        state = await services.health.state()
        return plain({"status": "unavailable", "reason": state.away}, 503) if state.away else plain({"status": "ok"})

    async def ready(request: Request, caller: Caller) -> Response:
        state = await services.health.state()
        if reason := state.away or state.behind:
            return plain({"status": "unavailable", "reason": reason}, 503)
        return plain({"status": "ready"})

    return [
        door.route(PATHS[0], health, PUBLIC, call=Call("Whether the database answers", answer=Health, media="application/json", also=AWAY)),
        door.route(PATHS[1], ready, PUBLIC, call=Call("Whether it can serve", answer=Health, media="application/json", also=AWAY)),
    ]
