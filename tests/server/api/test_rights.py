"""Who gets through where. The cases come from the routes themselves, so a new call cannot be forgotten here."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from server import api
from tests.server.api.harness import Api, Manager

EVERYBODY = {
    ("POST", "/api/v1/login"),
    ("GET", "/api/v1/ca"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
}
"""The only calls that need no token, apart from the answer that there is no such call."""

VIEWERS = {
    ("GET", "/api/v1/alerts"),
    ("GET", "/api/v1/alerts/{id}"),
    ("GET", "/api/v1/alert-rules"),
    ("GET", "/api/v1/alert-rules/{id}"),
    ("GET", "/api/v1/alert-rules/{id}/preview"),
    ("POST", "/api/v1/alert-rules/preview"),
    ("POST", "/api/v1/logout"),
    ("GET", "/api/v1/me"),
    ("GET", "/api/v1/nodes"),
    ("GET", "/api/v1/nodes/export.csv"),
    ("GET", "/api/v1/nodes/export.json"),
    ("GET", "/api/v1/nodes/{id}"),
    ("GET", "/api/v1/nodes/{id}/metrics"),
    ("GET", "/api/v1/nodes/{id}/metrics/{kind}"),
    ("GET", "/api/v1/nodes/{id}/agent"),
    ("GET", "/api/v1/nodes/{id}/log"),
    ("GET", "/api/v1/nodes/{id}/marks"),
    ("GET", "/api/v1/nodes/{id}/timeline"),
    ("GET", "/api/v1/nodes/{id}/daemon"),
    ("GET", "/api/v1/nodes/{id}/kinds"),
    ("GET", "/api/v1/nodes/{id}/machines"),
    ("GET", "/api/v1/fleet/metrics"),
    ("GET", "/api/v1/overview"),
    ("GET", "/api/v1/overview/{kind}"),
    ("GET", "/api/v1/log"),
    ("GET", "/metrics"),
    ("GET", "/api/v1/kinds"),
    ("POST", "/api/v1/selectors/preview"),
    ("GET", "/api/v1/filters"),
    ("GET", "/api/v1/groups"),
    ("GET", "/api/v1/groups/{id}"),
    ("GET", "/api/v1/fields"),
    ("GET", "/api/v1/fields/{id}"),
    ("GET", "/api/v1/nodes/{id}/notes"),
    ("GET", "/api/v1/receivers"),
    ("GET", "/api/v1/receivers/{id}"),
    ("GET", "/api/v1/deliveries"),
    ("GET", "/api/v1/deliveries/{id}"),
    ("GET", "/api/v1/commands"),
    ("GET", "/api/v1/commands/{id}"),
    ("GET", "/api/v1/commands/{id}/output"),
    ("GET", "/api/v1/commands/{id}/output/raw"),
    ("GET", "/api/v1/windows"),
    ("GET", "/api/v1/windows/{id}"),
    ("POST", "/api/v1/windows/preview"),
}

ADMINS = {
    ("POST", "/api/v1/alerts/acknowledge"),
    ("POST", "/api/v1/alerts/{id}/acknowledge"),
    ("POST", "/api/v1/alert-rules"),
    ("POST", "/api/v1/alert-rules/switch"),
    ("POST", "/api/v1/waiting/approve"),
    ("POST", "/api/v1/waiting/reject"),
    ("PATCH", "/api/v1/alert-rules/{id}"),
    ("DELETE", "/api/v1/alert-rules/{id}"),
    ("POST", "/api/v1/receivers"),
    ("PATCH", "/api/v1/receivers/{id}"),
    ("DELETE", "/api/v1/receivers/{id}"),
    ("POST", "/api/v1/receivers/{id}/rotate"),
    ("POST", "/api/v1/receivers/{id}/test"),
    ("POST", "/api/v1/deliveries/{id}/again"),
    ("GET", "/api/v1/waiting"),
    ("POST", "/api/v1/waiting/{id}/approve"),
    ("POST", "/api/v1/waiting/{id}/reject"),
    ("POST", "/api/v1/nodes/retire"),
    ("PATCH", "/api/v1/nodes/{id}"),
    ("PUT", "/api/v1/nodes/{id}"),
    ("POST", "/api/v1/nodes/restore"),
    ("POST", "/api/v1/nodes/{id}/restore"),
    ("POST", "/api/v1/nodes/{id}/split"),
    ("POST", "/api/v1/nodes/{id}/merge"),
    ("DELETE", "/api/v1/nodes/{id}/data"),
    ("POST", "/api/v1/filters"),
    ("DELETE", "/api/v1/filters/{id}"),
    ("POST", "/api/v1/groups"),
    ("PATCH", "/api/v1/groups/{id}"),
    ("DELETE", "/api/v1/groups/{id}"),
    ("POST", "/api/v1/groups/{id}/members"),
    ("POST", "/api/v1/ungroup/{kind}"),
    ("POST", "/api/v1/tags"),
    ("POST", "/api/v1/nodes/{id}/notes"),
    ("DELETE", "/api/v1/nodes/{id}/notes/{note}"),
    ("POST", "/api/v1/fields"),
    ("PATCH", "/api/v1/fields/{id}"),
    ("DELETE", "/api/v1/fields/{id}"),
    ("POST", "/api/v1/fields/{id}/values"),
    ("DELETE", "/api/v1/nodes/{id}"),
    ("POST", "/api/v1/nodes/{id}/orders"),
    ("POST", "/api/v1/enrolment-tokens"),
    ("GET", "/api/v1/enrolment-tokens/{id}"),
    ("POST", "/api/v1/commands"),
    ("POST", "/api/v1/commands/{id}/cancel"),
    ("GET", "/api/v1/audit"),
    ("GET", "/api/v1/audit/verify"),
    ("POST", "/api/v1/files"),
    ("GET", "/api/v1/files"),
    ("GET", "/api/v1/files/{id}"),
    ("DELETE", "/api/v1/files/{id}"),
    ("PUT", "/api/v1/files/{id}/content"),
    ("GET", "/api/v1/files/{id}/content"),
    ("POST", "/api/v1/files/{id}/finish"),
    ("POST", "/api/v1/windows"),
    ("PATCH", "/api/v1/windows/{id}"),
    ("DELETE", "/api/v1/windows/{id}"),
    ("POST", "/api/v1/windows/{id}/end"),
    ("POST", "/api/v1/windows/{id}/skip"),
}


def calls(manager: Manager) -> set[tuple[str, str]]:
    catch_all = ("/api", "/api/{rest:path}")
    routes = [route for route in api.routes(manager.services) if isinstance(route, Route) and route.path not in catch_all]
    return {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}


def status(caller: Api, method: str, path: str) -> int:
    return caller.send(method, path.replace("{id}", "01UNKNOWN")).status_code


def test_every_call_is_in_exactly_one_of_the_frozen_lists(manager: Manager) -> None:
    assert calls(manager) == EVERYBODY | VIEWERS | ADMINS
    assert len(EVERYBODY) + len(VIEWERS) + len(ADMINS) == len(EVERYBODY | VIEWERS | ADMINS)


def test_without_a_token_only_the_public_calls_answer(manager: Manager, nobody: Api) -> None:
    for method, path in calls(manager) - EVERYBODY:
        assert status(nobody, method, path) == 401, (method, path)
    for method, path in EVERYBODY:
        assert status(nobody, method, path) in (200, 400), (method, path)


@pytest.mark.parametrize("header", ["Bearer opst_wrong", "Bearer", "Basic YWRhOng=", "opst_wrong", "Bearer  ", "Bearer \xff"])
def test_a_wrong_token_is_nobody(manager: Manager, header: str) -> None:
    answer = Api(manager.url).refusal("GET", "/api/v1/nodes", headers={"Authorization": header.encode("latin-1")})
    assert answer[:2] == (401, 1002)


def test_a_viewer_sees_everything_and_changes_nothing(manager: Manager) -> None:
    viewer = manager.user("vera", "viewer")
    for method, path in ADMINS:
        refused = viewer.refusal(method, path.replace("{id}", "01UNKNOWN"))
        assert refused[:2] == (403, 1003), (method, path)
        assert "viewer" in refused[3]
    for method, path in VIEWERS - {("POST", "/api/v1/logout")}:
        assert status(viewer, method, path) in (200, 404) or path.endswith("/preview"), (method, path)
    assert status(viewer, "POST", "/api/v1/logout") == 200


def test_an_admin_is_refused_nowhere(manager: Manager, admin: Api) -> None:
    for method, path in ADMINS | VIEWERS - {("POST", "/api/v1/logout")}:
        assert status(admin, method, path) in (200, 400, 404), (method, path)


def test_a_token_is_the_only_credential_and_a_cookie_is_none(manager: Manager, admin: Api) -> None:
    """So no other site's page can make a signed-in browser call the API."""
    answer = Api(manager.url).send("GET", "/api/v1/nodes", cookies={"session": admin.secret, "ops_session": admin.secret})
    assert answer.status_code == 401


def test_a_refused_call_leaves_nothing_behind(manager: Manager, viewer: Api, admin: Api) -> None:
    host = manager.host("untouched")
    before = admin.data("GET", "/api/v1/commands")["total"]
    viewer.refusal("POST", "/api/v1/commands", json={"nodes": [host.id], "content": {"script": "reboot"}})
    viewer.refusal("DELETE", f"/api/v1/nodes/{host.id}")
    assert admin.data("GET", "/api/v1/commands")["total"] == before
    assert admin.data("GET", f"/api/v1/nodes/{host.id}")["state"] == "offline"
    assert host.waiting() == []


def test_there_is_nothing_else_under_api_and_a_wrong_method_says_which_are_right(nobody: Api) -> None:
    assert nobody.refusal("GET", "/api/v2/nodes")[:2] == (404, 1001)
    assert nobody.refusal("GET", "/api")[:2] == (404, 1001)
    assert nobody.refusal("GET", "/api/v1/nodes/a/b/c")[:2] == (404, 1001)
    status, code, _, message = nobody.refusal("PUT", "/api/v1/commands")
    assert (status, code) == (405, 1001)
    assert "GET" in message
    assert "POST" in message
    assert nobody.send("PUT", "/api/v1/commands").headers["Allow"] == "GET, HEAD, POST"


def test_every_answer_names_its_request(nobody: Api, admin: Api) -> None:
    assert len(admin.send("GET", "/api/v1/me").headers["X-Request-Id"]) == 26
    assert len(nobody.send("GET", "/api/v1/nodes").headers["X-Request-Id"]) == 26
