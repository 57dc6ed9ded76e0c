"""Openings on the days of a calendar, by the clocks of one zone: pure, for windows' pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from server.service.windows import Opened, Window

MINUTES = 24 * 60


@dataclass(frozen=True)
class Entry:
    """What of an opening lies on a day. `starts` and `ends` are clock times, empty where it began before or goes on after;
    `x` and `width` are where it lies in the day, in minutes on the clock."""

    window: Window
    zone: str
    starts: str
    ends: str
    x: int
    width: int
    open: bool


@dataclass(frozen=True)
class Day:
    date: date
    entries: tuple[Entry, ...]
    today: bool
    inside: bool


def weeks(opened: Sequence[Opened], first: date, number: int, zone: ZoneInfo, now: int, month: int = 0) -> list[list[Day]]:
    """`number` weeks from `first`, a Monday. Days outside of `month` (0: none is) are not `inside`."""
    today = datetime.fromtimestamp(now / 1000, zone).date()
    days = []
    for count in range(number * 7):
        day = first + timedelta(days=count)
        begin, end = bounds(day, zone)
        entries = tuple(_entry(one, begin, end, zone, now) for one in opened if one.at.start < end and one.at.end > begin)
        days.append(Day(day, entries, day == today, not month or day.month == month))
    return [days[count : count + 7] for count in range(0, len(days), 7)]


def bounds(day: date, zone: ZoneInfo) -> tuple[int, int]:
    """A day's first and last moment (exclusive) in UTC ms."""
    begin, end = (datetime.combine(one, time(), zone) for one in (day, day + timedelta(days=1)))
    return int(begin.timestamp()) * 1000, int(end.timestamp()) * 1000


def month_of(text: str, today: date) -> tuple[date, date, date]:
    """The first of the month that `text` (a date) is in, of the one before and of the one after; of today's for what is no date."""
    first = day_of(text, today).replace(day=1)
    return first, (first - timedelta(days=1)).replace(day=1), (first + timedelta(days=32)).replace(day=1)


def day_of(text: str, today: date) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if 2000 <= day.year <= 2100 else today


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _entry(one: Opened, begin: int, end: int, zone: ZoneInfo, now: int) -> Entry:
    starts, ends = _clock(one.at.start, zone), _clock(one.at.end, zone)
    early, late = one.at.start < begin, one.at.end > end
    x = 0 if early else _minute(starts)
    right = MINUTES if late or one.at.end == end else _minute(ends)
    opened = one.at.start <= now < one.at.end
    return Entry(one.window, one.zone, "" if early else starts, "" if late else ends, x, max(right - x, 1), opened)


def _clock(ms: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ms / 1000, zone).strftime("%H:%M")


def _minute(clock: str) -> int:
    return int(clock[:2]) * 60 + int(clock[3:])
