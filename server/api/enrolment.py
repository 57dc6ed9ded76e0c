"""`POST /api/v1/enrolment-tokens`: a token with which hosts enrol (D4); `GET /api/v1/ca`: the CA that it names."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Call, body
from server.api.once import created
from server.auth import NODE_ENROL, PUBLIC, Caller
from server.door import Door
from server.service.arrivals import Arrived
from server.service.enrolment import Token
from server.services import Services


class NewToken(msgspec.Struct, forbid_unknown_fields=True):
    """`uses`: how many hosts; `hours`: how long it is good for; `tags` go to each node that enrols with it;
    `name`: for the one host that is to be the node of this name; `node`: the id of the node whose machine was installed anew."""

    uses: int = 1
    hours: float = 1.0
    note: str = ""
    tags: dict[str, str] = {}
    name: str = ""
    node: str = ""


def routes(door: Door, services: Services) -> list[Route]:
    async def create(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, NewToken)
        given = (wanted.uses, wanted.hours, wanted.note, wanted.tags, now, wanted.name)
        verb = services.enrolment.create_token
        return await created(services, request, caller, now, Token, lambda along: verb(caller, *given, along, node=wanted.node))

    async def one(request: Request, caller: Caller) -> Response:
        """`state`: waiting, done (used up), ended or revoked. A host is enrolled, then online, then has a `first_at` of its figures."""
        now = services.clock()
        return good(now, await services.arrivals.look(request.path_params["id"], now))

    async def ca(request: Request, caller: Caller) -> Response:
        # Public like the certificate in every handshake: whoever asks compares it with a pin, or trusts it already.
        return PlainTextResponse(services.keys.ca_pem, media_type="application/x-pem-file")

    return [
        door.route(
            "/api/v1/enrolment-tokens",
            create,
            NODE_ENROL,
            ("POST",),
            Call("A token with which hosts enrol", body=NewToken, answer=Token, status=201),
        ),
        door.route(
            "/api/v1/enrolment-tokens/{id}",
            one,
            NODE_ENROL,
            call=Call("Who came with a token, and who came in vain", answer=Arrived),
        ),
        door.route("/api/v1/ca", ca, PUBLIC, call=Call("The manager's CA certificate as PEM", answer=str, media="application/x-pem-file")),
    ]
