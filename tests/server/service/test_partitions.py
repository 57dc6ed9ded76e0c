"""Day partitions on MySQL and MariaDB: no sample lacks a place, old ones leave by the day, queries look only where they must."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from server import partitions
from server.db import Db, Session
from server.loops import retention
from server.migrate import apply, load
from server.upkeep.check import check
from tests.conftest import DAY, START, Manager

HOUR = DAY // 24
WORDS = {"since": START - HOUR, "until": START, "step": 60_000, "tier": 300_000, "limit": 10, "before": START - 30 * DAY}
PRUNED = {
    "metrics.series": 2,
    "metrics.series_by_step": 2,
    "metrics.plugin_series": 2,
    "metrics.plugin_series_by_step": 2,
    "metrics.newest": 2,
    "metrics.latest": partitions.AHEAD + 3,
    "rollups.roll": 2,
    "rollups.roll_node": 2,
    "rollups.roll_plugins": 2,
    "rollups.roll_plugins_of_node": 2,
    "rollups.minutes": 2,
}
"""Query → in how many partitions it may look for an hour; `latest` has no end, and those of days to come are empty."""


@pytest.fixture
def server(manager: Manager) -> Manager:
    if manager.db.dialect != "mysql":
        pytest.skip("SQLite has no partitions")
    return manager


async def names(manager: Manager, table: str = "node_metrics") -> list[str]:
    return (await manager.db.transaction(manager.services.partitions.names))[table]


async def do(db: Db, *statements: str) -> None:
    async def work(session: Session) -> None:
        for statement in statements:
            await session.raw_statement(statement)

    await db.transaction(work)


async def ats(manager: Manager, part: str) -> list[int]:
    async def work(session: Session) -> list[int]:
        return [row["at"] for row in await session.raw_rows(f"SELECT at FROM node_metrics PARTITION ({part}) ORDER BY at")]

    return await manager.db.transaction(work)


def sample(value: float = 1.0) -> dict[str, object]:
    return {
        "took_ms": 1,
        "cpu": {"percent": 5.0, "user": 1.0, "system": 1.0, "idle": 1.0},
        "plugins": [{"plugin": "p", "name": "n", "value": value}],
    }


async def test_days_are_made_ahead_and_dropped_when_they_are_past(server: Manager) -> None:
    node = await server.enrol()
    await server.report(node, "bulk", (1, "sample", sample()))
    late = START + 40 * DAY
    server.time.now = late
    await server.report(node, "bulk", (2, "sample", sample()))
    assert await ats(server, partitions.REST) == [late]
    assert await server.services.partitions.keep(late - 30 * DAY, late)
    assert await ats(server, partitions.REST) == []
    ends = [partitions.end_of(name) for name in await names(server)]
    assert ends[-1] is None
    assert all(end is not None and end > late - 30 * DAY for end in ends[:-1])
    assert ends[-2] == (late // DAY + partitions.AHEAD + 1) * DAY
    assert [point["at"] for point in await server.services.metrics.series(node.id, 0, late + 1)] == [late]
    assert [row["at"] for row in await server.services.metrics.plugin_series(node.id, 0, late + 1)] == [late]
    before = await names(server)
    assert await server.services.partitions.keep(late - 30 * DAY, late)
    assert await names(server) == before


async def test_the_loop_of_retention_deletes_nothing_where_days_leave_whole(server: Manager) -> None:
    node = await server.enrol()
    await server.report(node, "bulk", (1, "sample", sample()))
    await retention.tick(server.services, START + 31 * DAY)
    assert len(await ats(server, "d20270115")) == 1


async def test_without_partitions_samples_are_deleted_and_the_check_tells(server: Manager) -> None:
    node = await server.enrol()
    await server.report(node, "bulk", (1, "sample", sample()))
    await do(server.db, *(f"ALTER TABLE {table} REMOVE PARTITIONING" for table in partitions.TABLES))
    assert [finding.name for finding in await check(server.db, None)] == ["partitions"] * 2
    assert await server.services.partitions.keep(START, START)
    await retention.tick(server.services, START + 31 * DAY)
    assert await server.services.metrics.series(node.id, 0, START + 1) == []


async def test_many_managers_at_once_make_each_day_once(server: Manager) -> None:
    late = START + 3 * DAY
    assert all(await asyncio.gather(*(server.services.partitions.keep(0, late) for _ in range(6))))
    found = await names(server)
    assert len(found) == len(set(found))
    assert partitions.ahead("node_metrics", found, late) is None


async def test_a_long_read_is_not_disturbed_and_the_next_turn_does_it(server: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.service.partitions.PATIENCE_S", 1)
    late = START + 5 * DAY
    async with server.db.snapshot() as session:
        await session.raw_rows("SELECT 1 FROM node_metrics LIMIT 1")
        # In a task of its own: within one task `databases` gives the same connection.
        assert await asyncio.create_task(server.services.partitions.keep(0, late)) is False
    assert await server.services.partitions.keep(0, late)
    assert partitions.ahead("node_metrics", await names(server), late) is None


@pytest.mark.parametrize("name", PRUNED)
async def test_a_query_about_an_hour_looks_into_that_days_partition_only(server: Manager, name: str) -> None:
    node = await server.enrol()
    await server.report(node, "bulk", *((n, "sample", sample()) for n in range(1, 50)))
    noun, _, query_name = name.partition(".")
    query = getattr(getattr(server.db.q, noun), query_name)
    params: dict[str, Any] = {word: WORDS.get(word, node.id) for word in re.findall(r":(\w+)", query.text)}
    params |= {word: [node.id] for word in re.findall(r":(\w+)\*", query.text)}
    text, values = query.bind(params)

    async def work(session: Session) -> set[str]:
        async with session._cursor() as cursor:
            await cursor.execute("SELECT VERSION()")
            kind = "PARTITIONS" if "maria" in (await cursor.fetchone())[0].lower() else "FORMAT=TRADITIONAL"
            await cursor.execute(f"EXPLAIN {kind} {text}", values)
            columns = [column[0] for column in cursor.description]
            plan = [dict(zip(columns, row, strict=True)) for row in await cursor.fetchall()]
        looked = [str(row["partitions"]).split(",") for row in plan if row["table"] in ("m", *partitions.TABLES) and row["partitions"]]
        return {part for parts in looked for part in parts}

    looked = await server.db.transaction(work)
    assert 1 <= len(looked) <= PRUNED[name], looked
    assert "d20270115" in looked


async def test_a_table_that_is_full_already_is_cut_into_days_with_all_its_rows(database_url: str) -> None:
    async with Db(database_url, pool_size=2, pool_idle=1) as db:
        if db.dialect != "mysql":
            pytest.skip("SQLite has no partitions")
        await db.transaction(lambda session: apply(session, db, [m for m in load("mysql") if m.number < 13], START))
        rows = [
            {"node_id": "n", "at": START - day * DAY, "epoch": 1, "seq": day, "detail": "{}", **dict.fromkeys(FIGURES)} for day in range(60)
        ]
        await db.transaction(lambda session: session.insert_rows(db.q.metrics.insert, rows))
        await db.transaction(lambda session: apply(session, db, load("mysql"), START))

        async def count(session: Session) -> tuple[int, int]:
            every = await session.raw_rows("SELECT COUNT(*) AS total FROM node_metrics")
            today = await session.raw_rows("SELECT COUNT(*) AS total FROM node_metrics PARTITION (d20270115)")
            return every[0]["total"], today[0]["total"]

        assert await db.transaction(count) == (60, 1)


FIGURES = ("cpu_usage", "memory_usage", "disk_usage", "load_1", "network_rx", "network_tx")


def test_a_day_has_its_place_whatever_the_gap() -> None:
    names = [part.split()[1] for part in partitions.made_by_migration(START).split(", ")]
    later = START + 100 * DAY
    text = partitions.ahead("node_metrics", names, later)
    assert text is not None
    assert text.count("PARTITION d") == partitions.AHEAD + 1
    assert partitions.past(names, later) == names[:-1]
    assert partitions.past(names, START - 31 * DAY) == []
