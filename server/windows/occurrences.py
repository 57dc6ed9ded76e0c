"""When a window is open: rule → wall-clock starts (python-dateutil) → UTC (zoneinfo)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from itertools import islice
from zoneinfo import ZoneInfo

from dateutil.rrule import MO, rrule
from dateutil.rrule import MONTHLY as BY_MONTH
from dateutil.rrule import WEEKLY as BY_WEEK

from server.windows.schedule import ONCE, WEEKLY, Schedule

MINUTE_MS, DAY_MS = 60_000, 86_400_000
GAP, FOLD = "gap", "fold"
_SLACK = timedelta(days=2)
"""More than any zone is away from UTC, and than any change of a clock."""


@dataclass(frozen=True)
class Occurrence:
    """One opening, [start, end) in UTC ms. `local` is its start as it was meant (`2026-03-29T02:30`); `odd` says that such a time
    did not exist that night (`gap`) or came twice (`fold`); `across`: the clock changes while it is open."""

    start: int
    end: int
    local: str
    odd: str = ""
    across: bool = False

    @property
    def date(self) -> str:
        return self.local[:10]


def occurrences(schedule: Schedule, zone: ZoneInfo, since: int, until: int) -> Iterator[Occurrence]:
    """All that are open at some time in [since, until) UTC ms, in order of their start. Ends by itself, also for an endless rule."""
    earliest = _wall(since - schedule.minutes * MINUTE_MS) - _SLACK
    latest = _wall(until) + _SLACK
    for local in _starts(schedule, earliest):
        if local > latest:
            return
        found = _opened(schedule, zone, local)
        if found.start >= until:
            # A later date may begin before it in UTC, where a whole day was left out; by less than the slack.
            continue
        if found.end > since and found.end > found.start:
            yield found


def upcoming(schedule: Schedule, zone: ZoneInfo, now: int, number: int, days: int = 800) -> list[Occurrence]:
    """The next `number` that have not ended, as far as `days` ahead."""
    return list(islice(occurrences(schedule, zone, now, now + days * DAY_MS), number))


def current_or_next(schedule: Schedule, zone: ZoneInfo, now: int, days: int = 800) -> Occurrence | None:
    return next(iter(occurrences(schedule, zone, now, now + days * DAY_MS)), None)


def _opened(schedule: Schedule, zone: ZoneInfo, local: datetime) -> Occurrence:
    # fold=0 is RFC 5545's rule for both: the offset before the change where the time is missing, the first where it comes twice.
    start = _utc(local.replace(tzinfo=zone))
    end = start + schedule.minutes * MINUTE_MS
    odd = ""
    if datetime.fromtimestamp(start / 1000, zone).replace(tzinfo=None) != local:
        odd = GAP
    elif _utc(local.replace(tzinfo=zone, fold=1)) != start:
        odd = FOLD
    across = datetime.fromtimestamp(start / 1000, zone).utcoffset() != datetime.fromtimestamp((end - 1) / 1000, zone).utcoffset()
    for cut in schedule.cuts:
        if start <= cut < end:
            end = cut
            break
    return Occurrence(start, end, local.isoformat(timespec="minutes"), odd, across)


def _starts(schedule: Schedule, earliest: datetime) -> Iterator[datetime]:
    """Wall-clock starts in order; those before `earliest` may be left out."""
    first = schedule.first
    if schedule.repeat == ONCE:
        yield first
        return
    skipped = {date.fromisoformat(text) for text in schedule.skip}
    for local in _rule(schedule, earliest):
        if local.date() not in skipped:
            yield local


def _rule(schedule: Schedule, earliest: datetime) -> rrule:
    begin = schedule.first
    if not schedule.count and begin < earliest:
        # Years of past dates are not counted through one by one; a rule that ends after so many openings has to be.
        begin = _nearer(schedule, earliest)
    last = datetime.combine(date.fromisoformat(schedule.until), datetime.max.time()) if schedule.until else None
    if schedule.repeat == WEEKLY:
        return rrule(BY_WEEK, begin, schedule.every, wkst=MO, count=schedule.count or None, until=last, byweekday=schedule.weekdays)
    if schedule.day:
        return rrule(BY_MONTH, begin, schedule.every, count=schedule.count or None, until=last, bymonthday=schedule.day)
    return rrule(
        BY_MONTH,
        begin,
        schedule.every,
        count=schedule.count or None,
        until=last,
        byweekday=schedule.weekdays,
        bysetpos=schedule.nth,
    )


def _nearer(schedule: Schedule, earliest: datetime) -> datetime:
    """A start that gives the same dates from `earliest` on: whole periods later than the first, at the beginning of its period."""
    first = schedule.first
    if schedule.repeat == WEEKLY:
        monday = first - timedelta(days=first.weekday())
        periods = (earliest - monday).days // 7 // schedule.every
        return monday + timedelta(weeks=periods * schedule.every) if periods > 0 else first
    months = (earliest.year - first.year) * 12 + earliest.month - first.month
    periods = months // schedule.every
    year, month = divmod(first.year * 12 + first.month - 1 + periods * schedule.every, 12)
    return first.replace(year=year, month=month + 1, day=1) if periods > 0 else first


def _wall(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).replace(tzinfo=None)


def _utc(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000
