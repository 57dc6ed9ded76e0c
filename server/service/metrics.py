"""Samples: stored one row each, read as a series or as the latest picture (M2, D1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from server.db import Db, Row
from server.queries import Query
from server.service import samples
from server.service.rollups import TIERS

LATEST_MS = 900_000
NEWEST_MS = 180_000
FIGURES = ("cpu_usage", "memory_usage", "disk_usage", "load_1", "network_rx", "network_tx")
MAX_POINTS = 5_000
PLUGIN_POINTS = 20_000


class Metrics:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.metrics

    async def plugin_series(self, node_id: str, since: int, until: int, step: int = 1) -> list[Row]:
        """Values of plugins between two times, by plugin, name and time; at most PLUGIN_POINTS. `step` as for `series`."""
        params = {"node_id": node_id, "since": since, "until": until, "limit": PLUGIN_POINTS}
        if step == 1:
            return await self._db.rows(self._q.plugin_series, params)
        rolled, rest = await self._rolled(self._db.q.rollups.plugin_series, params, step)
        rows = rolled + await self._db.rows(self._q.plugin_series_by_step, params | {"step": step, "since": rest})
        return sorted(_joined(rows, ("plugin", "name", "at"), ("value",)), key=lambda row: (row["plugin"], row["name"], row["at"]))

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
        params = {"node_id": node_id, "since": since, "until": until, "limit": MAX_POINTS}
        if step == 1:
            return await self._db.rows(self._q.series, params)
        rolled, rest = await self._rolled(self._db.q.rollups.series, params, step)
        rows = rolled + await self._db.rows(self._q.series_by_step, params | {"step": step, "since": rest})
        return _joined(rows, ("at",), FIGURES)

    async def _rolled(self, query: Query, params: Row, step: int) -> tuple[list[Row], int]:
        """What the coarsest fitting tier holds of the time, and from when on the samples themselves are to be asked."""
        tier = next((tier for tier in reversed(TIERS) if step % tier == 0), None)
        if tier is None:
            return [], params["since"]
        state = await self._db.row(self._db.q.rollups.state)
        done = state["done_until"] // tier * tier if state else 0
        # Whole spans only: the one in which the time begins comes from its samples' own span.
        first = params["since"] // tier * tier
        if done <= first:
            return [], params["since"]
        span = params | {"tier": tier, "step": step, "since": first, "until": min(done, params["until"] + 1)}
        return await self._db.rows(query, span), max(done, params["since"])

    async def latest(self, node_id: str, now: int) -> dict[str, Any]:
        """The newest of each section within the last 15 minutes (collectors have periods of their own);
        `at` is the newest sample's time. Empty when nothing is as new as that."""
        picture: dict[str, Any] = {}
        for row in await self._db.rows(self._q.latest, {"node_id": node_id, "since": now - LATEST_MS}):
            picture = {**samples.stored(row["detail"]), **picture}
            picture.setdefault("at", row["at"])
            picture.setdefault("failed", {})
        return picture

    async def forget_plugins(self, before: int) -> None:
        """Delete plugins' values older than `before`."""
        await self._db.transaction(lambda session: session.execute(self._q.delete_plugin_before, {"before": before}))


def _joined(rows: list[Row], keys: tuple[str, ...], figures: tuple[str, ...]) -> list[Row]:
    """One row for each span: where roll-ups end and samples begin, both may hold a part of it."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        counts = {figure: int(row.pop(f"{figure}_count") or 0) for figure in figures}
        key = tuple(row[name] for name in keys)
        other = found.get(key)
        if other is None:
            found[key] = row | {"_": counts}
            continue
        for figure, count in counts.items():
            before = other["_"][figure]
            if count:
                whole = (other[figure] or 0.0) * before + row[figure] * count
                most = f"{figure}_most"
                other |= {figure: whole / (before + count), most: max(v for v in (other[most], row[most]) if v is not None)}
                other["_"][figure] = before + count
    for row in found.values():
        del row["_"]
    return list(found.values())
