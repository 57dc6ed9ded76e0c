"""Makes `docs/screenshots/`: the pages of a running demo, both themes, both languages, wide and narrow.

./ops demo --fleet 200          in one terminal
.venv/bin/python -m tests.screenshots      in another
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import requests
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import CHROMIUM
from tests.stack import ADMIN_LINE, ROOT

SIZES = {"wide": (1280, 860), "narrow": (390, 844)}
SHOWN = ("overview", "attention", "nodes", "node", "log", "command", "alerts", "alert", "windows", "confirm", "run-waits", "style")
SCRIPT = 'echo "checking disks …"; df -h / | tail -1; sleep 1; echo "done"; ls /nowhere'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=ROOT / "docs/screenshots")
    parser.add_argument("--all", action="store_true", help="every page in every size, theme and language")
    options = parser.parse_args()
    demo = json.loads((ROOT / ".demo/demo.json").read_text())
    password = (ROOT / ".demo/manager.out").read_text().partition(ADMIN_LINE)[2].split()[0]
    command_id = _some_command(demo)
    node = _some_node(demo)
    pages = {
        "overview": "/",
        "attention": "/attention/disk",
        "log": "/log",
        "style": "/style",
        "nodes": "/nodes",
        "node": f"/nodes/{node}?range=6h",
        "run": f"/run?node={demo['node_id']}",
        "service": f"/run?node={demo['node_id']}&kind=service",
        "command": f"/commands/{command_id}",
        "files": "/files",
        "groups": "/groups",
        "commands": "/commands",
        "enrol": "/enrol",
        "audit": "/audit",
        "account": "/account",
        "alerts": "/alerts?history=1",
        "alert": f"/alerts/{_some_alert(demo)}",
        "rules": "/rules",
        "receivers": "/receivers",
        "windows": "/windows?view=month",
        "selectors": "/selectors",
    }
    options.to.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for size, theme, language in itertools.product(SIZES, ("light", "dark"), ("en", "zh-CN")):
            _visit(browser, demo["url"], password, pages, options.to, size, theme, language, options.all)
        browser.close()
    return 0


def _some_node(demo: dict[str, str]) -> str:
    """A database of the emulated fleet; without one, the demo's own host."""
    headers = {"Authorization": f"Bearer {demo['api_token']}"}
    items = requests.get(f"{demo['url']}/api/v1/nodes?q=db-&state=online", headers=headers, timeout=10).json()["data"]["items"]
    return str(items[0]["id"]) if items else demo["node_id"]


def _some_alert(demo: dict[str, str]) -> str:
    """The newest."""
    headers = {"Authorization": f"Bearer {demo['api_token']}"}
    items = requests.get(f"{demo['url']}/api/v1/alerts?history=true&size=1", headers=headers, timeout=10).json()["data"]["items"]
    return str(items[0]["id"])


def _confirm(page: Page, url: str) -> None:
    """What a bulk change would do."""
    page.goto(f"{url}/bulk?match=1&select=name:db-*")
    page.fill("#tags", "tier=gold\nowner=dba")
    page.click("button[value=tag]")
    page.wait_for_selector("button[value=go]")


def _run_waits(page: Page, url: str) -> None:
    """A task that would wait for a maintenance window."""
    page.goto(f"{url}/run?select=maintenance")
    page.fill("#f-script", "systemctl restart postgresql")
    page.select_option("[name=wait]", "2592000")
    page.click("main .actions button[value=preview]")
    page.wait_for_selector("button[value=go]")


STEPS = {"confirm": _confirm, "run-waits": _run_waits}


def _some_command(demo: dict[str, str]) -> str:
    body = {"nodes": [demo["node_id"]], "type": "script", "content": {"script": SCRIPT}}
    headers = {"Authorization": f"Bearer {demo['api_token']}"}
    answer = requests.post(f"{demo['url']}/api/v1/commands", json=body, headers=headers, timeout=10).json()
    command_id = str(answer["data"]["commands"][demo["node_id"]])
    done = False
    while not done:
        url = f"{demo['url']}/api/v1/commands/{command_id}/output?wait=20&after=999"
        done = requests.get(url, headers=headers, timeout=30).json()["data"]["done"]
    return command_id


def _visit(
    browser: Browser, url: str, password: str, pages: dict[str, str], to: Path, size: str, theme: str, language: str, everything: bool
) -> None:
    """Sign in and take each page; without `everything` only what the documents show."""
    width, height = SIZES[size]
    dark = theme == "dark"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale=language)
    page = context.new_page()
    page.goto(f"{url}/sign-in")
    short = language[:2]
    if everything:
        page.screenshot(path=to / f"sign-in-{size}-{theme}-{short}.png")
    page.fill("input[name=name]", "admin")
    page.fill("input[name=password]", password)
    page.click("form[action='/sign-in'] button")
    page.wait_for_selector("nav")
    for name in (*pages, *STEPS):
        shown = name in SHOWN if size == "wide" else name in ("overview", "nodes") and (theme == "light") == (short == "en")
        if everything or shown:
            if name in STEPS:
                STEPS[name](page, url)
            else:
                page.goto(url + pages[name])
            page.wait_for_timeout(700)
            file = f"{name}-{theme}-{short}.png" if not everything and size == "wide" else f"{name}-{size}-{theme}-{short}.png"
            page.screenshot(path=to / file, full_page=everything)
    context.close()


if __name__ == "__main__":
    sys.exit(main())
