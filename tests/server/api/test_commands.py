"""Running something through the API, and what one sees of it."""

from __future__ import annotations

import json

import pytest

from host.wire import signing
from tests.server.api.harness import Api, Manager


def run(api: Api, *nodes: str, script: str = "uptime", **more: object) -> dict[str, str]:
    body = {"nodes": list(nodes), "type": "script", "content": {"script": script, **more}}
    return api.data("POST", "/api/v1/commands", json=body)["commands"]


def test_a_command_goes_from_queued_to_succeeded_with_times_and_reasons_in_words(manager: Manager, admin: Api) -> None:
    host = manager.host("steps")
    command_id = run(admin, host.id)[host.id]
    path = f"/api/v1/commands/{command_id}"

    queued = admin.data("GET", path)
    assert (queued["state"], queued["reason"]) == ("queued", "waiting for the host to fetch it")
    host.accepts(command_id)
    assert admin.data("GET", path)["state"] == "accepted"
    host.starts(command_id)
    assert admin.data("GET", path)["state"] == "started"
    host.ends(command_id)

    ended = admin.data("GET", path)
    assert (ended["state"], ended["exit_code"], ended["node_name"], ended["task_name"]) == ("succeeded", 0, "steps", "uptime")
    assert ended["queued_at"] <= ended["accepted_at"] <= ended["started_at"] <= ended["finished_at"]
    assert ended["truncated"] is False


def test_a_node_gets_a_command_that_its_own_key_verifies(manager: Manager, admin: Api) -> None:
    host = manager.host("signed")
    command_id = run(admin, host.id, script="echo 你好")[host.id]
    [command] = host.waiting()
    nonce = signing.verify(
        host.dispatch_key,
        command.headers,
        key_id=host.id,
        now=manager.clock.now,
        method=command.method,
        path=command.path,
        body=command.body.encode(),
    )
    assert nonce == command_id
    assert json.loads(command.body)["content"]["script"] == "echo 你好"


def test_neither_signature_nor_environment_leave_the_manager_through_the_api(manager: Manager, admin: Api) -> None:
    host = manager.host("discreet")
    command_id = run(admin, host.id, environment={"TOKEN": "hunter2"})[host.id]
    [command] = host.waiting()
    for path in (f"/api/v1/commands/{command_id}", "/api/v1/commands", f"/api/v1/commands/{command_id}/output", "/api/v1/audit"):
        text = admin.send("GET", path).text
        assert "hunter2" not in text
        assert command.headers[signing.SIGNATURE] not in text
        assert "X-Ops" not in text
    shown = admin.data("GET", f"/api/v1/commands/{command_id}")
    assert shown["content"]["environment"] == ["TOKEN"]
    assert not {"headers", "body"} & set(shown)


def test_the_list_can_be_had_by_node_task_and_state(manager: Manager, admin: Api, viewer: Api) -> None:
    one, two = manager.host("pair-a"), manager.host("pair-b")
    both = admin.data("POST", "/api/v1/commands", json={"nodes": [one.id, two.id, one.id], "content": {"script": "id"}, "name": "who"})
    assert set(both["commands"]) == {one.id, two.id}
    later = run(admin, one.id)[one.id]
    first = both["commands"][one.id]
    one.accepts(first)

    def ids(query: str) -> set[str]:
        return {item["id"] for item in viewer.data("GET", f"/api/v1/commands?{query}")["items"]}

    assert ids(f"node={one.id}") == {first, later}
    assert ids(f"task={both['task_id']}") == set(both["commands"].values())
    assert ids(f"node={one.id}&state=queued") == {later}
    page = viewer.data("GET", f"/api/v1/commands?node={one.id}&size=1&page=2")
    assert (page["total"], len(page["items"])) == (2, 1)
    assert page["items"][0]["task_name"] in ("who", "uptime")
    assert viewer.refusal("GET", "/api/v1/commands?state=lost")[:3] == (400, 1001, "state")
    assert viewer.refusal("GET", "/api/v1/commands?size=x")[:3] == (400, 1001, "size")


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"nodes": []}, 1001, "nodes"),
        ({"nodes": "NODE"}, 1001, "nodes"),
        ({"nodes": [1]}, 1001, "nodes[0]"),
        ({"nodes": ["01JZZZZZZZZZZZZZZZZZZZZZZZ"]}, 2001, "nodes"),
        ({"nodes": [str(n) for n in range(5001)]}, 1001, "nodes"),
        ({"type": "reboot"}, 1001, "type"),
        ({"type": None}, 1001, "type"),
        ({"name": 5}, 1001, "name"),
        ({"when": "later"}, 1001, "when"),
        ({"content": {}}, 1001, "content.script"),
        ({"content": None}, 1001, "content"),
        ({"content": {"script": "  \n"}}, 1001, "content.script"),
        ({"content": {"script": "a\0b"}}, 1001, "content.script"),
        ({"content": {"script": "x" * (512 * 1024 + 1)}}, 1001, "content.script"),
        ({"content": {"script": "x", "interpreter": "Perl 6"}}, 1001, "content.interpreter"),
        ({"content": {"script": "x", "timeout": 0}}, 1001, "content.timeout"),
        ({"content": {"script": "x", "timeout": 86_401}}, 1001, "content.timeout"),
        ({"content": {"script": "x", "timeout": "5m"}}, 1001, "content.timeout"),
        ({"content": {"script": "x", "output_limit": -1}}, 1001, "content.output_limit"),
        ({"content": {"script": "x", "environment": {"A=B": "x"}}}, 1001, "content.environment"),
        ({"content": {"script": "x", "working_folder": "tmp"}}, 1001, "content.working_folder"),
        ({"content": {"script": "x", "arguments": "-l"}}, 1001, "content.arguments"),
    ],
)
def test_a_command_that_cannot_be_run_is_refused_with_the_field(
    manager: Manager, admin: Api, change: dict[str, object], code: int, field: str
) -> None:
    before = admin.data("GET", "/api/v1/commands")["total"]
    body = {"nodes": ["01JZZZZZZZZZZZZZZZZZZZZZZZ"], "type": "script", "content": {"script": "true"}} | change
    status, answered, at, message = admin.refusal("POST", "/api/v1/commands", json=body)
    assert (status, answered, at) == (404 if code == 2001 else 400, code, field)
    assert len(message) < 400
    assert admin.data("GET", "/api/v1/commands")["total"] == before


def test_one_unknown_node_among_others_means_that_nothing_is_run(manager: Manager, admin: Api) -> None:
    host = manager.host("careful")
    assert admin.refusal("POST", "/api/v1/commands", json={"nodes": [host.id, "nope"], "content": {"script": "true"}})[1] == 2001
    assert host.waiting() == []


def test_a_queued_command_is_canceled_at_once_and_a_running_one_by_its_agent(manager: Manager, admin: Api) -> None:
    host = manager.host("stopped")
    queued, running = run(admin, host.id)[host.id], run(admin, host.id)[host.id]
    host.starts(running)
    assert admin.data("POST", f"/api/v1/commands/{queued}/cancel") == {"state": "canceled"}
    assert admin.data("POST", f"/api/v1/commands/{running}/cancel") == {"state": "started"}
    orders = host.waiting()
    assert [order.path for order in orders] == [f"/api/v1/task/{running}/cancel"]
    order = orders[0]
    assert admin.refusal("POST", f"/api/v1/commands/{order.id}/cancel")[:2] == (409, 1001)
    host.ends(running, "canceled", None, "stopped by request")
    assert admin.data("GET", f"/api/v1/commands/{running}")["reason"] == "stopped by request"
    assert admin.refusal("POST", f"/api/v1/commands/{running}/cancel")[:2] == (409, 1001)
    assert admin.refusal("POST", "/api/v1/commands/nope/cancel")[:2] == (404, 1001)
    assert admin.refusal("GET", "/api/v1/commands/nope")[:2] == (404, 1001)


def test_a_command_for_very_many_nodes_is_in_the_audit_log_with_its_script(manager: Manager, admin: Api) -> None:
    hosts = [manager.host(f"fleet-{number}").id for number in range(3)]
    admin.data("POST", "/api/v1/commands", json={"nodes": hosts, "content": {"script": "echo of the fleet"}})
    entry = admin.data("GET", "/api/v1/audit?size=1")["items"][0]
    assert (entry["actor"], entry["action"]) == ("ada", "command.run")
    assert entry["detail"]["content"]["script"] == "echo of the fleet"
    assert (entry["detail"]["nodes"], entry["detail"]["count"]) == (hosts, 3)
