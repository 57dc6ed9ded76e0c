"""Roll-ups: samples over 5 minutes and an hour for each node, over a minute for the whole fleet; and who is forgotten when. Those of
details (detail_rollups.py) are made in the same turn, by the same manager, and anew with the same hour.

One manager at a time has the work (a lease, by compare-and-set). Every step can be done again: it is made anew from the
samples. A sample that comes late marks its node's hour as due, in its own transaction, and that hour is rolled up again.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from server.db import Db, Row, Session
from server.service.detail_rollups import SETTLED_MS, DetailRollups

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
FINE, COARSE = 5 * MINUTE_MS, HOUR_MS
TIERS = (FINE, COARSE)
LATE_MS = 30_000
"""A sample older than that when it arrives is late: well before its span is rolled up, so that none is between the two."""

LEASE_MS = 120_000
STEPS = 48
"""Hours that one tick rolls up at most: the rest comes with the next."""

DUE = 200
FLEET_BACK_MS = DAY_MS
FIGURES = ("cpu_usage", "memory_usage", "disk_usage")
FLEET_POINTS = 1_500


class Rollups:
    def __init__(self, db: Db) -> None:
        self._db, self._q, self._nodes = db, db.q.rollups, db.q.nodes
        self.details = DetailRollups(db)

    async def work(self, now: int) -> bool:
        """Roll up what is settled and due; False when another manager does."""
        lease = {"now": now, "until": now + LEASE_MS}
        if await self._db.transaction(lambda session: session.execute(self._q.lease, lease)) != 1:
            return False
        try:
            await self._forward(now)
            await self._late(now)
            await self._fleet(now)
            await self.details.forward(lease["until"], now)
        finally:
            await self._db.transaction(lambda session: session.execute(self._q.release, lease))
        return True

    async def state(self) -> Row:
        """`done_until`: samples before are rolled up; `fleet_until`: minutes of the fleet."""
        row = await self._db.row(self._q.state)
        assert row is not None, "rollup_state has lost its row"
        return row

    async def fleet(self, since: int, until: int, step: int) -> list[Row]:
        """Means, medians, highest 95th percentiles, highest values and numbers of nodes of the whole fleet, one row for each `step`
        ms with samples. Minutes from before there were medians and highest values have None there."""
        return await self._db.rows(self._q.fleet, {"since": since, "until": until, "step": step, "limit": FLEET_POINTS})

    async def forget(self, keep: dict[int, int], now: int) -> None:
        """Delete what is past its days; `keep`: tier → days, 1 for samples, if they do not leave by the day (partitions.py).
        Node by node, so that nobody waits for it."""
        metrics = self._db.q.metrics
        hours_before = now - keep[COARSE] * DAY_MS
        for row in await self._db.rows(self._nodes.every_id):

            async def work(session: Session, node_id: str = row["id"]) -> None:
                if 1 in keep:
                    await session.execute(metrics.delete_before, {"node_id": node_id, "before": now - keep[1] * DAY_MS})
                for tier in TIERS:
                    past = {"node_id": node_id, "tier": tier, "before": now - keep[tier] * DAY_MS}
                    await session.execute(self._q.forget, past)
                    await session.execute(self._q.forget_plugins, past)
                await self.details.forget(session, node_id, hours_before)

            await self._db.transaction(work)
        await self._db.transaction(lambda session: session.execute(self._q.forget_fleet, {"before": hours_before}))

    async def _forward(self, now: int) -> None:
        """From where it ended to what is settled, an hour at a time; the hour that runs, by spans of 5 minutes."""
        done = (await self.state())["done_until"] or await self._begin(now)
        end = (now - SETTLED_MS) // FINE * FINE
        for _ in range(STEPS):
            if done >= end:
                return
            hour = done // HOUR_MS * HOUR_MS
            until = min(hour + HOUR_MS, end)

            async def work(session: Session, since: int = done, hour: int = hour, until: int = until) -> None:
                await self._roll(session, FINE, since, until)
                await self._roll(session, COARSE, hour, until)
                await session.execute(self._q.done, {"done_until": until})

            await self._db.transaction(work)
            done = until

    async def _begin(self, now: int) -> int:
        row = await self._db.row(self._q.oldest)
        oldest = row["oldest"] if row and row["oldest"] is not None else now
        return int(max(oldest - HOUR_MS, now - 31 * DAY_MS) // HOUR_MS * HOUR_MS)

    async def _roll(self, session: Session, tier: int, since: int, until: int) -> None:
        span = {"tier": tier, "since": since, "until": until}
        await session.execute(self._q.roll, span)
        await session.execute(self._q.roll_plugins, span)

    async def _late(self, now: int) -> None:
        """Hours that got samples after they were rolled up. The mark goes in the same transaction: a later sample sets it anew."""
        for row in await self._db.rows(self._q.next_due, {"before": now, "limit": DUE}):

            async def work(session: Session, row: Row = row) -> None:
                # Nodes first, as everywhere (in_service.py): one that is being deleted is waited for, and then has nothing to roll up.
                await session.rows(self._nodes.keep, {"ids": [row["node_id"]]})
                if await session.execute(self._q.take_due, {"node_id": row["node_id"], "at": row["at"]}) != 1:
                    return
                for tier in TIERS:
                    span = {"node_id": row["node_id"], "tier": tier, "since": row["at"], "until": row["at"] + HOUR_MS}
                    await session.execute(self._q.roll_node, span)
                    await session.execute(self._q.roll_plugins_of_node, span)
                await self.details.again(session, row["node_id"], row["at"], now)

            await self._db.transaction(work)

    async def _fleet(self, now: int) -> None:
        """Minutes of the whole fleet; after a long silence only the last day's."""
        end = (now - SETTLED_MS) // MINUTE_MS * MINUTE_MS
        done = max((await self.state())["fleet_until"], end - FLEET_BACK_MS)
        counted = {row["state"]: row["total"] for row in await self._db.rows(self._nodes.count_by_state)}
        total = sum(number for state, number in counted.items() if state not in ("retired", "pending"))
        while done < end:
            until = min(done + HOUR_MS, end)
            found = await self._db.rows(self._q.minutes, {"since": done, "until": until})
            minutes: dict[int, list[Row]] = {}
            for row in found:
                minutes.setdefault(int(row["minute"]), []).append(row)
            rows = [_fleet_row(at, rows) for at, rows in sorted(minutes.items())]
            for row in rows:
                newest = row["at"] == end - MINUTE_MS
                row |= {"total": total if newest else None, "online": counted.get("online", 0) if newest else None}

            async def work(session: Session, rows: Sequence[Row] = rows, until: int = until) -> None:
                for row in rows:
                    await session.execute(self._q.fleet_minute, row)
                await session.execute(self._q.fleet_done, {"fleet_until": until})

            await self._db.transaction(work)
            done = until


def due_hour(at: int, now: int) -> int | None:
    """The hour that a sample of that time makes due; None when it is in time."""
    return at // HOUR_MS * HOUR_MS if at < now - LATE_MS else None


def _fleet_row(at: int, rows: Sequence[Row]) -> Row:
    row: Row = {"at": at, "nodes": len(rows)}
    for figure in FIGURES:
        values = sorted(node[figure] for node in rows if node[figure] is not None)
        row[figure] = sum(values) / len(values) if values else None
        row[f"{figure}_median"] = median(values) if values else None
        row[f"{figure}_p95"] = values[-(-len(values) * 95 // 100) - 1] if values else None
        row[f"{figure}_most"] = values[-1] if values else None
    return row
