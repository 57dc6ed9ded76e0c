"""An error as a page: what happened, why, what next, and the request's id."""

from __future__ import annotations

import math

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.answers import bad
from server.auth import PUBLIC, Caller
from server.door import Door
from server.errors import NotFound, OpsError
from server.web import words
from server.web.render import Pages
from server.web.session import here, sign_in_address

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def refuse(pages: Pages, request: Request, problem: OpsError) -> Response:
    """The error page; for somebody who is not signed in, the way to the sign-in."""
    if problem.status == 401:
        return _to_sign_in(request)
    status = problem.status if problem.status in words.TITLES else 500
    values = {"problem": problem, "status": status, "request_id": request.state.id}
    response = pages.render(request, "error", values, block="main", status=status)
    if problem.retry_after:
        response.headers["Retry-After"] = str(math.ceil(problem.retry_after))
    return response


def _to_sign_in(request: Request) -> Response:
    if request.headers.get("hx-request") == "true":
        # A fragment's place is no place for the sign-in form: have the whole page go there.
        return Response(status_code=401, headers={"HX-Refresh": "true"})
    back_to = here(request) if request.method in ("GET", "HEAD") else request.url.path
    return RedirectResponse(sign_in_address(back_to), 303)


def fallback(door: Door, pages: Pages) -> list[Route]:
    """Whatever no other route takes: 404, as JSON for programs."""

    async def nothing_here(request: Request, caller: Caller) -> Response:
        problem = NotFound("there is no page at this address")
        if request.url.path.startswith("/api/"):
            return bad(pages.clock(), problem)
        raise problem

    return [door.route("/{rest:path}", nothing_here, PUBLIC, METHODS)]
