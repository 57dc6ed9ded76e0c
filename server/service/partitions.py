"""Day partitions on MySQL: made ahead, dropped when their days are past. One manager at a time; on SQLite there are none.

To change a table's shape the server waits until nobody reads or writes it, and everybody who comes later waits behind. So we
wait for PATIENCE_S only: a long query, or a backup, is not disturbed, nobody stands behind us for long, and the next turn tries again.
"""

from __future__ import annotations

import logging

from server import partitions
from server.db import Db, Session

PATIENCE_S = 2
log = logging.getLogger("server.partitions")


class Partitions:
    def __init__(self, db: Db) -> None:
        self._db = db

    async def used(self) -> bool:
        """Whether samples leave by the day here; else they have to be deleted."""
        if self._db.dialect != "mysql":
            return False
        return all(partitions.REST in names for names in (await self._db.transaction(self.names)).values())

    async def keep(self, before: int, now: int) -> bool:
        """Make the days ahead, and drop those of which nothing is from `before` on. False: not all of it could be done now."""
        if self._db.dialect != "mysql":
            return True

        async def work(session: Session) -> bool:
            taken = await session.row(self._db.q.partitions.lock)
            if not taken or taken["taken"] != 1:
                return True  # another manager is at it
            try:
                return await self._keep(session, before, now)
            finally:
                await session.rows(self._db.q.partitions.unlock)

        return await self._db.transaction(work)

    async def _keep(self, session: Session, before: int, now: int) -> bool:
        done = True
        for table, names in (await self.names(session)).items():
            if partitions.REST not in names:
                log.warning("%s has no day partitions; look with: ops-manager db check", table)
                continue
            statements = [partitions.ahead(table, names, now)]
            if past := partitions.past(names, before):
                statements.append(partitions.drop(table, past))
            for statement in statements:
                if statement is None:
                    continue
                if await session.reshape(statement, PATIENCE_S):
                    log.info("%s", statement)
                else:
                    done = False
                    log.info("%s is in use; its partitions are seen to later", table)
        return done

    async def names(self, session: Session) -> dict[str, list[str]]:
        """Table → its partitions; none on a table that has no partitions."""
        found: dict[str, list[str]] = {table: [] for table in partitions.TABLES}
        for row in await session.rows(self._db.q.partitions.names, {"tables": partitions.TABLES}):
            if row["part"] is not None:
                found[row["name"]].append(row["part"])
        return found
