"""What a rule would have done in the last days, from roll-ups and changes of state; and on how many nodes it is bad now.

Bounded: nodes whose figures never came near the threshold are left out by one statement over hours, and of the others the first
MOST_REPLAYED are gone through. What cannot be told is said (`notes`): nothing is guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

from host.wire.states import OFFLINE, ONLINE
from server.alerting import rules
from server.alerting.metrics import HEADLINE, METRICS, PLUGIN_PREFIX
from server.alerting.replay import Point, Spell, absences, changes, figures, replay, trends
from server.alerting.rules import ABOVE, COUNTERS, Rule
from server.alerting.states import GAP_MS, Limits
from server.alerting.trend import LEAST_RISE
from server.db import Db, Row
from server.errors import BadInput
from server.service.alert_drafts import Draft, checked, rule_of
from server.service.alert_readings import TREND_MS, Readings
from server.service.rollups import COARSE, DAY_MS, FINE, HOUR_MS
from server.service.selections import MOST, Selections

DAYS, MOST_DAYS = 7, 30
MOST_REPLAYED, MOST_TRENDS = 100, 20
MOST_SHOWN = 50
NOTHING_KEPT = "nothing is kept of how this was before; only what is now can be told"
FULLEST = "kept is the fullest disk of each node: several full disks of one node count as one alert here"
MEANS = "looked at are means of five minutes: what came and went within them is not seen"
NO_HISTORY = "{without} of {total} nodes have told nothing of it in this time"
NOT_ALL = "{count} nodes came near the threshold; the first {done} were gone through"


@dataclass(frozen=True)
class Fired:
    """A node on which the rule would have fired: how often, when first and last, and whether the last one would still be open."""

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
        spells = await self._spells(row, rule, sorted(names, key=lambda one: names[one]), since, until, notes) if names else {}
        bad = await self._bad_now(row, rule, names, now)
        if spells is None:
            return AlertPreview(since, until, False, 0, 0, [], len(names), bad, notes)
        fired = [
            Fired(node_id, names[node_id], len(of), of[0].opened_at, of[-1].opened_at, of[-1].resolved_at == 0)
            for node_id, of in spells.items()
            if of
        ]
        fired.sort(key=lambda one: (-one.times, one.name))
        total = sum(one.times for one in fired)
        return AlertPreview(since, until, True, total, len(fired), fired[:MOST_SHOWN], len(names), bad, notes)

    async def _spells(
        self, row: Row, rule: Rule, ids: Sequence[str], since: int, until: int, notes: list[str]
    ) -> dict[str, list[Spell]] | None:
        """Node id → the alerts it would have had; None where nothing is kept that could tell."""
        if rule.kind == rules.OFFLINE:
            return await self._absent(rule, ids, since, until)
        metric = "disk_usage" if rule.kind == rules.DISK_FULL else row["metric"]
        if metric == "mount.percent" and rule.kind == rules.METRIC and not row["subject"]:
            metric = "disk_usage"
            notes.append(FULLEST)
        plugin = metric.startswith(PLUGIN_PREFIX)
        if not plugin and (metric not in METRICS or METRICS[metric].source != HEADLINE):
            notes.append(NOTHING_KEPT)
            return None
        if rule.hold_ms or rule.kind != rules.METRIC:
            notes.append(MEANS)
        near = await self._near(rule, metric, ids, since, until, notes)
        points = await self._points(metric, near, since - (rule.span_ms if rule.kind == rules.CHANGE else 0), until)
        return await asyncio.to_thread(lambda: {node_id: self._replayed(rule, of) for node_id, of in points.items()})

    def _replayed(self, rule: Rule, points: Sequence[Point]) -> list[Spell]:
        if rule.kind == rules.CHANGE:
            seen = changes(points, rule.span_ms // FINE * FINE)
        elif rule.kind == rules.DISK_FULL:
            seen = trends(points, GAP_MS, TREND_MS)
        else:
            seen = figures(rule, points)
        return replay(rule, seen, self._limits)

    async def _near(self, rule: Rule, metric: str, ids: Sequence[str], since: int, until: int, notes: list[str]) -> list[str]:
        """Which nodes can have fired at all."""
        span = {"ids": list(ids), "tier": COARSE, "since": since // HOUR_MS * HOUR_MS, "until": until} | _named(metric)
        query = self._q.plugin_ranges if "plugin" in span else self._q.ranges
        ranges = {one["node_id"]: one for one in await self._db.rows(query, span) if one["most"] is not None}
        if len(ranges) < len(ids):
            notes.append(NO_HISTORY.format(without=len(ids) - len(ranges), total=len(ids)))
        near = [node_id for node_id in ids if node_id in ranges and _can(rule, ranges[node_id]["least"], ranges[node_id]["most"])]
        most = MOST_TRENDS if rule.kind == rules.DISK_FULL else MOST_REPLAYED
        if len(near) > most:
            notes.append(NOT_ALL.format(count=len(near), done=most))
        return near[:most]

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

    async def _bad_now(self, row: Row, rule: Rule, names: dict[str, str], now: int) -> int | None:
        if rule.kind in COUNTERS or rule.kind == rules.DISK_FULL:
            return None
        fleet = await self._readings.fleet(now, [row["metric"]] if row["metric"] else [])
        seen = await self._readings.look(fleet, row)
        subject = row["subject"]
        return sum(
            any(rule.bad(one.value) for name, one in seen[node_id].items() if subject in ("", name)) for node_id in names if node_id in seen
        )


def _named(metric: str) -> Row:
    if not metric.startswith(PLUGIN_PREFIX):
        return {"metric": metric}
    plugin, _, name = metric[len(PLUGIN_PREFIX) :].partition("/")
    return {"plugin": plugin, "name": name}


def _can(rule: Rule, least: float, most: float) -> bool:
    """Whether figures between these can have been bad."""
    if rule.kind == rules.DISK_FULL:
        return most - least >= LEAST_RISE or most >= 100
    if rule.kind == rules.CHANGE:
        return most - least > rule.threshold if rule.comparison == ABOVE else least - most < rule.threshold
    return rule.bad(most if rule.comparison == ABOVE else least)
