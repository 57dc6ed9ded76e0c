"""Every page in both themes: axe finds nothing, nothing is wider than a telephone, and the browser does not complain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from host.wire import orders
from host.wire.messages import EnrollRequest, Facts
from tests.browser.conftest import Open
from tests.browser.site import GIB, Site, now, sample
from tests.browser.test_looking_after_daemons import FILE, told
from tests.conftest import make_csr

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def furnished(site: Site) -> list[str]:
    """Something to see on every page; the pages' addresses."""
    node, off = site.enrol("db-primary-with-a-very-long-name.internal.example.com", {"role": "database"}), site.enrol("web-2", online=False)
    site.samples(node, 90, gap=(30, 50))
    log = {"component": "agent", "level": "ERROR", "logger": "x", "message": "No space left on device " + "x" * 200}
    drop = {"first": site.sequence[(node, "bulk")] + 2, "why": "the outbox was full"}
    site.report(node, "bulk", ("log", now(), log), ("dropped", now(), drop))
    done = site.do(site.services.commands.run(site.admin, [node, off], "script", {"script": "echo hello"}, "Say hello", now()))
    command = done.commands[node]
    site.start(command, node)
    site.prints(command, node, 0, b"\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[0m " + b"w" * 300 + b"\n")
    site.prints(command, node, 1, b"a warning\n", "stderr")
    again = site.do(site.services.commands.run(site.admin, [node], "script", {"script": "false"}, "", now())).commands[node]
    site.start(again, node)
    site.ends(again, node, "failed", exit_code=1, truncated=True)
    why = {
        "plugins": {"queue": "it printed nothing " + "x" * 200, "raid": ""},
        "failing_collectors": {"disk": "D5001 /mnt/nfs does not answer"},
    }
    site.report(node, "urgent", *told(**why, dropped=812, clock_ahead_ms=95_000, certificate_not_after=now() + 86_400_000))
    site.report(node, "bulk", ("sample", now(), measured()))
    bundle = site.do(site.services.orders.give(site.admin, node, orders.DIAGNOSE, now()))
    change = site.do(site.services.orders.give(site.admin, node, orders.COLLECT, now()))
    group = site.do(site.services.groups.make(site.admin, "region", "中国 with a long name " + "x" * 30, "", True, now()))
    below = site.do(site.services.groups.make(site.admin, "region", "Shanghai", group, False, now()))
    site.do(site.services.edits.define(site.admin, "rack", "Rack", "choice", ["A1", "B2"], now()))
    site.do(site.services.edits.fill(site.admin, [node], "rack", "A1", now()))
    site.do(site.services.groups.put(site.admin, below, [node], now()))
    site.do(site.services.edits.note(site.admin, node, "a note " + "y" * 200, now()))
    site.do(site.services.selections.save(site.admin, "in China", "group:shanghai", now()))
    mine = ["/nodes?select=group:shanghai", "/nodes?select=name:db*+and+nothing=1", "/selectors", "/groups", f"/groups/{group}", "/fields"]
    mine += [f"/nodes/{node}/edit", f"/bulk?node={node}", "/bulk?match=1&select=all", "/bulk"]
    asked = EnrollRequest(
        1, "", make_csr(), Facts("new-host", ["192.0.2.99"], "Debian GNU/Linux 12"), {"board_id": "B", "macs": "02:00:00:00:00:01"}
    )
    site.do(site.services.approvals.ask(asked, "192.0.2.99", now()))
    gone = site.enrol("gone")
    site.do(site.services.nodes.retire(site.admin, gone, now()))
    mine += ["/waiting", f"/nodes/{gone}", f"/nodes/{gone}/delete"]
    mine += [f"/nodes/{node}/timeline", f"/nodes/{node}/timeline?kind=alert&to=2026-01-01"]
    own = [f"/nodes/{node}/configuration", f"/nodes/{node}/configuration/edit", f"/nodes/{off}/configuration"]
    own += [f"/nodes/{node}/orders/agent-stop", f"/nodes/{node}/orders/agent-restart", f"/commands/{bundle}", f"/commands/{change}"]
    pages = [*own, "/nodes", "/nodes?q=nothing", f"/nodes/{node}", f"/nodes/{off}", f"/nodes/{off}/retire", f"/run?node={node}"]
    pages += ["/commands", f"/commands?task={done.task_id}&state=queued", f"/commands/{command}", f"/commands/{again}"]
    mine += ["/", "/?q=space&range=1h", "/attention/clock", "/attention/disk", "/log", "/log?q=nothing", f"/log?node={node}", "/style"]
    return [*pages, *mine, *stored(site), "/enrol", "/audit?check=1", "/account", "/docs/api?q=make+a+group", "/nodes/NOPE"]


def stored(site: Site) -> list[str]:
    """One whole file, one that is still arriving; the addresses of their pages."""
    store = site.services.files
    rows = [site.do(store.create(site.admin, f"{'a-long-name-' * 12}.tar.gz", 5, now())) for _ in range(2)]
    site.do(store.put(rows[0]["id"], 0, b"hello", now()))
    site.do(store.finish(site.admin, rows[0]["id"], "", now()))
    return ["/files", f"/files/{rows[0]['id']}/delete"]


def measured() -> dict[str, Any]:
    """With what only some hosts have: plugins, graphics processors, states of processes."""
    gpu = {"name": "NVIDIA A100", "percent": 71.0, "memory_used": 61 * GIB, "memory_total": 80 * GIB}
    plugin = {"plugin": "queue", "name": "waiting", "value": -2.5, "unit": "jobs"}
    return {**sample(0), "gpus": [gpu], "plugins": [plugin], "process_states": {"running": 2, "zombie": 1}}


def violations(page: Page) -> list[str]:
    # As a function's text: a script element would be what the page's policy forbids.
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [f"{v['id']}: {node['target']} {node['failureSummary']}" for v in found["violations"] for node in v["nodes"]]


LOOKS = [(False, 1280, "en-GB"), (True, 1280, "zh-CN"), (False, 390, "zh-CN"), (True, 390, "en-GB")]


@pytest.mark.parametrize(("dark", "width", "language"), LOOKS)
def test_every_page_is_accessible_and_fits(site: Site, open_page: Open, dark: bool, width: int, language: str) -> None:
    addresses = furnished(site)
    problems = []
    page = open_page(who="", dark=dark, width=width, language=language)
    page.goto("/sign-in")
    problems += [f"/sign-in {v}" for v in violations(page)]
    page = open_page(dark=dark, width=width, language=language)
    for address in addresses:
        page.goto(address)
        page.wait_for_function("[...document.querySelectorAll('[data-chart]')].every(place => place.querySelector('canvas'))")
        problems += [f"{address} {v}" for v in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            problems.append(f"{address} is wider than the window")
    for step in ("preview", "conflict"):
        page.goto(addresses[1])
        page.fill("#text", FILE.replace("7d", "3d") + "# " + "a long line " * 40)
        if step == "conflict":
            page.evaluate("document.querySelector('[name=base]').value = 'another'")
        page.click("button[value=preview]")
        page.wait_for_selector(".diff")
        problems += [f"{step} {v}" for v in violations(page)]
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            problems.append(f"{step} is wider than the window")
    assert not problems, "\n".join(problems)


def test_touch_targets_on_a_telephone_are_large_enough(site: Site, open_page: Open) -> None:
    site.enrol("web-1", {"a": "b"})
    page = open_page(width=390)
    small = page.evaluate(
        """[...document.querySelectorAll('main a, main button, main label:has(input[type=checkbox]), .side a, .side button')]
        .map(e => [e, e.getBoundingClientRect()]).filter(([e, r]) => r.width > 1 && r.height > 1 && (r.height < 44 || r.width < 44))
        .map(([e, r]) => e.outerHTML.slice(0, 80) + ' ' + Math.round(r.width) + 'x' + Math.round(r.height))"""
    )
    assert not small, small
