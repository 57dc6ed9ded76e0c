"""Selecting, grouping and changing many nodes, as somebody does it."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import Site


def test_a_selector_is_explained_and_a_wrong_one_is_marked_where_it_is_wrong(site: Site, open_page: Open) -> None:
    site.enrol("web-1", {"env": "prod"})
    site.enrol("web-2", {"env": "test"}, online=False)
    page = open_page()
    page.fill("#select", "env=prod and online")
    page.keyboard.press("Enter")
    expect(page.locator("tbody .name a")).to_have_text(["web-1"])
    expect(page.locator("#means")).to_have_text("1 node: nodes where the tag “env” is “prod” and the state is online")
    page.fill("#filter-name", "live")
    page.get_by_role("button", name="Save this filter").click()
    page.goto("/nodes")
    page.get_by_role("link", name="live").click()
    expect(page.locator("tbody .name a")).to_have_text(["web-1"])
    page.fill("#select", "env=prod and onlin")
    page.keyboard.press("Enter")
    expect(page.locator("#wrong-select")).to_contain_text("did you mean online?")
    expect(page.locator(".marked mark")).to_have_text("onlin")
    expect(page.locator("#select")).to_have_value("env=prod and onlin")
    expect(page.locator("tbody tr")).to_have_count(0)


def test_nodes_are_put_into_a_group_and_its_count_leads_to_them(site: Site, open_page: Open) -> None:
    for number in range(3):
        site.enrol(f"web-{number}")
    page = open_page()
    page.goto("/groups")
    page.fill("#name", "Shanghai")
    page.select_option("#place", "region/")
    page.get_by_role("button", name="Make it").click()
    page.goto("/nodes?q=web")
    page.check("[data-pick-all]")
    page.get_by_role("button", name="Change the chosen nodes").click()
    expect(page.locator("h1")).to_have_text("Change 3 nodes")
    page.select_option("#group", label="Shanghai")
    page.get_by_role("button", name="Put them there").click()
    expect(page.locator("h1")).to_have_text("Change 3 nodes?")
    page.get_by_role("button", name="Change 3 nodes").click()
    expect(page.locator(".note.good")).to_contain_text("3 nodes changed")
    page.goto("/groups")
    page.get_by_role("link", name="3 nodes").click()
    expect(page.locator("tbody tr")).to_have_count(3)


def test_the_names_of_all_that_match_are_copied_and_the_list_is_downloaded(site: Site, open_page: Open) -> None:
    for number in range(60):
        site.enrol(f"web-{number:02}")
    page = open_page()
    page.goto("/nodes?select=name:web-*")
    page.get_by_role("link", name="Copy all 60 names").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(f"web-{number:02}" for number in range(60))
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
    assert len(download.value.path().read_text(encoding="utf-8-sig").splitlines()) == 61
    page.get_by_role("link", name="Run on all 60 nodes listed").click()
    expect(page.locator("#matched")).to_contain_text("60 nodes")
