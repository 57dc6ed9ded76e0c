"""Reports on every database: stored exactly once, whatever is repeated, reordered, missing or malformed."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from host.wire.messages import Facts, PollRequest, Record, ReportRequest
from host.wire.protocol import MAX_CHUNK_BYTES
from host.wire.tasks import MAX_OUTPUT_BYTES
from server.errors import BadInput, Conflict
from server.loops import partitions, retention
from tests.conftest import DAY, Manager

SAMPLE: dict[str, Any] = {"took_ms": 3, "cpu": {"percent": 7.5, "user": 5, "system": 2, "idle": 92}, "load": [0.5, 0.4, 0.3]}


async def samples(manager: Manager, node_id: str) -> int:
    return len(await manager.services.metrics.series(node_id, 0, manager.time() + 1))


async def test_the_same_report_twice_is_stored_once(manager: Manager) -> None:
    node = await manager.enrol()
    for _ in range(2):
        answer = await manager.report(node, "bulk", (1, "sample", SAMPLE), (2, "sample", SAMPLE))
        assert answer.stored == 2
    assert await samples(manager, node.id) == 2


async def test_the_same_report_ten_times_at_once_is_stored_once(manager: Manager) -> None:
    node = await manager.enrol()
    reports = [manager.report(node, "bulk", (1, "sample", SAMPLE)) for _ in range(10)]
    answers = await asyncio.gather(*reports, return_exceptions=True)
    assert all(isinstance(a, Conflict) or a.stored == 1 for a in answers if not isinstance(a, BaseException) or isinstance(a, Conflict))
    assert not [a for a in answers if isinstance(a, BaseException) and not isinstance(a, Conflict)]
    assert await samples(manager, node.id) == 1


async def test_what_follows_a_gap_is_not_acknowledged(manager: Manager) -> None:
    node = await manager.enrol()
    answer = await manager.report(node, "bulk", (1, "sample", SAMPLE), (3, "sample", SAMPLE))
    assert answer.stored == 1
    assert await samples(manager, node.id) == 1


async def test_a_tombstone_fills_its_range_and_is_remembered(manager: Manager) -> None:
    node = await manager.enrol()
    gone = {"first": 2, "why": "the disk was full"}
    answer = await manager.report(node, "bulk", (1, "sample", SAMPLE), (9, "dropped", gone), (10, "sample", SAMPLE))
    assert answer.stored == 10
    [drop] = await manager.services.nodes.drops(node.id)
    assert (drop["first_seq"], drop["last_seq"], drop["why"]) == (2, 9, "the disk was full")


async def test_a_new_epoch_starts_again_at_one(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "sample", SAMPLE), epoch=1)
    answer = await manager.report(node, "bulk", (1, "sample", SAMPLE), epoch=2)
    assert answer.stored == 1
    assert await samples(manager, node.id) == 2


async def test_lanes_do_not_wait_for_each_other(manager: Manager) -> None:
    node = await manager.enrol()
    state = {"state": "running", "pid": 42, "version": "0.1.0"}
    assert (await manager.report(node, "urgent", (1, "state", state))).stored == 1
    assert (await manager.report(node, "bulk", (1, "sample", SAMPLE))).stored == 1
    assert (await manager.services.nodes.agent(node.id))["pid"] == 42


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("sample", {"took_ms": "fast"}),
        ("execution", {}),
        ("output", {"command_id": "x", "chunk": 0, "stream": "stdout", "offset": 0, "data": "%%%"}),
        ("state", {"state": "asleep"}),
        ("unheard-of", {"a": 1}),
    ],
)
async def test_an_unusable_record_is_noted_and_holds_nothing_up(manager: Manager, kind: str, body: dict[str, Any]) -> None:
    node = await manager.enrol()
    answer = await manager.report(node, "bulk", (1, kind, body), (2, "sample", SAMPLE))
    assert answer.stored == 2
    assert await samples(manager, node.id) == 1


async def test_an_unknown_lane_is_refused(manager: Manager) -> None:
    node = await manager.enrol()
    with pytest.raises(BadInput, match="lane"):
        await manager.report(node, "fast", (1, "sample", SAMPLE))


async def test_no_host_stores_more_output_than_a_command_may_print_or_long_after_its_end(manager: Manager) -> None:
    node = await manager.enrol("flood")
    submitted = await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "true"}, "", manager.time())
    command_id = submitted.commands[node.id]
    data = base64.b64encode(b"x" * MAX_CHUNK_BYTES).decode()
    most = MAX_OUTPUT_BYTES // MAX_CHUNK_BYTES

    def chunk(number: int) -> tuple[int, str, dict[str, object]]:
        # Always from the first byte on: each by itself is one that may come.
        return number + 1, "output", {"command_id": command_id, "chunk": number, "stream": "stdout", "offset": 0, "data": data}

    for start in range(0, most + 40, 40):
        await manager.report(node, "urgent", *(chunk(number) for number in range(start, start + 40)))
    assert len(await manager.services.output.whole(command_id, "stdout")) == MAX_OUTPUT_BYTES
    late = await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "true"}, "", manager.time())
    command_id = late.commands[node.id]
    last = start + 40
    for turn, state in enumerate(("started", "succeeded")):
        await manager.report(node, "urgent", (last + 1 + turn, "execution", {"command_id": command_id, "state": state}))
    manager.time.now += 31 * DAY
    await manager.report(node, "urgent", chunk(last + 2))
    assert await manager.services.output.whole(command_id, "stdout") == b""


async def test_output_is_kept_byte_for_byte_in_order(manager: Manager) -> None:
    from tests.server.service.test_commands import news, queue

    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.report(
        node,
        "urgent",
        (1, "execution", news(command_id, "started")),
        (2, "output", {"command_id": command_id, "chunk": 0, "stream": "stdout", "offset": 0, "data": "/wD+"}),
        (3, "output", {"command_id": command_id, "chunk": 1, "stream": "stderr", "offset": 0, "data": "ZXJy"}),
        (4, "execution", news(command_id, "succeeded", exit_code=0, stdout_bytes=3, stderr_bytes=3)),
    )
    assert await manager.services.output.whole(command_id, "stdout") == b"\xff\x00\xfe"
    assert await manager.services.output.whole(command_id, "all") == b"\xff\x00\xfeerr"
    part = await manager.services.output.read(command_id, 1, 0)
    assert [chunk["stream"] for chunk in part.chunks] == ["stderr"]
    assert part.done


async def test_the_headline_figures_are_the_samples(manager: Manager) -> None:
    node = await manager.enrol()
    disks = [
        {"mount": m, "device": "d", "fstype": "ext4", "total": 9, "used": 1, "free": 8, "percent": p} for m, p in (("/", 40), ("/b", 81))
    ]
    nics = [{"name": n, "rx_bytes": 1, "tx_bytes": 1, "rx_rate": 10.0, "tx_rate": 2.5} for n in ("eth0", "eth1")]
    await manager.report(node, "bulk", (1, "sample", {**SAMPLE, "disks": disks, "nics": nics}))
    [point] = await manager.services.metrics.series(node.id, 0, manager.time())
    assert (point["cpu_usage"], point["memory_usage"], point["disk_usage"]) == (7.5, None, 81)
    assert (point["load_1"], point["network_rx"], point["network_tx"]) == (0.5, 20.0, 5.0)


async def test_the_latest_picture_joins_collectors_of_different_periods(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "sample", {"took_ms": 1, "load": [1, 1, 1], "processes": 80}))
    manager.time.now += 60_000
    await manager.report(node, "bulk", (2, "sample", {"took_ms": 1, "processes": 90}))
    latest = await manager.services.metrics.latest(node.id, manager.time())
    assert (latest["processes"], latest["load"]) == (90, [1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("state", {"state": "running", "restarts": 2**70}),
        ("state", {"state": "running", "pid": 2**64}),
        ("sample", {"took_ms": 1, "load": [0.5]}),
    ],
)
async def test_a_number_that_no_column_holds_does_not_hold_up_the_lane(manager: Manager, kind: str, body: dict[str, Any]) -> None:
    node = await manager.enrol()
    at = 2**62 if kind == "sample" else manager.time()
    records = [Record(1, kind, at, body), Record(2, "event", manager.time(), {"name": "a", "detail": "b"})]
    answer = await manager.services.reports.store(node.id, ReportRequest("urgent", 1, records), manager.time())
    assert answer.stored == 2
    with pytest.raises(BadInput):
        await manager.services.reports.store(node.id, ReportRequest("urgent", 2**70, records), manager.time())


async def test_what_is_past_its_time_is_forgotten(manager: Manager) -> None:
    node = await manager.enrol()
    line = {"component": "daemon", "level": "warning", "logger": "daemon", "message": "old"}
    await manager.report(node, "bulk", (1, "log", line), (2, "sample", SAMPLE), (3, "event", {"name": "x", "detail": "y"}))
    manager.time.now += 31 * DAY
    await manager.report(node, "bulk", (4, "log", line | {"message": "new"}), (5, "sample", SAMPLE))
    await retention.tick(manager.services, manager.time())
    await partitions.tick(manager.services, manager.time())  # on MySQL and MariaDB samples leave by the day
    assert [row["message"] for row in (await manager.services.logs.page(node_id=node.id)).rows] == ["new"]
    assert await samples(manager, node.id) == 1


async def test_a_hosts_facts_are_bounded(manager: Manager) -> None:
    node = await manager.enrol()
    facts = Facts("h" * 9999, ["a" * 999] * 999, labels={str(number): "x" * 999 for number in range(999)})
    await manager.services.polls.poll(node, PollRequest(1, "0.1.0", facts=facts, holding=[]), gone())
    row = await manager.services.nodes.get(node.id)
    assert (len(row["facts"].hostname), len(row["facts"].addresses), len(row["facts"].labels)) == (255, 64, 64)


def gone() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


async def test_events_of_both_lanes_at_the_same_moment_do_not_block_each_other(manager: Manager) -> None:
    node = await manager.enrol()
    assert (await manager.report(node, "urgent", (1, "event", {"name": "a", "detail": "b"}))).stored == 1
    assert (await manager.report(node, "bulk", (1, "sample", {"took_ms": "unusable"}))).stored == 1


async def test_a_record_in_the_wrong_lane_is_unusable(manager: Manager) -> None:
    node = await manager.enrol()
    assert (await manager.report(node, "urgent", (1, "sample", SAMPLE))).stored == 1
    assert await samples(manager, node.id) == 0
