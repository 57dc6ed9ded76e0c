"""Loops that fail on another manager are seen here, told as seldom as will do, and forgotten when their manager is gone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.db import Db
from server.errors import Unavailable
from server.loops import runner
from server.loops import standing as standing_loop
from server.service.standing import BEAT_MS, GONE_MS, KEPT_MS, Standing
from server.telemetry import Telemetry
from tests.conftest import Manager

NAME = "manager-b"


class Other:
    """Another manager on the same database, and how often it has written there."""

    def __init__(self, manager: Manager, me: str = "B", name: str = NAME) -> None:
        self.telemetry, self.writes, self._manager = Telemetry(), 0, manager
        self.standing = Standing(self._counted(manager.db), me, name, lambda: self.telemetry.failing)

    def _counted(self, db: Db) -> Db:
        other = self

        class Counted:
            q = db.q

            async def rows(self, *given: Any) -> Any:
                return await db.rows(*given)

            async def transaction(self, work: Any) -> Any:
                other.writes += 1
                return await db.transaction(work)

        return Counted()  # type: ignore[return-value]

    async def turns(self, loop: str, error: str = "", times: int = 1) -> None:
        """So many turns of a loop, a second apart, each followed by a turn of the loop that tells of it."""
        for _ in range(times):
            self._manager.time.now += 1_000
            self.telemetry.turn(loop, 0.1, error, self._manager.time())
            await self.standing.tell(self._manager.time())


async def seen(manager: Manager) -> dict[str, str]:
    found = await manager.services.attention.finding("manager_loop", manager.time())
    return {subject.name: subject.said for subject in found.subjects} if found else {}


async def test_what_fails_elsewhere_needs_attention_here_until_it_is_well_again(manager: Manager) -> None:
    other = Other(manager)
    await other.turns("rollups")
    assert await seen(manager) == {}
    await other.turns("rollups", "no space left")
    began = manager.time()
    await other.turns("presence", "it breaks", 3)
    assert await seen(manager) == {
        "rollups": f"on the manager {NAME}: failures in a row: 1; the last one: no space left",
        "presence": f"on the manager {NAME}: failures in a row since its start: 1; the last one: it breaks",
    }
    found = await manager.services.attention.finding("manager_loop", manager.time())
    assert found is not None
    assert (found.severity, found.count, found.since) == ("critical", 2, began)
    assert "log of that manager" in found.next
    await other.turns("rollups")
    assert set(await seen(manager)) == {"presence"}
    await other.turns("presence")
    assert await seen(manager) == {}


async def test_it_is_written_when_something_changes_and_once_a_minute_in_between(manager: Manager) -> None:
    other = Other(manager)
    await other.turns("rollups", times=500)
    assert other.writes == 0, "a manager without trouble writes nothing"
    await other.turns("rollups", "it breaks", 1)
    assert other.writes == 1
    await other.turns("rollups", "it breaks", BEAT_MS // 1_000 - 1)
    assert other.writes == 1
    await other.turns("rollups", "another way")
    assert other.writes == 2
    assert (await seen(manager))["rollups"].endswith("failures in a row: 61; the last one: another way")
    await other.turns("rollups")
    await other.turns("rollups", times=300)
    assert other.writes == 3
    await other.turns("rollups", "it breaks")
    manager.time.now -= 3_600_000
    await other.turns("rollups", "it breaks", 30)
    assert other.writes == 5, "a clock that was set back does not keep it quiet"


async def test_ones_own_are_told_once_and_a_manager_of_the_same_name_is_another_one(manager: Manager) -> None:
    mine, own = manager.services, manager.services.telemetry
    own.turn("files", 0.1, "it breaks", manager.time())
    await mine.standing.tell(manager.time())
    assert list(await seen(manager)) == ["files"]
    assert "on the manager" not in (await seen(manager))["files"]
    twin = Other(manager, "C", NAME)
    await Other(manager).turns("alerts", "it breaks")
    await twin.turns("alerts", "it breaks too")
    found = await manager.services.attention.finding("manager_loop", manager.time())
    assert found is not None
    assert sorted(subject.name for subject in found.subjects) == ["alerts", "alerts", "files"]
    assert {one.loop for one in await twin.standing.others(manager.time())} == {"files", "alerts"}


async def test_a_manager_that_is_gone_is_shown_no_more_and_then_forgotten(manager: Manager) -> None:
    other = Other(manager)
    await other.turns("rollups", "it breaks")
    manager.time.now += GONE_MS
    assert list(await seen(manager)) == ["rollups"]
    manager.time.now += 1
    assert await seen(manager) == {}
    manager.time.now += KEPT_MS - GONE_MS - 1
    await manager.services.standing.forget(manager.time())
    assert len(await rows(manager)) == 1
    manager.time.now += 1
    await manager.services.standing.forget(manager.time())
    assert await rows(manager) == []
    # It has only slept: what it still fails at is told again.
    await other.turns("rollups", "it breaks")
    assert list(await seen(manager)) == ["rollups"]


async def rows(manager: Manager) -> Any:
    return await manager.db.transaction(lambda session: session.raw_rows("SELECT loop_name, error FROM manager_loops"))


async def test_what_could_not_be_told_is_told_next_time(manager: Manager) -> None:
    other = Other(manager)
    broken, whole = "away", other.standing._db.transaction

    async def transaction(work: Any) -> Any:
        if broken:
            raise Unavailable("the database does not answer")
        return await whole(work)

    other.standing._db.transaction = transaction  # type: ignore[method-assign]
    with pytest.raises(Unavailable):
        await other.turns("rollups", "it breaks")
    assert await seen(manager) == {}
    broken = ""
    await other.turns("rollups", "it breaks")
    assert list(await seen(manager)) == ["rollups"]


async def test_the_runner_says_why_a_loop_failed_and_the_loop_of_standing_tells_it(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        __name__, EVERY, turns = "server.loops.rollups", 0.001, 0

        async def tick(self, services: Any, now: int) -> None:
            self.turns += 1
            raise Unavailable("the database does not answer") if self.turns % 2 else OSError(28, "No space left", "/var\n" + "x" * 900)

    stop, said, turn = asyncio.Event(), [], manager.services.telemetry.turn

    def noted(loop: str, seconds: float, error: str, now: int) -> None:
        turn(loop, seconds, error, now)
        said.append(error)
        if len(said) == 2:
            stop.set()

    monkeypatch.setattr(manager.services.telemetry, "turn", noted)
    monkeypatch.setattr(runner, "LOOPS", (Broken(),))
    await runner.run(manager.services, stop)
    assert said[0] == "the database does not answer"
    assert said[1].startswith("OSError: [Errno 28] No space left")
    assert len(said[1]) <= runner.ERROR_CHARS
    assert "\n" not in said[1]
    await standing_loop.tick(manager.services, manager.time())
    assert await rows(manager) == [{"loop_name": "rollups", "error": said[1]}]
    assert [one.loop for one in await Other(manager).standing.others(manager.time())] == ["rollups"]


def test_why_a_loop_failed_can_be_stored_whatever_is_in_it() -> None:
    assert runner._told(OSError("no such file: /srv/caf\udce9")) == "OSError: no such file: /srv/caf?"
