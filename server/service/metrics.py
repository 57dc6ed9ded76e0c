"""Samples: stored one row each, read as a series or as the latest picture (M2, D1)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from host.wire.records import Sample
from server.db import Db, Row

LATEST_MS = 900_000
MAX_POINTS = 5_000


class Metrics:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.metrics

    def row(self, node_id: str, epoch: int, seq: int, at: int, sample: Sample) -> Row:
        """The table's row for one sample: headline figures, and the whole as compact JSON."""
        nics = sample.nics or []
        rx = [nic.rx_rate for nic in nics if nic.rx_rate is not None]
        tx = [nic.tx_rate for nic in nics if nic.tx_rate is not None]
        whole = {name: value for name, value in asdict(sample).items() if value is not None}
        return {
            "node_id": node_id,
            "at": at,
            "epoch": epoch,
            "seq": seq,
            "cpu_usage": sample.cpu.percent if sample.cpu else None,
            "memory_usage": sample.memory.percent if sample.memory else None,
            "disk_usage": max((disk.percent for disk in sample.disks), default=None) if sample.disks else None,
            "load_1": sample.load[0] if sample.load else None,
            "network_rx": sum(rx) if rx else None,
            "network_tx": sum(tx) if tx else None,
            "detail": json.dumps(whole, ensure_ascii=False, separators=(",", ":")),
        }

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
            picture = {**json.loads(row["detail"]), **picture}
            picture.setdefault("at", row["at"])
        return picture

    async def forget(self, before: int) -> int:
        """Delete samples older than `before`; how many."""
        return await self._db.transaction(lambda session: session.execute(self._q.delete_before, {"before": before}))
