"""Kinds of task over the API: which there are, tasks of them, and what they return."""

from __future__ import annotations

from typing import Any

from host.wire.codec import plain
from host.wire.records import Execution, Kinds
from host.wire.schema import read
from host.wire.tasks import KINDS
from tests.browser.kinds import EVERY, HOSTILE, told
from tests.server.api.harness import Api, Host, Manager

CANARY = "canary-0815-secret"


def tells(host: Host, *more: dict[str, Any], refused: dict[str, str] | None = None) -> None:
    host.tells("kinds", Kinds(told(*more)["kinds"], refused or {}))


def test_kinds_are_listed_with_schemas_that_the_wire_can_read(manager: Manager, admin: Api, viewer: Api) -> None:
    host, other = manager.host("kinds-a"), manager.host("kinds-b")
    tells(host, EVERY, HOSTILE, refused={"raid": "no function run"})
    items = viewer.data("GET", f"/api/v1/kinds?nodes={host.id},{other.id}")["items"]
    found = {item["kind"]: item for item in items}
    assert list(found) == sorted(found)
    assert set(KINDS) <= set(found)
    assert found["script"]["builtin"]
    assert found["script"]["nodes"] == 2
    backup = found["plugin.backup"]
    assert (backup["nodes"], backup["lacking"], backup["lack_it"], backup["builtin"]) == (1, 1, [other.id], False)
    assert read({name: backup[name] for name in ("kind", "label", "help", "fields")}).dry_run
    assert {item["kind"] for item in viewer.data("GET", "/api/v1/kinds")["items"]} >= {"script", "plugin.backup"}
    own = viewer.data("GET", f"/api/v1/nodes/{host.id}/kinds")
    assert (own["refused"], own["told_at"]) == ({"raid": "no function run"}, manager.clock())
    assert viewer.data("GET", f"/api/v1/nodes/{other.id}/kinds")["told_at"] is None
    assert viewer.refusal("GET", "/api/v1/nodes/NOPE/kinds")[:2] == (404, 2001)


def test_a_task_of_any_kind_is_given_and_its_result_comes_back(manager: Manager, admin: Api) -> None:
    host = manager.host("results")
    tells(host, EVERY)
    body = {"nodes": [host.id], "type": "plugin.backup", "content": {"engine": "mysql", "database": "orders", "dry_run": True}}
    task = admin.data("POST", "/api/v1/commands", json=body)
    command_id = task["commands"][host.id]
    host.starts(command_id)
    result = {"changed": False, "rows": {"orders": [1, 2]}}
    host.tells("execution", Execution(command_id, "succeeded", exit_code=0, result=plain(result), cpu_ms=41, memory_bytes=5_000_000))
    one = admin.data("GET", f"/api/v1/commands/{command_id}")
    assert (one["kind"], one["result"], one["cpu_ms"], one["memory_bytes"]) == ("plugin.backup", result, 41, 5_000_000)
    assert one["content"] == body["content"]
    [item] = admin.data("GET", f"/api/v1/commands?task={task['task_id']}")["items"]
    assert (item["has_result"], item["cpu_ms"], "result" in item) == (True, 41, False)


def test_no_answer_has_a_secret_in_it(manager: Manager, admin: Api) -> None:
    host = manager.host("secrets")
    tells(host, EVERY)
    content = {"engine": "mysql", "database": "d", "password": CANARY, "settings": {"b": CANARY, "a": CANARY}}
    task = admin.data("POST", "/api/v1/commands", json={"nodes": [host.id], "type": "plugin.backup", "content": content})
    command_id = task["commands"][host.id]
    assert CANARY in host.waiting()[0].body
    for path in (f"/api/v1/commands/{command_id}", "/api/v1/commands", "/api/v1/audit", f"/api/v1/commands/{command_id}/output"):
        assert CANARY not in admin.send("GET", path).text
    shown = admin.data("GET", f"/api/v1/commands/{command_id}")["content"]
    assert (shown["password"], shown["settings"]) == (None, ["a", "b"])


def test_a_wrong_field_is_named_with_its_place(manager: Manager, admin: Api) -> None:
    host = manager.host("wrong-kinds")
    tells(host, EVERY)
    body: dict[str, Any] = {"nodes": [host.id], "type": "plugin.backup", "content": {"engine": "mysql", "database": "d", "level": 0}}
    assert admin.refusal("POST", "/api/v1/commands", json=body) == (400, 1001, "content.level", "content.level: 0 is not between 1 and 9")
    body["type"] = "plugin.nothing"
    assert admin.refusal("POST", "/api/v1/commands", json=body)[:3] == (400, 1001, "type")
    assert host.waiting() == []
