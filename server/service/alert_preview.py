"""What a rule would have done in the last days, from roll-ups and changes of state; and on how many nodes it is bad now.

Bounded: nodes whose figures never came near the threshold are left out by one statement over hours, and of the others the first
MOST_REPLAYED are gone through. What cannot be told is said (`notes`): nothing is guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import groupby

from host.wire.states import OFFLINE, ONLINE
from server.alerting import rules
from server.alerting.metrics import DETAIL, METRICS, PLUGIN_PREFIX
from server.alerting.replay import Point, Spell, absences, changes, figures, moments, replay, trends
from server.alerting.rules import ABOVE, COUNTERS, Rule
from server.alerting.states import Limits
from server.db import Db, Row
from server.errors import BadInput
from server.service.alert_drafts import Draft, checked, rule_of
from server.service.alert_readings import Readings, watched
from server.service.mount_trends import METRIC as MOUNTS
from server.service.mount_trends import SPAN_MS, STEP_MS
from server.service.rollups import COARSE, DAY_MS, FINE, HOUR_MS
from server.service.selections import MOST, Selections
from server.service.stored_details import Series, StoredDetails

DAYS, MOST_DAYS = 7, 30
MOST_REPLAYED, MOST_DETAILED = 100, 20
DETAILED_DAYS = 7
"""Roll-ups of samples' details tell no moments: so far back and of so many nodes single samples are read, one in STEP_MS of each."""
MOST_SHOWN = 50
NOTHING_KEPT = "nothing is kept of how this was before; only what is now can be told"
QUARTERS = "looked at is one sample of each quarter of an hour: what came and went between them is not seen"
NO_LONGER = "single samples are looked at {days} days back at most"
SINCE = "of these nodes samples are kept from {when} UTC on"
FIRST_CHANGED = "of {count} nodes {done} were gone through, those first whose fullest disk changed most"
FIRST_NODES = "of {count} nodes {done} were gone through, those first on which it is wrong now"
MEANS = "looked at are means of five minutes: what came and went within them is not seen"
NO_HISTORY = "{without} of {total} nodes have told nothing of it in this time"
NOT_ALL = "{count} nodes came near the threshold; the first {done} were gone through"


@dataclass(frozen=True)
class Fired:
    """A node on which the rule would have fired: how often, when first and last, and whether one would still be open."""

    node_id: str
    name: str
    times: int
    first_at: int
    last_at: int
    open: bool


@dataclass(frozen=True)
class AlertPreview:
    """`known`: whether anything can be told of the time before; `fired` in all; `nodes` the most frequent MOST_SHOWN of `on`.

    `meant` nodes by the selector; `bad_now` of them are beyond the threshold at present, None where that cannot be told.
    """

    since: int
    until: int
    known: bool
    fired: int
    on: int
    nodes: list[Fired]
    meant: int
    bad_now: int | None
    notes: list[str] = field(default_factory=list)


class AlertPreviews:
    def __init__(self, db: Db, selections: Selections, readings: Readings, limits: Limits) -> None:
        self._db, self._q = db, db.q.alert_previews
        self._selections, self._readings, self._limits = selections, readings, limits
        self._details = StoredDetails(db)

    async def look(self, draft: Draft, now: int, days: int = DAYS) -> AlertPreview:
        """Raises BadInput, BadSelector, as saving the rule would, but for its name and command."""
        if not 1 <= days <= MOST_DAYS:
            raise BadInput(f"days: 1 to {MOST_DAYS}", field="days")
        row = checked(draft, await self._readings.plugin_units(now))
        rule = rule_of(row)
        read = await self._selections.read(draft.selector.strip(), "selector")
        found = await self._selections.rows_of(read, MOST)
        names = {one["id"]: one["name"] for one in found if one["state"] != "retired"}
        since, until = now - days * DAY_MS, now
        notes: list[str] = []
        bad = await self._bad_now(row, rule, names, now)
        # Those on which it is wrong now come first: they have fired for certain.
        order = sorted(names, key=lambda one: (one not in (bad or ()), names[one]))
        spells = await self._spells(row, rule, order, since, until, notes) if names else {}
        if spells is None:
            return AlertPreview(since, until, False, 0, 0, [], len(names), _count(bad), notes)
        fired = [
            Fired(node_id, names[node_id], len(of), of[0].opened_at, of[-1].opened_at, any(one.resolved_at == 0 for one in of))
            for node_id, of in spells.items()
            if of
        ]
        fired.sort(key=lambda one: (-one.times, one.name))
        total = sum(one.times for one in fired)
        return AlertPreview(since, until, True, total, len(fired), fired[:MOST_SHOWN], len(names), _count(bad), notes)

    async def _spells(
        self, row: Row, rule: Rule, ids: Sequence[str], since: int, until: int, notes: list[str]
    ) -> dict[str, list[Spell]] | None:
        """Node id → the alerts it would have had; None where nothing is kept that could tell."""
        if rule.kind == rules.OFFLINE:
            return await self._absent(rule, ids, since, until)
        metric = watched(row)
        if metric in METRICS and METRICS[metric].source == DETAIL:
            return await self._detailed(row, rule, metric, ids, since, until, notes)
        if not metric:
            notes.append(NOTHING_KEPT)
            return None
        if rule.hold_ms or rule.kind != rules.METRIC:
            notes.append(MEANS)
        near = await self._near(rule, metric, ids, since, until, notes)
        points = await self._points(metric, near, since - (rule.span_ms if rule.kind == rules.CHANGE else 0), until)
        return await asyncio.to_thread(lambda: {node_id: self._replayed(rule, of) for node_id, of in points.items()})

    def _replayed(self, rule: Rule, points: Sequence[Point]) -> list[Spell]:
        seen = changes(points, rule.span_ms // FINE * FINE) if rule.kind == rules.CHANGE else figures(rule, points)
        return replay(rule, seen, self._limits)

    async def _detailed(
        self, row: Row, rule: Rule, metric: str, ids: Sequence[str], since: int, until: int, notes: list[str]
    ) -> dict[str, list[Spell]]:
        """From single samples of the nodes that can have fired, as far as so many can be read."""
        if rule.kind == rules.METRIC and metric == MOUNTS and rule.comparison == ABOVE:
            ids = await self._near(rule, "disk_usage", ids, since, until, [])
        if len(ids) > MOST_DETAILED:
            said = FIRST_CHANGED if rule.kind == rules.DISK_FULL else FIRST_NODES
            notes.append(said.format(count=len(ids), done=MOST_DETAILED))
            if rule.kind == rules.DISK_FULL:
                ranges = await self._ranges("disk_usage", ids, since, until)
                ids = sorted(ids, key=lambda one: ranges[one]["least"] - ranges[one]["most"] if one in ranges else 1.0)
        if since < until - DETAILED_DAYS * DAY_MS:
            since = until - DETAILED_DAYS * DAY_MS
            notes.append(NO_LONGER.format(days=DETAILED_DAYS))
        notes.append(QUARTERS)
        ids = ids[:MOST_DETAILED]
        found = await self._details.series(metric, ids, since, until + 1, STEP_MS)
        if len(found) < len(ids):
            notes.append(NO_HISTORY.format(without=len(ids) - len(found), total=len(ids)))
        first = min((points[0][0] for series in found.values() for points in series.values()), default=0)
        if first > since + HOUR_MS:
            notes.append(SINCE.format(when=f"{datetime.fromtimestamp(first / 1000, timezone.utc):%Y-%m-%d %H:%M}"))
        return await asyncio.to_thread(lambda: {node_id: self._of_subjects(rule, row["subject"], of) for node_id, of in found.items()})

    def _of_subjects(self, rule: Rule, wanted: str, series: Series) -> list[Spell]:
        """The alerts of all subjects of a node, in order of time."""
        spells: list[Spell] = []
        for subject, points in series.items():
            if wanted in ("", subject):
                seen = trends(points, STEP_MS, SPAN_MS) if rule.kind == rules.DISK_FULL else moments(points)
                spells += replay(rule, seen, self._limits)
        return sorted(spells, key=lambda one: one.opened_at)

    async def _near(self, rule: Rule, metric: str, ids: Sequence[str], since: int, until: int, notes: list[str]) -> list[str]:
        """Which nodes can have fired at all."""
        ranges = await self._ranges(metric, ids, since, until)
        if len(ranges) < len(ids):
            notes.append(NO_HISTORY.format(without=len(ids) - len(ranges), total=len(ids)))
        near = [node_id for node_id in ids if node_id in ranges and _can(rule, ranges[node_id]["least"], ranges[node_id]["most"])]
        if len(near) > MOST_REPLAYED:
            notes.append(NOT_ALL.format(count=len(near), done=MOST_REPLAYED))
        return near[:MOST_REPLAYED]

    async def _ranges(self, metric: str, ids: Sequence[str], since: int, until: int) -> dict[str, Row]:
        """Node id → `least` and `most` of a figure, as far as any was told."""
        span = {"ids": list(ids), "tier": COARSE, "since": since // HOUR_MS * HOUR_MS, "until": until} | _named(metric)
        query = self._q.plugin_ranges if "plugin" in span else self._q.ranges
        return {one["node_id"]: one for one in await self._db.rows(query, span) if one["most"] is not None}

    async def _points(self, metric: str, ids: Sequence[str], since: int, until: int) -> dict[str, list[Point]]:
        if not ids:
            return {}
        span = {"ids": list(ids), "tier": FINE, "since": since, "until": until} | _named(metric)
        query = self._q.plugin_points if "plugin" in span else self._q.points
        found: dict[str, list[Point]] = {}
        for one in await self._db.rows(query, span):
            if one["mean"] is not None:
                found.setdefault(one["node_id"], []).append(Point(one["at"], one["mean"], one["least"], one["most"]))
        return found

    async def _absent(self, rule: Rule, ids: Sequence[str], since: int, until: int) -> dict[str, list[Spell]]:
        rows = await self._db.rows(self._q.states, {"ids": list(ids), "since": since, "until": until})
        return {
            node_id: replay(rule, absences(rule, [(one["at"], one["state"]) for one in of], OFFLINE, ONLINE, until), self._limits)
            for node_id, of in groupby(rows, key=lambda one: str(one["node_id"]))
        }

    async def _bad_now(self, row: Row, rule: Rule, names: dict[str, str], now: int) -> set[str] | None:
        """The nodes on which it is wrong at present; None where a moment cannot tell."""
        if rule.kind in COUNTERS or rule.kind == rules.DISK_FULL:
            return None
        fleet = await self._readings.fleet(now, [row["metric"]] if row["metric"] else [])
        seen, subject = await self._readings.look(fleet, row), row["subject"]
        return {
            node_id
            for node_id in names.keys() & seen.keys()
            if any(rule.bad(one.value) for name, one in seen[node_id].items() if subject in ("", name))
        }


def _count(nodes: set[str] | None) -> int | None:
    return None if nodes is None else len(nodes)


def _named(metric: str) -> Row:
    if not metric.startswith(PLUGIN_PREFIX):
        return {"metric": metric}
    plugin, _, name = metric[len(PLUGIN_PREFIX) :].partition("/")
    return {"plugin": plugin, "name": name}


def _can(rule: Rule, least: float, most: float) -> bool:
    """Whether figures between these can have been bad."""
    if rule.kind == rules.CHANGE:
        return most - least > rule.threshold if rule.comparison == ABOVE else least - most < rule.threshold
    return rule.bad(most if rule.comparison == ABOVE else least)
