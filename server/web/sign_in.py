"""Signing in and out."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import PUBLIC, SELF, Caller
from server.door import Door
from server.errors import NotAuthenticated, OpsError, TooMany
from server.services import Services
from server.web import session
from server.web.render import Pages


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def form(request: Request, caller: Caller) -> Response:
        back_to = session.local_path(request.query_params.get("next", "/"))
        if caller.id:
            return RedirectResponse(back_to, 303)
        return pages.render(request, "sign_in", {"name": "", "back_to": back_to, "problem": None})

    async def sign_in(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        name, back_to = fields.get("name").strip(), session.local_path(fields.get("next", "/"))
        now = services.clock()
        try:
            granted = await services.people.sign_in(name, fields.get("password"), caller.ip, now)
        except (NotAuthenticated, TooMany) as problem:
            return _again(pages, request, name, back_to, problem)
        response = RedirectResponse(back_to, 303)
        session.remember(request, response, granted.secret, (granted.expires_at - now) // 1000)
        return response

    async def sign_out(request: Request, caller: Caller) -> Response:
        await services.people.sign_out(caller, services.clock())
        response = RedirectResponse("/sign-in?notice=signed-out", 303)
        session.forget(request, response)
        return response

    return [
        door.route("/sign-in", form, PUBLIC),
        door.route("/sign-in", sign_in, PUBLIC, ["POST"]),
        door.route("/sign-out", sign_out, SELF, ["POST"]),
    ]


def _again(pages: Pages, request: Request, name: str, back_to: str, problem: OpsError) -> Response:
    response = pages.render(request, "sign_in", {"name": name, "back_to": back_to, "problem": problem}, status=problem.status)
    if problem.retry_after:
        response.headers["Retry-After"] = str(math.ceil(problem.retry_after))
    return response
