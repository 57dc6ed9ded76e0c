"""What the manager tells of itself: figures for Prometheus, readiness, request ids."""

from __future__ import annotations

import asyncio
import json
import logging
import re

import pytest
import requests
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.routing import Route

from host import __version__
from server.api.telemetry import neighbour
from server.config import Config
from server.logs import _Json
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


LABELS = {"method", "route", "status", "lane", "state", "loop", "severity", "version", "le"}
"""None of them is made of what somebody sends, or of an id."""


def families(manager: Manager, viewer: Api) -> dict[str, Metric]:
    text = get(manager, "/metrics", Authorization=f"Bearer {viewer.secret}").text
    return {one.name: one for one in text_string_to_metric_families(text)}


def test_prometheus_own_parser_reads_every_figure_and_its_name_says_what_it_is(manager: Manager, viewer: Api) -> None:
    manager.services.telemetry.turn("presence", 0.01, "", manager.clock())
    found = families(manager, viewer)
    assert len(found) >= 20
    for name, one in found.items():
        assert re.fullmatch(r"(ops|process)(_[a-z0-9]+)+", name), name
        assert one.documentation, name
        assert one.type in ("counter", "gauge", "histogram"), (name, one.type)
        for sample in one.samples:
            assert set(sample.labels) <= LABELS, (name, sample.labels)
            if one.type == "counter" and not sample.name.endswith("_created"):
                assert sample.name.endswith("_total"), sample.name
        # A gauge is never named like a counter; what has a unit has it in full and last.
        assert one.type == "counter" or not name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|milliseconds|sec|kb|mb|kib|mib|percent)(_|$)", name), name
        if one.type == "histogram":
            assert name.endswith("_seconds"), name
    routes = {sample.labels["route"] for sample in found["ops_requests"].samples if "route" in sample.labels}
    known = {route.path for route in manager.routes if isinstance(route, Route)}
    assert routes <= known
    assert found["ops_build_info"].samples[0].labels == {"version": __version__}


def test_a_loop_that_fails_is_seen_as_it_fails_and_when_it_last_did_not(manager: Manager, viewer: Api) -> None:
    turn = manager.services.telemetry.turn
    turn("deliveries", 0.1, "", 1_000_000)
    for _ in range(2):
        turn("deliveries", 0.1, "it breaks", 2_000_000)

    def figure(name: str, sample: str = "") -> float:
        found = families(manager, viewer)[name].samples
        return next(one.value for one in found if one.labels.get("loop") == "deliveries" and one.name == (sample or name))

    assert figure("ops_loop_failing") == 2
    assert figure("ops_loop_failures", "ops_loop_failures_total") == 2
    assert figure("ops_loop_last_success_timestamp_seconds") == 1_000
    turn("deliveries", 0.1, "", 3_000_000)
    assert (figure("ops_loop_failing"), figure("ops_loop_last_success_timestamp_seconds")) == (0, 3_000)


def test_a_database_that_hangs_is_told_within_seconds_and_asked_once(
    manager: Manager, viewer: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, there = [], asyncio.Event()

    async def hangs() -> list[int]:
        asked.append(1)
        await there.wait()
        return []

    monkeypatch.setattr("server.service.health.PROBE_S", 0.2)
    monkeypatch.setattr(manager.services.health, "missing", hangs)
    for path in ("/readyz", "/healthz", "/readyz"):
        answer = get(manager, path, Authorization="Bearer opst_of-somebody")
        assert (answer.status_code, answer.json()) == (
            503,
            {"status": "unavailable", "reason": "the database has not answered for 0.2 s"},
        )
        assert answer.headers["X-Request-Id"]
    found = families(manager, viewer)
    assert (found["ops_database_up"].samples[0].value, found["ops_nodes"].samples) == (0, [])
    assert found["ops_requests"].samples
    assert len(asked) == 1

    async def comes_back() -> None:
        there.set()

    manager.run(comes_back())
    assert get(manager, "/readyz").status_code == 200
    assert families(manager, viewer)["ops_database_up"].samples[0].value == 1


def test_a_database_that_fails_in_a_new_way_is_no_failure_of_the_probe(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails() -> list[int]:
        raise ValueError("no such table")

    monkeypatch.setattr(manager.services.health, "missing", fails)
    assert get(manager, "/readyz").json()["reason"] == "the database cannot be asked; the log says why"


def test_every_error_answer_names_its_request_and_so_does_the_line_about_it(
    manager: Manager, admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def breaks(*_: object) -> None:
        raise RuntimeError("a thing that nobody foresaw")

    monkeypatch.setattr(manager.services.nodes, "get", breaks)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(_Json().format(record))  # type: ignore[method-assign]
    logging.getLogger("server.door").addHandler(handler)
    try:
        answer = get(manager, "/api/v1/nodes/any", Authorization=f"Bearer {admin.secret}", **{"X-Request-Id": "trace-0123456789"})
    finally:
        logging.getLogger("server.door").removeHandler(handler)
    assert (answer.status_code, answer.headers["X-Request-Id"]) == (500, "trace-0123456789")
    assert "trace-0123456789" in answer.json()["message"]
    [line] = [json.loads(text) for text in lines]
    assert (line["request"], line["level"]) == ("trace-0123456789", "error")
    assert "a thing that nobody foresaw" in line["trace"]


def test_the_fleets_figures_come_from_its_minutes(manager: Manager, viewer: Api) -> None:
    data = viewer.data("GET", "/api/v1/fleet/metrics")
    assert (data["step"], data["points"]) == (60_000, [])
    assert viewer.refusal("GET", "/api/v1/fleet/metrics?since=5&until=4")[:3] == (400, 1001, "since")
