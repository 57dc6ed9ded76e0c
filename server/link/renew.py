"""`POST /node/v1/renew`: a new certificate over a connection that proved the old one."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.messages import RenewRequest
from host.wire.protocol import RENEW_PATH
from server.answers import body, good
from server.auth import NODE_LINK, Caller
from server.door import Door
from server.services import Services


def routes(door: Door, services: Services) -> list[Route]:
    async def renew(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, RenewRequest)
        return good(now, await services.enrolment.renew(caller, wanted.csr, now))

    return [door.route(RENEW_PATH, renew, NODE_LINK, ("POST",))]
