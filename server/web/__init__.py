"""The pages: form → one service call → render. No rule and no SQL in here; server/service/ has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount

from server.auth import ALERT_READ, Caller
from server.door import Door
from server.errors import OpsError
from server.paths import resource
from server.services import Services
from server.web import (
    account,
    alert_rules,
    alerts,
    audit,
    bulk,
    commands,
    configuration,
    deliveries,
    edits,
    enrolment,
    errors,
    files,
    groups,
    node,
    nodes,
    orders,
    overview,
    quarantine,
    receivers,
    reference,
    run,
    sign_in,
    targets,
    timeline,
    waiting,
    windows,
)
from server.web.packed import PackedFiles
from server.web.render import Pages
from server.web.session import check_origin, secret_of


def routes(services: Services, document: Callable[[], dict[str, Any]]) -> list[BaseRoute]:
    """All pages and static files; `document` is the API's description. They come last: the final route answers 404 to all else."""
    pages = Pages(services.clock)

    async def identify(request: Request) -> Caller:
        ip = request.client.host if request.client else ""
        caller = await services.people.by_session(secret_of(request), ip, services.clock())
        request.state.caller = caller
        check_origin(request)
        if caller.may(ALERT_READ) and "hx-request" not in request.headers:
            request.state.badges = {"/alerts": (await services.alerts.counts())["all"]}
        return caller

    def refuse(request: Request, problem: OpsError) -> Response:
        return errors.refuse(pages, request, problem)

    door = Door(services.clock, identify, refuse, services.telemetry)
    nouns = (
        sign_in,
        overview,
        account,
        nodes,
        targets,
        groups,
        edits,
        waiting,
        node,
        timeline,
        quarantine,
        bulk,
        configuration,
        orders,
        run,
        commands,
        files,
        enrolment,
        audit,
        alerts,
        alert_rules,
        receivers,
        deliveries,
        windows,
    )
    found: list[BaseRoute] = [Mount("/static", PackedFiles(resource("static")))]
    for noun in nouns:
        found += noun.routes(door, pages, services)
    found += reference.routes(door, pages, document)
    return [*found, *errors.fallback(door, pages)]
