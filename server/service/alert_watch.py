"""The watch over the fleet: every rule looked at, every few seconds, by one manager at a time (issue 6).

A tick reads the rules, what they mean, and the newest figures in few statements; the pure core (server/alerting) says what became
of each watch; one transaction writes it all, under the lease. A manager that dies loses the lease, and the next one goes on from what
is stored. Two that tick at once: the lease's row lets one through, and the unique key of an open alert stands behind it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from server.alerting.evaluate import Turn, evaluate
from server.alerting.metrics import PLUGIN_PREFIX, Metric
from server.alerting.rules import Rule
from server.alerting.states import Limits, Watch
from server.db import Db, Row, Session
from server.errors import BadSelector
from server.selector import Vocabulary
from server.service.alert_drafts import rule_of, sound_of, unit_of
from server.service.alert_outcomes import Change, Outcomes
from server.service.alert_readings import Fleet, Readings, watched
from server.service.selections import Selections

log = logging.getLogger("server.alerts")

LEASE_MS = 60_000
MOST_NODES = 1_000_000
RETIRED, GONE_NODE = "the node was retired", "the node was deleted"
Key = tuple[str, str]


class Lost(Exception):
    """Another manager has the work now."""


@dataclass
class Look:
    """One tick's material: what is stored, and what is to be written."""

    rules: dict[str, Row]
    watches: dict[str, dict[Key, Watch]]
    alert_ids: dict[tuple[str, str, str], str]
    changes: list[Change] = field(default_factory=list)
    problems: list[tuple[Row, str]] = field(default_factory=list)


class AlertWatch:
    def __init__(self, db: Db, selections: Selections, readings: Readings, outcomes: Outcomes, limits: Limits) -> None:
        self._db, self._q = db, db.q.alert_watches
        self._selections, self._readings, self._outcomes, self._limits = selections, readings, outcomes, limits

    async def tick(self, now: int) -> bool:
        """Look once; False when another manager does."""
        lease = {"now": now, "until": now + LEASE_MS}
        if await self._db.transaction(lambda session: session.execute(self._q.lease, lease)) != 1:
            return False
        try:
            await self._look(now, lease)
        except Lost:
            log.warning("another manager took over the watch over alerts; this one took longer than %d s", LEASE_MS // 1000)
            return False
        finally:
            await self._db.transaction(lambda session: session.execute(self._q.release, lease))
        return True

    async def _look(self, now: int, lease: Row) -> None:
        look = await self._material()
        on = [row for row in look.rules.values() if row["enabled"]]
        fleet = await self._readings.fleet(now, [metric for row in on if (metric := watched(row))])
        units = await self._readings.plugin_units(now) if any(row["metric"].startswith(PLUGIN_PREFIX) for row in on) else {}
        vocabulary = await self._selections.vocabulary() if on else Vocabulary()
        meant: dict[str, set[str] | str] = {}
        for row in on:
            sound, damaged = sound_of(row, units)
            whom = damaged or await self._meant(meant, row["selector"], vocabulary, now)
            await self._one(look, sound, fleet, unit_of(sound, units), whom, now)
        self._of_no_rule(look)
        plan = await self._outcomes.plan(look.changes, fleet.nodes, now)

        async def work(session: Session) -> None:
            if await session.execute(self._q.hold, lease) != 1:
                raise Lost
            versions = {row["id"]: row["version"] for row in await session.rows(self._db.q.alert_rules.versions)}
            # A rule that was changed meanwhile is looked at anew the next time; its alerts were ended with the change.
            plan.changes[:] = [change for change in look.changes if versions.get(change.row["id"]) == change.row.get("version")]
            for row, problem in look.problems:
                change = {"id": row["id"], "version": row["version"], "problem": problem}
                await session.execute(self._db.q.alert_rules.set_problem, change)
            ids = await self._outcomes.write(session, plan, now)
            await self._save(session, look, plan.changes, ids)

        await self._db.transaction(work)

    async def _material(self) -> Look:
        rules = {row["id"]: row for row in await self._db.rows(self._db.q.alert_rules.all)}
        look = Look(rules, {}, {})
        for row in await self._db.rows(self._q.all):
            look.watches.setdefault(row["rule_id"], {})[row["node_id"], row["subject"]] = _watch(row)
            look.alert_ids[row["rule_id"], row["node_id"], row["subject"]] = row["alert_id"]
        return look

    async def _meant(self, known: dict[str, set[str] | str], selector: str, vocabulary: Vocabulary, now: int) -> set[str] | str:
        """The ids that a selector means, read once for all rules that have it; or what is wrong with it."""
        if selector not in known:
            try:
                read = await self._selections.read(selector, "selector", vocabulary, now)
                known[selector] = {row["id"] for row in await self._selections.rows_of(read, MOST_NODES)}
            except BadSelector as problem:
                known[selector] = problem.message
        return known[selector]

    async def _one(self, look: Look, row: Row, fleet: Fleet, metric: Metric, meant: set[str] | str, now: int) -> None:
        watches = look.watches.get(row["id"], {})
        if isinstance(meant, str):
            # What it meant nobody can say: nothing is evaluated, what is open stays so and is marked unknown.
            if row["problem"] != meant[:500]:
                log.error("alert rule %s (%s) evaluates nothing: %s", row["id"], row["name"], meant)
                look.problems.append((row, meant[:500]))
            meant, seen = {node_id for node_id, _ in watches}, {}
        else:
            if row["problem"]:
                look.problems.append((row, ""))
            seen = await self._readings.look(fleet, row)
        live = {node_id for node_id in meant if node_id in fleet.nodes and fleet.nodes[node_id]["state"] != "retired"}
        over = [node_id for node_id in live if self._readings.passed_over(row, node_id)]
        rule: Rule = rule_of(row)
        for turn in evaluate(rule, row["subject"], live, seen, watches, over, now, self._limits):
            node = fleet.nodes.get(turn.node_id)
            if turn.ended and (node is None or node["state"] == "retired"):
                turn = Turn(turn.node_id, turn.subject, turn.watch, ended=GONE_NODE if node is None else RETIRED)
            look.changes.append(Change(row, rule, metric, turn, look.alert_ids.get((row["id"], turn.node_id, turn.subject), "")))

    def _of_no_rule(self, look: Look) -> None:
        """Watches of rules that are off or gone: those who changed the rule have ended its alerts."""
        for rule_id, watches in look.watches.items():
            if rule_id not in look.rules or not look.rules[rule_id]["enabled"]:
                for node_id, subject in watches:
                    row = look.rules.get(rule_id) or {"id": rule_id}
                    turn = Turn(node_id, subject, Watch(), ended="the rule is off")
                    look.changes.append(Change(row, None, None, turn, look.alert_ids.get((rule_id, node_id, subject), "")))

    async def _save(self, session: Session, look: Look, changes: Sequence[Change], ids: Mapping[tuple[str, str, str], str]) -> None:
        keep, drop = [], []
        for change in changes:
            key = {"rule_id": change.row["id"], "node_id": change.turn.node_id, "subject": change.turn.subject}
            watch = change.turn.watch
            if watch.empty:
                if change.turn.ended or (key["node_id"], key["subject"]) in look.watches.get(key["rule_id"], {}):
                    drop.append(key)
                continue
            alert_id = ids.get((key["rule_id"], key["node_id"], key["subject"]), change.alert_id) if watch.open else ""
            keep.append(key | _stored(watch) | {"alert_id": alert_id})
        await session.insert_rows(self._q.save, keep)
        await session.execute_many(self._q.delete, drop)


def _watch(row: Row) -> Watch:
    return Watch(
        state=row["state"],
        since=row["since"],
        seen_at=row["seen_at"],
        value=row["value"],
        silent=bool(row["silent"]),
        flapping=bool(row["flapping"]),
        opens=tuple(at for at, _ in _pairs(row, "opens")),
        marks=tuple(_pairs(row, "marks")),
    )


def _pairs(row: Row, name: str) -> list[tuple[int, float]]:
    """What is remembered; nothing where that was damaged outside the manager: the watch then begins to count anew."""
    try:
        told = json.loads(row[name] or "[]")
        return [(int(one), 0.0) for one in told] if name == "opens" else [(int(at), float(value)) for at, value in told]
    except (ValueError, TypeError) as problem:
        log.warning("alert rule %s: the watch of node %s has lost its %s: %s", row["rule_id"], row["node_id"], name, problem)
        return []


def _stored(watch: Watch) -> Row:
    return {
        "state": watch.state,
        "since": watch.since,
        "seen_at": watch.seen_at,
        "value": watch.value,
        "silent": int(watch.silent),
        "flapping": int(watch.flapping),
        "opens": _json(watch.opens),
        "marks": _json(watch.marks),
    }


def _json(items: Sequence[object]) -> str:
    return json.dumps(items, separators=(",", ":")) if items else ""
