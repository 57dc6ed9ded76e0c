"""Maintenance windows, as somebody makes and looks after one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from playwright.sync_api import expect

from server.service.windows import Wanted
from tests.browser.conftest import Open
from tests.browser.site import Site, now


def test_the_form_shows_when_it_would_open_while_it_is_typed_and_then_it_is_made(site: Site, open_page: Open) -> None:
    site.enrol("web-1", {"env": "prod"})
    page = open_page()
    page.goto("/windows")
    page.get_by_role("link", name="New window").first.click()
    expect(page.locator("#preview")).to_contain_text("It cannot be shown yet")
    page.fill("#f-name", "Kernel updates")
    page.fill("#f-selector", "env=prod")
    page.fill("#f-zone", "Europe/Berlin")
    page.select_option("#f-repeat", "weekly")
    expect(page.locator("#f-end")).to_be_hidden()
    page.fill("#f-start", "2027-03-21T02:30")
    page.locator("[name='f.weekdays'][value='6']").check()
    expect(page.locator("#preview")).to_contain_text("every week on Sunday at 02:30")
    expect(page.locator("#preview tbody tr")).to_have_count(5)
    expect(page.locator("#preview")).to_contain_text("on 2027-03-28 there is no 02:30")
    expect(page.locator("#preview")).to_contain_text("1 node: web-1")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("h1")).to_have_text("Kernel updates")
    page.select_option("#date", "2027-03-28")
    page.get_by_role("button", name="Skip this one").click()
    expect(page.locator("dl.facts")).to_contain_text("2027-03-28")


def test_the_calendar_is_walked_by_keyboard_and_leads_to_the_window(site: Site, open_page: Open) -> None:
    schedule = {"start": "2026-11-01T02:30", "minutes": 90, "repeat": "weekly", "weekdays": [0, 2, 6]}
    site.do(site.services.windows.make(site.admin, Wanted("Backups", "", "all", schedule, "Europe/Berlin"), now()))
    page = open_page()
    page.goto("/windows?view=month&at=2027-03-01&zone=Europe/Berlin")
    expect(page.locator("#h-when")).to_have_text("March 2027")
    expect(page.locator("td:not(.outside) .entry")).to_have_count(14)
    page.get_by_role("link", name="Later").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#h-when")).to_have_text("April 2027")
    page.locator(".entry").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Backups")


def test_what_is_open_can_be_ended(site: Site, open_page: Open) -> None:
    start = datetime.now(timezone.utc) - timedelta(minutes=5)
    wanted = Wanted("Now", "", "all", {"start": start.strftime("%Y-%m-%dT%H:%M"), "minutes": 60}, "UTC")
    site.do(site.services.windows.make(site.admin, wanted, now()))
    page = open_page()
    page.goto("/windows")
    expect(page.locator("tbody")).to_contain_text("open")
    page.get_by_role("link", name="Now", exact=True).click()
    page.get_by_role("button", name="End it now").click()
    expect(page.locator(".note.good")).to_be_visible()
    expect(page.get_by_role("button", name="End it now")).to_have_count(0)
