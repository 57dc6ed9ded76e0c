"""Group commit: many nodes' reports in one transaction, each answered after it, none failing another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from host.wire.messages import Record, ReportRequest
from server.config import Config
from server.db import Db, Session
from server.errors import BadInput, Unavailable
from server.keys import open_keys
from server.service import intake
from server.service.intake import Intake
from server.service.records import AHEAD_MS, EVENT, LOG, Tables
from server.services import Services, build
from tests.conftest import DAY, QUICK_HASHER, Manager

CPU = {"percent": 7.5, "user": 5, "system": 2, "idle": 92}
SAMPLE: dict[str, Any] = {"took_ms": 3, "cpu": CPU}
HOSTILE = "it's \\ \"quoted\" \x00 % %s :name 漢字 🎉 '); DROP TABLE nodes; -- "


@dataclass
class Job:
    name: str
    size: int = 1


@pytest.fixture
async def second(manager: Manager, empty_database: str, tmp_path: Path) -> AsyncIterator[Services]:
    """Another manager on the same database."""
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], manager.time())
        yield build(db, Config(data_dir=tmp_path), keys, manager.time, QUICK_HASHER)


async def events(manager: Manager, node_id: str) -> list[tuple[str, str]]:
    rows = []
    for name in ("record.unusable", "sample.impossible", "sample.time"):
        found = await manager.db.rows(manager.db.q.reports.events_named, {"node_id": node_id, "name": name, "limit": 100})
        rows += [(name, row["detail"]) for row in found]
    return rows


async def test_reports_of_many_nodes_at_once_are_few_transactions(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [await manager.enrol(f"web-{number}") for number in range(20)]
    begun = 0
    transaction = manager.db.transaction

    async def counted(work: Any, **how: Any) -> Any:
        nonlocal begun
        begun += 1
        return await transaction(work, **how)

    monkeypatch.setattr(manager.db, "transaction", counted)
    answers = await asyncio.gather(*(manager.report(node, "bulk", (1, "sample", SAMPLE), (2, "sample", SAMPLE)) for node in nodes))
    assert [answer.stored for answer in answers] == [2] * 20
    assert begun <= 3
    for node in nodes:
        assert len(await manager.services.metrics.series(node.id, 0, manager.time())) == 2


async def test_what_one_node_sends_never_fails_the_others(manager: Manager) -> None:
    bad, good = await manager.enrol("bad"), await manager.enrol("good")
    beyond = Record(2**63 + 5, "dropped", manager.time(), {"first": 1, "why": "?"})
    first, *others = await asyncio.gather(
        manager.services.reports.store(bad.id, ReportRequest("bulk", 1, [beyond]), manager.time()),
        manager.report(good, "bulk", (1, "sample", SAMPLE)),
        manager.report(bad, "bulk", (1, "sample", SAMPLE), epoch=2),
        return_exceptions=True,
    )
    assert isinstance(first, BadInput)
    assert [getattr(answer, "stored", answer) for answer in others] == [1, 1]


async def test_a_group_that_fails_is_stored_one_by_one() -> None:
    written: list[list[str]] = []

    async def write(jobs: Sequence[Job]) -> list[int]:
        written.append([job.name for job in jobs])
        await asyncio.sleep(0)
        if "bad" in written[-1]:
            raise ValueError("bad")
        return [len(job.name) for job in jobs]

    intake: Intake[Job] = Intake(write)
    answers = await asyncio.gather(*(intake.store(Job(name)) for name in ("a", "bb", "bad", "ccc")), return_exceptions=True)
    assert answers[:2] == [1, 2]
    assert isinstance(answers[2], ValueError)
    assert answers[3] == 3
    assert max(len(group) for group in written) > 1


async def test_a_database_that_is_away_fails_all_of_a_group_at_once() -> None:
    tries = 0

    async def write(jobs: Sequence[Job]) -> list[int]:
        nonlocal tries
        tries += 1
        raise Unavailable("away", retry_after=1.0)

    intake: Intake[Job] = Intake(write)
    answers = await asyncio.gather(*(intake.store(Job(str(number))) for number in range(9)), return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)
    assert tries <= 2


async def test_too_much_that_waits_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_WAITING", 5)
    go = asyncio.Event()

    async def write(jobs: Sequence[Job]) -> list[int]:
        await go.wait()
        return [1] * len(jobs)

    queue: Intake[Job] = Intake(write)
    waiting = [asyncio.create_task(queue.store(Job(str(number), 3))) for number in range(1)]
    await asyncio.sleep(0.01)
    waiting += [asyncio.create_task(queue.store(Job(str(number), 3))) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as caught:
        await queue.store(Job("late", 3))
    assert caught.value.retry_after > 0
    go.set()
    assert await asyncio.gather(*waiting) == [1] * 3


async def test_whoever_hung_up_does_not_hold_up_the_others() -> None:
    go = asyncio.Event()

    async def write(jobs: Sequence[Job]) -> list[int]:
        await go.wait()
        return [1] * len(jobs)

    queue: Intake[Job] = Intake(write)
    gone, stays = asyncio.create_task(queue.store(Job("gone"))), asyncio.create_task(queue.store(Job("stays")))
    await asyncio.sleep(0.01)
    gone.cancel()
    go.set()
    assert await stays == 1
    assert await queue.store(Job("next")) == 1


async def test_two_managers_that_get_the_same_reports_at_once_store_them_once(manager: Manager, second: Services) -> None:
    nodes = [await manager.enrol(f"web-{number}") for number in range(8)]
    for turn in range(4):
        records = [Record(seq, "sample", manager.time() + seq, SAMPLE) for seq in range(1, 2 + turn)]
        stores = [
            s.reports.store(n.id, ReportRequest("bulk", 1, records), manager.time()) for n in nodes for s in (manager.services, second)
        ]
        answers = await asyncio.gather(*stores)
        assert {answer.stored for answer in answers} == {turn + 1}
    for node in nodes:
        assert len(await manager.services.metrics.series(node.id, 0, manager.time() + DAY)) == 4


async def test_texts_arrive_as_they_were_sent_whatever_is_in_them(manager: Manager) -> None:
    node = await manager.enrol()
    lines = [HOSTILE, HOSTILE * 50, "", "plain"]
    records = [(n, "log", {"component": "agent", "level": "error", "logger": "x", "message": line}) for n, line in enumerate(lines, 1)]
    await manager.report(node, "bulk", *records)
    stored = {row["message"] for row in (await manager.services.logs.page(node_id=node.id)).rows}
    assert stored == set(lines)


async def test_a_row_that_no_column_holds_becomes_an_event_and_the_others_stay(manager: Manager) -> None:
    node = await manager.enrol()
    line = {"node_id": node.id, "epoch": 1, "component": "a", "level": "b", "logger": "c", "message": "d"}
    tables = Tables(manager.db)
    tables.add([(LOG, {**line, "at": 1, "seq": 1}), (LOG, {**line, "at": 2**70, "seq": 2}), (LOG, {**line, "at": 3, "seq": 3})])

    async def careful(session: Session) -> None:
        await tables.write(session, careful=True)

    with pytest.raises(BadInput):
        await manager.db.transaction(lambda session: tables.write(session, careful=False))
    assert (await manager.services.logs.page(node_id=node.id)).rows == []
    with pytest.raises(BadInput):  # its event has the same impossible time: then it is the report that is refused
        await manager.db.transaction(careful)
    tables = Tables(manager.db)
    tables.add([(LOG, {**line, "at": 1, "seq": 1}), (LOG, {**line, "at": 2, "seq": 2, "level": 2**70}), (EVENT, event_row(node.id))])
    await manager.db.transaction(careful)
    assert [row["at"] for row in (await manager.services.logs.page(node_id=node.id)).rows] == [1]
    assert [name for name, _ in await events(manager, node.id)] == ["record.unusable"]


def event_row(node_id: str) -> dict[str, object]:
    return {"node_id": node_id, "at": 1, "lane": "bulk", "epoch": 1, "seq": 9, "name": "x", "detail": "y"}


@pytest.mark.parametrize(
    ("section", "value", "what"),
    [
        ("cpu", {**CPU, "percent": 1e9}, "cpu.percent"),
        ("memory", {"total": -4, "used": 1, "available": 1, "percent": 5.0}, "memory.total"),
        ("disks", [{"mount": "/", "device": "d", "fstype": "e", "total": 1, "used": 1, "free": 0, "percent": -3}], "disks"),
        ("nics", [{"name": "eth0", "rx_bytes": -1, "tx_bytes": 1}], "nics"),
        ("load", ["high", 1, 1], "load"),
    ],
)
async def test_a_section_with_an_impossible_value_is_left_out_and_named(manager: Manager, section: str, value: object, what: str) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", *((seq, "sample", {"took_ms": 1, "processes": 80, section: value}) for seq in (1, 2, 3)))
    picture = await manager.services.metrics.latest(node.id, manager.time())
    assert picture["processes"] == 80
    assert section not in picture
    assert "left out" in picture["failed"][section]
    [(name, detail)] = await events(manager, node.id)
    assert name == "sample.impossible"
    assert detail.startswith(what)
    assert "3 such samples" in detail


@pytest.mark.parametrize(("off", "what"), [(366 * DAY, "ahead"), (AHEAD_MS + 1, "ahead"), (-366 * DAY, "older")])
async def test_a_sample_of_an_impossible_time_is_an_event_and_no_point(manager: Manager, off: int, what: str) -> None:
    node = await manager.enrol()
    record = Record(1, "sample", manager.time() + off, SAMPLE)
    answer = await manager.services.reports.store(node.id, ReportRequest("bulk", 1, [record]), manager.time())
    assert answer.stored == 1
    assert await manager.services.metrics.series(node.id, 0, 2 * manager.time()) == []
    [(name, detail)] = await events(manager, node.id)
    assert name == "sample.time"
    assert what in detail


async def test_what_is_not_known_of_a_sample_is_not_shown(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "sample", {**SAMPLE, "shoe_size": 43}))
    assert "shoe_size" not in await manager.services.metrics.latest(node.id, manager.time())


async def test_what_comes_while_the_writer_is_ending_is_written_as_well() -> None:
    async def write(jobs: Sequence[Job]) -> list[int]:
        return [1] * len(jobs)

    queue: Intake[Job] = Intake(write)
    for _ in range(50):
        assert await asyncio.wait_for(queue.store(Job("next")), 5) == 1
