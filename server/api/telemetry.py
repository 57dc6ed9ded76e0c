"""`GET /metrics` for Prometheus (M9), without envelope. By default with a token of whoever may read nodes; with
`metrics_access: loopback` also without one from this machine itself, unless a proxy passed the request on."""

from __future__ import annotations

import ipaddress

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import NODE
from server.api.calls import Call
from server.auth import NODE_READ, Caller
from server.config import Config
from server.door import Door
from server.errors import Unavailable
from server.service.alerts import SEVERITIES
from server.services import Services
from server.telemetry import CONTENT_TYPE, Stands

PATH = "/metrics"
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


def routes(door: Door, services: Services) -> list[Route]:
    async def metrics(request: Request, caller: Caller) -> Response:
        text = services.telemetry.text(
            held=services.presence.held,
            stored=services.reports.stored_records,
            waiting=services.reports.waiting,
            connections=services.health.connections(),
            stands=None if (await services.health.state()).away else await stands(services.clock()),
        )
        return Response(text, media_type=CONTENT_TYPE)

    async def stands(now: int) -> Stands | None:
        try:
            rolled = (await services.rollups.state())["done_until"]
            alerts = await services.alerts.counts()
            return Stands(
                dict.fromkeys(NODE, 0) | await services.nodes.counts(),
                {severity: alerts[severity] for severity in SEVERITIES},
                max(0, now - rolled) / 1000 if rolled else None,
            )
        except Unavailable:
            return None  # it went away since; the figures say so

    return [door.route(PATH, metrics, NODE_READ, call=Call("The manager's own figures, for Prometheus", answer=str, media="text/plain"))]


def neighbour(request: Request, config: Config) -> Caller | None:
    """Who may read the figures without a token, because of where it asks from.

    Behind a proxy on the same machine everybody comes from loopback: what was passed on counts as from outside.
    """
    ip = request.client.host if request.client else ""
    if config.metrics_access != "loopback" or request.url.path != PATH or any(name in request.headers for name in _PASSED_ON):
        return None
    try:
        return Caller("viewer", name="loopback", ip=ip) if ipaddress.ip_address(ip).is_loopback else None
    except ValueError:
        return None  # no address, as over a Unix socket: nobody vouches for it
