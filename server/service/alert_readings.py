"""What the fleet shows now, for alert rules: the newest figure of each node's subjects, read in few statements for all nodes.

Samples are read once: each node's newest figures are kept here, and the next look reads only what is newer. That is a memory of
what is in the database, not a state: a manager that begins with none reads the last minutes and knows the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from host.wire.states import OFFLINE, ONLINE
from server.alerting import rules
from server.alerting.metrics import HEADLINE, METRICS, PLUGIN_PREFIX
from server.alerting.states import Seen
from server.db import Db, Row
from server.queries import Query
from server.service.alert_details import SECTIONS, decode, figures, section_of
from server.service.mount_trends import METRIC as MOUNTS
from server.service.mount_trends import MountTrends
from server.service.rollups import DAY_MS, FINE, HOUR_MS

FRESH_MS = 660_000
"""Older is silence: two of the longest intervals of a collector, and a minute."""

PLUGIN_FRESH_MS = 2 * HOUR_MS + 60_000
PORTION = 500
"""Nodes a statement."""
MARGIN_MS = 150_000
"""How late a sample may come and still be looked at."""

AHEAD_MS = 600_000
UPDATE_MS = DAY_MS
UNITS_MS = 3_600_000
UPDATE_FAILED = ("failed", "rolled_back", "rollback_failed", "lost")
Figures = dict[str, dict[str, Seen]]
"""Node id → subject → what is seen there. A node that is not in it shows nothing fresh."""


class _Health(msgspec.Struct):
    dropped: int = 0
    clock_ahead_ms: int = 0


_health = msgspec.json.Decoder(_Health).decode


@dataclass
class _Kept:
    """A node's newest: figure or section → (its time, its value)."""

    newest: tuple[int, int] = (0, 0)
    figures: dict[str, tuple[int, float]] = field(default_factory=dict)
    sections: dict[str, tuple[int, Any]] = field(default_factory=dict)


_NONE = _Kept()


@dataclass
class Fleet:
    """All nodes but those that wait for approval, by id: `id`, `name`, `state`, `state_since`; and what is known of them now."""

    now: int
    nodes: dict[str, Row]
    shared: dict[tuple[object, ...], Any] = field(default_factory=dict)


class Readings:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.alert_readings
        self._kept: dict[str, _Kept] = {}
        self._until = 0
        self._details = False
        self._taking = asyncio.Lock()
        self._trends = MountTrends(db)

    async def plugin_units(self, now: int) -> dict[str, str]:
        """Metrics of plugins that some node told within the hour, and their units."""
        rows = await self._db.rows(self._q.plugin_units, {"since": now - UNITS_MS})
        return {f"{PLUGIN_PREFIX}{row['plugin']}/{row['name']}": row["unit"] for row in rows}

    async def subjects(self, metric: str, node_ids: Sequence[str], now: int) -> set[str]:
        """What those nodes have a figure of at present; `""` for one of the whole node."""
        fleet = await self.fleet(now, [metric])
        found = await self.look(fleet, {"kind": rules.METRIC, "metric": metric, "span_ms": 0})
        return {subject for node_id in node_ids for subject in found.get(node_id, {})}

    async def fleet(self, now: int, metrics: Iterable[str]) -> Fleet:
        """The nodes, with their newest samples taken in as far as `metrics` need them."""
        nodes = {row["id"]: row for row in await self._db.rows(self._q.nodes)}
        wanted = {METRICS[name].source for name in metrics if name in METRICS}
        if wanted:
            async with self._taking:
                online = [node_id for node_id, node in nodes.items() if node["state"] == ONLINE]
                await self._take_in(online, now, details=self._details or bool(wanted - {HEADLINE}))
                for node_id in self._kept.keys() - nodes.keys():
                    del self._kept[node_id]
        return Fleet(now, nodes)

    async def look(self, fleet: Fleet, rule: Mapping[str, Any]) -> Figures:
        """What a rule sees of every node (`kind`, `metric`, `span_ms` of its row)."""
        kind, now = rule["kind"], fleet.now
        if kind == rules.METRIC:
            return await self._metric(fleet, rule["metric"])
        if kind == rules.CHANGE:
            return await self._change(fleet, rule["metric"], rule["span_ms"])
        if kind == rules.DISK_FULL:
            trends: Figures = await self._shared(fleet, (kind,), self._trend)
            return trends
        if kind == rules.OFFLINE:
            return {
                node["id"]: {"": Seen(now, max(now - node["state_since"], 0) / 1000 if node["state"] == OFFLINE else 0.0)}
                for node in fleet.nodes.values()
                if node["state"] in (ONLINE, OFFLINE)
            }
        if kind in (rules.AGENT_FAILED, rules.AGENT_RESTARTS):
            rows = await self._shared(fleet, ("agents",), lambda _: self._db.rows(self._q.agents))
            if kind == rules.AGENT_RESTARTS:
                return {row["node_id"]: {"": Seen(now, float(row["restarts"]))} for row in rows if row["state"] != "unknown"}
            return {row["node_id"]: {"": Seen(now, float(row["state"] == "failed"))} for row in rows if row["state"] != "unknown"}
        if kind == rules.CERTIFICATE:
            ends = await self._db.rows(self._q.certificates)
            return {row["node_id"]: {"": Seen(now, (row["not_after"] - now) / DAY_MS)} for row in ends if row["not_after"]}
        if kind == rules.UPDATE:
            return await self._updates(fleet)
        healths = await self._shared(fleet, ("healths",), self._healths)
        if kind == rules.OUTBOX:
            return {node_id: {"": Seen(now, float(health.dropped))} for node_id, health in healths.items()}
        return {node_id: {"": Seen(now, abs(health.clock_ahead_ms) / 1000)} for node_id, health in healths.items()}

    def passed_over(self, rule: Mapping[str, Any], node_id: str) -> bool:
        """Whether a rule has not come to that node since this manager began, so that nothing can be said of it."""
        return rule["kind"] == rules.DISK_FULL and not self._trends.known(node_id)

    async def _shared(self, fleet: Fleet, key: tuple[object, ...], work: Any) -> Any:
        """Read once for all rules of one look."""
        if key not in fleet.shared:
            fleet.shared[key] = await work(fleet)
        return fleet.shared[key]

    async def _take_in(self, online: Sequence[str], now: int, details: bool) -> None:
        """Samples that are newer than what is kept. The first time, and when details are wanted for the first time: all fresh ones."""
        oldest = since = now - FRESH_MS
        if self._until and (self._details or not details):
            since = max(since, self._until - MARGIN_MS)
        elif details:
            for kept in self._kept.values():
                kept.newest = (0, 0)
        rows = await self._samples(self._q.newest, online, since, now + AHEAD_MS)
        if since > oldest:
            # A host whose clock is behind, or that measures rarely, tells nothing that is as new as the others' samples.
            behind = [node_id for node_id in online if self._kept.get(node_id, _NONE).newest[0] < since]
            rows += await self._samples(self._q.newest, behind, oldest, since - 1)
        rows.sort(key=lambda row: (row["at"], row["seq"]))
        new = []
        for row in rows:
            kept = self._kept.setdefault(row["node_id"], _Kept())
            if (row["at"], row["seq"]) > kept.newest:
                new.append(row)
        if details:
            # Apart: one late sample must not have everybody's details of that time read.
            await self._take_details([row for row in new if row["at"] < since])
            await self._take_details([row for row in new if row["at"] >= since])
        for row in new:
            kept = self._kept[row["node_id"]]
            kept.newest = max(kept.newest, (row["at"], row["seq"]))
            for name in _HEADLINES:
                if row[name] is not None:
                    kept.figures[name] = (row["at"], row[name])
        self._until, self._details = now, details

    async def _take_details(self, new: Sequence[Row]) -> None:
        """The details of samples that are new, in order of time."""
        if not new:
            return
        ids = list(dict.fromkeys(row["node_id"] for row in new))
        for row in sorted(
            await self._samples(self._q.newest_details, ids, new[0]["at"], new[-1]["at"]), key=lambda row: (row["at"], row["seq"])
        ):
            kept = self._kept[row["node_id"]]
            if (row["at"], row["seq"]) <= kept.newest:
                continue
            detail = decode(row["detail"])
            for section in SECTIONS:
                value = getattr(detail, section)
                if value is not None:
                    kept.sections[section] = (row["at"], value)
            if detail.disks is not None:
                self._trends.note(row["node_id"], row["at"], [(disk.mount, disk.percent) for disk in detail.disks])

    async def _samples(self, query: Query, node_ids: Sequence[str], since: int, until: int) -> list[Row]:
        rows: list[Row] = []
        for first in range(0, len(node_ids), PORTION):
            rows += await self._db.rows(query, {"ids": list(node_ids[first : first + PORTION]), "since": since, "until": until})
        return rows

    async def _metric(self, fleet: Fleet, metric: str) -> Figures:
        oldest = fleet.now - FRESH_MS
        if metric.startswith(PLUGIN_PREFIX):
            rows = await self._shared(fleet, (metric,), lambda _: self._db.rows(self._q.plugin_newest, _named(metric)))
            return {row["node_id"]: {"": Seen(row["at"], row["value"])} for row in rows if row["at"] >= fleet.now - PLUGIN_FRESH_MS}
        found: Figures = {}
        headline = METRICS[metric].source == HEADLINE
        section = "" if headline else section_of(metric)
        for node_id, kept in self._kept.items():
            if node_id not in fleet.nodes or fleet.nodes[node_id]["state"] != ONLINE:
                continue
            if headline:
                at, value = kept.figures.get(metric, (0, 0.0))
                if at >= oldest:
                    found[node_id] = {"": Seen(at, value)}
                continue
            at, held = kept.sections.get(section, (0, None))
            if at >= oldest:
                found[node_id] = {subject: Seen(at, value) for subject, value in figures(metric, held).items()}
        return found

    async def _change(self, fleet: Fleet, metric: str, span_ms: int) -> Figures:
        """The newest figure less the mean of five minutes a span ago."""
        at = (fleet.now - span_ms) // FINE * FINE
        place = {"tier": FINE, "at": at}
        newest = await self._metric(fleet, metric)
        if metric.startswith(PLUGIN_PREFIX):
            rows = await self._db.rows(self._q.plugin_before, place | _named(metric))
            before = {row["node_id"]: row["value"] for row in rows}
        else:
            rows = await self._shared(fleet, ("before", at), lambda _: self._db.rows(self._q.before, place))
            before = {row["node_id"]: row[metric] for row in rows if row[metric] is not None}
        return {node_id: {"": Seen(seen[""].at, seen[""].value - before[node_id])} for node_id, seen in newest.items() if node_id in before}

    async def _trend(self, fleet: Fleet) -> Figures:
        online = [node_id for node_id, node in fleet.nodes.items() if node["state"] == ONLINE]
        return await self._trends.look(online, fleet.nodes.keys(), fleet.now)

    async def _updates(self, fleet: Fleet) -> Figures:
        """1 where the newest update of a component within a day failed, 0 elsewhere."""
        found: Figures = {
            node_id: {"": Seen(fleet.now, 0.0)} for node_id, node in fleet.nodes.items() if node["state"] in (ONLINE, OFFLINE)
        }
        newest: dict[tuple[str, str], str] = {}
        for row in await self._db.rows(self._q.updates, {"since": fleet.now - UPDATE_MS}):
            newest[row["node_id"], row["component"]] = row["state"]
        for (node_id, _), state in newest.items():
            if state in UPDATE_FAILED and node_id in found:
                found[node_id] = {"": Seen(fleet.now, 1.0)}
        return found

    async def _healths(self, fleet: Fleet) -> dict[str, _Health]:
        return {row["node_id"]: _health(row["health"]) for row in await self._db.rows(self._q.healths)}


def watched(rule: Mapping[str, Any]) -> str:
    """The metric whose samples a rule needs; empty for one that looks at something else."""
    return MOUNTS if rule["kind"] == rules.DISK_FULL else rule["metric"]


_HEADLINES = tuple(metric.name for metric in METRICS.values() if metric.source == HEADLINE)


def _named(metric: str) -> Row:
    plugin, _, name = metric[len(PLUGIN_PREFIX) :].partition("/")
    return {"plugin": plugin, "name": name}
