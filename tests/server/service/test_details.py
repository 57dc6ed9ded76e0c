"""Mounts, devices, interfaces, cores and GPUs over time: the same on every database, and bounded however long the range."""

from __future__ import annotations

import pytest

from host.wire.messages import Record, ReportRequest
from server.auth import Caller
from server.errors import NotFound
from server.service.details import MOST_NAMES, READS, Line
from tests.conftest import Manager

MINUTE, DAY = 60_000, 86_400_000


def mount(name: str, percent: float) -> dict[str, object]:
    return {"mount": name, "device": "/dev/x", "fstype": "xfs", "total": 100, "used": 1, "free": 99, "percent": percent}


def nic(name: str, count: int, rate: float | None = 7.0) -> dict[str, object]:
    return {"name": name, "rx_bytes": count, "tx_bytes": 2 * count, "rx_rate": rate, "tx_rate": rate}


async def tell(manager: Manager, node: Caller, *samples: tuple[int, dict[str, object]]) -> None:
    """Samples at their times; numbers go on from what the node has told."""
    lane = await manager.db.rows(manager.db.q.reports.lanes, {"ids": [node.id], "lane": "bulk"})
    first = (lane[0]["stored_seq"] if lane else 0) + 1
    records = [Record(first + number, "sample", at, {"took_ms": 1.0, **body}) for number, (at, body) in enumerate(samples)]
    for start in range(0, len(records), 500):
        await manager.services.reports.store(node.id, ReportRequest("bulk", 1, records[start : start + 500]), manager.time())


def values(lines: list[Line], figure: str) -> dict[str, list[tuple[int, float, float]]]:
    return {line.name: [(point.at, point.value, point.most) for point in line.points] for line in lines if line.figure == figure}


async def test_every_mount_is_a_line_of_means_with_its_peaks(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now // (10 * MINUTE) * (10 * MINUTE) - 60 * MINUTE
    told = [(start + n * MINUTE, {"disks": [mount("/", 10.0 + n), mount("/var", 50.0)]}) for n in range(10)]
    await tell(manager, node, *told, (start + 12 * MINUTE, {"disks": [mount("/", 90.0)]}))
    found = await manager.services.details.series(node.id, "mounts", start, start + 20 * MINUTE, manager.time.now, step=10 * MINUTE)
    assert found.names == ["/", "/var"]
    assert values(found.lines, "used") == {
        "/": [(start, 14.5, 19.0), (start + 10 * MINUTE, 90.0, 90.0)],
        "/var": [(start, 50.0, 50.0)],
    }


async def test_rates_are_what_counters_grew_by_and_the_hosts_own_where_they_cannot_tell(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now - 120 * MINUTE
    counts = [(0, 1000), (1, 61_000), (2, 50), (3, 6_050), (33, 9_999_999)]
    await tell(manager, node, *((start + minute * MINUTE, {"nics": [nic("eth0", count)]}) for minute, count in counts))
    found = await manager.services.details.series(node.id, "nics", start, start + 60 * MINUTE, manager.time.now, step=1)
    rates = [round(value) for _, value, _ in values(found.lines, "received")["eth0"]]
    # The first has none before it; the third went backwards, as after a restart; the last comes after half an hour of silence.
    assert rates == [7, 1000, 7, 100, 7]
    assert [round(value) for _, value, _ in values(found.lines, "sent")["eth0"]] == [7, 2000, 7, 200, 7]


async def test_samples_without_the_section_are_passed_over_not_chosen(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now - DAY
    cpu = {"percent": 5.0, "user": 1.0, "system": 1.0, "idle": 1.0, "cores": [10.0, 30.0]}
    gpu = {"name": "A100", "percent": 40.0, "memory_used": 10, "memory_total": 40, "temperature": 61.0}
    samples: list[tuple[int, dict[str, object]]] = []
    for second in range(0, 3600, 10):
        body: dict[str, object] = {"cpu": cpu}
        if second % 60 == 50:
            body |= {"disks": [mount("/", 20.0)], "gpus": [gpu, gpu], "disk_io": [{"device": "sda", "read_bytes": 1, "write_bytes": 1}]}
        samples.append((start + second * 1000, body))
    await tell(manager, node, *samples)
    series = manager.services.details.series
    until = start + DAY
    mounts = await series(node.id, "mounts", start, until, manager.time.now, step=1)
    assert len(mounts.lines[0].points) == 60, "each minute has one, though it is not the first sample of it"
    gpus = await series(node.id, "gpus", start, until, manager.time.now, step=1)
    assert gpus.names == ["0 A100", "1 A100"]
    assert {figure: len(found) for figure in ("busy", "memory", "temperature") for found in values(gpus.lines, figure).values()} == {
        "busy": 60,
        "memory": 60,
        "temperature": 60,
    }
    assert values(gpus.lines, "memory")["0 A100"][0][1] == 25.0
    cores = await series(node.id, "cores", start, until, manager.time.now)
    assert {name: points[0][1] for name, points in values(cores.lines, "busy").items()} == {"0": 10.0, "1": 30.0}
    assert (await series(node.id, "devices", start, until, manager.time.now)).names == ["sda"]


async def test_a_range_is_read_by_a_bounded_number_of_samples(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now - DAY
    await tell(manager, node, *((start + n * 20_000, {"disks": [mount("/", float(n % 100))]}) for n in range(DAY // 20_000)))
    found = await manager.services.details.series(node.id, "mounts", start, manager.time.now, manager.time.now, step=1)
    assert READS - 2 <= len(found.lines[0].points) <= READS + 1
    usual = await manager.services.details.series(node.id, "mounts", start, manager.time.now, manager.time.now)
    assert (usual.step, usual.slot) == (5 * MINUTE, MINUTE)
    assert 287 <= len(usual.lines[0].points) <= 289


async def test_what_nobody_chose_from_are_those_that_stand_out(manager: Manager) -> None:
    node = await manager.enrol()
    at = manager.time.now - MINUTE
    names = [f"/data/{number}" for number in range(9)]
    await tell(manager, node, (at, {"disks": [mount(name, float(place)) for place, name in enumerate(names)]}))
    series = manager.services.details.series
    usual = await series(node.id, "mounts", at - MINUTE, at + MINUTE, manager.time.now)
    assert [line.name for line in usual.lines] == names[-MOST_NAMES:]
    assert usual.names == names
    chosen = await series(node.id, "mounts", at - MINUTE, at + MINUTE, manager.time.now, names=["/data/2", "/gone", "/data/0"])
    assert [line.name for line in chosen.lines] == ["/data/0", "/data/2"]


async def test_beyond_what_is_kept_it_begins_later_and_says_so(manager: Manager) -> None:
    node = await manager.enrol()
    now = manager.time.now
    await tell(manager, node, (now - MINUTE, {"disks": [mount("/", 1.0)]}))
    found = await manager.services.details.series(node.id, "mounts", now - 900 * DAY, now, now)
    assert found.since == found.kept_since == now - 730 * DAY
    assert len(found.lines[0].points) == 1
    long_ago = await manager.services.details.series(node.id, "mounts", now - 900 * DAY, now - 800 * DAY, now)
    assert (long_ago.names, long_ago.lines) == ([], [])


async def test_another_kind_is_refused(manager: Manager) -> None:
    node = await manager.enrol()
    with pytest.raises(NotFound, match="there are no details of 'fans'; there are mounts, devices, nics, cores, gpus"):
        await manager.services.details.series(node.id, "fans", 0, 1, manager.time.now)
