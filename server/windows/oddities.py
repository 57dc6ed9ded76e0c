"""What somebody should know of a window before they rely on it, as sentences. None of it is an error."""

from __future__ import annotations

from itertools import pairwise
from zoneinfo import ZoneInfo

from server.windows.occurrences import FOLD, GAP, occurrences
from server.windows.schedule import MONTHLY, ONCE, Schedule

LOOK_DAYS = 400
LONG_MINUTES = 7 * 24 * 60


def oddities(schedule: Schedule, zone: ZoneInfo, now: int) -> list[str]:
    """The changes of the clock within a year, a window that is long, endless, over, or overlaps itself."""
    found: list[str] = []
    ahead = list(occurrences(schedule, zone, now, now + LOOK_DAYS * 86_400_000))
    if not ahead:
        return ["it never opens from now on"]
    for one in ahead:
        if one.odd == GAP:
            found.append(
                f"on {one.date} there is no {one.local[11:]}, because the clock is put forward; it opens as long after midnight as always"
            )
        elif one.odd == FOLD:
            found.append(f"on {one.date} {one.local[11:]} comes twice, because the clock is put back; it opens at the first")
        elif one.across:
            found.append(f"on {one.date} the clock changes while it is open; it stays open for its length, so its end shows another time")
    if schedule.minutes > LONG_MINUTES:
        found.append(f"it stays open for {schedule.minutes // 1440} days")
    if schedule.endless:
        found.append("it repeats without an end")
    if schedule.repeat == MONTHLY and schedule.day > 28:
        found.append(f"months without a day {schedule.day} are left out")
    if schedule.repeat != ONCE and any(after.start < before.end for before, after in pairwise(ahead)):
        found.append("one opening begins before the one before it has ended; together they are one long window")
    return found[:8]
