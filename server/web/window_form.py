"""The form of a window: as it was typed, what it means, and back again. Nothing typed is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from server.errors import BadInput
from server.service.window_rows import Window, place
from server.service.windows import Wanted
from server.web.session import Form
from server.windows import HOST, MONTHLY, ONCE, WEEKLY

_NUMBERS = ("every", "count", "hours", "minutes")
_DAY, _WEEKDAY = "day", "weekday"
BY = (_DAY, _WEEKDAY)


@dataclass
class Draft:
    """Every field's text; `weekdays` and `mdays` are those ticked, `ticks` the boxes that are on."""

    typed: dict[str, str] = field(default_factory=dict)
    weekdays: list[str] = field(default_factory=list)
    mdays: list[str] = field(default_factory=list)
    ticks: dict[str, bool] = field(default_factory=dict)

    def get(self, name: str) -> str:
        return self.typed.get(name, "")


def new(now: int, selector: str, date: str) -> Draft:
    """For a window that is not there yet: tonight, for two hours."""
    day = date or datetime.fromtimestamp(now / 1000, place("UTC")).strftime("%Y-%m-%d")
    begin = datetime.fromisoformat(f"{day}T22:00")
    typed = {"name": "", "reason": "", "selector": selector, "zone": "UTC", "repeat": ONCE, "start": f"{begin:%Y-%m-%dT%H:%M}"}
    typed |= {"end": f"{begin + timedelta(hours=2):%Y-%m-%dT%H:%M}", "hours": "2", "minutes": "0", "every": "1", "by": _DAY, "day": "1"}
    return Draft(typed | {"nth": "1", "until": "", "count": "", "skip": ""}, [], [], {"silences": True, "opens": True, "enabled": True})


def of(window: Window) -> Draft:
    one = window.schedule
    end = one.first + timedelta(minutes=one.minutes)
    if window.zone != HOST:
        # As the clock on the wall shows it then, which a change in between moves.
        zone = place(window.zone)
        shut = datetime.fromtimestamp(one.first.replace(tzinfo=zone).timestamp() + one.minutes * 60, zone)
        end = shut.replace(tzinfo=None)
    typed = {"name": window.name, "reason": window.reason, "selector": window.selector, "zone": window.zone, "repeat": one.repeat}
    typed |= {"start": one.start, "end": f"{end:%Y-%m-%dT%H:%M}", "hours": str(one.minutes // 60), "minutes": str(one.minutes % 60)}
    typed |= {"every": str(one.every), "by": _WEEKDAY if one.nth else _DAY, "day": str(one.day or 1), "nth": str(one.nth or 1)}
    typed |= {"until": one.until, "count": str(one.count or ""), "skip": ", ".join(one.skip)}
    days = [str(day) for day in one.weekdays]
    ticks = {name: bool(getattr(window, name)) for name in ("silences", "opens", "enabled")}
    return Draft(typed, days if one.repeat == WEEKLY else [], days if one.repeat == MONTHLY else [], ticks)


def anew(window: Window, now: int) -> Draft:
    """A window whose schedule is lost, with the times of a new one."""
    fresh, kept = new(now, window.selector, ""), of(window)
    same = {name: kept.typed[name] for name in ("name", "reason", "selector", "zone")}
    return Draft(fresh.typed | same, [], [], kept.ticks)


def typed(form: Form) -> Draft:
    ticks = {name: form.get(f"f.{name}") == "1" for name in ("silences", "opens", "enabled")}
    return Draft(form.starting("f."), form.all("f.weekdays"), form.all("f.mdays"), ticks)


def wanted(draft: Draft) -> Wanted:
    """What the form means. Raises BadInput with the form's own field."""
    zone = HOST if draft.get("zone").strip().lower() == HOST else draft.get("zone").strip()
    effects = {name: draft.ticks.get(name, False) for name in ("silences", "opens", "enabled")}
    return Wanted(draft.get("name"), draft.get("reason"), draft.get("selector"), _schedule(draft, zone), zone, **effects)


def _schedule(draft: Draft, zone: str) -> Mapping[str, Any]:
    repeat, start = draft.get("repeat"), draft.get("start").strip()
    if repeat == ONCE:
        return {"start": start, "minutes": _length(start, draft.get("end").strip(), zone), "repeat": ONCE}
    numbers = {name: _number(draft.get(name), name) for name in _NUMBERS}
    schedule: dict[str, Any] = {"start": start, "minutes": numbers["hours"] * 60 + numbers["minutes"], "repeat": repeat}
    schedule |= {"every": numbers["every"] or 1, "until": draft.get("until").strip(), "count": numbers["count"]}
    schedule["skip"] = [part.strip() for part in draft.get("skip").replace("，", ",").split(",") if part.strip()]
    if repeat == WEEKLY:
        return schedule | {"weekdays": _days(draft.weekdays)}
    if draft.get("by") == _WEEKDAY:
        return schedule | {"nth": _number(draft.get("nth"), "nth"), "weekdays": _days(draft.mdays)}
    return schedule | {"day": _number(draft.get("day"), "day")}


def _length(start: str, end: str, zone: str) -> int:
    """Minutes that pass between two times on the clocks of a zone."""
    try:
        begin, shut = datetime.fromisoformat(start), datetime.fromisoformat(end)
    except ValueError as problem:
        try:
            datetime.fromisoformat(start)
        except ValueError:
            return 1  # the start is what is wrong, and the schedule says so
        raise BadInput(f"end: {end[:30]!r} is no date and time", field="end") from problem
    if begin.tzinfo is None and shut.tzinfo is None and zone != HOST:
        clocks = place(zone)
        begin, shut = begin.replace(tzinfo=clocks), shut.replace(tzinfo=clocks)
    if (begin.tzinfo is None) != (shut.tzinfo is None) or shut.timestamp() <= begin.timestamp():
        raise BadInput("end: a window needs an end after its start", field="end")
    return int(shut.timestamp() - begin.timestamp()) // 60


def _number(text: str, name: str) -> int:
    text = text.strip()
    if not text:
        return 0
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 6:
        raise BadInput(f"{name}: {text[:20]!r} is not a whole number", field=name)
    return int(text)


def _days(texts: list[str]) -> list[int]:
    return [int(text) for text in texts if text in "0123456" and len(text) == 1]


def field_of(problem: BadInput) -> str:
    """Where the form shows it: its own name, without the schedule's."""
    name = problem.field.removeprefix("schedule.")
    problem.message = problem.message.removeprefix("schedule.")
    return {"minutes": "hours"}.get(name, name)
