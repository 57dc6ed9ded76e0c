"""A node is retired, taken back and deleted while its host works: the daemon says why it is refused, and loses and doubles nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.end_to_end.copies import status_of
from tests.stack import Stack, whole

OPTIONS = {
    "daemon": "collectors:\n  cpu: {interval: 10s}\n",
    "link": "  reconnect_max: 2s\n",
}
LINES = 60


def until(ready: Callable[[], Any], seconds: float, what: str) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.2)
    raise AssertionError(what)


def problem(stack: Stack) -> str:
    return str(status_of(stack.folder / "host")["manager"]["problem"])


def waiting(stack: Stack) -> int:
    outbox = status_of(stack.folder / "host")["outbox"]
    return int(outbox["urgent"] + outbox["bulk"])


def test_what_a_host_does_while_its_node_is_retired_arrives_once_it_is_taken_back(folder: Path) -> None:
    with whole(folder / "retiring", **OPTIONS) as stack:
        stack.wait_first_sample()
        command = stack.run(f"for i in $(seq {LINES}); do echo line $i; sleep 0.2; done")
        until(lambda: stack.output(command)["chunks"], 30, "nothing was printed")
        stack.api("DELETE", f"/nodes/{stack.node_id}")
        until(lambda: "was retired" in problem(stack), 30, f"the daemon does not say why: {problem(stack)}")
        seen = stack.output(command, wait=0)
        until(lambda: waiting(stack) >= 3, 40, "the host does not keep what it has to tell")
        assert stack.output(command, wait=0)["chunks"] == seen["chunks"]
        assert stack.node()["state"] == "retired"

        stack.api("POST", f"/nodes/{stack.node_id}/restore")
        until(lambda: stack.node()["state"] == "online", 30, f"it did not come back: {problem(stack)}")
        done, text = stack.finish(command)
        assert done["state"] == "succeeded"
        assert text.splitlines() == [f"line {number}" for number in range(1, LINES + 1)]
        assert stack.finish(stack.run("echo again"))[1] == "again\n"
        states = [one["name"] for one in stack.api("GET", f"/nodes/{stack.node_id}/timeline?kind=state")["items"]]
        assert states[:3] == ["online", "offline", "retired"]

        stack.api("DELETE", f"/nodes/{stack.node_id}")
        stack.api("DELETE", f"/nodes/{stack.node_id}/data?confirm={stack.node_name}")
        until(lambda: "not one of a node here" in problem(stack), 30, f"the daemon does not say why: {problem(stack)}")
        until(lambda: waiting(stack) >= 1, 40, "the host does not keep what it has to tell")
        assert set(stack.pids()) >= {"daemon", "agent"}
