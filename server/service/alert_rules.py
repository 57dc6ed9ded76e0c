"""Alert rules: made, changed, deleted, and the first ones of a new manager (issue 6).

A rule is checked whole before anything is written; what it cannot find at present (a plugin's metric that no node has told yet,
a selector that means no node) is a warning. A command that a rule starts is locked together with its author and the rule's
selector: whoever can write to the database can lose it, not make it, and not point it at other nodes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.alerting import rules
from server.alerting.metrics import METRICS, PLUGIN_PREFIX, closest, figure
from server.auth import COMMAND_RUN, Caller, authorize
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NotFound
from server.ids import new_id
from server.seals import Broken, Seals
from server.service.alert_drafts import DEFAULTS, Draft, checked, draft_of, sound_of, unit_of
from server.service.alert_readings import Readings
from server.service.alerts import Alerts
from server.service.audit import Audit
from server.service.contents import readable
from server.service.groups import check_version
from server.service.kinds import BUILTIN, Kinds
from server.service.outcomes import Outcome, each
from server.service.selections import MOST, Selections

MOST_RULES = 500
RULE_OFF, RULE_GONE, RULE_CHANGED = "the rule was switched off", "the rule was deleted", "the rule was changed"
_WATCHED = ("kind", "metric", "subject", "selector", "comparison")
"""What a rule watches: where one of these changes, what is open of it says nothing any more."""


@dataclass(frozen=True)
class Order:
    """What a rule starts."""

    kind: str
    content: dict[str, Any]


class AlertRules:
    def __init__(
        self, db: Db, audit: Audit, seals: Seals, alerts: Alerts, selections: Selections, kinds: Kinds, readings: Readings
    ) -> None:
        self._db, self._q, self._audit, self._seals = db, db.q.alert_rules, audit, seals
        self._alerts, self._selections, self._kinds, self._readings = alerts, selections, kinds, readings

    async def all(self, now: int) -> list[Row]:
        """Every rule by name, as `get` gives it, with `open`: how many alerts of it are not resolved."""
        counts = {row["rule_id"]: row["total"] for row in await self._db.rows(self._q.open_counts)}
        units = await self._readings.plugin_units(now)
        return [_shown(row, units) | {"open": counts.get(row["id"], 0)} for row in await self._db.rows(self._q.all)]

    async def get(self, rule_id: str, now: int) -> Row:
        """One rule, with `unit` of its threshold, its figures in words, and `open`. Raises NotFound."""
        counts = {row["rule_id"]: row["total"] for row in await self._db.rows(self._q.open_counts)}
        return _shown(await self._stored(rule_id), await self._readings.plugin_units(now)) | {"open": counts.get(rule_id, 0)}

    async def draft(self, rule_id: str, now: int) -> Draft:
        """A rule as it would be written anew, its command kept. Raises NotFound."""
        units = await self._readings.plugin_units(now)
        return draft_of(sound_of(await self._stored(rule_id), units)[0], units)

    async def metrics(self, now: int) -> list[tuple[str, str]]:
        """What can be watched now, and its unit: the known figures, and those that plugins told within the hour."""
        known = [(metric.name, metric.unit) for metric in METRICS.values()]
        return known + list((await self._readings.plugin_units(now)).items())

    async def switch(self, caller: Caller, rule_id: str, version: int, enabled: bool, now: int) -> int:
        """On or off; the new version. Switched off, its alerts are resolved. Raises as `change`."""
        return (await self.change(caller, rule_id, version, replace(await self.draft(rule_id, now), enabled=enabled), now))[0]

    async def switch_each(self, caller: Caller, rule_ids: Sequence[str], enabled: bool, now: int) -> list[Outcome]:
        """Each of them on or off; what became of it. Raises BadInput."""
        known = {row["id"]: row for row in await self._db.rows(self._q.all)}

        async def one(rule_id: str) -> None:
            row = known.get(rule_id) or await self._stored(rule_id)
            if bool(row["enabled"]) == enabled:
                raise Conflict(f"it is {'on' if enabled else 'off'} already")
            await self.switch(caller, rule_id, row["version"], enabled, now)

        return await each(rule_ids, "rules", {rule_id: row["name"] for rule_id, row in known.items()}, one)

    async def order(self, row: Row) -> Order | None:
        """What the rule starts, unlocked. Raises Broken when somebody else wrote it."""
        if not row["command"]:
            return None
        kept = json.loads(self._seals.unlock(row["command"], _about(row)))
        return Order(kept["kind"], kept["content"])

    async def order_shown(self, row: Row) -> Row | None:
        """The same for people: without the values of secret fields; `broken` when it cannot be read."""
        try:
            order = await self.order(await self._stored(row["id"]))
        except Broken:
            return {"kind": row["command_kind"], "content": {}, "broken": True}
        if order is None:
            return None
        secret = await self._kinds.secrets(order.kind)
        # Of a kind that no node runs any more nobody can say what is secret: nothing of it is shown.
        return {"kind": order.kind, "content": readable(order.content, order.content if secret is None else secret), "broken": False}

    async def make(
        self, caller: Caller, draft: Draft, now: int, along: Along[tuple[str, list[str]]] | None = None
    ) -> tuple[str, list[str]]:
        """A new rule: its id, and what it cannot find at present. Raises BadInput, BadSelector, Conflict, NotAllowed."""
        rule_id = new_id(now)
        row = await self._checked(caller, draft, rule_id, None, now)
        missing = await self.warnings(draft, now)

        async def work(session: Session) -> tuple[str, list[str]]:
            await self._check_name(session, row["name"], rule_id)
            if len(await session.rows(self._q.all)) >= MOST_RULES:
                raise Conflict(f"there are {MOST_RULES} rules already; delete some")
            await session.execute(self._q.insert, row | {"now": now})
            await self._audit.record(session, caller, "alert.rule.make", f"alert rule {rule_id}", _detail(row), now)
            return rule_id, missing

        return await self._db.transaction(work, along)

    async def change(self, caller: Caller, rule_id: str, version: int, draft: Draft, now: int) -> tuple[int, list[str]]:
        """A rule in place of the one that was; its new version, and warnings. What is open of it is resolved where it watches
        something else from now on, or is switched off. Raises as `make`, NotFound, Conflict (changed meanwhile)."""
        before = await self._stored(rule_id)
        check_version("rule", before, version)
        row = await self._checked(caller, draft, rule_id, before, now)

        async def work(session: Session) -> None:
            await session.execute(self._q.lock)
            await self._check_name(session, row["name"], rule_id)
            if await session.execute(self._q.update, row | {"version": version, "now": now}) != 1:
                raise Conflict("the rule was changed a moment ago; load it again")
            why = RULE_OFF if not row["enabled"] else RULE_CHANGED if any(before[name] != row[name] for name in _WATCHED) else ""
            if why:
                await self._close(session, rule_id, why, now)
            changed = {name: [before[name], row[name]] for name in _detail(row) if before[name] != row[name]}
            detail = {"name": before["name"], **changed, "command_changed": before["command"] != row["command"]}
            await self._audit.record(session, caller, "alert.rule.change", f"alert rule {rule_id}", detail, now)

        await self._db.transaction(work)
        return version + 1, await self.warnings(draft, now)

    async def delete(self, caller: Caller, rule_id: str, version: int, now: int) -> None:
        """Its alerts are resolved with that reason and stay in the history. Raises NotFound, Conflict."""
        before = await self._stored(rule_id)
        check_version("rule", before, version)

        async def work(session: Session) -> None:
            await session.execute(self._q.lock)
            if await session.execute(self._q.delete, {"id": rule_id, "version": version}) != 1:
                raise Conflict("the rule was changed a moment ago; load it again")
            await self._close(session, rule_id, RULE_GONE, now)
            await self._audit.record(session, caller, "alert.rule.delete", f"alert rule {rule_id}", {"name": before["name"]}, now)

        await self._db.transaction(work)

    async def seed(self, now: int) -> int:
        """The first rules, once in the life of a database: what somebody deletes or switches off stays so. How many were made."""
        manager = Caller("admin", name="ops-manager")
        rows = [await self._checked(manager, draft, new_id(now), None, now) for draft in DEFAULTS]

        async def work(session: Session) -> int:
            if await session.execute(self._q.seed) != 1:
                return 0
            made = 0
            for row in rows:
                if await session.row(self._q.by_name, {"name": row["name"]}) is None:
                    await session.execute(self._q.insert, row | {"now": now})
                    made += 1
            await self._audit.record(session, manager, "alert.rule.make", "alert rules", {"first_rules": made}, now)
            return made

        return await self._db.transaction(work)

    async def warnings(self, draft: Draft, now: int) -> list[str]:
        """What a rule cannot find at present: no mistake, for it may come later. Raises BadSelector."""
        read = await self._selections.read(draft.selector, "selector")
        nodes = await self._selections.rows_of(read, MOST)
        if not nodes:
            return ["selector: it means no node at present"]
        if draft.kind not in rules.BY_METRIC:
            return []
        units = await self._readings.plugin_units(now)
        found = await self._readings.subjects(draft.metric, [row["id"] for row in nodes], now)
        if not found:
            more = closest(draft.metric, units) if draft.metric.startswith(PLUGIN_PREFIX) else ""
            return [f"metric: none of the {len(nodes)} nodes has told {draft.metric} lately; the rule waits until one does{more}"]
        if draft.subject and draft.subject not in found:
            return [f"subject: none of the {len(nodes)} nodes has {draft.subject!r} at present{closest(draft.subject, sorted(found))}"]
        return []

    # Whoever changes a rule takes the lock of the watch first (`lock`): a tick that is under way then writes nothing of the old rule.

    async def _close(self, session: Session, rule_id: str, why: str, now: int) -> None:
        await self._alerts.close_rule(session, rule_id, why, now)
        await session.execute(self._q.forget_watches, {"id": rule_id})

    async def _stored(self, rule_id: str) -> Row:
        row = await self._db.row(self._q.by_id, {"id": rule_id})
        if row is None:
            raise NotFound(f"there is no alert rule {rule_id[:40]!r}")
        return row

    async def _check_name(self, session: Session, name: str, rule_id: str) -> None:
        taken = await session.row(self._q.by_name, {"name": name})
        if taken and taken["id"] != rule_id:
            raise Conflict(f"name: there is a rule {name!r} already; take another name", field="name")

    async def _checked(self, caller: Caller, draft: Draft, rule_id: str, before: Row | None, now: int) -> Row:
        row = checked(draft, await self._readings.plugin_units(now)) | {"id": rule_id, "selector": draft.selector.strip()}
        read = await self._selections.read(row["selector"], "selector")
        row |= {"author_id": caller.id, "author": caller.name or caller.role, "command": "", "command_kind": ""}
        order = await self._wanted(draft, before)
        if order is not None:
            # He who saves a rule answers for what it starts: it runs with his permission.
            authorize(caller, COMMAND_RUN)
            nodes = [one["id"] for one in await self._selections.rows_of(read, MOST)]
            if not nodes and order.kind not in BUILTIN:
                raise BadInput(f"command: no node that the selector means runs {order.kind[:40]!r}", field="command")
            await self._kinds.fitting(nodes, order.kind, order.content)
            text = json.dumps({"kind": order.kind, "content": order.content}, ensure_ascii=False)
            row |= {"command": self._seals.lock(text, _about(row)), "command_kind": order.kind}
        return row

    async def _wanted(self, draft: Draft, before: Row | None) -> Order | None:
        if draft.command is None:
            return None
        if draft.command == "keep":
            try:
                return await self.order(before) if before else None
            except Broken as problem:
                raise Conflict("command: it was changed outside the manager; give it anew, or none", field="command") from problem
        kind, content = (draft.command.get("kind"), draft.command.get("content")) if isinstance(draft.command, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(content, dict):
            raise BadInput("command: give kind and content, as for a task", field="command")
        return Order(kind, content)


def _about(row: Row) -> str:
    """What a rule's command is bound to."""
    where = hashlib.sha256(row["selector"].encode()).hexdigest()
    return f"alert rule {row['id']} {row['author_id']} {where}"


def _detail(row: Row) -> Row:
    """For the audit log: all but the command."""
    names = (
        "name",
        "kind",
        "metric",
        "subject",
        "selector",
        "comparison",
        "threshold",
        "clear_threshold",
        "hold_ms",
        "clear_ms",
        "span_ms",
    )
    return {name: row[name] for name in (*names, "severity", "enabled", "command_kind", "command_limit")}


def _shown(stored: Row, units: dict[str, str]) -> Row:
    row, damaged = sound_of(stored, units)
    row |= {"problem": damaged or row["problem"]}
    metric = unit_of(row, units)
    shown = {name: value for name, value in row.items() if name != "command"}
    clear = row["threshold"] if row["clear_threshold"] is None else row["clear_threshold"]
    words = {"threshold_text": figure(row["threshold"], metric.unit), "clear_text": figure(clear, metric.unit)}
    return (
        shown
        | words
        | {"unit": metric.unit, "enabled": bool(row["enabled"]), "command": bool(row["command"]), "fixed": metric.low == metric.high}
    )
