"""Who is there (DESIGN §3). A held poll is the heartbeat.

`last_seen` is written in batches and never moves backwards. A poll that breaks off is noticed within GONE_MS, a
silent partition within `offline_after`. A manager that has just started, or whose database or machine was away, has not
watched for so long: it calls nobody offline, but `unknown` who has not been seen meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from host.wire.states import OFFLINE, ONLINE, UNKNOWN
from server.db import Db, Row, Session
from server.ids import new_id

HELD_EVERY_MS = 15_000
GONE_MS = 3_000
_FROM = {OFFLINE: (ONLINE, UNKNOWN), UNKNOWN: (ONLINE,)}


class Presence:
    def __init__(self, db: Db, offline_after: float, started_at: int) -> None:
        self._db, self._q = db, db.q.nodes
        self._offline_ms = int(offline_after * 1000)
        self._watching_since = self._written_at = started_at
        self._failed = False
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
        if self._failed or now - self._written_at > self._offline_ms:
            # Who called meanwhile could not be written, or could not call: that is no sign of their being gone.
            self._watching_since = now
        self._failed = True
        await self._write_seen(now)
        await self._take_offline(now)
        self._failed, self._written_at = False, now

    async def _write_seen(self, now: int) -> None:
        seen, self._seen = self._seen, {}
        if held := now - self._held_written_at >= HELD_EVERY_MS:
            seen |= dict.fromkeys(self._held, now)
        if not seen:
            return
        rows = [{"id": node_id, "at": at} for node_id, at in seen.items()]
        try:
            await self._db.transaction(lambda session: session.execute_many(self._q.seen, rows))
        except BaseException:
            self._seen = seen | self._seen
            raise
        if held:
            self._held_written_at = now

    async def _take_offline(self, now: int) -> None:
        late = {node_id: at for node_id, at in self._gone.items() if now - at >= GONE_MS and not self._held[node_id]}
        self._held += Counter()  # asking a Counter must not leave zeros behind
        changes = [_change(node_id, at, OFFLINE, now) for node_id, at in late.items()]
        before = now - self._offline_ms
        watched = now - self._watching_since > self._offline_ms
        state = OFFLINE if watched else UNKNOWN
        silent = await self._db.rows(self._q.silent, {"before": before, "from_states": _FROM[state]})
        changes += [_change(row["id"], before, state, now) for row in silent if row["id"] not in self._held and row["id"] not in late]
        if changes:

            async def work(session: Session) -> None:
                for change in changes:
                    if await session.execute(self._q.move_if_silent, change) == 1:
                        await session.execute(self._q.note_state, change | {"node_id": change["id"], "id": new_id(now)})

            await self._db.transaction(work)
        for node_id in late:
            self._gone.pop(node_id, None)


def _change(node_id: str, before: int, state: str, now: int) -> Row:
    return {"id": node_id, "before": before, "state": state, "from_states": _FROM[state], "now": now}
