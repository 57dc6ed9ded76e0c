"""What happened to a node in a span of time, to be marked on its charts: alerts, maintenance windows, updates, starts of its daemon (M2).

Alerts and windows are spans; an update and a start are moments. Windows are those that are there now, by their present schedule and
members, from when each was made on: how one stood before it was changed is in the audit log only.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from server.db import Db
from server.service.nodes import STARTED_EVENT
from server.service.window_rows import Window, may_open, place
from server.service.windows import Windows
from server.windows import HOST, occurrences

ALERT, WINDOW, UPDATE, START = KINDS = ("alert", "window", "update", "start")
MOST = 100
"""Of each kind; the newest ones count."""


@dataclass(frozen=True)
class Mark:
    """Times in UTC ms; `until` is None while it goes on, and `since` for a moment. `title`: an alert's summary, a window's name, an
    update's component with both versions, empty for a start. `severity` is an alert's, `state` an alert's or an update's."""

    kind: str
    id: str
    since: int
    until: int | None
    title: str = ""
    severity: str = ""
    state: str = ""


@dataclass(frozen=True)
class Found:
    """`marks` ascend by `since`. `more`: kinds of which there are more than MOST in that time."""

    marks: list[Mark]
    more: list[str]


class Marks:
    def __init__(self, db: Db, windows: Windows) -> None:
        self._db, self._q, self._windows = db, db.q.marks, windows

    async def of_node(self, node_id: str, since: int, until: int, now: int) -> Found:
        """All that was so at some time from `since` to `until`, UTC ms."""
        named = {"node_id": node_id, "since": since, "until": until, "limit": MOST + 1}
        alerts = await self._db.rows(self._q.open_alerts, {key: named[key] for key in ("node_id", "until", "limit")})
        alerts += await self._db.rows(self._q.alerts, named)
        alerts.sort(key=lambda row: row["opened_at"], reverse=True)
        updates = await self._db.rows(self._q.updates, named)
        starts = await self._db.rows(self._q.starts, named | {"name": STARTED_EVENT})
        windows = [one for one in await self._windows.every() if one.enabled and max(since, one.created_at) < until]
        windows = [one for one in windows if may_open(one, max(since, one.created_at), until)]
        zones = await self._windows.covering(node_id, windows, now)
        return _found(
            [
                Mark(ALERT, row["id"], row["opened_at"], row["resolved_at"] or None, row["summary"], row["severity"], row["state"])
                for row in alerts
            ],
            _openings(zones, since, until),
            [
                Mark(
                    UPDATE,
                    row["id"],
                    row["started_at"],
                    row["started_at"],
                    f"{row['component']} {row['from_version'] or '–'} → {row['to_version']}",
                    state=row["state"],
                )
                for row in updates
            ],
            [Mark(START, f"{row['epoch']}.{row['seq']}", row["at"], row["at"]) for row in starts],
        )

    async def of_fleet(self, since: int, until: int, now: int) -> Found:
        """Windows only: alerts and updates of a whole fleet would cover every chart."""
        zones: list[tuple[Window, str]] = []
        for window in await self._windows.every():
            if window.enabled:
                own = {window.zone} if window.zone != HOST else set((await self._windows.members(window, now))[0].values())
                zones += [(window, zone) for zone in sorted(own)]
        return _found(_openings(zones, since, until))


def _openings(zones: list[tuple[Window, str]], since: int, until: int) -> list[Mark]:
    """The newest first."""
    found: dict[tuple[str, int], Mark] = {}
    for window, zone in zones:
        first = max(since, window.created_at)
        if first < until:
            # All have to be gone through, since they ascend; kept are the newest.
            for one in deque(occurrences(window.schedule, place(zone), first, until), MOST + 1):
                found[window.id, one.start] = Mark(WINDOW, window.id, one.start, one.end, window.name)
    return sorted(found.values(), key=lambda mark: mark.since, reverse=True)


def _found(*kinds: list[Mark]) -> Found:
    marks = [mark for kind in kinds for mark in kind[:MOST]]
    return Found(sorted(marks, key=lambda mark: (mark.since, mark.kind, mark.id)), [kind[0].kind for kind in kinds if len(kind) > MOST])
