"""Samples: stored one row each, read as a series or as the latest picture (M2, D1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.db import Db, Row, Session
from server.service import samples

LATEST_MS = 900_000
NEWEST_MS = 180_000
MAX_POINTS = 5_000
PLUGIN_POINTS = 20_000


class Metrics:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.metrics

    async def plugin_series(self, node_id: str, since: int, until: int, step: int = 1) -> list[Row]:
        """Values of plugins between two times, by plugin, name and time; at most PLUGIN_POINTS. `step` as for `series`."""
        params = {"node_id": node_id, "since": since, "until": until, "limit": PLUGIN_POINTS}
        if step > 1:
            return await self._db.rows(self._q.plugin_series_by_step, params | {"step": step})
        return await self._db.rows(self._q.plugin_series, params)

    async def newest(self, node_ids: Sequence[str], now: int) -> dict[str, Row]:
        """Node id → its newest `cpu_usage` and `memory_usage` of the last NEWEST_MS, for a page of a list: one query.

        They are folded, since collectors have periods of their own: a sample may hold one without the other.
        """
        found: dict[str, Row] = {}
        span = {"ids": node_ids, "since": now - NEWEST_MS, "until": now + NEWEST_MS}
        for row in await self._db.rows(self._q.newest, span):
            figures = {name: row[name] for name in ("cpu_usage", "memory_usage") if row[name] is not None}
            found.setdefault(row["node_id"], {"cpu_usage": None, "memory_usage": None}).update(figures)
        return found

    async def series(self, node_id: str, since: int, until: int, step: int = 1) -> list[Row]:
        """Headline figures between two times, ascending; at most MAX_POINTS.

        `step` in ms: more than 1 gives one row for each span of that length that has samples, with the means, and
        the highest value of each figure as `<figure>_most`.
        """
        if step > 1:
            span = {"node_id": node_id, "since": since, "until": until, "step": step, "limit": MAX_POINTS}
            return await self._db.rows(self._q.series_by_step, span)
        return await self._db.rows(self._q.series, {"node_id": node_id, "since": since, "until": until, "limit": MAX_POINTS})

    async def latest(self, node_id: str, now: int) -> dict[str, Any]:
        """The newest of each section within the last 15 minutes (collectors have periods of their own);
        `at` is the newest sample's time. Empty when nothing is as new as that."""
        picture: dict[str, Any] = {}
        for row in await self._db.rows(self._q.latest, {"node_id": node_id, "since": now - LATEST_MS}):
            picture = {**samples.stored(row["detail"]), **picture}
            picture.setdefault("at", row["at"])
            picture.setdefault("failed", {})
        return picture

    async def forget(self, before: int) -> int:
        """Delete samples older than `before`; how many."""

        async def work(session: Session) -> int:
            await session.execute(self._q.delete_plugin_before, {"before": before})
            return await session.execute(self._q.delete_before, {"before": before})

        return await self._db.transaction(work)
