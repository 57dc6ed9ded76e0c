"""How a window's times are told in words, and what is said of windows elsewhere, in the reader's language."""

from __future__ import annotations

from collections.abc import Callable

from server.service.window_rows import wall
from server.web.words import N_
from server.windows import MONTHLY, ONCE, WEEKLY, Schedule

Gettext = Callable[[str], str]

WEEKDAYS = (N_("Monday"), N_("Tuesday"), N_("Wednesday"), N_("Thursday"), N_("Friday"), N_("Saturday"), N_("Sunday"))
SHORT = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
MONTHS = (
    N_("January"),
    N_("February"),
    N_("March"),
    N_("April"),
    N_("May"),
    N_("June"),
    N_("July"),
    N_("August"),
    N_("September"),
    N_("October"),
    N_("November"),
    N_("December"),
)
REPEATS = {ONCE: N_("only once"), WEEKLY: N_("every week"), MONTHLY: N_("every month")}
NTH = {1: N_("first"), 2: N_("second"), 3: N_("third"), 4: N_("fourth"), 5: N_("fifth"), -1: N_("last")}


def in_words(schedule: Schedule, _: Gettext) -> str:
    """Such as `every 2 weeks on Tuesday, Thursday at 02:00`."""
    clock = schedule.start[11:]
    names = ", ".join(_(WEEKDAYS[day]) for day in schedule.weekdays)
    values = {"n": schedule.every, "days": names, "clock": clock, "day": schedule.day}
    if schedule.repeat == ONCE:
        return _("once, on %(date)s at %(clock)s") % {"date": schedule.start[:10], "clock": clock}
    if schedule.repeat == WEEKLY:
        text = _("every week on %(days)s at %(clock)s") if schedule.every == 1 else _("every %(n)s weeks on %(days)s at %(clock)s")
    elif schedule.day == -1:
        text = _("on the last day of each month at %(clock)s")
    elif schedule.day:
        text = _("on day %(day)s of each month at %(clock)s")
    else:
        values["nth"] = _(NTH[schedule.nth])
        text = _("on the %(nth)s %(days)s of each month at %(clock)s")
    said = text % values
    if schedule.repeat == MONTHLY and schedule.every > 1:
        said += _(", every %(n)s months") % values
    if schedule.until:
        said += _(", until %(date)s") % {"date": schedule.until}
    if schedule.count:
        said += _(", %(n)s times") % {"n": schedule.count}
    return said


def until(ms: int, zone: str, now: int) -> str:
    """An end that is near: `04:00`, with its date where it is another day there."""
    end, today = wall(ms, zone), wall(now, zone)
    return end[11:] if end[:10] == today[:10] else end


SENTENCES = (
    N_("there is no maintenance window '{id}'"),
    N_("there are {count} maintenance windows already; delete some"),
    N_("it is not open now; skip its next opening, or switch it off"),
    N_("it is shut on {date} already"),
    N_("date: it does not open on '{date}' from now on"),
    N_("date: it opens only once; change it, switch it off or delete it"),
    N_("the window was changed a moment ago; load it again"),
    N_("reason: {count} characters at most"),
    N_("zone: '{name}' is no time zone; write one such as Europe/Berlin or UTC, or host for each host's own"),
    N_("minutes: a window needs an end after its start: give how long it stays open, 1 minute or more"),
    N_("end: a window needs an end after its start"),
    N_("end: '{text}' is no date and time"),
    N_("minutes: it may stay open {days} days at most"),
    N_("start: '{text}' is no date and time; write it as 2026-11-28T02:00"),
    N_("start: between the years {first} and {last}"),
    N_("every: 1 to {most}"),
    N_("day: 1 to 31, or -1 for the last day of the month"),
    N_("day: say on which day of the month, or which weekday of it"),
    N_("count: give either a last date or a number of openings, not both"),
    N_("count: 1 to {most}, or 0 for no such end"),
    N_("until: the last date is before the start"),
    N_("until: '{text}' is no date; write it as 2026-11-28"),
    N_("skip: '{text}' is no date; write it as 2026-11-28"),
    N_("its schedule was damaged outside the manager and cannot be read, so it never opens: write it anew"),
    N_("schedule: its schedule was damaged outside the manager and cannot be read, so it never opens: write it anew"),
    N_("a maintenance window cannot cover the nodes that are in maintenance; name them"),
    N_("selector: column {column}: {problem}"),
    N_("it never opens from now on"),
    N_("on {date} there is no {clock}, because the clock is put forward; it opens as long after midnight as always"),
    N_("on {date} {clock} comes twice, because the clock is put back; it opens at the first"),
    N_("on {date} the clock changes while it is open; it stays open for its length, so its end shows another time"),
    N_("it stays open for {days} days"),
    N_("it repeats without an end"),
    N_("months without a day {day} are left out"),
    N_("one opening begins before the one before it has ended; together they are one long window"),
    N_("{count} of its nodes go by UTC: they tell it, or no time zone that is known here"),
    N_("it neither silences alerts nor opens for commands: it is only shown"),
    N_("wait_for_window: {least} to {most} seconds, or 0 to run at once"),
    N_("wait_for_window: {nodes}: {problem}"),
    N_("no maintenance window that opens for commands covers it"),
    N_("the window '{name}' never opens again"),
    N_("its time limit is longer than the window '{name}' stays open"),
    N_("the window '{name}' opens only after it would have expired"),
    N_("no maintenance window let it out within the time it was given; it was never run"),
    N_("its row was changed outside the manager; it was not sent"),
    N_("waits for a maintenance window"),
)
"""What services say of windows, see sentences.py."""
