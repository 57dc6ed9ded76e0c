"""What a person says of a window's times: checked here, once, for every door."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ONCE, WEEKLY, MONTHLY = "once", "weekly", "monthly"
REPEATS = (ONCE, WEEKLY, MONTHLY)
HOST = "host"
"""In place of a zone's name: each host's own."""

UTC = "UTC"
MAX_MINUTES = 31 * 24 * 60
MAX_ONCE_MINUTES = 366 * 24 * 60
MAX_EVERY = 52
MAX_COUNT = 1000
MAX_EXCEPT = 200
MAX_CUTS = 50
FIRST_YEAR, LAST_YEAR = 2000, 2100


class ScheduleError(ValueError):
    """`field: what is wrong`; `field` is one of Schedule's, or `zone`."""

    def __init__(self, field: str, what: str) -> None:
        self.field = field
        super().__init__(f"{field}: {what}")


@dataclass(frozen=True)
class Schedule:
    """`start` is wall-clock time (`2026-11-28T02:00`) in the window's zone: the first opening may be then, none is before.

    `minutes`: how long it stays open, as time passes. WEEKLY: on `weekdays` (Monday is 0; none: the start's) of every `every`
    weeks. MONTHLY, every `every` months: on `day` of the month (1 to 31, -1 the last; months that lack it are left out), or with `day` 0
    on the `nth` (1 to 5, -1 the last) of the days that are among `weekdays`. It ends after the date `until` or after `count` openings,
    if either is given. `skip`: dates (of the start) on which it stays shut. `cuts`: UTC ms at which somebody ended what was open.
    """

    start: str
    minutes: int
    repeat: str = ONCE
    every: int = 1
    weekdays: tuple[int, ...] = ()
    day: int = 0
    nth: int = 0
    until: str = ""
    count: int = 0
    skip: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()

    @property
    def first(self) -> datetime:
        return datetime.fromisoformat(self.start)

    @property
    def endless(self) -> bool:
        return self.repeat != ONCE and not self.until and not self.count


def read(given: Mapping[str, Any]) -> Schedule:
    """A checked schedule. Raises ScheduleError; never changes what was meant but for order and doubles."""
    known = {field.name for field in fields(Schedule)}
    for name in given:
        if name not in known:
            raise ScheduleError(str(name)[:40], "there is no such field of a schedule")
    try:
        found = Schedule(**given)
    except TypeError as problem:
        missing = next((name for name in ("start", "minutes") if name not in given), "start")
        raise ScheduleError(missing, "it is missing") from problem
    _check_types(found)
    if found.repeat not in REPEATS:
        raise ScheduleError("repeat", f"{found.repeat[:20]!r} is unknown; use one of {', '.join(REPEATS)}")
    first = _moment(found.start)
    most = MAX_ONCE_MINUTES if found.repeat == ONCE else MAX_MINUTES
    if found.minutes < 1:
        raise ScheduleError("minutes", "a window needs an end after its start: give how long it stays open, 1 minute or more")
    if found.minutes > most:
        raise ScheduleError("minutes", f"it may stay open {most // 1440} days at most")
    if found.repeat == ONCE:
        return Schedule(first.isoformat(timespec="minutes"), found.minutes, cuts=_cuts(found.cuts))
    if not 1 <= found.every <= MAX_EVERY:
        raise ScheduleError("every", f"1 to {MAX_EVERY}")
    weekdays = tuple(sorted(set(found.weekdays)))
    if any(not 0 <= day <= 6 for day in weekdays):
        raise ScheduleError("weekdays", "0 (Monday) to 6 (Sunday)")
    day, nth = found.day, found.nth
    if found.repeat == WEEKLY:
        weekdays, day, nth = weekdays or (first.weekday(),), 0, 0
    else:
        _check_month(day, nth, weekdays)
        weekdays, nth = ((), 0) if day else (weekdays, nth)
    if found.until and found.count:
        raise ScheduleError("count", "give either a last date or a number of openings, not both")
    if found.until and _date(found.until, "until") < first.date():
        raise ScheduleError("until", "the last date is before the start")
    if not 0 <= found.count <= MAX_COUNT:
        raise ScheduleError("count", f"1 to {MAX_COUNT}, or 0 for no such end")
    skip = tuple(sorted({_date(text, "skip").isoformat() for text in found.skip}))
    if len(skip) > MAX_EXCEPT:
        raise ScheduleError("skip", f"{MAX_EXCEPT} dates at most")
    start = first.isoformat(timespec="minutes")
    return Schedule(start, found.minutes, found.repeat, found.every, weekdays, day, nth, found.until, found.count, skip, _cuts(found.cuts))


def written(schedule: Schedule) -> str:
    """As it is stored; `read(json.loads(…))` gives the same."""
    return json.dumps(asdict(schedule), separators=(",", ":"))


@cache
def zone_of(name: str) -> ZoneInfo | None:
    """The IANA zone of that name; None when this manager knows none. Hosts may say anything here."""
    if not name or len(name) > 64 or name.startswith(("/", ".")) or ".." in name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def check_zone(name: str) -> str:
    """Raises ScheduleError."""
    if name != HOST and zone_of(name) is None:
        raise ScheduleError("zone", f"{name[:40]!r} is no time zone; write one such as Europe/Berlin or UTC, or {HOST} for each host's own")
    return name


def _check_types(found: Schedule) -> None:
    numbers = ("minutes", "every", "day", "nth", "count")
    for field in fields(Schedule):
        value = getattr(found, field.name)
        inner: type = int if field.name in ("weekdays", "cuts") else str
        if field.name in numbers:
            good = type(value) is int
        elif field.name in ("weekdays", "skip", "cuts"):
            good = isinstance(value, (list, tuple)) and all(type(item) is inner for item in value)
        else:
            good = isinstance(value, str)
        if not good:
            raise ScheduleError(field.name, "has the wrong type")


def _check_month(day: int, nth: int, weekdays: tuple[int, ...]) -> None:
    if day:
        if not (1 <= day <= 31 or day == -1):
            raise ScheduleError("day", "1 to 31, or -1 for the last day of the month")
        if nth:
            raise ScheduleError("nth", "goes only with weekdays and without a day of the month")
        return
    if not weekdays:
        raise ScheduleError("day", "say on which day of the month, or which weekday of it")
    if not (1 <= nth <= 5 or nth == -1):
        raise ScheduleError("nth", "1 to 5, or -1 for the last")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as problem:
        raise ScheduleError("start", f"{text[:30]!r} is no date and time; write it as 2026-11-28T02:00") from problem
    if found.tzinfo is not None or found.second or found.microsecond or len(text) < 16:
        raise ScheduleError("start", "write wall-clock time to the minute, without an offset, as 2026-11-28T02:00; zone says whose clock")
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise ScheduleError("start", f"between the years {FIRST_YEAR} and {LAST_YEAR}")
    return found


def _date(text: str, field: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise ScheduleError(field, f"{text[:30]!r} is no date; write it as 2026-11-28") from problem


def _cuts(cuts: Any) -> tuple[int, ...]:
    return tuple(sorted(set(cuts)))[-MAX_CUTS:]
