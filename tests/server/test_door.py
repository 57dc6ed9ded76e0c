"""Nothing is reachable that nobody decided about."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from server import api, auth, door, link, web
from server.auth import Caller, authorize
from server.errors import ConfigError, NotAllowed, NotAuthenticated
from tests.conftest import Manager

OPEN = {
    ("GET", "/api/v1/ca"),
    ("GET", "/api/v1/openapi.json"),
    ("POST", "/api/v1/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/node/v1/ca"),
    ("POST", "/node/v1/enroll"),
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("POST", "/preferences"),
}
"""What answers without being signed in. Whoever adds to this list has thought about it."""


async def plain(request: Request) -> Response:
    return PlainTextResponse("hello")


@pytest.mark.parametrize("route", [Route("/x", plain), Mount("/x", routes=[Route("/y", plain)])])
def test_a_route_without_a_permission_stops_the_start(route: Route | Mount) -> None:
    with pytest.raises(ConfigError, match="has no permission"):
        door.check([route])


async def test_every_route_has_one_and_the_open_ones_are_these(manager: Manager) -> None:
    routes = [*api.routes(manager.services), *web.routes(manager.services, dict), *link.routes(manager.services)]
    door.check(routes)
    opened = set()
    for route in routes:
        if isinstance(route, Route) and getattr(route.endpoint, "permission", None) == auth.PUBLIC:
            opened |= {(method, route.path) for method in route.methods or () if method != "HEAD"}
    nothing_there = {(method, path) for method, path in opened if path == "/api" or path.endswith(":path}")}
    assert opened - nothing_there == OPEN


@pytest.mark.parametrize("permission", sorted(auth.PERMISSIONS - {auth.PUBLIC}))
def test_nobody_may_nothing_and_a_node_only_its_link(permission: str) -> None:
    with pytest.raises(NotAuthenticated):
        authorize(auth.nobody("192.0.2.1"), permission)
    if permission != auth.NODE_LINK:
        with pytest.raises(NotAllowed):
            authorize(Caller("node", "n"), permission)


@pytest.mark.parametrize("permission", sorted(auth.ROLES["admin"] - auth.ROLES["viewer"]))
def test_a_viewer_may_change_nothing(permission: str) -> None:
    with pytest.raises(NotAllowed, match=permission):
        authorize(Caller("viewer", "v"), permission)
