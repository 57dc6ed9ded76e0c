"""The way into every handler: find out who calls, ask `authorize()`, run it, turn errors into answers.

The three doors (pages, API, node link) differ in how they recognise a caller and how they say no; they share this.
A route that was made any other way stops the start: see `check()`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from host.wire.headers import REQUEST_ID, is_request_id
from server.auth import PERMISSIONS, Caller, authorize
from server.errors import ConfigError, OpsError
from server.ids import new_id
from server.logs import REQUEST
from server.telemetry import Telemetry

Handler = Callable[[Request, Caller], Awaitable[Response]]
log = logging.getLogger("server.door")


class Reads(Protocol):
    """What an API route says of itself (server/api/calls.py)."""

    def read(self, request: Request) -> None:
        """Check what was sent before the handler runs. Raises OpsError."""


class Door:
    """`identify` tells who calls or raises NotAuthenticated, and may leave headers for the answer in `request.state.headers`;
    `refuse` renders an error this door's way."""

    def __init__(
        self,
        clock: Callable[[], int],
        identify: Callable[[Request], Awaitable[Caller]],
        refuse: Callable[[Request, OpsError], Response],
        telemetry: Telemetry,
    ) -> None:
        self._clock, self._identify, self._refuse, self._telemetry = clock, identify, refuse, telemetry

    def route(self, path: str, handler: Handler, permission: str, methods: Sequence[str] = ("GET",), call: Reads | None = None) -> Route:
        """A route that only callers with `permission` get through. `call` describes it; every one of the API needs it."""

        async def endpoint(request: Request) -> Response:
            begun = time.perf_counter()
            given = request.headers.get(REQUEST_ID, "")
            request.state.id = given if is_request_id(given) else new_id(self._clock())
            REQUEST.set(request.state.id)
            try:
                caller = await self._identify(request)
                request.state.caller = caller
                authorize(caller, permission)
                if call is not None:
                    call.read(request)
                response = await handler(request, caller)
            except OpsError as problem:
                response = self._refuse(request, problem)
            except ClientDisconnect:
                response = Response(status_code=400)
            except Exception as problem:
                log.exception("request %s: %s %s", request.state.id, request.method, request.url.path)
                unexpected = OpsError(f"the manager failed at this; nothing to mend on your side. Request {request.state.id} is in its log")
                unexpected.__cause__ = problem
                response = self._refuse(request, unexpected)
            response.headers[REQUEST_ID] = request.state.id
            response.headers.update(getattr(request.state, "headers", {}))
            self._telemetry.request(request.method, path, response.status_code, time.perf_counter() - begun)
            return response

        endpoint.permission, endpoint.call, endpoint.handler = permission, call, handler  # type: ignore[attr-defined]
        return Route(path, endpoint, methods=list(methods))


def check(routes: Iterable[BaseRoute]) -> None:
    """Raise ConfigError for a route without a permission of server/auth.py (static files are the one exception), and for one of
    the API that nothing describes."""
    for route in routes:
        if isinstance(route, Mount) and isinstance(route.app, StaticFiles):
            continue
        permission = getattr(getattr(route, "endpoint", None), "permission", None)
        if permission not in PERMISSIONS:
            raise ConfigError(f"the route {getattr(route, 'path', route)} has no permission; make it with Door.route")
        if getattr(route, "path", "").startswith("/api/v1/") and getattr(route.endpoint, "call", None) is None:  # type: ignore[attr-defined]
            raise ConfigError(f"the route {getattr(route, 'path', '')} is not described; give Door.route its Call")
