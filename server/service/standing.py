"""How this manager's background loops stand, told to the other managers on the same database, and how theirs do (M2, M10).

A row is there while a loop fails. It is written when the loop begins to fail, when it is well again, and once a minute in between: a
manager without trouble writes nothing. A manager that cannot write to the database cannot tell; its own /readyz and /metrics do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.db import Db, Session
from server.telemetry import Failing

BEAT_MS = 60_000
GONE_MS = 5 * BEAT_MS
"""A failing loop that was not told of for so long is of a manager that has ended, or whose clock is that far off."""

KEPT_MS = 86_400_000
MOST = 1_000


@dataclass(frozen=True)
class Elsewhere:
    """A loop that fails on another manager, by the name of its host."""

    manager: str
    loop: str
    failing: Failing


class Standing:
    """`me`: of this process alone; `name`: what people call its host; `failing`: loop → how it fails, of those that do."""

    def __init__(self, db: Db, me: str, name: str, failing: Callable[[], Mapping[str, Failing]]) -> None:
        self._db, self._q, self._me, self._name, self._failing = db, db.q.manager_loops, me, name[:255], failing
        self._told: dict[str, tuple[int, int]] = {}
        """Loop → since when it fails, as it was told, and when that was."""

    async def tell(self, now: int) -> None:
        """Write what has changed since it was told, and what was told too long ago."""
        failing = dict(self._failing())
        due = [loop for loop, one in failing.items() if self._due(loop, one, now)]
        well = [loop for loop in self._told if loop not in failing]
        if not due and not well:
            return

        async def work(session: Session) -> None:
            for loop in (*due, *well):
                await session.execute(self._q.delete, {"manager_id": self._me, "loop_name": loop})
            await session.insert_rows(self._q.insert, [self._row(loop, failing[loop], now) for loop in due])

        await self._db.transaction(work)
        # Only what is committed counts as told.
        self._told = {loop: at for loop, at in self._told.items() if loop in failing} | {loop: (failing[loop].since, now) for loop in due}

    async def others(self, now: int) -> list[Elsewhere]:
        """Loops that fail on other managers, the oldest trouble first."""
        rows = await self._db.rows(self._q.others, {"seen": now - GONE_MS, "manager_id": self._me, "limit": MOST})
        return [
            Elsewhere(row["manager_name"], row["loop_name"], Failing(row["failures"], row["since"], row["good_at"], row["error"]))
            for row in rows
        ]

    async def forget(self, now: int) -> None:
        """Drop what is left of managers that have ended."""
        await self._db.transaction(lambda session: session.execute(self._q.forget, {"before": now - KEPT_MS}))

    def _due(self, loop: str, one: Failing, now: int) -> bool:
        since, at = self._told.get(loop, (-1, 0))
        # A clock that was set back must not keep it quiet.
        return since != one.since or not 0 <= now - at < BEAT_MS

    def _row(self, loop: str, one: Failing, now: int) -> dict[str, object]:
        row = {"manager_id": self._me, "loop_name": loop[:32], "manager_name": self._name, "seen_at": now}
        return row | {"failures": one.count, "since": one.since, "good_at": one.good_at, "error": one.error}
