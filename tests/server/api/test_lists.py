"""Every list of the API keeps one contract. The lists come from the description, so that a new one cannot be forgotten here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from host.wire.messages import EnrollRequest, Facts
from host.wire.protocol import PROTOCOL
from tests.server.api.harness import Api, Host, Manager, _csr, running

COUNT = 5
NO_LISTS = {
    "/api/v1/log": "lines that are read on from a place: there are more while they are read",
    "/api/v1/nodes/{id}/timeline": "the same: more happens while it is read",
    "/api/v1/overview": "one look at the fleet",
    "/api/v1/fleet/metrics": "a series over time",
}
"""Answers with several things in them that are no lists, and why."""

UNVERSIONED = {
    "DELETE /api/v1/nodes/{id}": "retiring is a change of state, which is compared when it is made",
    "DELETE /api/v1/nodes/{id}/data": "only of a retired node, and its name is asked for",
    "DELETE /api/v1/nodes/{id}/notes/{note}": "a note is never changed",
    "DELETE /api/v1/filters/{id}": "a filter is never changed",
    "DELETE /api/v1/files/{id}": "a file is never changed",
    "PUT /api/v1/files/{id}/content": "its offset says what is stored already",
}
"""Changes that need no version, and why nothing can be lost by them."""

ONCE_ANYWAY = {
    "/api/v1/login": "a token more does no harm",
    "/api/v1/logout": "",
    "/api/v1/selectors/preview": "makes nothing",
    "/api/v1/alert-rules/preview": "makes nothing",
    "/api/v1/windows/preview": "makes nothing",
    "/api/v1/receivers/{id}/test": "sends what it says it sends",
}
"""POST calls that neither take an Idempotency-Key nor end in the same state when they come twice."""

HOST: list[Host] = []


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """One of their own, with some of everything; many of it equal, so that an order must be a stable one."""
    folder = tmp_path_factory.mktemp("lists")
    with running(folder, f"sqlite:///{folder / 'manager.db'}") as manager:
        yield manager


@pytest.fixture(scope="module")
def admin(manager: Manager) -> Api:
    api = manager.user("ada", "admin")
    fill(manager, api)
    return api


def fill(manager: Manager, api: Api) -> None:
    services, now = manager.services, manager.clock()
    hosts = [manager.host(f"node-{number}", {"of": "lists"}) for number in range(COUNT)]
    HOST[:] = hosts
    for number, host in enumerate(hosts):
        manager.run(manager.db.transaction(lambda s, host=host: services.nodes.move(s, host.id, "online", now)))
        host.measures(97.5)
        api.data("POST", "/api/v1/filters", json={"name": f"filter {number}", "selector": "offline"})
        api.data("POST", "/api/v1/groups", json={"kind": "region", "name": f"group {number}"})
        api.data("POST", "/api/v1/fields", json={"name": f"field-{number}"})
        api.data("POST", f"/api/v1/nodes/{hosts[0].id}/notes", json={"text": "again"})
        api.data("POST", "/api/v1/files", json={"name": "same", "size": 1})
        window = {
            "name": f"window {number}",
            "selector": "all",
            "schedule": {"start": "2026-12-01T02:00", "minutes": 60, "repeat": "weekly"},
        }
        api.data("POST", "/api/v1/windows", json=window)
        receiver = {"kind": "webhook", "name": f"hook {number}", "settings": {"url": "https://hooks.example.com/x"}}
        api.data("POST", "/api/v1/receivers", json=receiver)
        facts = Facts("stranger", ["10.0.0.9"], "Debian 12", "6.1", "x86_64", "A CPU", 2, 2**30, daemon_version="0.1.0")
        manager.run(services.approvals.ask(EnrollRequest(PROTOCOL, "", _csr(), facts, {"machine_id": str(number)}), "10.0.0.9", now))
        rule = {"name": f"rule {number}", "kind": "metric", "metric": "cpu_usage", "threshold": "90%", "selector": f"name=node-{number}"}
        api.data("POST", "/api/v1/alert-rules", json=rule)
    api.data("POST", "/api/v1/commands", json={"nodes": [host.id for host in hosts], "content": {"script": "uptime"}})
    assert manager.run(services.alert_watch.tick(now))
    copied = manager.host("copied")
    copied.is_copied()
    HOST.append(copied)


def lists(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Path → the GET call, of every answer that has `items`."""
    found = {}
    for path, methods in document["paths"].items():
        if path not in NO_LISTS and "get" in methods and "items" in data_of(document, methods["get"]).get("properties", {}):
            found[path] = methods["get"]
    return found


def data_of(document: dict[str, Any], call: dict[str, Any]) -> dict[str, Any]:
    content = call["responses"]["200"].get("content", {}).get("application/json")
    if not content or "allOf" not in content["schema"]:
        return {}
    shape = content["schema"]["allOf"][1]["properties"]["data"]
    return document["components"]["schemas"][shape["$ref"].rpartition("/")[2]] if "$ref" in shape else shape


def parameters(call: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one["schema"] | {"text": one.get("description", "")} for one in call["parameters"] if one["in"] == "query"}


def sorts(call: dict[str, Any]) -> list[str]:
    return parameters(call)["sort"]["text"].partition(": ")[2].split(", ")


@pytest.fixture(scope="module")
def document(admin: Api) -> dict[str, Any]:
    return admin.send("GET", "/api/v1/openapi.json").json()


def paths(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A list's own address, of a node that has some of it."""
    for path, call in lists(document).items():
        yield path.replace("{id}", HOST[-1].id if path.endswith("machines") else HOST[0].id), call


def test_whatever_is_answered_as_a_list_is_one(document: dict[str, Any]) -> None:
    assert len(lists(document)) >= 17
    for path, call in lists(document).items():
        names = parameters(call)
        assert {"page", "size", "sort"} <= set(names), path
        assert len(names) > 3, f"{path}: nothing narrows it down"
        assert {"items", "total", "page", "size"} <= set(data_of(document, call)["required"]), path
    for path, methods in document["paths"].items():
        if "get" in methods and path not in lists(document) and "{" not in path and path not in NO_LISTS:
            shapes = data_of(document, methods["get"]).get("properties", {})
            assert not [name for name, shape in shapes.items() if "$ref" in shape.get("items", {})], f"{path}: a list by another name"


def test_there_is_some_of_everything_here(admin: Api, document: dict[str, Any]) -> None:
    for path, _ in paths(document):
        assert admin.data("GET", path)["total"] >= (2 if path.endswith("machines") else COUNT), path


def test_pages_fit_together_in_every_order_that_is_allowed(admin: Api, document: dict[str, Any]) -> None:
    for path, call in paths(document):
        for sort in sorts(call):
            for order in (sort, f"-{sort}"):
                whole = admin.data("GET", path, params={"sort": order, "size": 500})
                assert len(whole["items"]) == whole["total"], path
                pages = [admin.data("GET", path, params={"sort": order, "size": 2, "page": n + 1}) for n in range(-(-whole["total"] // 2))]
                assert {one["total"] for one in pages} == {whole["total"]}, path
                assert [item for one in pages for item in one["items"]] == whole["items"], f"{path}?sort={order}"
                values = [item[sort] for item in whole["items"] if sort in item]
                if sort not in ("severity", "name", "path") and values and None not in values:
                    assert values == sorted(values, reverse=order.startswith("-")), f"{path}?sort={order}"


def test_a_page_past_the_end_is_empty_and_knows_the_total(admin: Api, document: dict[str, Any]) -> None:
    for path, _ in paths(document):
        whole, past = admin.data("GET", path), admin.data("GET", path, params={"page": 1000, "size": 7})
        assert (past["items"], past["total"], past["page"], past["size"]) == ([], whole["total"], 1000, 7), path


def test_what_is_not_there_or_out_of_range_is_one_message_with_code_and_field(admin: Api, document: dict[str, Any]) -> None:
    for path, call in paths(document):
        for name, value in (
            ("colour", "red"),
            ("sort", "colour"),
            ("sort", ""),
            ("size", "0"),
            ("size", "501"),
            ("page", "0"),
            ("page", "x"),
        ):
            status, code, field, message = admin.refusal("GET", path, params={name: value})
            assert (status, code, field) == (400, 1001, name), (path, name)
            assert message.startswith(f"{name}: "), (path, message)
        for name, shape in parameters(call).items():
            if "enum" in shape:
                status, code, field, message = admin.refusal("GET", path, params={name: "none-such"})
                assert (status, code, field) == (400, 1001, name), path
                assert all(choice in message for choice in shape["enum"]), (path, message)


def test_a_filter_gives_those_that_fit_and_no_others(admin: Api, document: dict[str, Any]) -> None:
    for path, call in paths(document):
        every = admin.data("GET", path, params={"size": 500})
        for name, shape in parameters(call).items():
            for value in shape.get("enum", ["true", "false"] if shape.get("type") == "boolean" and name != "history" else []):
                found = admin.data("GET", path, params={name: value, "size": 500})
                assert found["total"] == len(found["items"]) <= every["total"], (path, name)
                if every["items"] and name in every["items"][0]:
                    fits = [one for one in every["items"] if str(one[name]).lower() == value]
                    assert found["items"] == fits or name == "state", (path, name, value)
        if "q" in parameters(call):
            assert admin.data("GET", path, params={"q": "nothing has this in it"})["total"] == 0, path


def test_filters_narrow_down_together(admin: Api) -> None:
    count = lambda path, **params: admin.data("GET", path, params=params)["total"]  # noqa: E731
    [first, *_] = admin.data("GET", "/api/v1/alerts")["items"]
    [hook, *_] = admin.data("GET", "/api/v1/receivers")["items"]
    assert count("/api/v1/deliveries") == COUNT * COUNT
    assert count("/api/v1/deliveries", alert=first["id"]) == COUNT
    assert count("/api/v1/deliveries", alert=first["id"], receiver=hook["id"]) == 1
    assert count("/api/v1/deliveries", alert=first["id"], receiver=hook["id"], state="sent") == 0
    assert count("/api/v1/deliveries", kind="opened", since=first["opened_at"]) == COUNT * COUNT
    assert count("/api/v1/deliveries", until=first["opened_at"]) == 0
    assert count("/api/v1/alerts", since=first["opened_at"], node=first["node_id"]) == 1
    assert count("/api/v1/alerts", until=first["opened_at"]) == 0
    node = f"node {HOST[0].id}"
    assert count("/api/v1/audit", action="node.note") == count("/api/v1/audit", action="node.note", resource=node, actor="ada") == COUNT
    assert count("/api/v1/audit", action="node.note", actor="eve") == 0
    assert count("/api/v1/audit", since=0) == count("/api/v1/audit")
    assert count("/api/v1/audit", until=1) == 0
    assert count("/api/v1/commands", kind="script") == count("/api/v1/commands", kind="script", state="queued") == COUNT
    assert count("/api/v1/commands", kind="script", state="failed") == 0


def test_the_gravest_alerts_come_first_when_that_is_asked_for(manager: Manager, admin: Api) -> None:
    rule = {"kind": "metric", "metric": "cpu_usage", "threshold": "80%"}
    for name, severity in (("grave", "critical"), ("light", "info")):
        admin.data("POST", "/api/v1/alert-rules", json=rule | {"name": name, "severity": severity, "selector": "name=node-1"})
    assert manager.run(manager.services.alert_watch.tick(manager.clock()))
    found = [one["severity"] for one in admin.data("GET", "/api/v1/alerts", params={"sort": "-severity,node_name"})["items"]]
    assert found == ["critical", *["warning"] * COUNT, "info"]
    rules = [one["severity"] for one in admin.data("GET", "/api/v1/alert-rules", params={"sort": "-severity"})["items"]]
    assert rules == ["critical", *["warning"] * COUNT, "info"]


def test_a_change_says_which_version_it_was_made_of(admin: Api, document: dict[str, Any]) -> None:
    versioned = set()
    for path, methods in document["paths"].items():
        for method in methods.keys() & {"put", "patch", "delete"}:
            call = f"{method.upper()} {path}"
            takes = any(one["name"] == "If-Match" and one["required"] for one in methods[method].get("parameters", ()))
            assert takes != (call in UNVERSIONED), call
            if takes:
                versioned.add(path)
                assert "ETag" in methods["get"]["responses"]["200"].get("headers", {}), f"GET {path} does not tell the version"
    assert len(versioned) >= 5
    for path in versioned:
        [item, *_] = admin.data("GET", path.removesuffix("/{id}"))["items"]
        own = path.replace("{id}", item.get("id", item["name"]))
        tag = admin.send("GET", own).headers["ETag"]
        body = {"title": "x"} if "fields" in path else {"tags": {}} if "nodes" in path else {"name": "other"}
        assert admin.refusal("PATCH", own, json=body)[:3] == (400, 1001, "If-Match"), path
        if f"DELETE {path}" not in UNVERSIONED:
            assert admin.refusal("DELETE", own)[:3] == (400, 1001, "If-Match"), path
        for header in ('"77"', "W/x", "*"):
            status, code, field, _ = admin.refusal("PATCH", own, json=body, headers={"If-Match": header})
            assert (status, code) == (409, 1001) if header == '"77"' else (status, field) == (400, "If-Match"), (path, header)
        assert admin.send("GET", own).headers["ETag"] == tag, path


def test_what_makes_something_makes_it_once(document: dict[str, Any]) -> None:
    """How, is shown in test_once.py; here, that none is forgotten: what takes no key must end the same when it comes twice."""
    unkeyed = {
        path
        for path, methods in document["paths"].items()
        if "post" in methods and not any(one["name"] == "Idempotency-Key" for one in methods["post"].get("parameters", ()))
    }
    same_again = {
        "/api/v1/alerts/acknowledge",
        "/api/v1/alert-rules/switch",
        "/api/v1/nodes/retire",
        "/api/v1/nodes/restore",
        "/api/v1/waiting/approve",
        "/api/v1/waiting/reject",
        "/api/v1/alerts/{id}/acknowledge",
        "/api/v1/commands/{id}/cancel",
        "/api/v1/deliveries/{id}/again",
        "/api/v1/fields/{id}/values",
        "/api/v1/files/{id}/finish",
        "/api/v1/groups/{id}/members",
        "/api/v1/ungroup/{kind}",
        "/api/v1/nodes/{id}/merge",
        "/api/v1/nodes/{id}/restore",
        "/api/v1/nodes/{id}/split",
        "/api/v1/receivers/{id}/rotate",
        "/api/v1/tags",
        "/api/v1/waiting/{id}/approve",
        "/api/v1/waiting/{id}/reject",
        "/api/v1/windows/{id}/end",
        "/api/v1/windows/{id}/skip",
    }
    assert unkeyed == same_again | set(ONCE_ANYWAY)


def test_many_rules_are_switched_and_many_hosts_let_in_each_with_its_result(admin: Api) -> None:
    rules = [one["id"] for one in admin.data("GET", "/api/v1/alert-rules", params={"q": "rule "})["items"]]
    off = admin.data("POST", "/api/v1/alert-rules/switch", json={"rules": [*rules, "none"], "enabled": False})
    assert (off["changed"], off["failed"], off["results"][-1]["message"]) == (COUNT, 1, "there is no alert rule 'none'")
    again = admin.data("POST", "/api/v1/alert-rules/switch", json={"rules": rules[:1], "enabled": False})
    assert (again["changed"], again["results"][0]["message"]) == (0, "it is off already")
    assert admin.refusal("POST", "/api/v1/alert-rules/switch", json={"rules": [], "enabled": True})[:3] == (400, 1001, "rules")
    hosts = [one["node_id"] for one in admin.data("GET", "/api/v1/waiting")["items"]]
    refused = admin.data("POST", "/api/v1/waiting/reject", json={"hosts": hosts[:2]})
    assert (refused["changed"], refused["failed"]) == (2, 0)
    taken = admin.data("POST", "/api/v1/waiting/approve", json={"hosts": hosts})
    assert (taken["changed"], taken["failed"]) == (COUNT - 2, 2)
    assert admin.data("GET", "/api/v1/waiting")["total"] == 0
