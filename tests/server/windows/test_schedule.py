"""Window arithmetic across changes of the clock, against clocks that are read minute by minute."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.windows import (
    MONTHLY,
    ONCE,
    WEEKLY,
    Occurrence,
    Schedule,
    ScheduleError,
    occurrences,
    oddities,
    read,
    upcoming,
    written,
    zone_of,
)

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Shanghai", "UTC", "Africa/Casablanca")


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text + "+00:00").timestamp()) * 1000


def utc(value: int) -> str:
    return datetime.fromtimestamp(value / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M")


def opened(schedule: Schedule, zone: str, since: str, until: str) -> list[Occurrence]:
    return list(occurrences(schedule, ZoneInfo(zone), ms(since), ms(until)))


@pytest.mark.parametrize(
    ("zone", "start", "opens", "odd"),
    [
        ("Europe/Berlin", "2026-03-29T02:30", "2026-03-29T01:30", "gap"),  # 03:30 CEST, as long after midnight as always
        ("Europe/Berlin", "2026-10-25T02:30", "2026-10-25T00:30", "fold"),
        ("America/New_York", "2026-03-08T02:30", "2026-03-08T07:30", "gap"),
        ("America/New_York", "2026-11-01T01:30", "2026-11-01T05:30", "fold"),
        ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:45", "gap"),  # half an hour only
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", "fold"),
        ("Asia/Shanghai", "2026-03-29T02:30", "2026-03-28T18:30", ""),
    ],
)
def test_a_time_that_is_missing_or_comes_twice_opens_once_for_its_whole_length(zone: str, start: str, opens: str, odd: str) -> None:
    [found] = opened(read({"start": start, "minutes": 45}), zone, "2026-01-01T00:00", "2027-01-01T00:00")
    assert (utc(found.start), found.odd) == (opens, odd)
    assert found.end - found.start == 45 * MINUTE


@pytest.mark.parametrize(
    ("zone", "start", "wall_end"),
    [
        ("Europe/Berlin", "2026-03-29T01:00", "06:00"),
        ("Europe/Berlin", "2026-10-25T01:00", "04:00"),
        ("Australia/Lord_Howe", "2026-10-04T01:00", "05:30"),
        ("Australia/Lord_Howe", "2026-04-05T01:00", "04:30"),
        ("Asia/Shanghai", "2026-03-29T01:00", "05:00"),
    ],
)
def test_a_window_across_the_change_keeps_its_elapsed_length(zone: str, start: str, wall_end: str) -> None:
    [found] = opened(read({"start": start, "minutes": 240}), zone, "2026-01-01T00:00", "2027-01-01T00:00")
    assert found.end - found.start == 4 * HOUR
    assert datetime.fromtimestamp(found.end / 1000, ZoneInfo(zone)).strftime("%H:%M") == wall_end
    assert found.across == (wall_end != "05:00")


def test_a_weekly_window_stays_at_its_wall_clock_time_all_year() -> None:
    rule = read({"start": "2026-01-04T02:00", "minutes": 60, "repeat": WEEKLY, "weekdays": [6]})
    found = opened(rule, "Europe/Berlin", "2026-01-01T00:00", "2027-01-01T00:00")
    assert len(found) == 52
    walls = {datetime.fromtimestamp(one.start / 1000, ZoneInfo("Europe/Berlin")).strftime("%a %H:%M") for one in found}
    assert walls == {"Sun 02:00", "Sun 03:00"}  # 03:00 on the one night that has no 02:00
    assert [one.date for one in found if one.odd] == ["2026-03-29", "2026-10-25"]


@pytest.mark.parametrize(
    ("more", "dates"),
    [
        ({"repeat": MONTHLY, "day": 31}, ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ({"repeat": MONTHLY, "day": -1}, ["2026-01-31", "2026-02-28", "2026-03-31"]),
        ({"repeat": MONTHLY, "weekdays": [4], "nth": -1}, ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ({"repeat": MONTHLY, "weekdays": [1], "nth": 2}, ["2026-01-13", "2026-02-10", "2026-03-10"]),
        ({"repeat": MONTHLY, "weekdays": [0, 1, 2, 3, 4], "nth": -1}, ["2026-01-30", "2026-02-27", "2026-03-31"]),
        ({"repeat": MONTHLY, "day": 1, "every": 3}, ["2026-04-01", "2026-07-01", "2026-10-01"]),
        ({"repeat": WEEKLY, "weekdays": [1, 3], "every": 2}, ["2026-01-13", "2026-01-15", "2026-01-27"]),
        ({"repeat": WEEKLY, "weekdays": [5], "skip": ["2026-01-10", "2026-01-24"]}, ["2026-01-17", "2026-01-31", "2026-02-07"]),
        ({"repeat": WEEKLY, "weekdays": [5], "until": "2026-01-17"}, ["2026-01-10", "2026-01-17"]),
        ({"repeat": WEEKLY, "weekdays": [5], "count": 2, "skip": ["2026-01-10"]}, ["2026-01-17"]),
    ],
)
def test_each_rule_opens_on_its_dates(more: dict[str, object], dates: list[str]) -> None:
    # A Monday the 5th, so that weeks and months both begin before it.
    rule = read({"start": "2026-01-05T22:00", "minutes": 600, **more})
    if more.get("every") == 2:
        rule = read({"start": "2025-12-29T22:00", "minutes": 600, **more})
        assert [one.date for one in upcoming(rule, ZoneInfo("UTC"), ms("2026-01-03T00:00"), 3)] == dates
        return
    assert [one.date for one in upcoming(rule, ZoneInfo("Europe/Berlin"), ms("2026-01-05T00:00"), 3)] == dates


def test_one_that_was_ended_early_is_shut_from_then_on_and_opens_again_next_time() -> None:
    cut = ms("2026-01-10T02:20")
    rule = read({"start": "2026-01-03T02:00", "minutes": 60, "repeat": WEEKLY, "cuts": [cut]})
    assert [one.end - one.start for one in opened(rule, "UTC", "2026-01-01T00:00", "2026-01-20T00:00")] == [HOUR, 20 * MINUTE, HOUR]
    assert not list(occurrences(rule, ZoneInfo("UTC"), cut, cut + 1))


def test_an_endless_rule_of_long_ago_is_not_counted_through() -> None:
    rule = read({"start": "2000-01-03T02:00", "minutes": 30, "repeat": WEEKLY, "weekdays": [0, 1, 2, 3, 4, 5, 6], "every": 3})
    found = opened(rule, "UTC", "2099-01-01T00:00", "2099-01-31T00:00")
    weeks = {(datetime.fromisoformat(one.local) - rule.first).days // 7 % 3 for one in found}
    assert weeks == {0}
    assert len(found) >= 7


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ({"start": "2026-01-01T02:00"}, "minutes"),
        ({"minutes": 5}, "start"),
        ({"start": "2026-01-01T02:00", "minutes": 0}, "minutes"),
        ({"start": "2026-01-01T02:00", "minutes": -60}, "minutes"),
        ({"start": "2026-01-01T02:00", "minutes": 10**9}, "minutes"),
        ({"start": "2026-01-01T02:00", "minutes": True}, "minutes"),
        ({"start": "2026-02-30T02:00", "minutes": 5}, "start"),
        ({"start": "2026-01-01T02:00+01:00", "minutes": 5}, "start"),
        ({"start": "2026-01-01", "minutes": 5}, "start"),
        ({"start": "1600-01-01T00:00", "minutes": 5}, "start"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": "yearly"}, "repeat"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": WEEKLY, "weekdays": [7]}, "weekdays"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": WEEKLY, "every": 0}, "every"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": MONTHLY}, "day"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": MONTHLY, "day": 32}, "day"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": MONTHLY, "weekdays": [1]}, "nth"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": WEEKLY, "until": "2025-12-31"}, "until"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": WEEKLY, "until": "2026-12-31", "count": 3}, "count"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "repeat": WEEKLY, "skip": ["tomorrow"]}, "skip"),
        ({"start": "2026-01-01T02:00", "minutes": 5, "nonsense": 1}, "nonsense"),
    ],
)
def test_nonsense_is_refused_with_its_field(given_: dict[str, object], field: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        read(given_)
    assert caught.value.field == field


def test_what_is_odd_is_said_before_it_happens() -> None:
    rule = read({"start": "2026-01-04T02:30", "minutes": 60, "repeat": WEEKLY, "weekdays": [6]})
    said = " / ".join(oddities(rule, ZoneInfo("Europe/Berlin"), ms("2026-01-05T00:00")))
    assert "on 2026-03-29 there is no 02:30" in said
    assert "on 2026-10-25 02:30 comes twice" in said
    assert "without an end" in said
    assert oddities(read({"start": "2020-01-01T00:00", "minutes": 5}), ZoneInfo("UTC"), ms("2026-01-01T00:00")) == [
        "it never opens from now on"
    ]
    long = read({"start": "2026-02-01T00:00", "minutes": 1500, "repeat": WEEKLY, "weekdays": [0, 1], "count": 4})
    assert "begins before the one before it has ended" in " ".join(oddities(long, ZoneInfo("UTC"), ms("2026-01-01T00:00")))


@pytest.mark.parametrize("name", ["", "CST6", "../../etc/passwd", "/etc/localtime", "Mars/Olympus", "x" * 500, "Europe", "Europe/Berlin\0"])
def test_a_zone_that_a_host_made_up_is_none(name: str) -> None:
    assert zone_of(name) is None


def _means(rule: Schedule, day: date) -> bool:
    """Whether a rule means this date, in the plainest words."""
    first = rule.first.date()
    if day < first or day.isoformat() in rule.skip or (rule.until and day.isoformat() > rule.until):
        return False
    if rule.repeat == ONCE:
        return day == first
    if rule.repeat == WEEKLY:
        weeks = ((day - timedelta(days=day.weekday())) - (first - timedelta(days=first.weekday()))).days // 7
        return day.weekday() in rule.weekdays and weeks % rule.every == 0
    if ((day.year - first.year) * 12 + day.month - first.month) % rule.every:
        return False
    last = ((day.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)).day
    if rule.day:
        return day.day == (last if rule.day == -1 else rule.day)
    fitting = [number for number in range(1, last + 1) if day.replace(day=number).weekday() in rule.weekdays]
    place = rule.nth - 1 if rule.nth > 0 else len(fitting) - 1
    return place < len(fitting) and fitting[place] == day.day


def _walked(rule: Schedule, zone: ZoneInfo, since: int, until: int) -> list[int]:
    """The openings of a clock on the wall that is read each minute: when it shows the time for the first time that day, or, where it
    jumps over it, as much later as the time lies behind the jump."""
    wanted = {datetime.combine(since_day, rule.first.time()) for since_day in _days(since, until) if _means(rule, since_day)}
    found: dict[datetime, int] = {}
    before = datetime.fromtimestamp(since / 1000 - 60, zone).replace(tzinfo=None)
    for at in range(since, until, MINUTE):
        wall = datetime.fromtimestamp(at / 1000, zone).replace(tzinfo=None)
        if wall in wanted:
            found.setdefault(wall, at)
        if wall - before > timedelta(minutes=1):
            for jumped in wanted:
                if before + timedelta(minutes=1) <= jumped < wall:
                    found[jumped] = at + int((jumped - before).total_seconds() * 1000) - MINUTE
        before = wall
    return sorted(at for at in found.values() if at < until)


def _days(since: int, until: int) -> list[date]:
    first = datetime.fromtimestamp(since / 1000, timezone.utc).date() - timedelta(days=2)
    return [first + timedelta(days=number) for number in range((until - since) // DAY + 5)]


@st.composite
def rules(draw: st.DrawFn) -> Schedule:
    start = datetime.fromisoformat("2024-01-01T00:00") + timedelta(minutes=draw(st.integers(0, 3 * 365 * 24 * 60)))
    if draw(st.booleans()):
        start = start.replace(hour=draw(st.integers(0, 3)))
    made: dict[str, object] = {"start": start.isoformat(timespec="minutes"), "minutes": draw(st.integers(1, 600))}
    made["repeat"] = draw(st.sampled_from([ONCE, WEEKLY, WEEKLY, MONTHLY]))
    if made["repeat"] != ONCE:
        made["every"] = draw(st.integers(1, 4))
        weekdays = draw(st.lists(st.integers(0, 6), min_size=1, max_size=7))
        if made["repeat"] == WEEKLY or draw(st.booleans()):
            made["weekdays"] = weekdays
            if made["repeat"] == MONTHLY:
                made["nth"] = draw(st.sampled_from([1, 2, 3, 4, 5, -1]))
        else:
            made["day"] = draw(st.sampled_from([1, 15, 28, 29, 30, 31, -1]))
        if draw(st.booleans()):
            made["until"] = (start.date() + timedelta(days=draw(st.integers(0, 700)))).isoformat()
        made["skip"] = [(start.date() + timedelta(days=number)).isoformat() for number in draw(st.lists(st.integers(0, 400), max_size=5))]
    return read(made)


# The weeks in which one of the zones changes its clock, and some in which none does.
WEEKS = (
    "2026-03-06",
    "2026-03-27",
    "2026-04-03",
    "2026-10-02",
    "2026-10-23",
    "2026-10-30",
    "2026-02-12",
    "2026-03-20",
    "2026-07-29",
    "2026-12-30",
)


@settings(max_examples=120, deadline=None)
@given(rule=rules(), zone=st.sampled_from(ZONES), week=st.sampled_from(WEEKS))
def test_every_opening_is_the_one_of_a_clock_on_the_wall(rule: Schedule, zone: str, week: str) -> None:
    since, until = ms(f"{week}T00:00"), ms(f"{week}T00:00") + 4 * DAY
    place = ZoneInfo(zone)
    told = [one for one in occurrences(rule, place, since, until) if one.start >= since]
    assert [utc(one.start) for one in told] == [utc(at) for at in _walked(rule, place, since, until)]
    assert all(one.end - one.start == rule.minutes * MINUTE for one in told)


@settings(max_examples=150, deadline=None)
@given(rule=rules(), zone=st.sampled_from(ZONES))
def test_every_date_of_a_year_and_a_half_is_the_rules(rule: Schedule, zone: str) -> None:
    since, until = ms("2025-12-01T00:00"), ms("2027-06-01T00:00")
    told = [one.date for one in occurrences(rule, ZoneInfo(zone), since, until) if "2025-12-03" <= one.date <= "2027-05-28"]
    days = [day for day in _days(since, until) if "2025-12-03" <= day.isoformat() <= "2027-05-28"]
    assert told == [day.isoformat() for day in days if _means(rule, day)]


@given(rule=rules())
def test_what_is_stored_is_read_as_the_same(rule: Schedule) -> None:
    assert read(json.loads(written(rule))) == rule
