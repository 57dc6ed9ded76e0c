"""The REST API, `/api/v1`: decode → one service call → encode, in the envelope of the requirements (M6).

Who calls is read from `Authorization: Bearer`, never from a cookie: so no page of another site can make a browser
call it. What is under `/api` and not here is answered in the envelope as well.
"""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route

from server.answers import bad
from server.api import (
    alert_rules,
    alerts,
    audit,
    commands,
    description,
    edits,
    enrolment,
    files,
    fleet,
    groups,
    health,
    kinds,
    nodes,
    openapi,
    output,
    overview,
    people,
    quarantine,
    receivers,
    selectors,
    telemetry,
    waiting,
    windows,
)
from server.auth import PUBLIC, Caller, nobody
from server.door import Door
from server.errors import NotFound, OpsError, TooMany, WrongMethod
from server.rates import Rate, whole_address
from server.services import Services

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes(services: Services) -> list[BaseRoute]:
    """All routes of the API and `/healthz`; the last one takes every other address under `/api`."""

    persons, strangers = Rate("calls", services.config.rate_user), Rate("calls", services.config.rate_stranger)

    async def identify(request: Request) -> Caller:
        # A probe that is told 429, or held up by a database that hangs, would take the manager for dead.
        if request.url.path in health.PATHS:
            return nobody(request.client.host if request.client else "")
        caller = await recognise(request)
        rate, who = (persons, caller.id) if caller.id else (strangers, whole_address(caller.ip))
        request.state.headers, wait = rate.take(who)
        if wait:
            raise TooMany(f"more than {rate.quota} calls a minute; slow down", retry_after=wait)
        return caller

    async def recognise(request: Request) -> Caller:
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        ip = request.client.host if request.client else ""
        if not secret and (caller := telemetry.neighbour(request, services.config)):
            return caller
        return await services.people.by_token(secret.strip() if scheme.lower() == "bearer" else "", ip, services.clock())

    def refuse(request: Request, problem: OpsError) -> Response:
        return bad(services.clock(), problem)

    door = Door(services.clock, identify, refuse, services.telemetry)
    nouns = (
        people,
        overview,
        nodes,
        selectors,
        groups,
        edits,
        waiting,
        quarantine,
        enrolment,
        commands,
        kinds,
        output,
        files,
        audit,
        health,
        fleet,
        telemetry,
        alerts,
        alert_rules,
        receivers,
        windows,
    )
    known = [route for noun in nouns for route in noun.routes(door, services)]
    known += description.routes(door, lambda: openapi.document(known))
    return [*known, *_others(door, known, refuse)]


def _others(door: Door, known: list[Route], refuse: Callable[[Request, OpsError], Response]) -> list[Route]:
    async def other(request: Request, caller: Caller) -> Response:
        path = request.url.path[:200]
        there = [route for route in known if route.matches(request.scope)[0] is Match.PARTIAL]
        # Of /windows/preview and /windows/{id} only the first is meant by its own name.
        least = min((route.path.count("{") for route in there), default=0)
        takes = {method for route in there if route.path.count("{") == least for method in route.methods or ()}
        if not takes:
            raise NotFound(f"there is nothing at {path}; docs/api.md lists every call")
        allow = ", ".join(sorted(takes))
        response = refuse(request, WrongMethod(f"{path} takes {allow}, not {request.method}"))
        response.headers["Allow"] = allow
        return response

    return [door.route(path, other, PUBLIC, _METHODS) for path in ("/api", "/api/{rest:path}")]
