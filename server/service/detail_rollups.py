"""Roll-ups of details: an hour of each node's mounts, devices, interfaces, cores and GPUs in a row, and of these 6 hours and a day.

Made by the manager that has the lease of the roll-ups (rollups.py), hour by hour from the oldest sample that is kept, A_TURN nodes' hours
at a time: so a site that comes from a version without them has its past rolled up in the background, and until then charts read samples
for what is not rolled up yet. How far it is stands in `rollup_state` and moves by compare-and-set on it and on the lease, in the
transaction that writes the rows: a manager that lost its lease meanwhile writes nothing. Made again, a row is the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

from server.db import Db, Params, Row, Session
from server.queries import Query
from server.service.detail_spans import Span

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
DETAIL_TIERS = (HOUR_MS, 6 * HOUR_MS, DAY_MS)
"""ms; each is made of the one before it, the first of samples."""

SETTLED_MS = 120_000
"""An hour is rolled up so long after its end; until then its samples may still be on their way."""

A_TURN = 1_000
"""Hours of nodes that one turn rolls up, or little more: three seconds of processor time of the thirty from one turn to the next."""

PORTION = 20
"""Nodes whose hours are written together."""

MOST_SAMPLES = 4_000
"""Of an hour of a node, more than one a second: of a host that tells more the first count, for others wait meanwhile."""

CHUNK = 200
"""Samples that are read at once: more would hold up the event loop while the driver hands them over."""

T = TypeVar("T")
Fetch = Callable[[Query, Params], Awaitable[list[Row]]]
log = logging.getLogger("server.rollups")


class DetailRollups:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.detail_rollups
        # Its own, so that a transaction that rolls up never waits behind charts.
        self._beside = ThreadPoolExecutor(1, "rollups")

    async def state(self) -> Row:
        """`details_until`: hours before are rolled up; `details_since`: of the time before it details were lost, 0 for none."""
        row = await self._db.row(self._q.state)
        assert row is not None, "rollup_state has lost its row"
        return row

    async def series(self, node_id: str, tier: int, since: int, until: int, limit: int) -> list[Row]:
        """`at` and `detail` (detail_spans.py) of one of DETAIL_TIERS, ascending."""
        span = {"node_id": node_id, "tier": tier, "since": since, "until": until, "limit": limit}
        return await self._db.rows(self._q.of_tier, span)

    async def forward(self, lease: int, now: int) -> None:
        """Go on from where it ended, as far as hours have ended and a turn goes; `lease`: until when the caller has the work."""
        end, left = _settled(now), A_TURN
        while left > 0:
            state = await self.state()
            hour, after = state["details_until"], state["details_node"]
            if not hour:
                if not await self._begin(lease, end):
                    return
                continue
            if hour >= end:
                return
            nodes = await self._db.rows(self._q.nodes_after, {"after": after, "limit": PORTION})
            rows: list[Row] = []
            for node in nodes:
                rows += await self._made(self._db.rows, node["id"], hour, hour + HOUR_MS)
            whole = len(nodes) < PORTION
            step = {"lease": lease, "hour": hour, "after": after, "until": hour + HOUR_MS if whole else hour}
            if not await self._written(step | {"node": "" if whole else nodes[-1]["id"]}, rows, [node["id"] for node in nodes]):
                return
            left -= max(len(nodes), 1)

    async def again(self, session: Session, node_id: str, hour: int, now: int) -> None:
        """An hour that got late samples, in the transaction that takes its mark and keeps its node; one that nobody has rolled up yet
        has its turn later."""
        state = await session.row(self._q.state)
        end = max(_settled(now), state["details_until"] if state else 0)
        if hour + HOUR_MS <= end:
            await self._put(session, await self._made(session.rows, node_id, hour, end))

    async def forget(self, session: Session, node_id: str, before: int) -> None:
        for tier in DETAIL_TIERS:
            await session.execute(self._q.forget, {"node_id": node_id, "tier": tier, "before": before})

    async def _begin(self, lease: int, end: int) -> bool:
        """From the day of the oldest sample that there is; False when another manager has the work now."""
        row = await self._db.row(self._q.first)
        first = end if row is None or row["at"] is None else min(row["at"] // DAY_MS * DAY_MS, end)
        born = await self._db.row(self._db.q.rollups.oldest)
        # Nodes that are older than the oldest sample had a life of which only headline figures are left.
        lost = born is not None and born["oldest"] is not None and born["oldest"] < first - DAY_MS
        begin = {"lease": lease, "until": first, "since": first if lost else 0}
        return await self._db.transaction(lambda session: session.execute(self._q.begin, begin)) == 1

    async def _written(self, step: Row, rows: Sequence[Row], nodes: Sequence[str]) -> bool:
        async def work(session: Session) -> bool:
            # Kept until the end: a node that is being deleted is waited for, and then gets none.
            await session.rows(self._db.q.nodes.keep, {"ids": nodes})
            if await session.execute(self._q.advance, step) != 1:
                return False
            await self._put(session, rows)
            return True

        return await self._db.transaction(work)

    async def _put(self, session: Session, rows: Sequence[Row]) -> None:
        for row in rows:
            await session.execute(self._q.put, row)

    async def _made(self, fetch: Fetch, node_id: str, hour: int, end: int) -> list[Row]:
        """The rows of that hour and of the longer spans around it that have ended; none where nothing was told."""
        made = {"node_id": node_id, "tier": HOUR_MS, "at": hour, "detail": await self._hour(fetch, node_id, hour)}
        rows = [made]
        for finer, tier in pairwise(DETAIL_TIERS):
            at = hour - hour % tier
            if at + tier > end:
                break
            span = {"node_id": node_id, "tier": finer, "since": at, "until": at + tier, "limit": tier // finer}
            parts = {row["at"]: row["detail"] for row in await fetch(self._q.of_tier, span)}
            if made["detail"] is not None:
                parts[made["at"]] = made["detail"]
            texts = [parts[one] for one in sorted(parts)]
            made = {"node_id": node_id, "tier": tier, "at": at, "detail": await self._merged(node_id, at, texts)}
            rows.append(made)
        return [row for row in rows if row["detail"] is not None]

    async def _hour(self, fetch: Fetch, node_id: str, hour: int) -> str | None:
        """Beside the event loop, CHUNK samples at a time."""
        span, offset = Span(), 0
        while offset < MOST_SAMPLES:
            chunk = {"node_id": node_id, "since": hour, "until": hour + HOUR_MS, "limit": CHUNK, "offset": offset}
            samples = await fetch(self._q.samples, chunk)
            if samples:
                await self._run(span.add_samples, [(row["at"], row["detail"]) for row in samples])
            if len(samples) < CHUNK:
                break
            offset += CHUNK
        else:
            log.warning("node %s told more than %d samples in the hour from %d on: the first are rolled up", node_id, MOST_SAMPLES, hour)
        _say(span, node_id, hour)
        return await self._run(span.text)

    async def _merged(self, node_id: str, at: int, texts: Sequence[str]) -> str | None:
        span = Span()
        await self._run(span.add_spans, texts)
        _say(span, node_id, at)
        return await self._run(span.text)

    async def _run(self, work: Callable[..., T], *values: object) -> T:
        """Beside the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._beside, work, *values)


def _say(span: Span, node_id: str, at: int) -> None:
    """What is not in it."""
    if span.left_out or span.unreadable:
        what = "details of node %s from %d on: %d samples or roll-ups cannot be read, names found no room %d times"
        log.warning(what, node_id, at, span.unreadable, span.left_out)


def _settled(now: int) -> int:
    """Until when whole hours can be rolled up."""
    return (now - SETTLED_MS) // HOUR_MS * HOUR_MS
