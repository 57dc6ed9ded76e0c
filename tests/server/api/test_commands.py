"""Running something through the API, and what one sees of it."""

from __future__ import annotations

import json

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
