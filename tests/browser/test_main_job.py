"""The main job as a person does it, with nothing simulated: real manager, supervisord, daemon, agent, Chromium."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.stack import Stack, whole


@pytest.fixture
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="ops-page-") as folder, whole(Path(folder)) as running:
        yield running


def test_a_person_signs_in_runs_a_command_and_sees_its_output_as_it_comes(browser: Browser, stack: Stack) -> None:
    context = browser.new_context(base_url=stack.url, locale="en-GB")
    context.set_default_timeout(15_000)
    page = context.new_page()
    page.goto("/")
    page.fill("#name", "admin")
    page.fill("#password", stack.password)
    page.click("main button[type=submit]")
    page.locator(".nav").get_by_role("link", name="Nodes").click()
    page.get_by_role("link", name=stack.node_name, exact=True).click()
    expect(page.locator("main")).to_contain_text("running")
    page.get_by_role("link", name="Run a command here").click()
    gate = stack.folder / "gate"
    page.fill("#f-script", f"echo first; while [ ! -e {gate} ]; do sleep 0.05; done; echo last; exit 4")
    page.get_by_role("button", name="Look at it before it runs").click()
    page.get_by_role("button", name="Run it on 1 node").click()
    expect(page.locator("#screen")).to_have_text("first\n", use_inner_text=False)
    expect(page.locator(".sub .state")).to_have_text("running")
    gate.touch()
    expect(page.locator("#screen")).to_have_text("first\nlast\n", use_inner_text=False)
    expect(page.locator(".sub .state")).to_have_text("failed")
    expect(page.locator(".sub")).to_contain_text("exit code 4")
    context.close()
