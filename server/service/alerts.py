"""Alerts as people see them: open and past, one with its events; acknowledging; and how an alert is opened and ended.

An alert is open, then perhaps acknowledged, then resolved; each change is compare-and-set and has its event in the same
transaction. What is for others goes to `enqueue` in that transaction too: an alert that is stored is told of, or it is not stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from server.alerting.metrics import METRICS, NUMBER
from server.alerting.rules import FIXED
from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, NotFound
from server.ids import new_id
from server.selector import Condition
from server.service.alert_events import ACKNOWLEDGED, RESOLVED, AlertEvent, Enqueue, Windows, deliver_nothing, no_windows, row_of
from server.service.audit import Audit
from server.service.outcomes import AUDIT_NODES, Outcome
from server.service.page import Order, Page, containing, filtered, ordered

OPEN, RESOLVED_STATE = "open", "resolved"
STATES = (OPEN, ACKNOWLEDGED, RESOLVED_STATE)
SEVERITIES = ("critical", "warning", "info")
SORTS = {name: f"a.{name}" for name in ("opened_at", "resolved_at", "state", "node_name", "rule_name")}
SORTS |= {"severity": "CASE a.severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END"}
FILTERS = {name: f"a.{name} = :{name}" for name in ("state", "severity", "rule_id", "node_id", "group_id")}
FILTERS |= {
    "going_on": "a.state IN ('open', 'acknowledged')",
    "since": "a.opened_at >= :since",
    "until": "a.opened_at < :until",
    "q": "LOWER(a.node_name) LIKE :q ESCAPE '!' OR LOWER(a.summary) LIKE :q ESCAPE '!' OR LOWER(a.rule_name) LIKE :q ESCAPE '!'",
}
MOST_AT_ONCE = 1_000
MOST_COMMENT = 1_000
_SAME = (
    "rule_id",
    "rule_name",
    "rule_kind",
    "severity",
    "node_id",
    "node_name",
    "subject",
    "value",
    "threshold",
    "opened_at",
    "resolved_at",
)


class Alerts:
    """`enqueue` writes deliveries; `windows` says which nodes are silenced. Both may be set after the wiring is made."""

    def __init__(self, db: Db, audit: Audit, enqueue: Enqueue = deliver_nothing, windows: Windows = no_windows) -> None:
        self._db, self._q, self._audit = db, db.q.alerts, audit
        self.enqueue, self.windows = enqueue, windows

    async def page(
        self,
        *,
        history: bool = False,
        state: str = "",
        severity: str = "",
        rule_id: str = "",
        node_id: str = "",
        group_id: str = "",
        q: str = "",
        since: int | None = None,
        until: int | None = None,
        selected: Condition | None = None,
        limit: int,
        offset: int,
        order: Order = (),
    ) -> Page:
        """Newest first. Without `history` only those that are not resolved. `selected`: only of nodes that a selector means now;
        `since` and `until`: opened in [`since`, `until`) UTC ms.

        Raises BadInput for an unknown state or severity.
        """
        if state and state not in STATES:
            raise BadInput(f"state: {state[:20]!r} is unknown; use one of {', '.join(STATES)}", field="state")
        if severity and severity not in SEVERITIES:
            raise BadInput(f"severity: {severity[:20]!r} is unknown; use one of {', '.join(SEVERITIES)}", field="severity")
        wanted: Row = {"state": state, "severity": severity, "rule_id": rule_id, "node_id": node_id, "group_id": group_id}
        wanted |= {"q": containing(q), "since": since, "until": until}
        wanted["going_on"] = None if history or state else 1
        (page, params), (count, _) = (filtered(query, FILTERS, wanted) for query in (self._q.page, self._q.total))
        params["narrow"] = int(selected is not None)
        if selected:
            page, count, params = page.narrowed(selected), count.narrowed(selected), params | selected.params
        rows = await self._db.rows(ordered(page, SORTS, order), {**params, "limit": limit, "offset": offset})
        total = await self._db.row(count, params)
        return Page([shown(row) for row in rows], total["total"] if total else 0)

    async def counts(self) -> dict[str, int]:
        """Of those that are not resolved: by state (`open`, `acknowledged`), by severity, and `all`."""
        counts: dict[str, int] = dict.fromkeys((OPEN, ACKNOWLEDGED, *SEVERITIES, "all"), 0)
        for row in await self._db.rows(self._q.counts):
            for name in (row["state"], row["severity"], "all"):
                counts[name] += row["total"]
        return counts

    async def get(self, alert_id: str) -> Row:
        """Raises NotFound."""
        row = await self._db.row(self._q.by_id, {"id": alert_id})
        if row is None:
            raise NotFound(f"there is no alert {alert_id[:40]!r}")
        return shown(row)

    async def events(self, alert_id: str) -> list[Row]:
        """What happened to an alert, in order; `told` says whether it was for others too."""
        return [{**row, "told": bool(row["told"])} for row in await self._db.rows(self._q.events, {"alert_id": alert_id})]

    async def of_node(self, node_id: str) -> list[Row]:
        """A node's alerts that are not resolved."""
        return [shown(row) for row in await self._db.rows(self._q.open_of_node, {"node_id": node_id})]

    async def acknowledge(
        self, caller: Caller, alert_ids: Sequence[str], comment: str, now: int, along: Along[list[Outcome]] | None = None
    ) -> list[Outcome]:
        """Somebody takes them on; what became of each. Of two people at once one is told who was first.

        Raises BadInput: none or too many, or a comment that is too long.
        """
        wanted = list(dict.fromkeys(alert_ids))
        if not 1 <= len(wanted) <= MOST_AT_ONCE:
            raise BadInput(f"alerts: name 1 to {MOST_AT_ONCE} alerts", field="alerts")
        if len(comment := comment.strip()) > MOST_COMMENT:
            raise BadInput(f"comment: at most {MOST_COMMENT} characters", field="comment")

        async def work(session: Session) -> list[Outcome]:
            done: list[Outcome] = []
            events: list[AlertEvent] = []
            for alert_id in wanted:
                change = {"id": alert_id, "now": now, "who": caller.name, "comment": comment}
                changed = await session.execute(self._q.acknowledge, change) == 1
                row = await session.row(self._q.by_id, {"id": alert_id})
                done.append(_outcome(alert_id, row, changed))
                if changed and row:
                    event = event_of(row, ACKNOWLEDGED, now)
                    await self.record(session, event, told=bool(row["told_at"]), who=caller.name, note=comment)
                    events += [event] if row["told_at"] else []
            if events:
                await self.enqueue(session, events)
            if taken := [one.id for one in done if one.ok]:
                detail = {"alerts": taken[:AUDIT_NODES], "count": len(taken), "comment": comment}
                await self._audit.record(session, caller, "alert.acknowledge", f"alert {taken[0]}", detail, now)
            return done

        return await self._db.transaction(work, along)

    async def resolve(self, session: Session, row: Row, why: str, now: int) -> AlertEvent | None:
        """End one; the event, or None when it had ended already. Telling others is the caller's, see `quiet`."""
        if await session.execute(self._q.resolve, {"id": row["id"], "why": why[:255], "now": now}) != 1:
            return None
        event = event_of(row | {"resolved_at": now}, RESOLVED, now)
        await self.record(session, event, told=not quiet(row), note=why)
        return event

    async def close_rule(self, session: Session, rule_id: str, why: str, now: int) -> int:
        """Resolve every alert of a rule, because the rule is gone or off; how many."""
        events = []
        for row in await session.rows(self._q.open_of_rule, {"rule_id": rule_id}):
            event = await self.resolve(session, row, why, now)
            events += [(row, event)] if event else []
        told = [event for row, event in events if not quiet(row)]
        if told:
            await self.enqueue(session, told)
        return len(events)

    async def record(self, session: Session, event: AlertEvent, *, told: bool, who: str = "", note: str = "") -> None:
        """Write an event into the alert's history."""
        await session.execute(self._q.insert_event, row_of(event, told, who, note))

    async def forget(self, before: int) -> None:
        """Delete alerts that were resolved before, with their events."""

        async def work(session: Session) -> None:
            for query in (self._q.forget, self._q.forget_events, self._q.forget_storms):
                await session.execute(query, {"before": before})

        await self._db.transaction(work)


def event_of(row: Row, kind: str, now: int, *, summary: str = "", group_id: str = "", count: int = 1) -> AlertEvent:
    """An event about an alert's row."""
    values: dict[str, Any] = {name: row[name] for name in _SAME}
    text = summary or row["summary"]
    return AlertEvent(id=new_id(now), alert_id=row["id"], kind=kind, at=now, summary=text, group_id=group_id, count=count, **values)


def quiet(row: Row) -> bool:
    """Whether nobody is told of the alert's end by itself: nobody was told of its begin, or it belongs to a storm."""
    return not row["told_at"] or bool(row["group_id"])


def open_key(rule_id: str, node_id: str, subject: str) -> str:
    return hashlib.sha256("\0".join((rule_id, node_id, subject)).encode()).hexdigest()


def shown(row: Row) -> Row:
    """As doors give it out; `unit` is that of value and threshold."""
    unit = _unit(row["rule_kind"], row["metric"]) if "metric" in row else ""
    return {**row, "unit": unit, **{name: bool(row[name]) for name in ("silent", "flapping", "silenced") if name in row}}


def _unit(kind: str, metric: str) -> str:
    """A plugin's figure is a number here: its unit is the plugin's own text, and may have changed since."""
    if kind in FIXED:
        return FIXED[kind][1].unit
    return METRICS[metric].unit if metric in METRICS else NUMBER


def _outcome(alert_id: str, row: Row | None, changed: bool) -> Outcome:
    if row is None:
        return Outcome(alert_id, "", False, f"there is no alert {alert_id[:40]!r}")
    if changed:
        return Outcome(alert_id, row["summary"])
    if row["state"] == RESOLVED_STATE:
        return Outcome(alert_id, row["summary"], False, "it is resolved already")
    return Outcome(alert_id, row["summary"], False, f"{row['acknowledged_by']} has acknowledged it already")
