"""What a tick's turns become: alerts opened, marked, resolved, grouped, reminded of, and who is told, in one transaction.

Every alert is recorded, each with its events. Told of are: one that opens, unless a window silences its node or a storm speaks
for it; its end, when its begin was told; a storm once, again with the final number, and when the last of its alerts is over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.alerting import sentences
from server.alerting.evaluate import Turn
from server.alerting.metrics import Metric
from server.alerting.rules import Rule
from server.alerting.states import FOUND, LOST, OPENED, RESOLVED
from server.alerting.storms import SPAN_MS, Storm, joins, over
from server.db import Db, Row, Session
from server.ids import new_id
from server.service import alert_events as events
from server.service.alert_events import AlertEvent, row_of
from server.service.alerts import Alerts, event_of, open_key, quiet

GOOD_AGAIN = "the figure is good again"
BY_WINDOW = "silenced by a maintenance window"
BY_STORM = "told of together with the others of its storm"
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Change:
    """One turn of a rule (`row` is the rule's); `alert_id` is the alert that the watch had before. `rule` is None for one that is off."""

    row: Row
    rule: Rule | None
    metric: Metric | None
    turn: Turn
    alert_id: str

    @property
    def key(self) -> Key:
        return self.row["id"], self.turn.node_id, self.turn.subject


@dataclass
class Plan:
    """What a tick needs to know before it writes. `names`: node id → name; `silenced`: nodes that a window silences now."""

    changes: list[Change]
    names: Mapping[str, str]
    silenced: Mapping[str, Any]
    recent: dict[str, set[str]]


@dataclass
class _Written:
    """What is gathered while writing: rows of alerts and events, and who is told of what."""

    alerts: list[Row] = field(default_factory=list)
    events: list[Row] = field(default_factory=list)
    told: list[AlertEvent] = field(default_factory=list)
    ids: dict[Key, str] = field(default_factory=dict)

    def event(self, event: AlertEvent, told: bool, note: str = "") -> None:
        self.events.append(row_of(event, told, "", note))
        if told:
            self.told.append(event)


class Outcomes:
    """`storm_nodes`: more nodes than that opening the same rule within a minute are a storm. `remind_ms`: 0 for never."""

    def __init__(self, db: Db, alerts: Alerts, storm_nodes: int, remind_ms: int) -> None:
        self._db, self._q, self._alerts = db, db.q.alerts, alerts
        self._storm_nodes, self._remind_ms = storm_nodes, remind_ms

    async def plan(self, changes: list[Change], nodes: Mapping[str, Row], now: int) -> Plan:
        """Read what the transaction must not wait for."""
        opening = [change for change in changes if OPENED in change.turn.came]
        concerned = {change.turn.node_id for change in opening}
        concerned |= {row["node_id"] for row in await self._db.rows(self._q.all_open)}
        silenced = await self._alerts.windows(concerned, now) if concerned else {}
        recent: dict[str, set[str]] = {}
        if opening:
            wanted = {"ids": sorted({change.row["id"] for change in opening}), "since": now - SPAN_MS}
            for row in await self._db.rows(self._q.recent_nodes, wanted):
                recent.setdefault(row["rule_id"], set()).add(row["node_id"])
        return Plan(changes, {node_id: node["name"] for node_id, node in nodes.items()}, silenced, recent)

    async def write(self, session: Session, plan: Plan, now: int) -> dict[Key, str]:
        """Everything of one tick; rule, node and subject → the alert that was opened for them."""
        written = _Written()
        standing = {row["id"]: row for row in await session.rows(self._q.all_open)}
        storms = await self._storms(session)
        await self._resolve(session, plan, standing, written, now)
        await self._open(session, plan, standing, storms, written, now)
        await self._mark(session, plan, standing)
        await self._silences(session, plan, standing, written, now)
        await self._end_storms(session, storms, standing, written, now)
        await session.insert_rows(self._q.insert, written.alerts)
        await session.insert_rows(self._q.insert_event, written.events)
        if written.told:
            await self._alerts.enqueue(session, written.told)
        return written.ids

    async def _storms(self, session: Session) -> dict[str, tuple[str, Storm]]:
        """Storms that are not over, by id, each with its rule's id."""
        rows = await session.rows(self._q.storms)
        return {row["id"]: (row["rule_id"], Storm(row["id"], row["last_at"], row["alerts"], row["told"])) for row in rows}

    async def _open(
        self,
        session: Session,
        plan: Plan,
        standing: dict[str, Row],
        storms: dict[str, tuple[str, Storm]],
        written: _Written,
        now: int,
    ) -> None:
        known = {row["open_key"]: row for row in standing.values()}
        by_rule: dict[str, list[Change]] = {}
        for change in plan.changes:
            if OPENED not in change.turn.came:
                continue
            there = known.get(open_key(*change.key))
            if there:
                written.ids[change.key] = there["id"]
            else:
                by_rule.setdefault(change.row["id"], []).append(change)
        for rule_id, changes in by_rule.items():
            loud = [change for change in changes if change.turn.node_id not in plan.silenced]
            storm_id = await self._joined(session, rule_id, loud, plan, storms, now)
            first = True
            for change in changes:
                silenced = change.turn.node_id in plan.silenced
                row = _opened(change, plan.names, silenced, "" if silenced else storm_id, now)
                written.alerts.append(row)
                written.ids[change.key] = row["id"]
                note = BY_WINDOW if silenced else BY_STORM if storm_id else ""
                written.event(event_of(row, events.OPENED, now), not silenced and not storm_id, note)
                if storm_id and not silenced and first and storm_id not in storms:
                    first = False
                    text = sentences.storm(row["rule_name"], len(loud))
                    written.event(event_of(row, events.GROUPED, now, summary=text, group_id=storm_id, count=len(loud)), True)

    async def _joined(
        self,
        session: Session,
        rule_id: str,
        opening: Sequence[Change],
        plan: Plan,
        storms: dict[str, tuple[str, Storm]],
        now: int,
    ) -> str:
        """The storm that these openings belong to, made or grown; empty when they are none."""
        running = [storm for of_rule, storm in storms.values() if of_rule == rule_id]
        newest = max(running, key=lambda storm: storm.last_at, default=None)
        nodes = {change.turn.node_id for change in opening}
        if not opening or not joins(newest, nodes, plan.recent.get(rule_id, set()), now, self._storm_nodes):
            return ""
        if newest is not None and not over(newest, now):
            await session.execute(self._q.grow_storm, {"id": newest.id, "alerts": len(opening), "now": now})
            return newest.id
        storm_id = new_id(now)
        await session.execute(self._q.insert_storm, {"id": storm_id, "rule_id": rule_id, "alerts": len(opening), "now": now})
        return storm_id

    async def _resolve(self, session: Session, plan: Plan, standing: dict[str, Row], written: _Written, now: int) -> None:
        reasons: dict[str, list[str]] = {}
        for change in plan.changes:
            why = change.turn.ended or (GOOD_AGAIN if RESOLVED in change.turn.came else "")
            if why and change.alert_id in standing:
                reasons.setdefault(why, []).append(change.alert_id)
        for why, ids in reasons.items():
            await session.execute(self._q.resolve_many, {"ids": ids, "why": why[:255], "now": now})
            for alert_id in ids:
                row = standing.pop(alert_id) | {"resolved_at": now}
                written.event(event_of(row, events.RESOLVED, now), not quiet(row), why)

    async def _mark(self, session: Session, plan: Plan, standing: dict[str, Row]) -> None:
        """Of which alerts nothing is seen any more, and of which something again."""
        for silent, came in ((1, LOST), (0, FOUND)):
            ids = [change.alert_id for change in plan.changes if came in change.turn.came and change.alert_id in standing]
            if ids:
                await session.execute(self._q.set_silent, {"ids": ids, "silent": silent})
                standing.update({alert_id: standing[alert_id] | {"silent": silent} for alert_id in ids})

    async def _silences(self, session: Session, plan: Plan, standing: Mapping[str, Row], written: _Written, now: int) -> None:
        """What windows begin or cease to silence; what was never told is told when its window is over; reminders."""
        flags: dict[int, list[str]] = {0: [], 1: []}
        untold, due = [], []
        storms: dict[str, list[Row]] = {}
        for row in standing.values():
            silenced = int(row["node_id"] in plan.silenced)
            if silenced != row["silenced"]:
                flags[silenced].append(row["id"])
            if silenced:
                continue
            if row["group_id"]:
                if self._due(row, now):
                    storms.setdefault(row["group_id"], []).append(row)
            elif not row["told_at"]:
                untold.append(row["id"])
                written.event(event_of(row, events.OPENED, now), True, "its maintenance window is over")
            elif self._due(row, now):
                due.append(row["id"])
                written.event(event_of(row, events.REMINDED, now), True)
        for storm_id, rows in storms.items():
            text = sentences.storm_left(rows[0]["rule_name"], len(rows))
            written.event(event_of(rows[0], events.REMINDED, now, summary=text, group_id=storm_id, count=len(rows)), True)
            due += [row["id"] for row in rows]
        for silenced, ids in flags.items():
            if ids:
                await session.execute(self._q.set_silenced, {"ids": ids, "silenced": silenced})
        if untold:
            await session.execute(self._q.set_told, {"ids": untold, "now": now})
        if due:
            await session.execute(self._q.set_reminded, {"ids": due, "now": now})

    def _due(self, row: Row, now: int) -> bool:
        """Whether it is to be told of again: open for so long, and nobody has taken it on."""
        late = row["reminded_at"] <= now - self._remind_ms
        return bool(self._remind_ms and late and row["state"] == "open" and not row["silent"])

    async def _end_storms(
        self, session: Session, storms: dict[str, tuple[str, Storm]], standing: Mapping[str, Row], written: _Written, now: int
    ) -> None:
        """A storm that has calmed is told of with its final number, and when all of its alerts are over."""
        for storm_id, (_, storm) in storms.items():
            if not over(storm, now):
                continue
            left = sum(row["group_id"] == storm_id for row in standing.values())
            one = await session.row(self._q.first_of_storm, {"id": storm_id})
            if storm.alerts > storm.told and one and await session.execute(self._q.tell_storm, {"id": storm_id, "alerts": storm.alerts}):
                text = sentences.storm(one["rule_name"], storm.alerts)
                written.event(event_of(one, events.GROUPED, now, summary=text, group_id=storm_id, count=storm.alerts), True)
            if not left and await session.execute(self._q.end_storm, {"id": storm_id, "now": now}) == 1 and one:
                text = sentences.storm_over(one["rule_name"], storm.alerts)
                last = one | {"resolved_at": now}
                written.event(event_of(last, events.RESOLVED, now, summary=text, group_id=storm_id, count=storm.alerts), True)


def _opened(change: Change, names: Mapping[str, str], silenced: bool, storm_id: str, now: int) -> Row:
    """The row of an alert that opens now."""
    row, turn = change.row, change.turn
    assert change.rule is not None, "a rule that is off opens nothing"
    assert change.metric is not None, "a rule that is off opens nothing"
    name = names.get(turn.node_id, turn.node_id)
    value = turn.watch.value if turn.watch.value is not None else 0.0
    summary = sentences.opened(change.rule, change.metric, name, turn.subject, value)
    if turn.watch.flapping:
        summary = f"{summary[:380]}. It has opened {len(turn.watch.opens)} times lately (flapping): it stays open until it calms"
    command = "" if not row["command"] else "refused" if silenced else "wanted"
    return {
        "id": new_id(now),
        "open_key": open_key(*change.key),
        "rule_id": row["id"],
        "rule_name": row["name"],
        "rule_kind": row["kind"],
        "metric": row["metric"],
        "severity": row["severity"],
        "node_id": turn.node_id,
        "node_name": name,
        "subject": turn.subject,
        "flapping": int(turn.watch.flapping),
        "silenced": int(silenced),
        "summary": summary,
        "value": value,
        "threshold": change.rule.threshold,
        "now": now,
        "opened_at": now,
        "resolved_at": 0,
        "told_at": 0 if silenced else now,
        "group_id": storm_id,
        "command_state": command,
        "command_note": BY_WINDOW if command == "refused" else "",
    }
