"""Forms of kinds in Chromium: fields of every type, those that do not apply hidden, and a host's words never more than words."""

from __future__ import annotations

import json

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.kinds import EVERY, HOSTILE, told
from tests.browser.site import Site, now

DIFF = "--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-old <b>\n+new " + "w" * 300 + "\n"


def furnished(site: Site) -> str:
    """A node that told every type of field, with two commands of it that wait."""
    node = site.enrol("db-1")
    body = told(EVERY, HOSTILE)
    body["refused"] = {"raid": "no function run " + "x" * 200}
    site.report(node, "urgent", ("kinds", now(), body))
    content = {"engine": "mysql", "database": "orders", "password": "p", "statements": "a;\nb;"}
    done = site.do(site.services.commands.run(site.admin, [node], "plugin.backup", content | {"dry_run": True}, "", now()))
    site.start(done.commands[node], node)
    site.ends(done.commands[node], node, exit_code=0)
    site.do(site.services.commands.run(site.admin, [node], "plugin.backup", content, "", now()))
    return node


def test_fields_come_and_go_with_what_they_depend_on_and_secrets_are_not_given_back(site: Site, open_page: Open) -> None:
    node = furnished(site)
    page = open_page()
    page.goto(f"/run?node={node}")
    page.get_by_role("button", name="Back up a database").click()
    expect(page.locator("#f-password")).to_be_hidden()
    page.check("input[name='f.engine'][value=mysql]")
    expect(page.locator("#f-password")).to_be_visible()
    page.uncheck("#f-compress")
    expect(page.locator("#f-level")).to_be_hidden()
    page.fill("#f-password", "canary-99-secret")
    page.fill("#f-tables", "a b\nc")
    page.press("#f-database", "Enter")
    expect(page.locator("#wrong-f-database")).to_contain_text("is empty")
    expect(page.get_by_role("button", name="Back up a database")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#f-password")).to_have_value("")
    assert "canary-99-secret" not in page.content()
    page.fill("#f-database", "orders")
    page.get_by_role("button", name="Try without changing").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Try this on 1 node?")
    page.get_by_role("button", name="Back, change something").click()
    expect(page.locator("#f-tables")).to_have_value("a b\nc")
    expect(page.locator("#f-compress")).not_to_be_checked()
    page.get_by_role("button", name="Try without changing").click()
    page.get_by_role("button", name="Try it on 1 node").click()
    expect(page.locator(".badge")).to_have_text("dry run: nothing is changed")
    command = [one for one in site.do(site.services.commands.mailbox(node, [], now())) if '"dry_run":true' in one.body][-1]
    content = json.loads(command.body)["content"]
    assert (content["password"], content["tables"], content["compress"], content["dry_run"]) == (
        "canary-99-secret",
        ["a b", "c"],
        False,
        True,
    )
    site.start(command.id, node)
    site.prints(command.id, node, 0, DIFF.encode())
    site.ends(command.id, node, exit_code=0, stdout_bytes=len(DIFF), result={"changed": True})
    expect(page.locator(".d-removed .text")).to_have_text("old <b>")
    page.get_by_role("link", name="Run for real…").click()
    expect(page.locator("#f-database")).to_have_value("orders")
    expect(page.locator("#f-tables")).to_have_value("a b\nc")
    expect(page.locator("main")).to_contain_text("enter them again")


def test_a_running_task_is_canceled_from_its_nodes_page(site: Site, open_page: Open) -> None:
    node = furnished(site)
    page = open_page()
    page.goto(f"/nodes/{node}")
    page.get_by_role("button", name="Cancel it plugin.backup mysql orders").click()
    expect(page.locator(".sub .state")).to_have_text("canceled")
    viewer = open_page(who="vera")
    viewer.goto(f"/nodes/{node}")
    expect(viewer.get_by_role("button", name="Cancel it")).to_have_count(0)


def test_the_form_works_without_scripts(site: Site, open_page: Open) -> None:
    node = furnished(site)
    page = open_page()
    context = page.context.browser
    assert context is not None
    plain = context.new_context(base_url=site.url, java_script_enabled=False, storage_state=page.context.storage_state())
    try:
        sheet = plain.new_page()
        sheet.goto(f"/run?node={node}")
        sheet.get_by_role("button", name="Back up a database").click()
        expect(sheet.locator("#f-password")).to_be_visible()
        expect(sheet.locator("main")).to_contain_text("Counts only with Engine: mysql")
        sheet.check("input[name='f.engine'][value=postgresql]")
        sheet.fill("#f-database", "orders")
        sheet.fill("#f-password", "does not count")
        sheet.locator("main .actions button[value=preview]").click()
        sheet.locator("button[value=go]").click()
        expect(sheet.get_by_role("heading", level=1)).to_have_text("plugin.backup postgresql orders")
    finally:
        plain.close()
