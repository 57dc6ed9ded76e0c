"""`POST /node/v1/report`: records of one lane, answered with the mark up to which they are safe."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.protocol import REPORT_PATH
from server.answers import body, plain
from server.auth import NODE_LINK, Caller
from server.door import Door
from server.service.reports import RawReport
from server.services import Services


def routes(door: Door, services: Services) -> list[Route]:
    async def report(request: Request, caller: Caller) -> Response:
        wanted = await body(request, RawReport)
        return plain(await services.reports.store(caller.id, wanted, services.clock()))

    return [door.route(REPORT_PATH, report, NODE_LINK, ("POST",))]
