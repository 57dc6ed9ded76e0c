"""What the manager tells of itself: figures for Prometheus, readiness, request ids."""

from __future__ import annotations

import pytest
import requests
from starlette.requests import Request

from server.api.telemetry import neighbour
from server.config import Config
from tests.server.api.harness import Api, Manager


def get(manager: Manager, path: str, **headers: str) -> requests.Response:
    return requests.get(f"{manager.url}{path}", headers=headers, timeout=10, verify=False)


def test_prometheus_reads_requests_by_route_and_nodes_by_state_without_any_id(manager: Manager, viewer: Api) -> None:
    host = manager.host("web-1")
    viewer.data("GET", f"/api/v1/nodes/{host.id}")
    text = get(manager, "/metrics", Authorization=f"Bearer {viewer.secret}").text
    assert 'ops_requests_total{method="GET",route="/api/v1/nodes/{id}",status="200"}' in text
    assert 'ops_nodes{state="offline"}' in text
    assert "# TYPE ops_records_stored_total counter" in text
    assert 'ops_records_waiting{lane="bulk"} 0.0' in text
    assert host.id not in text


def test_figures_are_for_those_who_may_read_nodes(manager: Manager) -> None:
    assert get(manager, "/metrics").status_code == 401


@pytest.mark.parametrize(
    ("access", "ip", "path", "header", "let_in"),
    [
        ("loopback", "127.0.0.1", "/metrics", "", True),
        ("loopback", "::1", "/metrics", "", True),
        ("token", "127.0.0.1", "/metrics", "", False),
        ("loopback", "192.0.2.1", "/metrics", "", False),
        ("loopback", "127.0.0.1", "/metrics", "x-forwarded-for", False),
        ("loopback", "127.0.0.1", "/api/v1/nodes", "", False),
    ],
)
def test_only_whoever_really_asks_from_this_machine_needs_no_token(access: str, ip: str, path: str, header: str, let_in: bool) -> None:
    headers = [(header.encode(), b"192.0.2.1")] if header else []
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "client": (ip, 1), "server": ("x", 1), "scheme": "http"}
    scope |= {"query_string": b""}
    assert (neighbour(Request(scope), Config(metrics_access=access)) is not None) is let_in


def test_a_request_keeps_the_id_that_it_came_with_unless_that_is_none(manager: Manager) -> None:
    assert get(manager, "/healthz", **{"X-Request-Id": "trace-0123456789"}).headers["X-Request-Id"] == "trace-0123456789"
    assert get(manager, "/healthz", **{"X-Request-Id": 'x" evil'}).headers["X-Request-Id"] != 'x" evil'


def test_a_manager_is_ready_when_its_schema_is_there(manager: Manager) -> None:
    assert get(manager, "/readyz").json() == {"status": "ready"}
    manager.services.health._wanted[9999] = 1
    try:
        answer = get(manager, "/readyz")
    finally:
        del manager.services.health._wanted[9999]
    assert answer.status_code == 503
    assert "9999" in answer.json()["reason"]


def test_the_fleets_figures_come_from_its_minutes(manager: Manager, viewer: Api) -> None:
    data = viewer.data("GET", "/api/v1/fleet/metrics")
    assert (data["step"], data["points"]) == (60_000, [])
    assert viewer.refusal("GET", "/api/v1/fleet/metrics?since=5&until=4")[:3] == (400, 1001, "since")
