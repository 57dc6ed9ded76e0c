"""Alerts and rules, as somebody meets them in a browser."""

from __future__ import annotations

from playwright.sync_api import expect

from server.service.alert_drafts import Draft
from tests.browser.conftest import Open
from tests.browser.site import Site, now

MINUTE = 60_000


def busy(site: Site, count: int = 2) -> tuple[str, list[str]]:
    """A rule that is open on `count` nodes with two hours of figures."""
    nodes = [site.enrol(f"web-{number}", {"env": "prod"}) for number in range(count)]
    for node in nodes:
        site.samples(node, 120)
        site.report(
            node,
            "bulk",
            ("sample", now(), {"took_ms": 1.0, "cpu": {"percent": 97.0, "user": 97.0, "system": 0.0, "idle": 3.0, "cores": [97.0]}}),
        )
    draft = Draft("CPU busy", "metric", "env=prod", "cpu_usage", threshold="90%", clear="80%", severity="critical")
    rule, _ = site.do(site.services.alert_rules.make(site.admin, draft, now()))
    assert site.do(site.services.alert_watch.tick(now()))
    site.do(site.services.rollups.work(now()))
    return rule, nodes


def test_alerts_are_found_looked_at_and_acknowledged_with_a_comment(site: Site, open_page: Open) -> None:
    busy(site, 3)
    page = open_page()
    page.get_by_role("link", name="Alerts").click()
    expect(page.locator("[data-badge='/alerts']")).to_contain_text("3")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.fill("#q", "web-1")
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="CPU of web-1").click()
    expect(page.locator("h1")).to_have_text("CPU of web-1 is 97 %, above 90 %")
    expect(page.locator("#plot-metric canvas")).to_be_visible()
    page.fill("#comment", "looking at it")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.locator(".events")).to_contain_text("looking at it")
    expect(page.locator("#take")).to_have_count(0)
    page.goto("/alerts?state=open")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.check("[data-pick-all]")
    page.fill("#comment", "both")
    page.get_by_role("button", name="Acknowledge the chosen").click()
    expect(page.locator(".note.good")).to_contain_text("Acknowledged.")
    page.goto("/alerts")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.locator("tbody")).to_contain_text("both")


def test_somebody_who_was_second_is_told_who_was_first(site: Site, open_page: Open) -> None:
    busy(site, 1)
    page = open_page()
    page.goto("/alerts")
    page.check("[data-pick]")
    [alert] = site.do(site.services.alerts.page(limit=5, offset=0)).rows
    site.do(site.services.alerts.acknowledge(site.admin, [alert["id"]], "", now()))
    page.get_by_role("button", name="Acknowledge the chosen").click()
    expect(page.locator(".note.warn")).to_contain_text("admin has acknowledged it already")


def test_a_rule_is_tried_made_mended_and_deleted(site: Site, open_page: Open) -> None:
    _, [node, *_] = busy(site)
    page = open_page()
    page.goto("/rules")
    page.get_by_role("link", name="New rule").click()
    page.fill("#name", "Processor")
    page.fill("#selector", "env=prod")
    page.fill("#threshold", "70GB")
    page.get_by_role("button", name="What would it have done?").click()
    expect(page.locator("#wrong-threshold")).to_contain_text("wrong unit")
    expect(page.locator("#name")).to_have_value("Processor")
    page.fill("#threshold", "70%")
    page.get_by_role("button", name="What would it have done?").click()
    expect(page.locator("#preview")).to_contain_text("times in the last 7 days, on 2 nodes.")
    expect(page.locator("#preview")).to_contain_text("Now it is wrong on 2 nodes.")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator(".note.good")).to_contain_text("Saved.")
    page.fill("#hold", "5 parsecs")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#wrong-hold")).to_be_visible()
    page.fill("#hold", "10m")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#hold")).to_have_value("10m")
    page.get_by_role("link", name="Delete it…").click()
    page.get_by_role("button", name="Delete the rule").click()
    expect(page.locator(".note.good")).to_contain_text("The rule is deleted")
    page.goto("/rules/new?kind=offline")
    expect(page.locator("#metric")).to_have_count(0)
    expect(page.locator("#hold")).to_have_count(0)
    page.goto(f"/nodes/{node}")
    expect(page.locator("section[aria-labelledby=h-alerts]")).to_contain_text("1 open alert")


def test_a_viewer_looks_and_changes_nothing(site: Site, open_page: Open) -> None:
    rule, _ = busy(site, 1)
    page = open_page("vera")
    page.goto("/alerts")
    expect(page.locator("[data-pick]")).to_have_count(0)
    page.goto(f"/rules/{rule}")
    expect(page.locator("#name")).to_be_disabled()
    expect(page.get_by_role("button", name="Save")).to_have_count(0)
