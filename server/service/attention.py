"""Needs attention (M2): what is wrong now, computed from states and aggregates; no sample is read for it.

Each kind is one statement over an index or over a table with one row a node. Ordered by gravity, then the oldest first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from host.wire.states import PENDING, QUARANTINED, QUEUED
from server.db import Db, Row
from server.errors import NotFound
from server.queries import Query
from server.service.audit import Audit
from server.service.findings import CRITICAL, KINDS, SEVERITIES, Finding, Subject
from server.service.rollups import FINE, Rollups
from server.service.standing import Standing
from server.telemetry import Failing

MOST = 1_000
"""Of one kind no more are looked at; the finding then says that there are more."""

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
OFTEN = 3
BACKLOG_MS = 5 * MINUTE_MS
TOLD_MS = 15 * MINUTE_MS
SKEW_MS = 30_000
FULL, BRIM = 90.0, 95.0
UNFETCHED_MS, EXPIRING_MS = 2 * MINUTE_MS, 10 * MINUTE_MS
ENDED_MS, URGENT_MS = 30 * DAY_MS, 3 * DAY_MS
LAG_MS = 15 * MINUTE_MS
SLOW_S = 0.5
CHECKPOINT_MS = 5 * MINUTE_MS
WAITING = 5_000
"""Records that wait to be stored; past four times as many hosts are asked to come back."""


class Attention:
    """`failing`: background loop → how it fails here; `standing` knows of other managers'; `waiting`: records that wait, by lane."""

    def __init__(
        self,
        db: Db,
        audit: Audit,
        rollups: Rollups,
        certificate_days: int,
        failing: Callable[[], Mapping[str, Failing]],
        standing: Standing,
        waiting: Callable[[], Mapping[str, int]],
    ) -> None:
        self._db, self._q, self._audit, self._rollups = db, db.q.attention, audit, rollups
        self._certificate_ms = certificate_days * DAY_MS
        self._failing, self._standing, self._waiting = failing, standing, waiting

    async def findings(self, now: int) -> list[Finding]:
        """All that there is; empty when nothing needs anybody."""
        begun = time.perf_counter()
        state = await self._rollups.state()
        took = time.perf_counter() - begun
        found = [
            *[await self._found(kind, now, state) for kind in self._statements(now, state)],
            *await self._of_manager(now, state, took),
        ]
        return sorted((one for one in found if one), key=lambda one: (SEVERITIES.index(one.severity), one.since))

    async def finding(self, kind: str, now: int) -> Finding | None:
        """One kind with all its subjects; None when there is nothing of it now. Raises NotFound."""
        if kind not in KINDS:
            raise NotFound("there is no page at this address")
        return next((one for one in await self.findings(now) if one.kind == kind), None)

    def _statements(self, now: int, state: Row) -> dict[str, tuple[Query, dict[str, Any]]]:
        q = self._q
        return {
            "quarantined": (q.in_state, {"state": QUARANTINED}),
            "alerts": (q.alerts, {}),
            "receivers": (q.receivers, {"before": now - HOUR_MS}),
            "offline": (q.offline, {"never": 0}),
            "never_seen": (q.offline, {"never": 1}),
            "pending": (q.in_state, {"state": PENDING}),
            "agent_failed": (q.agents_failed, {}),
            "agent_restarts": (q.agents_restarting, {"often": OFTEN, "since": now - HOUR_MS}),
            "dropping": (q.drops, {"since": now - DAY_MS}),
            "backlog": (q.backlog, {"before": now - BACKLOG_MS, "since": now - TOLD_MS}),
            # A host renews when a third of the time is left; with less than a quarter something keeps it from that.
            "certificate": (q.certificates, {"since": now - ENDED_MS, "before": now + self._certificate_ms // 4}),
            "clock": (q.clocks, {"most": SKEW_MS}),
            "stuck": (q.stuck, {"now": now, "soon": now + EXPIRING_MS, "waiting": now - UNFETCHED_MS}),
            # The last two spans that are rolled up: a host's disks are measured at least that often.
            "disk": (q.disks, {"first": state["done_until"] - 2 * FINE, "second": state["done_until"] - FINE, "full": FULL}),
        }

    async def _found(self, kind: str, now: int, state: Row) -> Finding | None:
        query, params = self._statements(now, state)[kind]
        rows = await self._db.rows(query, params | {"limit": MOST + 1})
        if not rows:
            return None
        listed = rows[:MOST]
        subjects = [_subject(kind, row, now) for row in listed]
        since = min(row["since"] for row in listed)
        return Finding(kind, _severity(kind, rows, now), len(listed), since, subjects, len(rows) > MOST)

    async def _of_manager(self, now: int, state: Row, took_s: float) -> list[Finding]:
        found = []
        loops = [Subject(name, one.since, said=_fails(one)) for name, one in sorted(self._failing().items())]
        loops += [
            Subject(one.loop, one.failing.since, said=f"on the manager {one.manager}: {_fails(one.failing)}")
            for one in await self._standing.others(now)
        ]
        if loops:
            found.append(Finding("manager_loop", CRITICAL, len(loops), min(loop.since for loop in loops), loops))

        def one(kind: str, since: int, said: str) -> None:
            found.append(Finding(kind, KINDS[kind].severity, 1, since, [Subject(KINDS[kind].one, since, said=said)]))

        if state["done_until"] and now - state["done_until"] > LAG_MS:
            one("rollup_lag", state["done_until"], f"{(now - state['done_until']) // MINUTE_MS} minutes behind")
        if took_s > SLOW_S:
            one("database_slow", now, f"{took_s:.1f} seconds for one row")
        oldest = await self._audit.oldest_unkept()
        if oldest is not None and now - oldest > CHECKPOINT_MS:
            one("checkpoint", oldest, "")
        if (waiting := sum(self._waiting().values())) > WAITING:
            one("intake", now, f"{waiting} records wait")
        return found


def _fails(one: Failing) -> str:
    said = f"failed {one.count} times in a row, " + ("lastly" if one.good_at else "and never succeeded since the start, lastly")
    return f"{said} with: {one.error}"


def _subject(kind: str, row: Row, now: int) -> Subject:
    ids = {name: row.get(name, "") for name in ("command_id", "alert_id", "receiver_id")}
    return Subject(row["name"], row["since"], row["id"], said=_said(kind, row, now), **ids)


def _severity(kind: str, rows: list[Row], now: int) -> str:
    worse = {
        "alerts": lambda: any(row["severity"] == CRITICAL for row in rows),
        "disk": lambda: any(row["figure"] >= BRIM for row in rows),
        "certificate": lambda: any(row["since"] < now + URGENT_MS for row in rows),
    }
    return CRITICAL if kind in worse and worse[kind]() else KINDS[kind].severity


def _said(kind: str, row: Row, now: int) -> str:
    """What is to be said of one of them, beside its name and time."""
    if kind == "stuck":
        what = row["task_name"] or row["kind"]
        if row["deadline_at"] < now:
            return f"{what}: past its deadline"
        waits = row["state"] == QUEUED and row["node_state"] == "online"
        return f"{what}: not fetched though the host is online" if waits else f"{what}: expires soon"
    if kind in ("agent_failed", "alerts", "receivers"):
        return str(row["reason"])
    made = {
        "agent_restarts": lambda n: f"{n} restarts within the hour",
        "dropping": lambda n: f"{n} records are lost",
        "backlog": lambda n: f"{n} records wait",
        "clock": lambda n: f"{abs(n) / 1000:.0f} s {'behind' if n > 0 else 'ahead'}",
        "disk": lambda n: f"{n:.1f} percent in use",
    }
    return made[kind](float(row["figure"]) if kind == "disk" else int(row["figure"])) if kind in made else ""
