"""The list, one node with its charts, the first host, and retirement."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from playwright.sync_api import expect

from server.errors import NotAuthenticated
from tests.browser.conftest import Open
from tests.browser.site import Site, now


def test_the_list_follows_the_filter_while_it_is_typed_and_the_address_holds_it(site: Site, open_page: Open) -> None:
    site.enrol("web-1", {"region": "north"})
    site.enrol("db-1", online=False)
    page = open_page()
    expect(page.locator("tbody tr")).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("north")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page).to_have_url(f"{site.url}/nodes?q=north")
    expect(page.locator("#q")).to_be_focused()
    page.goto("/nodes")
    page.get_by_role("link", name="offline 1").click()
    expect(page.locator("tbody .name a")).to_have_text(["db-1"])


def test_a_refresh_brings_news_and_keeps_what_was_chosen_and_typed(site: Site, open_page: Open) -> None:
    first = site.enrol("web-1")
    page = open_page()
    page.check(f"#pick-{first}")
    page.focus(f"#pick-{first}")
    site.enrol("web-2")
    page.evaluate("document.getElementById('list').dispatchEvent(new CustomEvent('refresh'))")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator(f"#pick-{first}")).to_be_checked()
    expect(page.locator(f"#pick-{first}")).to_be_focused()
    expect(page.locator("[data-updated]")).to_contain_text("updated")


def test_the_first_host_appears_on_the_page_that_waits_for_it(site: Site, open_page: Open) -> None:
    page = open_page()
    page.get_by_role("button", name="Make a token for one host").click()
    token = page.locator(".codeblock pre").first.inner_text()
    assert "address: ops.example.com:8443" in token
    assert "enrolment_token: ops1." in token
    page.locator(".codeblock [data-copy]").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == token
    watched = page.locator("#arrivals")
    expect(watched).to_contain_text("Waiting for the host… The token ends in 59 min.")
    node = site.enrol("new-host", online=False, token=re.findall(r"ops1\.\S+", token)[0])
    expect(watched).to_contain_text("The host has come.")
    expect(watched.locator("tbody tr")).to_contain_text("its daemon has not called yet")
    site.move(node, "online")
    expect(watched.locator("tbody tr")).to_contain_text("online")
    expect(watched.locator("tbody tr")).to_contain_text("not yet")
    site.samples(node, 0)
    expect(watched.locator("tbody tr")).not_to_contain_text("not yet")
    with pytest.raises(NotAuthenticated):
        site.enrol("second-host", token=re.findall(r"ops1\.\S+", token)[0])
    expect(page.locator("#token-refused")).to_have_count(0)  # all have come and told: now it is looked at every 30 s
    page.evaluate("document.getElementById('arrivals').dispatchEvent(new CustomEvent('refresh'))")
    expect(page.locator("#token-refused")).to_contain_text("second-host from 192.0.2.17")
    expect(page.locator("#token-refused")).to_contain_text("has been used up")
    page.get_by_role("link", name="new-host").click()
    expect(page.locator("h1")).to_contain_text("new-host")


def test_a_node_shows_charts_with_gaps_summaries_and_tables(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.samples(node, 300, gap=(60, 120))
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.get_by_role("link", name="6h").click()
    expect(page).to_have_url(f"{site.url}/nodes/{node}?range=6h#h-charts")
    expect(page.locator("#chart-cpu canvas, #chart-memory canvas, #chart-disk canvas, #chart-network canvas")).to_have_count(4)
    expect(page.locator("#chart-cpu")).to_contain_text("1 gap")
    expect(page.locator("#chart-cpu .summary")).to_contain_text("mean")
    page.locator("#chart-cpu summary").click()
    assert page.locator("#chart-cpu tbody tr").count() > 10
    expect(page.locator("#h-disks + table")).to_contain_text("/var/lib/postgresql/data")
    seven_days = page.goto(f"/nodes/{node}?range=7d")
    assert seven_days is not None
    assert seven_days.status == 200


def test_each_interface_and_core_has_a_line_and_the_choice_stands_in_the_address(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.samples(node, 60)
    page = open_page()
    page.goto(f"/nodes/{node}")
    expect(page.locator("#chart-of-mounts-used .series li")).to_have_count(2)
    page.get_by_role("link", name="Network interfaces").click()
    expect(page).to_have_url(f"{site.url}/nodes/{node}?of=nics#h-of")
    expect(page.locator("#chart-of-nics-received canvas, #chart-of-nics-sent canvas")).to_have_count(2)
    page.get_by_role("link", name="wg0 hide").click()
    expect(page).to_have_url(f"{site.url}/nodes/{node}?of=nics&name=eth0#h-of")
    expect(page.locator("#chart-of-nics-sent .series li")).to_have_count(1)
    page.get_by_role("link", name="6h", exact=True).click()
    expect(page.locator("#chart-of-nics-sent .series li")).to_have_count(1)
    assert "range=6h" in page.url
    page.goto(f"/nodes/{node}?range=90d&of=cores")
    expect(page.locator("#chart-of-cores-busy .series li")).to_have_count(6)
    expect(page.locator("section[aria-labelledby=h-of] .note")).to_have_count(0)


def test_a_part_of_a_chart_is_looked_at_by_dragging_and_the_back_button_leads_back(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.samples(node, 300)
    page = open_page()
    page.goto(f"/nodes/{node}?range=6h")
    over = page.locator("#plot-cpu .u-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=5)
    page.mouse.up()
    page.wait_for_url("**from=*")
    expect(page.locator("#plot-cpu canvas")).to_have_count(1)
    data = json.loads(page.locator("#plot-cpu").get_attribute("data-chart") or "")
    assert 80 * 60 < data["to"] - data["from"] < 100 * 60, "a quarter of six hours"
    assert page.locator("section[aria-labelledby=h-charts] .chips [aria-current]").count() == 0
    page.go_back()
    expect(page).to_have_url(f"{site.url}/nodes/{node}?range=6h")


def test_a_range_is_typed_by_the_readers_clocks_and_the_address_says_it_in_utc(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.samples(node, 300)
    page = open_page(zone="Asia/Shanghai")
    page.goto(f"/nodes/{node}")
    expect(page.locator("[data-zone]")).to_have_text("Asia/Shanghai")
    begin = datetime.fromtimestamp(now() / 1000 - 7200, timezone.utc).replace(second=0, microsecond=0)
    here = begin + timedelta(hours=8)
    page.fill("#span-from", here.strftime("%Y-%m-%dT%H:%M:%S"))
    page.fill("#span-until", (here + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**from=*")
    assert begin.strftime("from=%Y-%m-%dT%H%%3A%M") in page.url
    assert page.input_value("#span-from").startswith(here.strftime("%Y-%m-%dT%H:%M"))
    page.fill("#span-until", (here - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S"))
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#wrong-until")).to_contain_text("a minute after the begin")


def test_the_hosts_log_is_searched_while_typing_narrowed_and_read_further_back(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    for number in range(60):
        level = "CRITICAL" if number % 30 == 10 else "WARNING"
        body = {"component": "daemon", "level": level, "logger": "disk", "message": f"slow {number}"}
        site.report(node, "bulk", ("log", now() - (60 - number) * 120_000, body))
    page = open_page()
    page.goto(f"/nodes/{node}?range=6h")
    lines = page.locator("#log-lines tbody tr")
    expect(lines).to_have_count(25)
    page.get_by_role("link", name="Older lines").click()
    expect(lines.first).to_contain_text("slow 34")
    page.go_back()
    page.keyboard.press("/")
    page.keyboard.type("slow 5")
    expect(lines).to_have_count(11)
    expect(page.locator("#q")).to_be_focused()
    expect(page).to_have_url(f"{site.url}/nodes/{node}?q=slow+5&range=6h")
    page.goto(f"/nodes/{node}?range=1h")
    page.get_by_role("link", name="in the charts' range").click()
    page.get_by_role("link", name="Critical errors").click()
    expect(lines).to_have_count(1)
    assert "during=1" in page.url
    assert "level=critical" in page.url


def test_what_a_host_says_is_shown_as_text(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1", {"<b>x</b>": "<img src=x onerror=alert(1)>"})
    text = "<script>document.title='taken'</script>"
    site.report(node, "bulk", ("log", now(), {"component": "agent", "level": "ERROR", "logger": "x", "message": text}))
    page = open_page()
    page.goto(f"/nodes/{node}")
    expect(page.locator(".logs")).to_contain_text(text)
    expect(page).to_have_title("web-1 · Ops Scaffold")


def test_a_node_is_retired_only_after_a_second_look(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.get_by_role("link", name="Retire…").click()
    page.get_by_role("button", name="Retire this node").click()
    expect(page.locator(".sub .state")).to_have_text("retired")
    expect(page.get_by_role("link", name="Run a command here")).to_have_count(0)


def test_the_keyboard_reaches_pages_and_help(site: Site, open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    page.keyboard.press("g")
    page.keyboard.press("c")
    expect(page).to_have_url(f"{site.url}/commands")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()


def test_touch_targets_on_a_telephone_are_large_enough(site: Site, open_page: Open) -> None:
    site.enrol("web-1", {"a": "b"})
    page = open_page(width=390)
    small = page.evaluate(
        """[...document.querySelectorAll('main a, main button, main label:has(input[type=checkbox]), .side a, .side button')]
        .map(e => [e, e.getBoundingClientRect()]).filter(([e, r]) => r.width > 1 && r.height > 1 && (r.height < 44 || r.width < 44))
        .map(([e, r]) => e.outerHTML.slice(0, 80) + ' ' + Math.round(r.width) + 'x' + Math.round(r.height))"""
    )
    assert not small, small
