"""`POST /node/v1/enroll` and `GET /node/v1/ca`: the only calls of the node link without a certificate."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from host.wire.messages import EnrollRequest
from host.wire.protocol import CA_PATH, ENROLL_PATH
from server.answers import body, good
from server.auth import PUBLIC, Caller
from server.door import Door
from server.service.approvals import ASK_AGAIN_S
from server.services import Services


def routes(door: Door, services: Services) -> list[Route]:
    async def ca(request: Request, caller: Caller) -> Response:
        return PlainTextResponse(services.keys.ca_pem, media_type="application/x-pem-file")

    async def enroll(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, EnrollRequest)
        take = services.enrolment.enroll if wanted.token else services.approvals.ask
        answer = await take(wanted, caller.ip, now)
        if answer:
            return good(now, answer)
        response = good(now, None, 202)
        response.headers["Retry-After"] = str(int(ASK_AGAIN_S))
        return response

    return [door.route(CA_PATH, ca, PUBLIC), door.route(ENROLL_PATH, enroll, PUBLIC, ("POST",))]
