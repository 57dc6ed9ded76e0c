"""`/api/v1/login`, `/logout`, `/me`: a token for a password, its end, and whose it is."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.answers import good
from server.api.calls import Answer, Call, body
from server.auth import PUBLIC, ROLES, SELF, Caller
from server.door import Door
from server.services import Services

WRONG = ((401, "No such name with this password (code 1002)"),)


class Login(msgspec.Struct, forbid_unknown_fields=True):
    """`label` tells tokens apart: where this one is used."""

    name: str
    password: str
    label: str = ""


class Granted(Answer):
    """`token` is shown once; `expires_at` in UTC ms."""

    token: str
    user: str
    role: str
    expires_at: int


class Me(Answer):
    """`language` is empty where the person has chosen none."""

    id: str
    user: str
    role: str
    language: str
    permissions: list[str]


def routes(door: Door, services: Services) -> list[Route]:
    async def login(request: Request, caller: Caller) -> Response:
        now = services.clock()
        wanted = await body(request, Login)
        token = await services.people.issue_token(wanted.name, wanted.password, wanted.label, caller.ip, now)
        data = {"token": token.secret, "user": token.name, "role": token.role, "expires_at": token.expires_at}
        return good(now, data)

    async def logout(request: Request, caller: Caller) -> Response:
        now = services.clock()
        await services.people.revoke_token(caller, now)
        return good(now, None)

    async def me(request: Request, caller: Caller) -> Response:
        data = {"id": caller.id, "user": caller.name, "role": caller.role, "language": caller.language}
        return good(services.clock(), data | {"permissions": sorted(ROLES[caller.role])})

    return [
        door.route("/api/v1/login", login, PUBLIC, ("POST",), Call("A token for a password", body=Login, answer=Granted, also=WRONG)),
        door.route("/api/v1/logout", logout, SELF, ("POST",), Call("Revoke the token in use")),
        door.route("/api/v1/me", me, SELF, call=Call("Whose the token in use is", answer=Me)),
    ]
