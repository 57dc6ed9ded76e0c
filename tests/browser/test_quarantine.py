"""A copied host on its node's page: what is asked, and what the answer does."""

from __future__ import annotations

from contextlib import suppress

from playwright.sync_api import expect

from server.errors import NotAllowed, Unavailable
from tests.browser.conftest import Open
from tests.browser.site import Site, now

OWN, OTHER = "i=00000001;b=0000000a;m=00000001", "i=00000001;b=0000000b;m=00000002"


def copied(site: Site) -> str:
    node = site.enrol("web-1")
    for marks, ip, later in ((OWN, "192.0.2.17", 0), (OTHER, "192.0.2.99", 0), (OWN, "192.0.2.17", 6_000)):
        with suppress(NotAllowed, Unavailable):
            site.do(site.services.quarantine.met(node, marks, ip, now() + later))
    return node


def test_a_copied_node_asks_split_or_merge_and_is_split(site: Site, open_page: Open) -> None:
    node = copied(site)
    page = open_page(width=1440)
    page.goto(f"/nodes/{node}")
    panel = page.locator("section.quarantine")
    expect(panel.locator("h2")).to_have_text("Split or merge?")
    expect(panel).to_contain_text("192.0.2.99")
    page.get_by_role("button", name="Split").click()
    expect(page.locator(".note.good")).to_contain_text("asks for approval")
    expect(page.locator("section.quarantine")).to_have_count(0)
    found = {one.marks: one.standing for one in site.do(site.services.quarantine.machines(node))}
    assert found == {OWN: "own", OTHER: "split"}
