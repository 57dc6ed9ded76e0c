"""Maintenance windows as arithmetic: when they open, and for how long. Pure: no database, no clock.

    Schedule, read(), written()    what a person said, checked, and as it is stored                     (schedule.py)
    occurrences(schedule, zone)    the openings within a range of UTC time, across changes of the clock  (occurrences.py)
    oddities(schedule, zone)       what somebody should know before they save it                         (oddities.py)

Which dates a rule means is python-dateutil's to say (RFC 5545), always in plain wall-clock time; only then is each start
turned into UTC, by the rule that RFC 5545 gives too: a time that a night leaves out counts with the offset before the
change (02:30 opens at 03:30 where the clock springs from 02:00 to 03:00), one that comes twice means the first. A window
stays open for its length as it passes, whatever the clock on the wall does meanwhile.
"""

from __future__ import annotations

from server.windows.occurrences import Occurrence, current_or_next, occurrences, upcoming
from server.windows.oddities import oddities
from server.windows.schedule import HOST, MONTHLY, ONCE, WEEKLY, Schedule, ScheduleError, read, written, zone_of

__all__ = [
    "HOST",
    "MONTHLY",
    "ONCE",
    "WEEKLY",
    "Occurrence",
    "Schedule",
    "ScheduleError",
    "current_or_next",
    "occurrences",
    "oddities",
    "read",
    "upcoming",
    "written",
    "zone_of",
]
