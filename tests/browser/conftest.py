"""A real Chromium before the real pages. What it complains of in its console fails the test."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.site import PASSWORD, Site, now, running

CHROMIUM = os.environ.get("OPS_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome") or ""
Open = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Ends with this folder: its event loop stays in the thread, and tests with a loop of their own come after."""
    if not CHROMIUM:
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running(tmp_path) as site:
        yield site


@pytest.fixture
def open_page(browser: Browser, site: Site) -> Iterator[Open]:
    """`open_page(who="admin", width=…, dark=…, language=…, zone=…)`: a window of its own, signed in unless `who` is empty."""
    pages: list[tuple[Page, list[str]]] = []

    def make(who: str = "admin", width: int = 1280, dark: bool = False, language: str = "en-GB", zone: str | None = None) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            locale=language,
            timezone_id=zone,
            base_url=site.url,
            permissions=["clipboard-read", "clipboard-write"],
        )
        context.set_default_timeout(10_000)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda problem: complaints.append(str(problem)))
        pages.append((page, complaints))
        if who:
            # Not by the form: test_signing_in shows that it works, and here it would only cost time.
            session = site.do(site.services.people.sign_in(who, PASSWORD, "127.0.0.1", now()))
            context.add_cookies([{"name": "ops_session", "value": session.secret, "url": site.url}])
            page.goto("/nodes")
        return page

    yield make
    said = [text for page, complaints in pages for text in complaints if not _expected(text)]
    for page, _ in pages:
        page.context.close()
    assert not said, f"the browser complains: {said}"


def _expected(text: str) -> bool:
    """The browser reports each refusal that a test provokes; CSP violations and script errors read otherwise."""
    return text.startswith("Failed to load resource: the server responded with a status of 4")
