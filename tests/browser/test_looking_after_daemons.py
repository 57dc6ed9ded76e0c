"""The daemon of a node: its panel, orders with their pages, the configuration, and what was typed when the session ended."""

from __future__ import annotations

import hashlib
from typing import Any

from playwright.sync_api import expect

from host.wire import orders
from tests.browser.conftest import Open
from tests.browser.site import PASSWORD, Site, now

FILE = "manager:\n  address: ops.example.com:8443\n  enrolment_token: '********'\noutbox:\n  max_age: 7d\n"


def told(**changes: Any) -> list[tuple[str, int, dict[str, Any]]]:
    """What a daemon and its agent tell when all is well."""
    health = {"started": now() - 86_400_000, "address": "ops.example.com:8443", "log_level": "info", "plugins": {"queue": ""}}
    health |= {"certificate_not_after": now() + 60 * 86_400_000, "memory_bytes": 27_000_000, "cpu_percent": 0.2}
    agent = {"state": "running", "pid": 4711, "version": "0.1.0", "restarts": 2}
    return [("health", now(), health | changes), ("state", now(), agent), configuration(FILE, "at start")]


def configuration(text: str, note: str) -> tuple[str, int, dict[str, Any]]:
    return ("configuration", now(), {"text": text, "hash": hashlib.sha256(text.encode()).hexdigest(), "note": note})


def test_a_bundle_is_ordered_followed_and_downloaded(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.get_by_role("button", name="Diagnostics bundle").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Diagnostics bundle")
    command = site.newest_command(node)
    site.start(command, node)
    expect(page.locator(".bundle")).to_contain_text("The host gathers it.")
    data = b"\x1f\x8b" + bytes(range(256))
    site.prints(command, node, 0, data)
    site.ends(command, node, reason="a tar.gz of 258 bytes", stdout_bytes=len(data))
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the bundle").click()
    assert download.value.path().read_bytes() == data
    assert download.value.suggested_filename == f"diagnostics-web-1-{command}.tar.gz"


def test_the_agent_is_stopped_only_after_a_second_look(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    page = open_page()
    page.goto(f"/nodes/{node}")
    expect(page.get_by_role("button", name="Start it")).to_have_count(0)
    page.get_by_role("link", name="Stop…").click()
    page.get_by_role("button", name="Stop the agent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Stop the agent")
    command = site.newest_command(node)
    site.start(command, node)
    site.ends(command, node, reason="the agent is stopped and stays so until it is started by an order")
    expect(page.locator(".sub")).to_contain_text("stays so until")
    site.report(node, "urgent", ("state", now(), {"state": "stopped", "reason": "stopped on purpose"}))
    page.goto(f"/nodes/{node}")
    expect(page.get_by_role("button", name="Start it")).to_be_visible()
    expect(page.locator("#h-agent").locator("xpath=../..")).to_contain_text("stopped on purpose")


def test_a_level_that_was_chosen_stays_over_a_refresh(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.select_option("#level", "debug")
    site.report(node, "urgent", *told(outbox_records=77))
    page.evaluate("document.getElementById('live').dispatchEvent(new CustomEvent('refresh'))")
    expect(page.locator("#live")).to_contain_text("77 records wait")
    expect(page.locator("#level")).to_have_value("debug")


def test_a_configuration_that_the_host_refuses_is_not_lost(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.locator(f"dd a[href='/nodes/{node}/configuration']").click()
    page.get_by_role("link", name="Change it…").click()
    new = FILE.replace("7d", "3d") + "nonsense: 1\n"
    page.fill("#text", new)
    page.get_by_role("button", name="Look at the change").click()
    expect(page.locator(".d-added .text")).to_have_text(["  max_age: 3d", "nonsense: 1"])
    expect(page.locator(".d-removed .text")).to_have_text("  max_age: 7d")
    page.get_by_role("button", name="Push it to web-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Set the daemon's configuration")
    command = site.newest_command(node)
    site.accept(command, node)
    site.ends(command, node, "refused", reason="daemon.yaml:6: unknown key nonsense")
    expect(page.locator(".sub")).to_contain_text("unknown key nonsense")
    page.get_by_role("link", name="Edit it again…").click()
    expect(page.locator("#text")).to_have_value(new)


def test_a_configuration_that_changed_meanwhile_shows_both_and_loses_neither(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    page = open_page()
    page.goto(f"/nodes/{node}/configuration/edit")
    mine = FILE.replace("7d", "3d")
    page.fill("#text", mine)
    site.report(node, "urgent", configuration(FILE + "daemon:\n  log_level: debug\n", "pushed by X"))
    page.get_by_role("button", name="Look at the change").click()
    expect(page.get_by_role("alert")).to_contain_text("has changed since you began")
    expect(page.locator(".d-removed .text")).to_have_text(["  max_age: 7d", "daemon:", "  log_level: debug"])
    expect(page.locator("#text")).to_have_value(mine)
    page.get_by_role("button", name="Look at the change").click()
    expect(page.get_by_role("button", name="Push it to web-1")).to_be_visible()


def test_what_was_typed_when_the_session_had_ended_is_there_after_signing_in(site: Site, open_page: Open) -> None:
    nodes = [site.enrol(f"web-{n}") for n in (1, 2)]
    page = open_page()
    page.goto(f"/run?node={nodes[1]}")
    page.fill("#f-script", "\necho 'not lost'\n")
    page.fill("#f-arguments", "a\nb")
    page.get_by_label("Python").check()
    page.context.clear_cookies()
    page.get_by_role("button", name="Look at it before it runs").click()
    page.fill("#name", "admin")
    page.fill("#password", PASSWORD)
    page.click("main button[type=submit]")
    expect(page.get_by_role("status").first).to_contain_text("Your session had ended")
    expect(page.locator("#f-script")).to_have_value("\necho 'not lost'\n")
    expect(page.locator("#f-arguments")).to_have_value("a\nb")
    expect(page.get_by_label("Python")).to_be_checked()
    expect(page.locator(f"input[name=node][value='{nodes[1]}']")).to_be_checked()
    expect(page.locator(f"input[name=node][value='{nodes[0]}']")).not_to_be_checked()
    page.reload()
    expect(page.locator("#f-script")).to_have_value("")


def test_what_one_person_typed_is_not_given_to_the_next(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.do(site.services.people.create(site.admin, "bob", PASSWORD, "admin", now()))
    page = open_page()
    page.goto(f"/run?node={node}")
    page.fill("#f-script", "echo secret")
    page.context.clear_cookies()
    page.get_by_role("button", name="Look at it before it runs").click()
    page.fill("#name", "bob")
    page.fill("#password", PASSWORD)
    page.click("main button[type=submit]")
    expect(page.locator("#f-script")).to_have_value("")
    assert "secret" not in page.evaluate("JSON.stringify(sessionStorage)")


def test_a_viewer_sees_the_daemon_and_its_configuration_but_nothing_to_press(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    site.report(node, "urgent", *told())
    command = site.do(site.services.orders.give(site.admin, node, orders.COLLECT, now()))
    page = open_page(who="vera")
    for address in (f"/nodes/{node}", f"/nodes/{node}/configuration", f"/commands/{command}"):
        page.goto(address)
        expect(page.locator("main form[method=post]")).to_have_count(0)
        expect(page.locator("main a.button:not([download])")).to_have_count(0)
    for address in (f"/nodes/{node}/configuration/edit", f"/nodes/{node}/orders/agent-stop"):
        answer = page.goto(address)
        assert answer is not None
        assert answer.status == 403
