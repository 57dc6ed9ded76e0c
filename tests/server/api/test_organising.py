"""Selectors, groups, tags and fields over the API."""

from __future__ import annotations

import pytest

from tests.server.api.harness import Api, Manager


def listed(api: Api, selector: str) -> list[str]:
    return [item["name"] for item in api.send("GET", "/api/v1/nodes", params={"select": selector}).json()["data"]["items"]]


def test_the_list_takes_a_selector_and_says_where_one_is_wrong(manager: Manager, viewer: Api) -> None:
    manager.host("sel-1", {"shelf": "x"})
    manager.host("sel-2", {"shelf": "y"})
    assert listed(viewer, "name:sel-* and shelf!=x") == ["sel-2"]
    answer = viewer.send("GET", "/api/v1/nodes", params={"select": "name:sel-* and shlf=x"}).json()
    assert answer["data"] == {"field": "select", "column": 16, "length": 4}
    assert "did you mean shelf" in answer["message"]
    for empty in ("", "  "):
        assert viewer.refusal("GET", "/api/v1/nodes", params={"select": empty})[:3] == (400, 1001, "select")


def test_a_preview_explains_counts_and_names(manager: Manager, viewer: Api) -> None:
    manager.host("pre-1")
    found = viewer.data("POST", "/api/v1/selectors/preview", json={"selector": "name:pre-* and offline", "language": "zh"})
    assert (found["total"], found["names"], found["states"], found["commandable"]) == (1, ["pre-1"], {"offline": 1}, 1)
    assert found["explanation"] == "满足以下条件的节点：名称形如“pre-*”，并且状态为离线"
    assert viewer.refusal("POST", "/api/v1/selectors/preview", json={"selector": ""})[:3] == (400, 1001, "selector")


def test_targets_by_selector_are_frozen_when_the_command_is_given(manager: Manager, admin: Api) -> None:
    first = manager.host("froz-1", {"frozen": "yes"})
    done = admin.data("POST", "/api/v1/commands", json={"select": "frozen=yes", "content": {"script": "true"}})
    late = manager.host("froz-2", {"frozen": "yes"})
    assert list(done["commands"]) == [first.id]
    assert late.waiting() == []
    both = {"select": "all", "nodes": [first.id], "content": {"script": "true"}}
    assert admin.refusal("POST", "/api/v1/commands", json=both)[:3] == (400, 1001, "select")
    for nothing in ({"select": ""}, {"select": "frozen=no"}, {}):
        assert admin.refusal("POST", "/api/v1/commands", json={**nothing, "content": {"script": "true"}})[0] == 400


def test_a_change_without_its_version_or_with_an_old_one_is_refused(manager: Manager, admin: Api) -> None:
    group = admin.data("POST", "/api/v1/groups", json={"kind": "region", "name": "Versions"})["id"]
    path = f"/api/v1/groups/{group}"
    assert admin.refusal("PATCH", path, json={"name": "x"})[:3] == (400, 1001, "If-Match")
    answer = admin.send("GET", path)
    assert answer.headers["ETag"] == '"1"'
    assert admin.data("PATCH", path, json={"name": "Newer"}, headers={"If-Match": answer.headers["ETag"]}) == {"version": 2}
    status, _, _, message = admin.refusal("PATCH", path, json={"name": "Lost"}, headers={"If-Match": '"1"'})
    assert status == 409
    assert "ada" in message
    assert admin.data("DELETE", path, headers={"If-Match": '"2"'}) is None
    assert admin.refusal("GET", path)[0] == 404


def test_many_are_changed_with_a_result_for_each(manager: Manager, admin: Api) -> None:
    first, second = manager.host("many-1"), manager.host("many-2")
    done = admin.data("POST", "/api/v1/tags", json={"nodes": [first.id, "nope"], "add": {"many": "1"}})
    assert (done["changed"], done["failed"], done["results"][1]["ok"]) == (1, 1, False)
    group = admin.data("POST", "/api/v1/groups", json={"kind": "business", "name": "Many"})["id"]
    assert admin.data("POST", f"/api/v1/groups/{group}/members", json={"select": "name:many-*"})["changed"] == 2
    assert admin.data("GET", f"/api/v1/nodes/{second.id}")["groups"] == {"business": {"id": group, "name": "Many"}}
    assert listed(admin, "group:many and tag:many") == ["many-1"]
    for wrong in ({"select": ""}, {"select": "al"}, {}, {"select": "all", "nodes": [first.id]}):
        assert admin.refusal("POST", f"/api/v1/groups/{group}/members", json=wrong)[0] == 400, wrong


@pytest.mark.parametrize(
    "body",
    [{"name": "x"}, {"name": "x", "kind": "planet"}, {"name": "", "kind": "region"}, {"name": "x", "kind": "region", "parent": "nope"}],
)
def test_a_group_that_cannot_be_is_refused(admin: Api, body: dict[str, str]) -> None:
    assert admin.refusal("POST", "/api/v1/groups", json=body)[:2] == (400, 1001)


def test_a_field_tells_its_version_and_a_change_of_an_older_one_is_refused(admin: Api) -> None:
    admin.data("POST", "/api/v1/fields", json={"name": "versioned", "title": "One"})
    tag = admin.send("GET", "/api/v1/fields/versioned").headers["ETag"]
    admin.data("PATCH", "/api/v1/fields/versioned", json={"title": "Two"}, headers={"If-Match": tag})
    assert admin.refusal("PATCH", "/api/v1/fields/versioned", json={"title": "Three"}, headers={"If-Match": tag})[0] == 409
    assert admin.refusal("PATCH", "/api/v1/fields/versioned", json={"title": "Three"})[::2] == (400, "If-Match")
    now = admin.send("GET", "/api/v1/fields/versioned")
    assert (now.json()["data"]["title"], now.headers["ETag"]) == ("Two", '"2"')
    assert admin.refusal("GET", "/api/v1/fields/none")[0] == 404
