"""Who is there (DESIGN §3). A held poll is the heartbeat.

`last_seen` is written in batches and never moves backwards. A poll that breaks off is noticed within GONE_MS, a
silent partition within `offline_after`. A manager that has just started knows nothing yet and calls nobody offline.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from server.db import Db, Session

HELD_EVERY_MS = 15_000
GONE_MS = 3_000


class Presence:
    def __init__(self, db: Db, offline_after: float, started_at: int) -> None:
        self._db, self._q = db, db.q.nodes
        self._offline_ms = int(offline_after * 1000)
        self._started_at = started_at
        self._held: Counter[str] = Counter()
        self._seen: dict[str, int] = {}
        self._gone: dict[str, int] = {}
        self._held_written_at = 0

    @contextmanager
    def hold(self, node_id: str, now: int) -> Iterator[None]:
        """Around a poll: the node is there for as long as this lasts."""
        self._held[node_id] += 1
        self._seen[node_id] = now
        self._gone.pop(node_id, None)
        try:
            yield
        finally:
            self._held[node_id] -= 1
            if not self._held[node_id]:
                del self._held[node_id]

    def broke_off(self, node_id: str, now: int) -> None:
        """Its connection ended in mid-poll; unless it is back soon, it is gone."""
        self._gone[node_id] = now

    @property
    def held(self) -> int:
        """How many nodes this manager holds a poll of."""
        return len(self._held)

    async def write(self, now: int) -> None:
        """Bring `last_seen` up to date, and take those offline that are gone."""
        seen, self._seen = self._seen, {}
        if now - self._held_written_at >= HELD_EVERY_MS:
            seen |= dict.fromkeys(self._held, now)
            self._held_written_at = now
        if seen:
            rows = [{"id": node_id, "at": at} for node_id, at in seen.items()]
            await self._db.transaction(lambda session: session.execute_many(self._q.seen, rows))
        await self._take_offline(now)

    async def _take_offline(self, now: int) -> None:
        late = {node_id: at for node_id, at in self._gone.items() if now - at >= GONE_MS and not self._held[node_id]}
        self._held += Counter()  # asking a Counter must not leave zeros behind
        gone = dict(late)
        if now - self._started_at > self._offline_ms:
            before = now - self._offline_ms
            silent = await self._db.rows(self._q.silent, {"before": before})
            gone |= {row["id"]: before for row in silent if row["id"] not in self._held}
        if gone:

            async def work(session: Session) -> None:
                for node_id, before in gone.items():
                    await session.execute(self._q.move_if_silent, {"id": node_id, "before": before, "now": now})

            await self._db.transaction(work)
        for node_id in late:
            self._gone.pop(node_id, None)
