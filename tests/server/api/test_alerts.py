"""Alerts and their rules over the API: read, acknowledged, made, changed, previewed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.api.harness import Api, Host, Manager, running

MINUTE = 60_000


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """One of their own: they move the clock and measure, which others must not see."""
    with running(tmp_path_factory.mktemp("alerts"), "") as manager:
        yield manager


@pytest.fixture(scope="module")
def admin(manager: Manager) -> Api:
    return manager.user("ada", "admin")


@pytest.fixture(scope="module")
def viewer(manager: Manager) -> Api:
    return manager.user("vic", "viewer")


def rule(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "kind": "metric", "metric": "cpu_usage", "threshold": "90%", "selector": "all", **more}


def busy(manager: Manager, admin: Api, name: str, count: int = 1, **more: Any) -> tuple[str, list[Host]]:
    """A rule and `count` nodes on which it is open."""
    hosts = [manager.host(f"{name}-{number}", {"of": name}) for number in range(count)]
    made = admin.data("POST", "/api/v1/alert-rules", json=rule(name, selector=f"of={name}", **more))
    for host in hosts:
        manager.run(manager.db.transaction(lambda s, host=host: manager.services.nodes.move(s, host.id, "online", manager.clock())))
        host.measures(97.5)
    assert manager.run(manager.services.alert_watch.tick(manager.clock()))
    return made["id"], hosts


def test_an_alert_is_listed_looked_at_and_acknowledged_once(manager: Manager, admin: Api, viewer: Api) -> None:
    rule_id, [host] = busy(manager, admin, "api-one", severity="critical")
    listed = viewer.data("GET", "/api/v1/alerts", params={"rule": rule_id})
    [alert] = listed["items"]
    assert (listed["total"], alert["state"], alert["severity"], alert["node_id"]) == (1, "open", "critical", host.id)
    assert (alert["summary"], alert["value"], alert["threshold"], alert["unit"]) == (
        "CPU of api-one-0 is 97.5 %, above 90 %",
        97.5,
        90.0,
        "%",
    )
    path = f"/api/v1/alerts/{alert['id']}"
    assert viewer.refusal("POST", f"{path}/acknowledge", json={})[0] == 403
    done = admin.data("POST", f"{path}/acknowledge", json={"comment": "on it"})
    assert (done["changed"], done["failed"], done["results"][0]["ok"]) == (1, 0, True)
    again = admin.data("POST", f"{path}/acknowledge", json={})
    assert (again["changed"], again["results"][0]["message"]) == (0, "ada has acknowledged it already")
    one = viewer.data("GET", path)
    assert (one["state"], one["acknowledged_by"], one["comment"]) == ("acknowledged", "ada", "on it")
    assert [(event["kind"], event["who"], event["note"]) for event in one["events"]] == [
        ("opened", "", ""),
        ("acknowledged", "ada", "on it"),
    ]
    assert viewer.refusal("GET", "/api/v1/alerts/none")[0] == 404
    assert admin.refusal("POST", "/api/v1/alerts/none/acknowledge", json={})[0] == 404


def test_filters_narrow_down_together_and_a_page_past_the_end_tells_the_total(manager: Manager, admin: Api, viewer: Api) -> None:
    rule_id, hosts = busy(manager, admin, "api-filters", 3)
    count = lambda **params: viewer.data("GET", "/api/v1/alerts", params={"rule": rule_id, **params})["total"]  # noqa: E731
    assert count() == 3
    assert count(node=hosts[1].id) == 1
    assert count(select="name=api-filters-2") == 1
    assert count(select="name=api-filters-2", node=hosts[1].id) == 0
    assert count(q="FILTERS-0") == 1
    assert count(severity="critical") == 0
    assert count(state="resolved") == 0
    past = viewer.data("GET", "/api/v1/alerts", params={"rule": rule_id, "size": 2, "page": 9})
    assert (past["items"], past["total"]) == ([], 3)
    assert viewer.refusal("GET", "/api/v1/alerts?state=broken")[:3] == (400, 1001, "state")
    assert viewer.refusal("GET", "/api/v1/alerts?select=nme%3Dx")[2] == "select"
    read = viewer.data("GET", f"/api/v1/alert-rules/{rule_id}")
    admin.data("PATCH", f"/api/v1/alert-rules/{rule_id}", json={"enabled": False}, headers={"If-Match": f'"{read["version"]}"'})
    assert (count(), count(history=True), count(state="resolved")) == (0, 3, 3)


def test_many_are_acknowledged_and_each_says_what_became_of_it(manager: Manager, admin: Api) -> None:
    rule_id, _ = busy(manager, admin, "api-many", 3)
    ids = [one["id"] for one in admin.data("GET", "/api/v1/alerts", params={"rule": rule_id})["items"]]
    admin.data("POST", f"/api/v1/alerts/{ids[0]}/acknowledge", json={})
    done = admin.data("POST", "/api/v1/alerts/acknowledge", json={"alerts": [*ids, "none"], "comment": "all mine"})
    assert (done["changed"], done["failed"]) == (2, 2)
    assert {one["id"]: one["message"] for one in done["results"] if not one["ok"]} == {
        ids[0]: "ada has acknowledged it already",
        "none": "there is no alert 'none'",
    }
    assert admin.refusal("POST", "/api/v1/alerts/acknowledge", json={"alerts": []})[2] == "alerts"
    assert admin.refusal("POST", "/api/v1/alerts/acknowledge", json={"alerts": ids, "comment": "x" * 1001})[2] == "comment"


def test_a_rule_is_made_shown_changed_switched_off_and_deleted(manager: Manager, admin: Api, viewer: Api) -> None:
    rule_id, _ = busy(manager, admin, "api-rule", clear="80 %", hold=0, clear_after=60)
    path = f"/api/v1/alert-rules/{rule_id}"
    answer = viewer.send("GET", path)
    one = answer.json()["data"]
    assert answer.headers["ETag"] == '"1"'
    assert (one["threshold"], one["threshold_value"], one["clear"], one["clear_after"], one["open"]) == ("90%", 90.0, "80%", 60, 1)
    assert (one["unit"], one["command"], one["author"]) == ("%", None, "ada")
    assert viewer.refusal("PATCH", path, json={"enabled": False})[0] == 403
    assert admin.refusal("PATCH", path, json={"hold": 60})[:3] == (400, 1001, "If-Match")
    assert admin.data("PATCH", path, json={"hold": 60}, headers={"If-Match": '"1"'}) == {"version": 2, "warnings": []}
    assert admin.refusal("PATCH", path, json={"hold": 90}, headers={"If-Match": '"1"'})[0] == 409
    assert viewer.data("GET", path)["open"] == 1, "what it watches is the same, so its alert stays"
    assert admin.data("PATCH", path, json={"enabled": False}, headers={"If-Match": '"2"'})["version"] == 3
    [item] = [one for one in viewer.data("GET", "/api/v1/alert-rules")["items"] if one["id"] == rule_id]
    assert (item["enabled"], item["open"], item["hold"], item["threshold"]) == (False, 0, 60, "90%")
    assert admin.data("DELETE", path, headers={"If-Match": '"3"'}) is None
    assert viewer.refusal("GET", path)[0] == 404


def test_a_rules_command_is_shown_kept_and_taken_away(manager: Manager, admin: Api) -> None:
    manager.host("api-command-0", {"of": "api-command"})
    command = {"kind": "shell", "content": {"script": "journalctl -b"}}
    kinds = {one["kind"] for one in admin.data("GET", "/api/v1/kinds")["items"]}
    command["kind"] = "script" if "script" in kinds else sorted(kinds)[0]
    made = admin.data("POST", "/api/v1/alert-rules", json=rule("api-command", selector="of=api-command", command=command))
    path = f"/api/v1/alert-rules/{made['id']}"
    assert admin.data("GET", path)["command"] == command | {"broken": False}
    admin.data("PATCH", path, json={"hold": 60}, headers={"If-Match": '"1"'})
    assert admin.data("GET", path)["command"] == command | {"broken": False}, "what is left out stays"
    admin.data("PATCH", path, json={"command": None}, headers={"If-Match": '"2"'})
    one = admin.data("GET", path)
    assert (one["command"], one["command_kind"]) == (None, "")


def test_the_same_key_makes_one_rule(admin: Api) -> None:
    body, headers = rule("api-once"), {"Idempotency-Key": "rule-once"}
    first = admin.send("POST", "/api/v1/alert-rules", json=body, headers=headers)
    second = admin.send("POST", "/api/v1/alert-rules", json=body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["data"] == second.json()["data"]
    assert admin.refusal("POST", "/api/v1/alert-rules", json=body)[::2][:2] == (409, "name")


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"threshold": "90GB"}, "threshold"),
        ({"metric": "cpu_usag"}, "metric"),
        ({"selector": "nme=x"}, "selector"),
        ({"kind": "sunspots"}, "kind"),
        ({"clear": "95%"}, "clear"),
        ({"hold": -1}, "hold"),
        ({"nonsense": 1}, "nonsense"),
        ({"command": {"kind": "script"}}, "command.content"),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_field_and_so_by_the_preview(admin: Api, more: dict[str, Any], field: str) -> None:
    for path in ("/api/v1/alert-rules", "/api/v1/alert-rules/preview"):
        assert admin.refusal("POST", path, json=rule("api-bad") | more)[2].startswith(field.partition(".")[0])


def test_a_preview_tells_what_a_rule_would_have_done_and_makes_nothing(manager: Manager, admin: Api, viewer: Api) -> None:
    host, calm = (manager.host(name, {"of": "api-preview"}) for name in ("api-preview-0", "api-preview-1"))
    start = manager.clock.now
    for turn in range(24):
        manager.clock.now = start + turn * 5 * MINUTE
        host.measures(95.0 if turn % 8 == 4 else 20.0)
        calm.measures(20.0)
    manager.clock.now += 10 * MINUTE
    manager.run(manager.services.rollups.work(manager.clock()))
    body = rule("api-preview", selector="of=api-preview")
    told = viewer.data("POST", "/api/v1/alert-rules/preview", json=body)
    assert (told["known"], told["fired"], told["on"], told["meant"]) == (True, 3, 1, 2)
    [node] = told["nodes"]
    assert (node["node_id"], node["name"], node["times"], node["open"]) == (host.id, "api-preview-0", 3, False)
    assert "api-preview" not in {one["name"] for one in viewer.data("GET", "/api/v1/alert-rules")["items"]}
    made = admin.data("POST", "/api/v1/alert-rules", json=body)
    assert viewer.data("GET", f"/api/v1/alert-rules/{made['id']}/preview", params={"days": 1})["fired"] == 3
    assert viewer.refusal("GET", f"/api/v1/alert-rules/{made['id']}/preview?days=31")[2] == "days"
