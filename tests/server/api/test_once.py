"""Every call that makes something takes an Idempotency-Key: sent twice, it makes one thing and is answered alike."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.api.harness import Api, Host, Manager

CASES: dict[str, dict[str, Any]] = {
    "/api/v1/commands": {"nodes": ["NODE"], "content": {"script": "uptime"}},
    "/api/v1/nodes/NODE/orders": {"verb": "collect"},
    "/api/v1/nodes/NODE/notes": {"text": "a new disk"},
    "/api/v1/filters": {"name": "made once", "selector": "offline"},
    "/api/v1/groups": {"kind": "region", "name": "made once"},
    "/api/v1/fields": {"name": "made_once"},
    "/api/v1/enrolment-tokens": {"uses": 2},
    "/api/v1/alert-rules": {"name": "made once", "kind": "metric", "metric": "cpu_usage", "threshold": "90%", "selector": "all"},
    "/api/v1/windows": {"name": "made once", "selector": "all", "schedule": {"start": "2030-01-01T02:00", "minutes": 60}},
    "/api/v1/receivers": {"kind": "webhook", "name": "made once", "settings": {"url": "https://hooks.example.com/x"}},
    "/api/v1/files": {"name": "once.conf", "size": 6},
}
"""Path → a body; NODE is a node's id."""


@pytest.fixture(scope="module")
def host(manager: Manager) -> Host:
    return manager.host("once")


def test_the_cases_are_all_calls_that_make_something(nobody: Api) -> None:
    paths = nobody.send("GET", "/api/v1/openapi.json").json()["paths"]
    takes = {
        path
        for path, methods in paths.items()
        if any(p.get("name") == "Idempotency-Key" for p in methods.get("post", {}).get("parameters", ()))
    }
    assert {path.replace("NODE", "{id}") for path in CASES} == takes
    assert {path for path, methods in paths.items() if "201" in methods.get("post", {"responses": {}})["responses"]} == takes


@pytest.mark.parametrize("path", CASES)
def test_sent_twice_it_makes_one_thing(admin: Api, host: Host, path: str) -> None:
    body = {name: [host.id] if value == ["NODE"] else value for name, value in CASES[path].items()}
    path, key = path.replace("NODE", host.id), {"Idempotency-Key": f"key of {path}"}
    entries = admin.data("GET", "/api/v1/audit?size=1")["total"]
    first, second = (admin.send("POST", path, json=body, headers=key) for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json()["data"] == first.json()["data"]
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (False, "true")
    assert admin.data("GET", "/api/v1/audit?size=1")["total"] == entries + 1


def test_a_key_for_another_request_is_refused(admin: Api, host: Host) -> None:
    key = {"Idempotency-Key": "one key"}
    admin.data("POST", f"/api/v1/nodes/{host.id}/notes", json={"text": "first"}, headers=key)
    status, code, field, message = admin.refusal("POST", f"/api/v1/nodes/{host.id}/notes", json={"text": "second"}, headers=key)
    assert (status, code, field) == (422, 1001, "Idempotency-Key")
    assert "another request" in message


def test_without_a_key_every_call_makes_something_new(admin: Api, host: Host) -> None:
    made = [admin.data("POST", f"/api/v1/nodes/{host.id}/notes", json={"text": "twice"})["id"] for _ in range(2)]
    assert made[0] != made[1]
