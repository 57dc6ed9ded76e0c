"""Roll-ups: long ranges come from means that were made in time, whatever comes late, twice or from another manager."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from host.wire.messages import Record, ReportRequest
from server.auth import Caller
from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.loops import partitions, retention
from server.service.rollups import COARSE, FINE, HOUR_MS
from server.services import Services, build
from tests.conftest import DAY, QUICK_HASHER, Manager
from tests.server.service.test_metrics import MINUTE, cpu


class Telling:
    """A node's samples at chosen times."""

    def __init__(self, manager: Manager, node: Caller) -> None:
        self._manager, self.node, self._seq = manager, node, 0

    async def at(self, at: int, percent: float, **more: object) -> None:
        self._seq += 1
        record = Record(self._seq, "sample", at, cpu(percent) | more)
        await self._manager.services.reports.store(self.node.id, ReportRequest("bulk", 1, [record]), self._manager.time())


def hour(manager: Manager) -> int:
    return manager.time.now // HOUR_MS * HOUR_MS


async def no_samples(manager: Manager, node_id: str) -> None:
    q = manager.db.q.metrics.delete_before
    await manager.db.transaction(lambda session: session.execute(q, {"node_id": node_id, "before": 2**62}))


async def means(manager: Manager, node_id: str, since: int, step: int) -> list[tuple[int, float, float]]:
    rows = await manager.services.metrics.series(node_id, since, manager.time(), step)
    return [(row["at"] - since, row["cpu_usage"], row["cpu_usage_most"]) for row in rows]


@pytest.fixture
async def second(manager: Manager, empty_database: str, tmp_path: Path) -> AsyncIterator[Services]:
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], manager.time())
        yield build(db, Config(data_dir=tmp_path), keys, manager.time, QUICK_HASHER)


async def test_a_long_range_is_there_when_its_samples_are_gone(manager: Manager) -> None:
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    for minute, percent in ((1, 10.0), (3, 30.0), (31, 50.0)):  # silent from 5 to 30 minutes past
        manager.time.now = start + minute * MINUTE
        await telling.at(manager.time.now, percent, plugins=[{"plugin": "queue", "name": "held", "value": percent, "unit": "jobs"}])
    manager.time.now = start + HOUR_MS + 5 * MINUTE
    before = await means(manager, telling.node.id, start, FINE)
    assert await manager.services.rollups.work(manager.time())
    await no_samples(manager, telling.node.id)
    assert await means(manager, telling.node.id, start, FINE) == before == [(0, 20.0, 30.0), (30 * MINUTE, 50.0, 50.0)]
    assert await means(manager, telling.node.id, start, COARSE) == [(0, 30.0, 50.0)]
    [held] = await manager.services.metrics.plugin_series(telling.node.id, start, manager.time(), COARSE)
    assert (held["value"], held["value_most"], held["unit"]) == (30.0, 50.0, "jobs")


async def test_a_sample_that_comes_late_counts_in_its_span(manager: Manager) -> None:
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    manager.time.now = start + MINUTE
    await telling.at(start + MINUTE, 10.0)
    manager.time.now = start + 3 * HOUR_MS
    await manager.services.rollups.work(manager.time())
    await telling.at(start + 2 * MINUTE, 90.0)
    assert await means(manager, telling.node.id, start, COARSE) == [(0, 10.0, 10.0)]
    await manager.services.rollups.work(manager.time())
    assert await means(manager, telling.node.id, start, COARSE) == [(0, 50.0, 90.0)]
    assert await means(manager, telling.node.id, start, FINE) == [(0, 50.0, 90.0)]


async def test_where_roll_ups_end_and_samples_begin_a_span_is_one_point(manager: Manager) -> None:
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    for minute, percent in ((1, 10.0), (6, 20.0), (11, 90.0)):
        manager.time.now = start + minute * MINUTE
        await telling.at(manager.time.now, percent)
    manager.time.now = start + 13 * MINUTE
    await manager.services.rollups.work(manager.time())
    assert (await manager.services.rollups.state())["done_until"] == start + 10 * MINUTE
    assert await means(manager, telling.node.id, start, 6 * FINE) == [(0, 40.0, 90.0)]


async def test_only_one_manager_has_the_work_and_doing_it_again_changes_nothing(manager: Manager, second: Services) -> None:
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    manager.time.now = start + MINUTE
    await telling.at(manager.time.now, 10.0)
    manager.time.now = start + 2 * HOUR_MS
    q = manager.db.q.rollups
    lease = {"now": manager.time(), "until": manager.time() + 1000}
    assert await manager.db.transaction(lambda session: session.execute(q.lease, lease)) == 1
    assert not await second.rollups.work(manager.time())
    manager.time.now += 1000  # whoever had it has died: its lease ends
    assert await second.rollups.work(manager.time())
    assert await manager.services.rollups.work(manager.time())
    assert await means(manager, telling.node.id, start, COARSE) == [(0, 10.0, 10.0)]


async def test_the_fleets_minutes_are_means_and_percentiles_over_its_nodes(manager: Manager) -> None:
    start = hour(manager)
    manager.time.now = start + 30_000
    for number in range(1, 21):
        await Telling(manager, await manager.enrol(f"web-{number}")).at(start + 30_000, float(number))
    manager.time.now = start + 3 * MINUTE
    await manager.services.rollups.work(manager.time())
    [row] = await manager.services.rollups.fleet(start, manager.time(), MINUTE)
    assert (row["at"], row["nodes"], row["online"], row["total"]) == (start, 20, 20, 20)
    assert (row["cpu_usage"], row["cpu_usage_p95"], row["memory_usage"]) == (10.5, 19.0, None)


async def test_each_tier_is_kept_for_its_own_time(manager: Manager) -> None:
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    manager.time.now = start + MINUTE
    await telling.at(manager.time.now, 10.0)
    manager.time.now = start + 2 * HOUR_MS
    await manager.services.rollups.work(manager.time())
    for days, fine, coarse in ((31, 1, 1), (91, 0, 1), (731, 0, 0)):
        manager.time.now = start + days * DAY
        await partitions.tick(manager.services, manager.time())
        await retention.tick(manager.services, manager.time())
        series = manager.services.metrics.series
        assert await series(telling.node.id, start, start + HOUR_MS) == []
        assert len(await series(telling.node.id, start, start + HOUR_MS, FINE)) == fine
        assert len(await series(telling.node.id, start, start + HOUR_MS, COARSE)) == coarse


async def test_no_tier_goes_before_the_samples_that_it_is_made_of(manager: Manager) -> None:
    config = replace(manager.services.config, metrics_days=60, rollup_days=7, rollup_hour_days=30)
    services = replace(manager.services, config=config)
    telling, start = Telling(manager, await manager.enrol()), hour(manager)
    manager.time.now = start + MINUTE
    await telling.at(manager.time.now, 10.0)
    manager.time.now = start + 2 * HOUR_MS
    await services.rollups.work(manager.time())
    for days, kept in ((59, 1), (61, 0)):
        await retention.tick(services, start + days * DAY)
        for step in (FINE, COARSE):
            assert len(await services.metrics.series(telling.node.id, start, start + HOUR_MS, step)) == kept
