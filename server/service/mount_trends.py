"""When each mount of each node is full, by its trend of six hours.

One figure of every quarter of an hour is kept here for each mount, taken from the samples that the watch reads anyway; what was before
this manager began is read once a node. Each look works out another part of the fleet, and of it what has a new quarter.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from math import nan

from server.alerting.states import Seen
from server.alerting.trend import hours_until_full
from server.db import Db
from server.service.stored_details import Series, StoredDetails

SPAN_MS, FRESH_MS = 6 * 3_600_000, 1_800_000
STEP_MS = 900_000
METRIC = "mount.percent"
TURNS, LEAST = 20, 100
"""A node's turn comes every 20th time, each time that of another part of the fleet, of at least 100 nodes."""

_LOST_MS = 2 * STEP_MS
"""After a longer silence what was told late is read from the database."""


@dataclass
class _Node:
    """`times`: begins of quarters; `percents`: mount → one figure for each of them, nan where it was not there."""

    times: array[int] = field(default_factory=lambda: array("q"))
    percents: dict[str, array[float]] = field(default_factory=dict)
    changed: bool = True

    def add(self, at: int, mounts: Iterable[tuple[str, float]]) -> None:
        for values in self.percents.values():
            values.append(nan)
        self.times.append(at)
        for mount, percent in mounts:
            if mount not in self.percents:
                self.percents[mount] = array("d", [nan]) * len(self.times)
            self.percents[mount][-1] = percent
        self.changed = True

    def forget(self, before: int) -> None:
        count = sum(at < before for at in self.times)
        if count:
            del self.times[:count]
            for mount, values in list(self.percents.items()):
                del values[:count]
                if all(value != value for value in values):
                    del self.percents[mount]

    def points(self, mount: str) -> list[tuple[int, float]]:
        return [(at, value) for at, value in zip(self.times, self.percents[mount], strict=True) if value == value]


class MountTrends:
    def __init__(self, db: Db) -> None:
        self._stored = StoredDetails(db)
        self._nodes: dict[str, _Node] = {}
        self._hours: dict[str, dict[str, Seen]] = {}
        self._turn = 0

    def note(self, node_id: str, at: int, mounts: Iterable[tuple[str, float]]) -> None:
        """A sample of a node, the samples of each in order of time."""
        node, begin = self._nodes.get(node_id), at - at % STEP_MS
        if node is None or (node.times and begin <= node.times[-1]):
            return
        if not node.times or begin - node.times[-1] > _LOST_MS:
            # With its next turn it is read anew: what it told late is in the database too.
            del self._nodes[node_id]
            return
        node.add(begin, mounts)

    def known(self, node_id: str) -> bool:
        """Whether its turn has come since this manager began."""
        return node_id in self._hours

    async def look(self, online: Sequence[str], there: Collection[str], now: int) -> dict[str, dict[str, Seen]]:
        """Node → mount → hours until it is full, as far as that can be told now. `there`: all nodes, online or not."""
        for node_id in self._hours.keys() - set(there):
            del self._hours[node_id]
            self._nodes.pop(node_id, None)
        size = max(-(-len(online) // TURNS), LEAST)
        first = self._turn * size if self._turn * size < len(online) else 0
        self._turn = first // size + 1
        part = sorted(online)[first : first + size]
        await self._read([node_id for node_id in part if node_id not in self._nodes], now)
        for node_id in part:
            node = self._nodes[node_id]
            node.forget(now - SPAN_MS)
            if node.changed:
                self._hours[node_id], node.changed = _trends(node), False
        oldest = now - FRESH_MS
        told = {node_id: self._hours[node_id] for node_id in online if node_id in self._hours}
        fresh = {node_id: {mount: one for mount, one in of.items() if one.at >= oldest} for node_id, of in told.items()}
        return {node_id: of for node_id, of in fresh.items() if of}

    async def _read(self, node_ids: Sequence[str], now: int) -> None:
        if not node_ids:
            return
        since = (now - SPAN_MS) // STEP_MS * STEP_MS
        found = await self._stored.series(METRIC, node_ids, since, now + STEP_MS, STEP_MS)
        for node_id in node_ids:
            self._nodes[node_id] = _node(found.get(node_id, {}))


def _node(series: Series) -> _Node:
    node = _Node()
    by_time: dict[int, dict[str, float]] = {}
    for mount, points in series.items():
        for at, percent in points:
            by_time.setdefault(at, {})[mount] = percent
    for at in sorted(by_time):
        node.add(at, by_time[at].items())
    return node


def _trends(node: _Node) -> dict[str, Seen]:
    found = {}
    for mount in node.percents:
        points = node.points(mount)
        hours = hours_until_full(points)
        if hours is not None:
            found[mount] = Seen(points[-1][0], hours)
    return found
