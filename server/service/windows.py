"""Maintenance windows: made, changed, ended, skipped, deleted. What they cover is in window_coverage.py (M2, M5).

A window is a selector, a schedule (server/windows) and what it does: silence alerts, open for commands that wait for one.
Whatever changes it shuts the gate of the commands that wait for it in the same transaction, until they were looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NotFound
from server.ids import new_id
from server.service.audit import Audit
from server.service.groups import check_version
from server.service.selections import Selections
from server.service.window_coverage import HORIZON_MS, Active, Coverage, Opening
from server.service.window_look import Look, Opened, calendar, look
from server.service.window_rows import Window, window_of
from server.windows import ONCE, Schedule, ScheduleError, read, written
from server.windows.schedule import UTC, check_zone

__all__ = ["Active", "Look", "Opened", "Opening", "Wanted", "Window", "Windows"]

MAX_WINDOWS = 500
MAX_NAME, MAX_REASON = 120, 2_000


@dataclass(frozen=True)
class Wanted:
    """What becomes of a window; None leaves it as it is. `schedule` has the fields of server.windows.Schedule but `cuts`."""

    name: str | None = None
    reason: str | None = None
    selector: str | None = None
    schedule: Mapping[str, Any] | None = None
    zone: str | None = None
    silences: bool | None = None
    opens: bool | None = None
    enabled: bool | None = None


class Windows(Coverage):
    def __init__(self, db: Db, audit: Audit, selections: Selections) -> None:
        super().__init__(db, selections)
        self._audit = audit

    async def get(self, window_id: str) -> Window:
        """Raises NotFound."""
        row = await self._db.row(self._q.by_id, {"id": window_id})
        if row is None:
            raise NotFound(f"there is no maintenance window {window_id[:40]!r}")
        return window_of(row)

    async def make(self, caller: Caller, wanted: Wanted, now: int, along: Along[str] | None = None) -> str:
        """A new window; its id. Raises BadInput naming the field, BadSelector, Conflict (too many)."""
        window_id = new_id(now)
        made = await self.draft(window_id, caller.name, wanted, now)
        if len(await self.every()) >= MAX_WINDOWS:
            raise Conflict(f"there are {MAX_WINDOWS} maintenance windows already; delete some")

        async def work(session: Session) -> str:
            await session.execute(self._q.insert, _row(made) | {"who": caller.name, "now": now})
            await self._audit.record(session, caller, "window.make", f"window {window_id}", _told(made), now)
            return window_id

        return await self._db.transaction(work, along)

    async def draft(self, window_id: str, who: str, wanted: Wanted, now: int) -> Window:
        """A new window as it would be. Raises as `make`."""
        start = Window(window_id, "", "", "", Schedule("", 0), UTC, True, True, True, 1, who, now, who, now)
        return await self.checked(start, replace(wanted, schedule=wanted.schedule or {}))

    async def look(self, window: Window, now: int) -> Look:
        """What it means: its next openings, what is odd about them, its nodes, what it overlaps with."""
        return await look(self, window, now)

    async def calendar(self, since: int, until: int, now: int) -> list[Opened]:
        """Every opening of an enabled window in [since, until) UTC ms, the earliest first."""
        return await calendar(self, await self.every(), since, until, now)

    async def calendar_of(self, window: Window, now: int, until: int) -> list[Opened]:
        """The openings of one window that have not ended."""
        return await calendar(self, [window], now, until, now)

    async def change(self, caller: Caller, window_id: str, version: int, wanted: Wanted, now: int) -> int:
        """The new version. Commands that wait for it are let out by it no more until it was looked at again (holding.py).

        Raises BadInput, BadSelector, NotFound, Conflict (changed meanwhile).
        """
        before = await self.get(window_id)
        after = await self.checked(before, wanted)
        return await self._store(caller, "window.change", before, after, version, now)

    async def end_now(self, caller: Caller, window_id: str, now: int, along: Along[int] | None = None) -> int:
        """End what is open of it; later openings stay. The new version. Raises NotFound, Conflict (it is not open)."""
        before = await self.get(window_id)
        if not before.enabled or not any(one.start <= now for one in await self.openings_of(before, now, now + 1)):
            raise Conflict("it is not open now; skip its next opening, or switch it off")
        schedule = replace(before.schedule, cuts=(*before.schedule.cuts, now))
        after = replace(before, schedule=read(vars(schedule)))
        return await self._store(caller, "window.end", before, after, before.version, now, along=along)

    async def skip(self, caller: Caller, window_id: str, date: str, now: int, along: Along[int] | None = None) -> int:
        """Stay shut on this date (of the opening's start, in the window's zone). The new version. Raises as `change`."""
        before = await self.get(window_id)
        if date in before.schedule.skip:
            raise Conflict(f"it is shut on {date} already")
        ahead = await self.openings_of(before, now, now + HORIZON_MS)
        if date not in {one.date for one in islice(ahead, 2_000)}:
            raise BadInput(f"date: it does not open on {date[:20]!r} from now on", field="date")
        if before.schedule.repeat == ONCE:
            raise BadInput("date: it opens only once; change it, switch it off or delete it", field="date")
        schedule = {**vars(before.schedule), "skip": (*before.schedule.skip, date)}
        after = replace(before, schedule=_read(schedule))
        return await self._store(caller, "window.skip", before, after, before.version, now, {"date": date}, along)

    async def delete(self, caller: Caller, window_id: str, version: int, now: int) -> None:
        """Raises NotFound, Conflict (changed meanwhile)."""
        before = await self.get(window_id)

        async def work(session: Session) -> None:
            row = await session.row(self._q.by_id, {"id": window_id})
            if row is None:
                raise NotFound(f"there is no maintenance window {window_id[:40]!r}")
            check_version("window", row, version)
            if await session.execute(self._q.delete, {"id": window_id, "version": version}) != 1:
                raise Conflict("the window was changed a moment ago; load it again")
            await session.execute(self._q.close_gates, {"id": window_id})
            await self._audit.record(session, caller, "window.delete", f"window {window_id}", _told(before), now)

        await self._db.transaction(work)

    async def checked(self, before: Window, wanted: Wanted) -> Window:
        """The window as it would be. Raises BadInput naming the field, BadSelector."""
        changes = {name: value for name, value in vars(wanted).items() if value is not None}
        if "name" in changes:
            changes["name"] = " ".join(changes["name"].split())
        if "schedule" in changes:
            given = dict(changes["schedule"])
            if "cuts" in given:
                raise BadInput("schedule.cuts: end the window instead", field="schedule.cuts")
            changes["schedule"] = _read(given | {"cuts": before.schedule.cuts})
        if before.damaged and "schedule" not in changes:
            raise BadInput(f"schedule: {before.damaged}", field="schedule")
        after = replace(before, damaged="", **changes)
        if not 1 <= len(after.name) <= MAX_NAME or not after.name.isprintable():
            raise BadInput(f"name: 1 to {MAX_NAME} characters", field="name")
        if len(after.reason) > MAX_REASON:
            raise BadInput(f"reason: {MAX_REASON} characters at most", field="reason")
        try:
            check_zone(after.zone)
        except ScheduleError as problem:
            raise BadInput(str(problem), field="zone") from problem
        if "selector" in changes or not before.selector:
            await self._selections.read_for_window(after.selector)
        return after

    async def _store(
        self,
        caller: Caller,
        action: str,
        before: Window,
        after: Window,
        version: int,
        now: int,
        more: Mapping[str, Any] | None = None,
        along: Along[int] | None = None,
    ) -> int:
        async def work(session: Session) -> int:
            row = await session.row(self._q.by_id, {"id": before.id})
            if row is None:
                raise NotFound(f"there is no maintenance window {before.id[:40]!r}")
            check_version("window", row, version)
            change = _row(after) | {"version": version, "who": caller.name, "now": now}
            if before.version != version or await session.execute(self._q.update, change) != 1:
                raise Conflict("the window was changed a moment ago; load it again")
            await session.execute(self._q.close_gates, {"id": before.id})
            old, new = _told(before), _told(after)
            detail: dict[str, Any] = {key: [old[key], value] for key, value in new.items() if old[key] != value}
            await self._audit.record(session, caller, action, f"window {before.id}", {"name": after.name, **detail, **(more or {})}, now)
            return version + 1

        return await self._db.transaction(work, along)


def _read(given: Mapping[str, Any]) -> Schedule:
    try:
        return read(given)
    except ScheduleError as problem:
        raise BadInput(f"schedule.{problem}", field=f"schedule.{problem.field}") from problem


def _row(window: Window) -> Row:
    names = ("id", "name", "reason", "selector", "zone")
    flags = {name: int(getattr(window, name)) for name in ("silences", "opens", "enabled")}
    return {**{name: getattr(window, name) for name in names}, **flags, "schedule": written(window.schedule)}


def _told(window: Window) -> dict[str, Any]:
    """For the audit log."""
    names = ("name", "reason", "selector", "zone", "silences", "opens", "enabled")
    return {**{name: getattr(window, name) for name in names}, "schedule": written(window.schedule)}
