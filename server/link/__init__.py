"""The node link, `/node/v1`: decode → one service call → encode. Only hosts speak it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.machine import HEADER
from server.answers import bad
from server.auth import Caller
from server.door import Door
from server.errors import OpsError
from server.link import enroll, files, poll, renew, report
from server.services import Services


def routes(services: Services) -> list[Route]:
    """All routes of the node link. Who calls is read from the certificate, never from a body."""

    async def identify(request: Request) -> Caller:
        ip = request.client.host if request.client else ""
        machine = request.headers.get(HEADER, "")
        return await services.enrolment.caller(request.scope.get("ops.certificate"), ip, services.clock(), machine)

    def refuse(request: Request, problem: OpsError) -> Response:
        return bad(services.clock(), problem)

    door = Door(services.clock, identify, refuse, services.telemetry)
    return [route for noun in (enroll, poll, report, renew, files) for route in noun.routes(door, services)]
