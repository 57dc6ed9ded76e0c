"""Maintenance windows over the API, and commands that wait for one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.api.harness import START, Api, Manager

HOUR = 3_600_000


def wanted(name: str, **more: Any) -> dict[str, Any]:
    # START is 2026-11-18 11:06:40 UTC.
    return {"name": name, "selector": "all", "schedule": {"start": "2026-11-18T13:00", "minutes": 120}, **more}


def test_a_window_is_made_shown_changed_and_deleted(manager: Manager, admin: Api, viewer: Api) -> None:
    manager.host("win-1")
    made = admin.data("POST", "/api/v1/windows", json=wanted("api", selector="name=win-1", reason="why"))
    path = f"/api/v1/windows/{made['id']}"
    answer = viewer.send("GET", path)
    data = answer.json()["data"]
    assert answer.headers["ETag"] == '"1"'
    assert (data["name"], data["reason"], data["nodes"], data["names"], data["zone"]) == ("api", "why", 1, ["win-1"], "UTC")
    assert data["next"][0]["local"] == "2026-11-18T13:00"
    assert admin.refusal("PATCH", path, json={"name": "x"})[:3] == (400, 1001, "If-Match")
    assert admin.data("PATCH", path, json={"enabled": False}, headers={"If-Match": '"1"'}) == {"version": 2}
    assert admin.refusal("PATCH", path, json={"name": "lost"}, headers={"If-Match": '"1"'})[0] == 409
    items = viewer.data("GET", "/api/v1/windows", params={"since": START, "until": START + 9 * HOUR})["items"]
    [item] = [one for one in items if one["id"] == made["id"]]
    assert (item["enabled"], item["occurrences"], item["open"]) == (False, [], False)
    assert admin.data("DELETE", path, headers={"If-Match": '"2"'}) is None
    assert viewer.refusal("GET", path)[0] == 404


def test_a_window_that_is_sent_twice_under_one_key_is_made_once(admin: Api) -> None:
    key = {"Idempotency-Key": "window-sent-twice"}
    first = admin.send("POST", "/api/v1/windows", json=wanted("twice"), headers=key)
    again = admin.send("POST", "/api/v1/windows", json=wanted("twice"), headers=key)
    assert (first.status_code, again.status_code, again.headers["Idempotency-Replayed"]) == (201, 201, "true")
    assert again.json()["data"] == first.json()["data"]
    assert [one["name"] for one in admin.data("GET", "/api/v1/windows")["items"]].count("twice") == 1
    path = f"/api/v1/windows/{first.json()['data']['id']}"
    assert admin.data("DELETE", path, headers={"If-Match": '"1"'}) is None


def test_a_preview_says_what_is_odd_and_makes_nothing(manager: Manager, viewer: Api) -> None:
    schedule = {"start": "2026-11-22T02:30", "minutes": 60, "repeat": "weekly"}
    found = viewer.data("POST", "/api/v1/windows/preview", json=wanted("pre", zone="Europe/Berlin", schedule=schedule))
    assert [one["local"] for one in found["next"]][:2] == ["2026-11-22T02:30", "2026-11-29T02:30"]
    assert any("there is no 02:30" in text for text in found["warnings"])
    assert "pre" not in {one["name"] for one in viewer.data("GET", "/api/v1/windows")["items"]}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"selector": ""}, "selector"),
        ({"selector": "nme=x"}, "selector"),
        ({"zone": "Berlin"}, "zone"),
        ({"schedule": {"start": "2026-11-18T13:00", "minutes": -5}}, "schedule.minutes"),
        ({"schedule": {"start": "soon", "minutes": 5}}, "schedule.start"),
        ({"schedule": {}}, "schedule.start"),
        ({"name": ""}, "name"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field(admin: Api, more: dict[str, Any], field: str) -> None:
    assert admin.refusal("POST", "/api/v1/windows", json={**wanted("bad"), **more})[:3] == (400, 1001, field)


def test_a_node_says_which_window_it_is_in(manager: Manager, admin: Api, viewer: Api) -> None:
    host = manager.host("win-2")
    assert viewer.data("GET", f"/api/v1/nodes/{host.id}")["maintenance"] is None
    schedule = {"start": "2026-11-18T11:00", "minutes": 60}
    made = admin.data("POST", "/api/v1/windows", json=wanted("now", selector="name=win-2", schedule=schedule))
    told = viewer.data("GET", f"/api/v1/nodes/{host.id}")["maintenance"]
    assert (told["name"], told["silence_alerts"], told["opens_for_commands"]) == ("now", True, True)
    [item] = viewer.data("GET", "/api/v1/nodes", params={"q": "win-2"})["items"]
    assert item["maintenance"] == told
    assert admin.data("POST", f"/api/v1/windows/{made['id']}/end") == {"version": 2}
    assert viewer.data("GET", f"/api/v1/nodes/{host.id}")["maintenance"] is None
    assert admin.refusal("POST", f"/api/v1/windows/{made['id']}/end")[0] == 409


def test_a_command_says_for_which_window_it_waits(manager: Manager, admin: Api, viewer: Api) -> None:
    host = manager.host("win-3")
    body = {"nodes": [host.id], "content": {"script": "true"}, "wait_for_window": 86_400}
    status, _, field, message = admin.refusal("POST", "/api/v1/commands", json=body)
    assert (status, field) == (400, "wait_for_window")
    assert "win-3: no maintenance window that opens for commands covers it" in message
    made = admin.data(
        "POST",
        "/api/v1/windows",
        json=wanted("later", selector="name=win-3", zone="Asia/Shanghai", schedule={"start": "2026-11-18T22:00", "minutes": 60}),
    )
    command = admin.data("POST", "/api/v1/commands", json=body)["commands"][host.id]
    data = viewer.data("GET", f"/api/v1/commands/{command}")
    assert data["reason"] == "waits for a maintenance window"
    window = data["window"]
    assert (window["id"], window["waits"], window["local"], window["zone"]) == (made["id"], True, "2026-11-18 22:00", "Asia/Shanghai")
    assert host.waiting() == []
    for wrong in (1, -1, 10**9):
        assert admin.refusal("POST", "/api/v1/commands", json={**body, "wait_for_window": wrong})[2] == "wait_for_window"
