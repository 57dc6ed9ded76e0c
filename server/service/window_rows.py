"""A maintenance window as it is stored, and whether it is open: what everybody needs who asks about windows.

A row that was damaged outside the manager is a window all the same, one that never opens and says why: the others go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from server.db import Row
from server.windows import HOST, Occurrence, Schedule, ScheduleError, occurrences, read, zone_of
from server.windows.schedule import UTC

_NEAR_MS = 16 * 3_600_000
"""More than any zone is away from UTC."""

NEVER = Schedule("2000-01-01T00:00", 1)
"""In place of a schedule that cannot be read."""

DAMAGED = "its schedule was damaged outside the manager and cannot be read, so it never opens: write it anew"


@dataclass(frozen=True)
class Window:
    """`damaged`: why it never opens, and what mends it; empty for one that is sound."""

    id: str
    name: str
    reason: str
    selector: str
    schedule: Schedule
    zone: str
    silences: bool
    opens: bool
    enabled: bool
    version: int
    created_by: str
    created_at: int
    updated_by: str
    updated_at: int
    damaged: str = ""


def zone_for(zone: str, told: str) -> str:
    """The zone by which a window opens on a host that tells this one: UTC where it tells none that is known here."""
    if zone != HOST:
        return zone
    return told if zone_of(told) else UTC


def place(name: str) -> ZoneInfo:
    """A zone that was good once may be unknown to this machine: then UTC."""
    return zone_of(name) or ZoneInfo(UTC)


def wall(ms: int, zone: str) -> str:
    """A moment on the clocks of a zone: `2026-11-28 02:00`."""
    return datetime.fromtimestamp(ms / 1000, place(zone)).strftime("%Y-%m-%d %H:%M")


def open_at(window: Window, zone: str, now: int) -> Occurrence | None:
    """Of several that overlap, the one that ends last."""
    running = [one for one in occurrences(window.schedule, place(zone), now, now + 1) if one.start <= now < one.end]
    return max(running, key=lambda one: one.end, default=None)


def may_be_open(window: Window, now: int) -> bool:
    """Whether to ask which nodes are meant at all."""
    if window.zone != HOST:
        return open_at(window, window.zone, now) is not None
    return any(True for _ in occurrences(window.schedule, ZoneInfo(UTC), now - _NEAR_MS, now + _NEAR_MS))


def may_open(window: Window, since: int, until: int) -> bool:
    """Whether it is open at some time of [since, until) UTC ms on some host, whichever zone that goes by."""
    near, zone = (_NEAR_MS, UTC) if window.zone == HOST else (0, window.zone)
    return any(True for _ in occurrences(window.schedule, place(zone), since - near, until + near))


def zones_open(window: Window, told: Iterable[str], now: int) -> frozenset[str] | None:
    """Of these time zones, as hosts tell them, those whose hosts the window is open for; None for every host whatever it tells.

    Empty when it is shut."""
    if not window.enabled or not may_be_open(window, now):
        return frozenset()
    if window.zone != HOST:
        return None
    ends = {zone: open_at(window, zone, now) for zone in {zone_for(HOST, one) for one in told}}
    return frozenset(one for one in told if ends[zone_for(HOST, one)] is not None)


def window_of(row: Row) -> Window:
    flags = {name: bool(row[name]) for name in ("silences", "opens", "enabled")}
    try:
        schedule, damaged = read(json.loads(row["schedule"])), ""
    except (ScheduleError, ValueError, TypeError, AttributeError):
        # ValueError: no JSON; TypeError and AttributeError: JSON, but no object.
        schedule, damaged = NEVER, DAMAGED
    return Window(**{**row, **flags, "schedule": schedule, "damaged": damaged})
