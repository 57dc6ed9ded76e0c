"""Whether this manager can work: the database answers and has this version's schema (M11)."""

from __future__ import annotations

from server import migrate
from server.db import Db


class Health:
    def __init__(self, db: Db) -> None:
        self._db = db
        self._wanted = {migration.number: len(migration.statements) for migration in migrate.load(db.dialect)}

    async def missing(self) -> list[int]:
        """Numbers of the migrations that are not wholly applied. Raises Unavailable when the database does not answer."""
        done = {row["number"]: row["done"] for row in await self._db.rows(self._db.q.migrations.all)}
        return [number for number, statements in self._wanted.items() if done.get(number) != statements]

    def connections(self) -> dict[str, int]:
        """Connections to the database by state, `open` and `idle`."""
        return self._db.connections()
