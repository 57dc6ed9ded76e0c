"""The emulated fleet against a real manager process: it is what the load tests and benchmarks stand on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.load.fleet import Fleet, Wanted
from tests.load.host import Lane
from tests.stack import Stack


async def until(ready: Callable[[], Any], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(ready):
        assert time.monotonic() < end, "it did not come to pass in time"
        await asyncio.sleep(0.05)


async def test_emulated_hosts_enrol_report_and_run_commands_like_real_ones(tmp_path: Path) -> None:
    stack = Stack(tmp_path)
    try:
        await asyncio.to_thread(stack.start_manager)
        await asyncio.to_thread(stack.sign_in)
        token = stack.api("POST", "/enrolment-tokens", {"uses": 3, "hours": 1, "note": "fleet"})["token"]
        wanted = Wanted("127.0.0.1", stack.node_port, tmp_path / "manager/keys/ca.crt", token, nodes=3, period=1.0, delay=0.01, spread=0.1)
        async with Fleet(wanted) as fleet:
            fleet.start()
            await until(lambda: stack.api("GET", "/nodes?state=online")["total"] == 3)
            ids = [host.node_id for host in fleet.hosts]
            body = {"nodes": ids, "type": "script", "content": {"script": "uptime"}}
            task = await asyncio.to_thread(stack.api, "POST", "/commands", body)
            await until(lambda: stack.api("GET", f"/commands?task={task['task_id']}&state=succeeded")["total"] == 3)
            await until(lambda: stack.api("GET", f"/nodes/{ids[0]}")["metrics"])
            await until(lambda: not fleet.unsent())
            assert fleet.figures.counts["commands"] == 3
            assert not [name for name in fleet.figures.counts if name.startswith(("no answer", "answered"))]
            node = await asyncio.to_thread(stack.api, "GET", f"/nodes/{ids[0]}")
            assert node["facts"]["hostname"] == fleet.hosts[0].machine.name
            assert node["agent"]["state"] == "running"
    finally:
        await asyncio.to_thread(stack.stop)


def test_records_of_an_emulated_host_are_kept_until_they_are_acknowledged() -> None:
    lane = Lane("bulk")
    for _ in range(3):
        lane.put("sample", 1, {"took_ms": 1})
    assert lane.batch(1)[1] == 3
    assert lane.stored(2) == 2
    assert b'"seq":3' in lane.batch(1)[0]
    assert b'"seq":1' not in lane.batch(1)[0]
