"""Whether this manager can work: the database answers and has this version's schema (M11)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from server import migrate
from server.db import Db
from server.errors import Unavailable

PROBE_S = 3.0
"""So soon it is known that the database does not answer; whoever probes asks every few seconds."""

log = logging.getLogger("server.health")


@dataclass(frozen=True)
class State:
    """`away`: why the database is not there; `behind`: what its schema lacks. Both empty: this manager can work."""

    away: str = ""
    behind: str = ""


class Health:
    def __init__(self, db: Db) -> None:
        self._db = db
        self._wanted = {migration.number: len(migration.statements) for migration in migrate.load(db.dialect)}
        self._asked: asyncio.Future[State] | None = None

    async def state(self) -> State:
        """As it is now; known within PROBE_S also when the database hangs. Then the question goes on, and nobody asks another one
        beside it: probes do not use up the connections that are left."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.ensure_future(self._ask())
        done, _ = await asyncio.wait({self._asked}, timeout=PROBE_S)
        return self._asked.result() if done else State(away=f"the database has not answered for {PROBE_S:g} s")

    async def _ask(self) -> State:
        try:
            missing = await self.missing()
        except Unavailable as problem:
            return State(away=problem.message)
        except Exception as problem:  # noqa: BLE001 - whatever it is, a probe says so and is not answered with a failure
            log.error("the database cannot be asked: %s", problem)
            return State(away="the database cannot be asked; the log says why")
        if missing:
            return State(behind=f"the database lacks migration {missing[0]:04d}; run: ops-manager db migrate")
        return State()

    async def missing(self) -> list[int]:
        """Numbers of the migrations that are not wholly applied. Raises Unavailable when the database does not answer."""
        done = {row["number"]: row["done"] for row in await self._db.rows(self._db.q.migrations.all)}
        return [number for number, statements in self._wanted.items() if done.get(number) != statements]

    def connections(self) -> dict[str, int]:
        """Connections to the database by state, `open` and `idle`."""
        return self._db.connections()
