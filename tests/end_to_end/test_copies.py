"""A host's disk is copied and the copy is started, with real daemons: quarantine, split, and two nodes in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.copies import Copied, possible, status_of
from tests.stack import Stack, StackError, whole

OPTIONS = {
    "daemon": "collectors:\n  cpu: {interval: 10s}\n",
    "link": "  reconnect_max: 2s\n",
}


def until(ready: Callable[[], Any], seconds: float, what: str, detail: Callable[[], Any] = lambda: "") -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := ready():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what}: {detail()}")


def quarantined(stack: Stack) -> bool:
    return bool(stack.node()["state"] == "quarantined")


@pytest.mark.skipif(not possible(), reason="needs root, to give a process hardware of its own")
def test_a_copied_host_is_found_split_off_and_becomes_a_node_of_its_own(folder: Path) -> None:
    with whole(folder / "copies", **OPTIONS) as stack:
        stack.wait_first_sample()
        stack.wait_agent()
        copied = Copied(stack)
        copied.take()
        copied.start()
        try:
            until(lambda: quarantined(stack), 60, "no quarantine", copied.log)
            for host in (stack.folder / "host", copied.folder):
                until(lambda host=host: "quarantine" in status_of(host)["manager"]["problem"], 40, "the host does not say why", copied.log)
            with pytest.raises(StackError, match="quarantined"):
                stack.run("echo no")
            began = time.time_ns() // 1_000_000
            host = stack.folder / "host"
            until(
                lambda: status_of(host)["outbox"]["urgent"] + status_of(host)["outbox"]["bulk"] >= 2,
                40,
                "the host does not keep its records",
            )
            found = stack.api("GET", f"/nodes/{stack.node_id}/machines")
            own, other = sorted(found["items"], key=lambda one: not one["own"])
            assert (other["same_installation"], other["cards_in_common"]) == (True, 0)
            stack.api("POST", f"/nodes/{stack.node_id}/split", {"keep": own["marks"], "since": found["since"]})

            assert stack.finish(stack.run("echo mine"))[1] == "mine\n"
            until(lambda: any(one["at"] >= began - 1000 for one in stack.samples()), 30, "what was measured meanwhile did not come")
            assert stack.api("GET", f"/nodes/{stack.node_id}/log")["dropped"] == [], "nothing is lost"
            [asks] = until(lambda: stack.api("GET", "/waiting")["items"], 60, "the copy does not ask", copied.log)
            assert asks["same_as"] == ""
            assert copied.node_id == "", "until it is approved it is nobody"
            stack.api("POST", f"/waiting/{asks['node_id']}/approve", {})

            second = until(lambda: copied.node_id, 60, "the copy does not enrol", copied.log)
            assert second == asks["node_id"] != stack.node_id
            path = f"/nodes/{second}"
            until(lambda: stack.api("GET", path)["agent"]["state"] == "running", 60, "the copy's agent does not run", copied.log)
            body = {"nodes": [second], "type": "script", "content": {"script": "echo theirs"}}
            command = stack.api("POST", "/commands", body)["commands"][second]
            assert stack.finish(command)[1] == "theirs\n", "its agent takes commands signed for the new node"
            assert stack.finish(stack.run("echo still mine"))[1] == "still mine\n"
            keys = {(one / "var/identity/node.key").read_bytes() for one in (host, copied.folder)}
            assert len(keys) == 2
            assert stack.node()["state"] == "online"
            assert {"node.quarantine", "node.split", "node.approve"} <= {
                one["action"] for one in stack.api("GET", "/audit?size=50")["items"]
            }
        finally:
            copied.stop()
