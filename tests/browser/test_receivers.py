"""Who is told of alerts, on pages: made by a form, tried by a button, the log with its filters, and sent again what has failed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import expect

from server.service.alert_events import AlertEvent
from server.service.receivers import Change
from tests.browser.conftest import Open
from tests.browser.site import Site, now, running


class Hook(HTTPServer):
    """Answers each POST with `status`, and keeps what came."""

    def __init__(self) -> None:
        self.status, self.got = 200, list[tuple[str, bytes]]()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.headers["webhook-id"], body))
                self.send_response(hook.status)
                self.end_headers()
                self.wfile.write(b"thank you" if hook.status < 300 else b"<b>no</b>")

            def log_message(self, *_: object) -> None:
                """Quiet."""

        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path, receiver_networks=["127.0.0.0/8"]) as site:
        yield site


def make(site: Site, hook: Hook, name: str = "pager") -> str:
    return site.do(site.services.receivers.make(site.admin, "webhook", Change(name=name, settings={"url": hook.url}), now()))[0]


def tell(site: Site, alert: str = "01ALERT0000000000000000000") -> None:
    """An alert is written for all receivers, and one turn of sending is made."""
    at = now()
    said = "/var on web-1 is 97 % full, more than 90 %"
    event = AlertEvent(
        alert, alert, "opened", at, "01RULE", "Disk full", "threshold", "critical", "", "web-1", "/var", said, 97.0, 90.0, at, 0, "", 1
    )

    async def work() -> None:
        await site.db.transaction(lambda session: site.services.deliveries.enqueue(session, [event]))
        await site.services.delivery_turns.start(now())
        await site.services.delivery_turns.settle()

    site.do(work())


def test_a_webhook_is_made_by_the_form_its_secret_shown_once_and_the_test_says_what_was_answered(
    site: Site, hook: Hook, open_page: Open
) -> None:
    page = open_page()
    page.goto("/receivers")
    page.get_by_role("link", name="New receiver").first.click()
    page.get_by_label("Name").fill("pager")
    page.get_by_label("Address", exact=True).fill("gopher://x")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("#s-url")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("pager")
    page.get_by_label("Address", exact=True).fill(hook.url)
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_text("It is shown this once.")).to_be_visible()
    secret = page.locator("pre", has_text="whsec_").inner_text().strip()
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#tested")).to_contain_text("The test was taken. 200")
    expect(page.locator("#tested")).to_contain_text("thank you")
    assert secret not in page.content()
    assert len(hook.got) == 1
    hook.status = 403
    page.get_by_role("button", name="Send a test").click()
    expect(page.locator("#tested")).to_contain_text("The test was not taken. 403")
    expect(page.locator("#tested")).to_contain_text("<b>no</b>")


def test_the_log_is_narrowed_down_and_what_failed_is_sent_again(site: Site, hook: Hook, open_page: Open) -> None:
    make(site, hook)
    hook.status = 413
    tell(site, "01FAILS0000000000000000000")
    page = open_page()
    page.goto("/deliveries")
    page.get_by_role("link", name="sent", exact=True).click()
    expect(page.locator("table.cards tbody tr")).to_have_count(0)
    page.get_by_role("link", name="failed", exact=True).click()
    expect(page.locator("table.cards tbody tr")).to_have_count(1)
    page.locator("table.cards tbody tr a").first.click()
    page.get_by_role("button", name="Send it again").click()
    expect(page.locator(".sub")).to_contain_text("waiting")
    assert {one for one, _ in hook.got} == {page.locator("dd .mono, dd code").first.inner_text()}


def test_who_may_only_look_sees_settings_without_secrets_and_no_buttons(site: Site, hook: Hook, open_page: Open) -> None:
    receiver = make(site, hook)
    page = open_page("vera")
    page.goto(f"/receivers/{receiver}")
    expect(page.get_by_text(hook.url)).to_be_visible()
    assert page.locator("main button").count() == 0
    assert "whsec_" not in page.content()
