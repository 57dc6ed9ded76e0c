"""Pages of maintenance windows as text: what is typed is kept, wrong input is shown at its field, the calendar has the right days."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from server.service.windows import Opened, Wanted, Window
from server.web import calendar, window_form
from server.windows import HOST, occurrences, read
from tests.conftest import START, Manager
from tests.server.web.conftest import Visitor

Fields = dict[str, str | list[str]]
# START is 2027-01-15 08:00 UTC, a Friday.
FORM: Fields = {
    "f.name": "Kernel updates",
    "f.reason": "",
    "f.selector": "all",
    "f.zone": "Europe/Berlin",
    "f.silences": "1",
    "f.opens": "1",
    "f.enabled": "1",
    "f.repeat": "once",
    "f.start": "2027-03-28T01:00",
    "f.end": "2027-03-28T06:00",
    "f.hours": "2",
    "f.minutes": "30",
    "f.every": "1",
    "f.by": "day",
    "f.day": "1",
    "f.nth": "1",
    "f.until": "",
    "f.count": "",
    "f.skip": "",
}


async def test_a_window_is_made_by_its_form_and_its_length_knows_of_the_change_of_the_clock(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    answer = await visit.post("/windows", FORM)
    assert answer.status_code == 303
    [window] = await manager.services.windows.every()
    assert (window.name, window.schedule.minutes, window.silences) == ("Kernel updates", 240, True)
    page = (await visit.get(answer.headers["location"])).text
    assert "once, on 2027-03-28 at 01:00" in page
    edit = (await visit.get(f"/windows/{window.id}/edit")).text
    assert 'value="2027-03-28T06:00"' in edit
    again = {**FORM, "version": "1", "f.name": "Other"}
    assert (await visit.post(f"/windows/{window.id}/edit", again)).status_code == 303
    lost = await visit.post(f"/windows/{window.id}/edit", {**again, "f.name": "Lost"})
    assert lost.status_code == 409
    assert 'value="Lost"' in lost.text


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"f.end": "2027-03-28T00:30"}, "end"),
        ({"f.end": ""}, "end"),
        ({"f.start": "soon"}, "start"),
        ({"f.name": ""}, "name"),
        ({"f.selector": ""}, "selector"),
        ({"f.selector": "evn=prod"}, "selector"),
        ({"f.zone": "Mars"}, "zone"),
        ({"f.repeat": "weekly", "f.hours": "0", "f.minutes": "0"}, "hours"),
        ({"f.repeat": "weekly", "f.hours": "two"}, "hours"),
        ({"f.repeat": "monthly", "f.day": "40"}, "day"),
        ({"f.repeat": "weekly", "f.until": "2027-12-31", "f.count": "3"}, "count"),
        ({"f.repeat": "weekly", "f.skip": "christmas"}, "skip"),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_typed_is_lost(
    visit: Visitor, manager: Manager, wrong: Fields, field: str
) -> None:
    await visit.sign_in("admin")
    answer = await visit.post("/windows", {**FORM, "f.reason": "typed", **wrong})
    assert answer.status_code == 400
    assert f'id="wrong-{field}"' in answer.text
    assert ">typed</textarea>" in answer.text
    assert await manager.services.windows.every() == []


async def test_the_preview_shows_openings_nodes_and_what_is_odd_and_makes_nothing(visit: Visitor, manager: Manager) -> None:
    await manager.enrol("web-1")
    await visit.sign_in("admin")
    weekly = {**FORM, "f.name": "", "f.repeat": "weekly", "f.start": "2027-03-21T02:30", "f.weekdays": ["6"]}
    text = (await visit.post("/windows/preview", weekly)).text
    for said in ("every week on Sunday at 02:30", "2027-03-21 02:30", "on 2027-03-28 there is no 02:30", "without an end", "web-1"):
        assert said in text
    wrong = await visit.post("/windows/preview", {**weekly, "f.selector": "nme=x"})
    assert "did you mean name" in wrong.text
    assert await manager.services.windows.every() == []


async def test_a_window_is_ended_skipped_switched_and_deleted_on_its_page(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    schedule = {"start": "2027-01-15T07:30", "minutes": 120, "repeat": "weekly"}
    windows = manager.services.windows
    window = await windows.make(manager.admin, Wanted("w", "", "all", schedule, "UTC"), manager.time())
    path = f"/windows/{window}"
    assert "End it now" in (await visit.get(path)).text
    for fields in ({"step": "end"}, {"step": "skip", "date": "2027-01-22"}, {"step": "off", "version": "3"}):
        assert (await visit.post(path, dict(fields))).status_code == 303, fields
    assert (await windows.get(window)).enabled is False
    assert (await visit.post(path, {"step": "end"})).status_code == 409
    assert (await visit.post(path, {"step": "delete", "version": "1"})).status_code == 409
    assert (await visit.post(path, {"step": "delete", "version": "4"})).status_code == 303
    assert await windows.every() == []


async def test_a_viewer_sees_windows_and_changes_none(visit: Visitor, manager: Manager) -> None:
    window = await manager.services.windows.make(manager.admin, Wanted("w", "", "all", {"start": "2027-01-15T07:30", "minutes": 60}), START)
    await visit.sign_in("vera")
    for path in ("/windows", "/windows?view=month", "/windows?view=week&zone=Asia/Shanghai", f"/windows/{window}"):
        answer = await visit.get(path)
        assert answer.status_code == 200, path
        assert "New window" not in answer.text
    assert (await visit.get("/windows/new")).status_code == 403
    assert (await visit.post(f"/windows/{window}", {"step": "end"})).status_code == 403
    for wrong in ("view=year", "view=month&zone=Mars"):
        assert (await visit.get(f"/windows?{wrong}")).status_code == 400


def opened(start: str, minutes: int, zone: str) -> list[Opened]:
    rule = read({"start": start, "minutes": minutes})
    window = Window("w", "w", "", "all", rule, zone, True, True, True, 1, "", 0, "", 0)
    return [Opened(window, zone, one) for one in occurrences(rule, ZoneInfo(zone), 0, 4_000_000_000_000)]


def test_an_opening_over_midnight_stands_on_both_days_by_the_calendars_clock() -> None:
    zone = ZoneInfo("Asia/Shanghai")
    found = calendar.weeks(opened("2027-01-15T15:00", 120, "UTC"), date(2027, 1, 11), 1, zone, START)
    days = {day.date.day: [(one.starts, one.ends, one.x, one.width) for one in day.entries] for day in found[0] if day.entries}
    assert days == {15: [("23:00", "", 1380, 60)], 16: [("", "01:00", 0, 60)]}
    assert [day.date.day for day in found[0] if day.today] == [15]


def test_a_month_of_the_calendar_begins_on_a_monday_and_nonsense_is_today() -> None:
    assert calendar.month_of("nonsense", date(2027, 1, 15)) == (date(2027, 1, 1), date(2026, 12, 1), date(2027, 2, 1))
    assert calendar.monday_of(date(2027, 1, 1)) == date(2026, 12, 28)


@pytest.mark.parametrize("zone", ["Europe/Berlin", HOST, "Australia/Lord_Howe"])
@pytest.mark.parametrize("start", ["2027-03-28T01:00", "2027-10-31T01:00", "2027-10-03T01:00", "2027-06-01T12:00"])
def test_a_window_that_is_opened_in_the_form_and_saved_is_the_same(zone: str, start: str) -> None:
    rule = read({"start": start, "minutes": 300})
    window = Window("w", "w", "", "all", rule, zone, True, True, True, 1, "", 0, "", 0)
    again = window_form.wanted(window_form.of(window))
    assert again.schedule is not None
    assert read(again.schedule) == rule


async def test_a_damaged_window_is_shown_with_the_way_to_mend_it(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    await visit.post("/windows", {**FORM, "f.name": "Sound"})
    address = (await visit.post("/windows", {**FORM, "f.name": "Kernel <updates>"})).headers["location"].partition("?")[0]
    window_id = address.rpartition("/")[2]
    await manager.db.transaction(
        lambda session: session.raw_statement(
            f"UPDATE maintenance_windows SET schedule = '{{\"start\": 1', version = 2 WHERE id = '{window_id}'"
        )
    )
    for view in ("", "?view=month", "?view=week"):
        page = await visit.get(f"/windows{view}")
        assert page.status_code == 200
        assert view or ("damaged outside the manager" in page.text and "once, on 2027-03-28 at 01:00" in page.text)
    page = (await visit.get(address)).text
    assert "damaged outside the manager" in page
    assert f'href="{address}/edit"' in page
    off = await visit.post(address, {"step": "off", "version": "2"})
    assert off.status_code == 400
    edit = (await visit.get(f"{address}/edit")).text
    assert 'value="Kernel &lt;updates&gt;"' in edit
    assert 'value="2027-01-15T22:00"' in edit, "the times of a new one"
    assert (await visit.post(f"{address}/edit", {**FORM, "version": "2"})).status_code == 303
    assert "damaged" not in (await visit.get(address)).text
