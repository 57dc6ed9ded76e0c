"""The first page: its numbers lead to what they count, its refresh disturbs nobody, and it is light."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site, now
from tests.browser.test_looking_after_daemons import told

WIRE_BYTES, REQUESTS = 150_000, 12


def furnished(site: Site) -> list[str]:
    """Two online, one that never came; a wrong clock, an agent that failed, roll-ups, log lines, a command that waits."""
    one, two, three = site.enrol("web-1", {"role": "web"}), site.enrol("db-1"), site.enrol("cache-1", online=False)
    site.samples(one, 90)
    site.samples(two, 90)
    site.do(site.services.rollups.work(now()))
    site.report(one, "urgent", *told(clock_ahead_ms=95_000))
    site.report(two, "urgent", ("state", now(), {"state": "failed", "version": "0.1.0", "reason": "exit code 1"}))
    lines = [{"component": "agent", "level": "ERROR", "logger": "x", "message": f"No space left on device, try {n}"} for n in range(30)]
    site.report(one, "bulk", *(("log", now() - n * 1000, line) for n, line in enumerate(lines)))
    site.do(site.services.commands.run(site.admin, [one, two], "script", {"script": "true"}, "Say hello", now()))
    return [one, two, three]


def refresh(page: Page) -> None:
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('refresh'))")


def test_each_number_leads_to_a_list_of_as_many(site: Site, open_page: Open) -> None:
    furnished(site)
    page = open_page()
    page.goto("/")
    wanted = [(int(tile.locator("b").inner_text()), tile.get_attribute("href")) for tile in page.locator("a.tile").all()]
    wanted += [(int(row.locator("b").inner_text()), row.locator("a").get_attribute("href")) for row in page.locator(".shares li").all()]
    wanted += [(int(re.findall(r"\d+", link.inner_text())[0]), link.get_attribute("href")) for link in page.locator(".finding .what").all()]
    assert len(wanted) > 9
    for count, address in wanted:
        page.goto(str(address))
        assert page.locator("table.cards tbody tr").count() == count, address


def test_what_needs_attention_says_what_why_and_next_and_calm_says_so(site: Site, open_page: Open) -> None:
    page = open_page()
    page.goto("/")
    expect(page.locator(".calm")).to_contain_text("Nothing needs you")
    furnished(site)
    refresh(page)
    expect(page.locator(".finding")).to_have_count(4)  # a failed agent, one never seen, a wrong clock, a full disk
    first = page.locator(".finding").first
    expect(first).to_contain_text("1 agent has failed")
    expect(first).to_contain_text("exit code 1")
    expect(first).to_contain_text("start the agent there")


def test_a_refresh_keeps_focus_typed_text_scrolling_and_open_tables(site: Site, open_page: Open) -> None:
    furnished(site)
    page = open_page()
    page.goto("/?every=off")
    page.wait_for_selector(".plot canvas")
    page.locator("#log-lines").evaluate("place => { place.scrollTop = 120; place._same = true; }")
    page.locator("#table-cpu summary").click()
    page.focus("#q")
    # Without the event that would start a search: its answer could come between, with no line in it.
    page.evaluate("document.querySelector('#q').value = 'half a wo'")
    page.evaluate("window.scrollTo(0, 300)")
    before = page.evaluate("window.scrollY")
    site.enrol("new-1")
    refresh(page)
    expect(page.locator(".tile b").first).to_have_text("4")
    expect(page.locator("#q")).to_be_focused()
    expect(page.locator("#q")).to_have_value("half a wo")
    assert page.locator("#log-lines").evaluate("place => [place.scrollTop, place._same]") == [120, True]
    assert page.locator("#table-cpu").evaluate("place => place.open")
    assert page.evaluate("window.scrollY") == before
    expect(page.locator("[data-updated]").first).to_contain_text("not refreshed")
    expect(page.locator(".plot canvas")).to_have_count(3)


def test_the_log_is_searched_while_it_is_typed_and_the_address_holds_it(site: Site, open_page: Open) -> None:
    furnished(site)
    page = open_page()
    page.goto("/")
    page.fill("#q", "try 17")
    expect(page.locator(".of-all tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{site.url}/?q=try+17")
    expect(page.locator("#q")).to_be_focused()
    page.get_by_role("link", name="The whole log").click()
    expect(page).to_have_url(f"{site.url}/log?q=try+17")
    expect(page.locator(".of-all tbody tr")).to_have_count(1)


def test_pages_ask_as_often_as_was_chosen_and_this_browser_remembers_it(site: Site, open_page: Open) -> None:
    page = open_page()
    page.clock.install()
    asked: list[str] = []
    answered: list[str] = []
    for event, seen in (("request", asked), ("requestfinished", answered)):
        page.on(event, lambda request, seen=seen: seen.append(request.url) if request.headers.get("hx-request") else None)  # type: ignore[misc]

    def asks(seconds: int, times: int) -> None:
        """Within so many seconds it asks so often. The answer comes by another clock than the page's: it is waited for."""
        asked.clear()
        answered.clear()
        page.clock.run_for(seconds * 1000)
        for _ in range(500):
            if len(answered) >= times:
                break
            page.wait_for_timeout(20)
        page.wait_for_timeout(100)
        assert (len(asked), len(answered)) == (times, times)

    page.goto("/")
    expect(page.locator("[data-every='30']")).to_have_attribute("aria-pressed", "true")
    asks(25, 0)
    asks(10, 1)
    page.get_by_role("button", name="10 s").click()
    asks(11, 1)
    asks(11, 1)
    expect(page.locator("[data-every='10']")).to_have_attribute("aria-pressed", "true")
    page.goto("/commands")
    asks(11, 1)
    page.goto("/account")
    expect(page.locator("[data-every='10']")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="off").click()
    page.goto("/")
    asks(400, 0)
    expect(page.locator("[data-updated]").first).to_contain_text("not refreshed")
    page.goto("/?every=60&range=1h")
    expect(page).to_have_url(f"{site.url}/?range=1h")
    asks(50, 0)
    asks(15, 1)
    assert not [one["name"] for one in page.context.cookies() if "every" in one["name"]]


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_the_first_view_is_light_and_fits(site: Site, open_page: Open, width: int) -> None:
    furnished(site)
    page = open_page(width=width)
    client = page.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send("Network.setCacheDisabled", {"cacheDisabled": True})
    sizes: list[int] = []
    client.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto("/")
    page.wait_for_selector(".plot canvas")
    page.wait_for_load_state("networkidle")
    assert len(sizes) <= REQUESTS
    assert sum(sizes) <= WIRE_BYTES, f"{sum(sizes)} bytes"
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
