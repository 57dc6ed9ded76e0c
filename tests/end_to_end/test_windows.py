"""A command that waits for a maintenance window, on the whole stack: it starts when a window opens, and not before."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

from tests.stack import Stack


def window(stack: Stack, name: str, opens: datetime, minutes: int = 60) -> str:
    schedule = {"start": opens.strftime("%Y-%m-%dT%H:%M"), "minutes": minutes}
    return str(stack.api("POST", "/windows", {"name": name, "selector": "all", "zone": "UTC", "schedule": schedule})["id"])


def test_a_held_command_starts_within_seconds_of_a_windows_opening(stack: Stack) -> None:
    now = datetime.now(timezone.utc)
    window(stack, "tomorrow", now + timedelta(days=1))
    body = {"nodes": [stack.node_id], "type": "script", "content": {"script": "echo now", "timeout": 30}, "wait_for_window": 3 * 86_400}
    command_id = stack.api("POST", "/commands", body)["commands"][stack.node_id]
    # Later commands pass it: it waits, they do not.
    _, text = stack.finish(stack.run("echo passed"))
    assert text == "passed\n"
    waiting = stack.api("GET", f"/commands/{command_id}")
    assert (waiting["state"], waiting["window"]["name"]) == ("queued", "tomorrow")
    begun = time.monotonic()
    window(stack, "today", now - timedelta(minutes=5))
    command, text = stack.finish(command_id)
    assert time.monotonic() - begun < 10
    assert (command["state"], text, command["window"]["name"]) == ("succeeded", "now\n", "today")
    assert stack.node()["maintenance"]["name"] == "today"
