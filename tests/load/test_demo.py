"""What `./ops demo --fleet` shows from its first minute on."""

from __future__ import annotations

import json
from pathlib import Path

from tests import demo_fleet
from tests.demo_receiver import SETTINGS, DemoReceiver
from tests.stack import Stack


def test_the_demo_has_alerts_windows_and_deliveries_to_show_at_once(tmp_path: Path) -> None:
    stack, fleet = Stack(tmp_path, manager=SETTINGS), None
    receiver = DemoReceiver(tmp_path / "received.jsonl")
    try:
        stack.start_manager()
        stack.sign_in()
        fleet = demo_fleet.add(stack, receiver, 40, 8)
        taken = stack.api("GET", "/alerts?state=acknowledged")["items"]
        assert any(one["rule_name"] == "Disk above 90 %" and one["subject"] == "/srv/data" for one in taken), "the filling disk"
        alert = stack.api("GET", f"/alerts/{taken[0]['id']}")
        assert alert["opened_at"] < alert["acknowledged_at"]
        assert [event["kind"] for event in alert["events"]][:2] == ["opened", "acknowledged"]
        told = [json.loads(line) for line in (tmp_path / "received.jsonl").read_text().splitlines()]
        sent = stack.api("GET", "/deliveries?state=sent&size=200")["items"]
        assert {one["id"] for one in told} >= {one["message_id"] for one in sent if one["receiver_name"] == "Operations desk"} != set()
        health = {one["name"]: one["health"] for one in stack.api("GET", "/receivers")["items"]}
        assert health["Operations desk"] == "fine"
        assert health["Old mail gateway"] == "failing"
        windows = stack.api("GET", "/windows")["items"]
        assert sorted((one["schedule"]["repeat"], one["open"]) for one in windows) == [("once", True), ("weekly", False)]
        assert all(rule["enabled"] for rule in stack.api("GET", "/alert-rules")["items"])
    finally:
        if fleet is not None:
            fleet.terminate()
            fleet.communicate(timeout=20)
        stack.stop()
        receiver.close()
