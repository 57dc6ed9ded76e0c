"""How detail figures were: of each span of time the first stored sample of a node (mounts, cores, cards, …). Means of an hour, which are
all that roll-ups keep of them, would give other answers: a rule looks at moments.

Two statements for each portion of nodes: when those samples are, from the key alone, and then these samples and no others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from server.db import Db
from server.service.alert_details import decode, figures, section_of

PORTION = 20
"""Nodes whose times are asked for at once."""

AT_ONCE = 300
"""Samples a statement."""

Series = dict[str, list[tuple[int, float]]]
"""Subject → (begin of the span, UTC ms; figure), in order."""


class StoredDetails:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.alert_readings

    async def series(self, metric: str, node_ids: Sequence[str], since: int, until: int, step: int) -> dict[str, Series]:
        """A detail metric of these nodes, one figure each `step` ms of [since, until). A node without any sample in there is left out.

        Raises KeyError for a metric that is none of alert_details.py's.
        """
        section = section_of(metric)
        found: dict[str, Series] = {}
        for start in range(0, len(node_ids), PORTION):
            span = {"ids": list(node_ids[start : start + PORTION]), "since": since, "until": until, "step": step, "section": section}
            times: dict[str, list[int]] = {}
            for row in await self._db.rows(self._q.firsts, span):
                times.setdefault(row["node_id"], []).append(row["at"])
            for node_id, ats in times.items():
                found[node_id] = await self._of_node(node_id, ats, metric, section, step)
        return found

    async def _of_node(self, node_id: str, ats: Sequence[int], metric: str, section: str, step: int) -> Series:
        texts: list[tuple[int, str]] = []
        for start in range(0, len(ats), AT_ONCE):
            rows = await self._db.rows(self._q.details_at, {"node_id": node_id, "ats": list(ats[start : start + AT_ONCE])})
            texts += [(row["at"], row["detail"]) for row in rows]
        return await asyncio.to_thread(_read, texts, metric, section, step)


def _read(texts: Sequence[tuple[int, str]], metric: str, section: str, step: int) -> Series:
    series: Series = {}
    for at, text in sorted(texts):
        held = getattr(decode(text), section)
        if held is None:
            continue
        begin = at - at % step
        for subject, value in figures(metric, held).items():
            points = series.setdefault(subject, [])
            if not points or points[-1][0] < begin:
                points.append((begin, value))
    return series
