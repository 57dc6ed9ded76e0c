"""From the form over the confirmation to live output, cancelling and the history."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

COLOURED = b"\x1b[32mgreen\x1b[0m <b>not bold</b> \xe4\xbd\xa0\xff\n"


def give(page: Page, script: str) -> None:
    page.fill("#f-script", script)
    page.get_by_role("button", name="Look at it before it runs").click()


def test_nothing_typed_is_lost_over_a_mistake_and_the_way_back(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    page = open_page()
    page.goto(f"/run?node={node}")
    script = "\nset -e\necho 'one  two' \"$1\"\n"
    page.fill("#f-script", script)
    page.fill("#f-arguments", "a b\n--force")
    page.fill("#f-timeout", "soon")
    page.get_by_role("button", name="Look at it before it runs").click()
    expect(page.locator("#wrong-f-timeout")).to_contain_text("'soon'")
    expect(page.locator("#f-script")).to_have_value(script)
    page.fill("#f-timeout", "60")
    page.get_by_role("button", name="Look at it before it runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Run this on 1 node?")
    page.get_by_role("button", name="Back, change something").click()
    expect(page.locator("#f-script")).to_have_value(script)
    expect(page.locator("#f-arguments")).to_have_value("a b\n--force")
    expect(page.locator(f"input[name=node][value='{node}']")).to_be_checked()


def test_output_arrives_live_in_colour_and_as_text(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    page = open_page()
    page.goto(f"/run?node={node}")
    give(page, "echo hello")
    page.get_by_role("button", name="Run it on 1 node").click()
    expect(page.locator(".sub .state")).to_have_text("queued")
    command = site.newest_command(node)
    site.accept(command, node)
    expect(page.locator(".sub .state")).to_have_text("accepted")
    site.start(command, node)
    expect(page.locator(".sub .state")).to_have_text("running")
    site.prints(command, node, 0, COLOURED[:27])
    site.prints(command, node, 1, COLOURED[27:])
    site.prints(command, node, 2, b"oops\n", "stderr")
    expect(page.locator("#screen")).to_have_text("green <b>not bold</b> 你�\noops\n", use_inner_text=False)
    expect(page.locator("#screen .a-f2")).to_have_text("green")
    expect(page.locator("#screen .err")).to_have_text("oops")
    site.ends(command, node, exit_code=0, stdout_bytes=len(COLOURED), stderr_bytes=5)
    expect(page.locator(".sub .state")).to_have_text("succeeded")
    expect(page.get_by_role("button", name="Cancel it")).to_have_count(0)
    expect(page.locator("#live-note")).to_be_hidden()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.path().read_bytes() == COLOURED + b"oops\n"
    page.reload()
    expect(page.locator("#screen")).to_contain_text("green <b>not bold</b> 你�")


def test_the_view_follows_the_end_until_somebody_scrolls_up(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    command = site.do(_echo(site, node))
    site.start(command, node)
    page = open_page()
    page.goto(f"/commands/{command}")
    lines = b"".join(b"line %d\n" % n for n in range(200))
    site.prints(command, node, 0, lines)
    expect(page.locator("#screen")).to_contain_text("line 199")
    assert page.evaluate(_AT_END)
    page.locator("#screen").evaluate("screen => { screen.scrollTop = 0; }")
    expect(page.locator("#to-end")).to_be_visible()
    site.prints(command, node, 1, b"the newest line\n")
    expect(page.locator("#screen")).to_contain_text("the newest line")
    assert not page.evaluate(_AT_END)
    page.locator("#to-end").click()
    assert page.evaluate(_AT_END)
    expect(page.locator("#to-end")).to_be_hidden()


_AT_END = "(() => { const s = document.getElementById('screen'); return s.scrollHeight - s.scrollTop - s.clientHeight < 24; })()"


async def _echo(site: Site, node: str) -> str:
    done = await site.services.commands.run(site.admin, [node], "script", {"script": "echo"}, "Echo", site.services.clock())
    return done.commands[node]


def test_a_command_is_canceled_and_run_again(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    page = open_page()
    page.goto(f"/run?node={node}")
    give(page, "sleep 600")
    page.get_by_role("button", name="Run it on 1 node").click()
    page.get_by_role("button", name="Cancel it").click()
    expect(page.locator(".sub .state")).to_have_text("canceled")
    expect(page.locator(".sub")).to_contain_text("before the host had it")
    page.get_by_role("link", name="Run again…").click()
    expect(page.locator("#f-script")).to_have_value("sleep 600")


def test_a_command_for_several_nodes_leads_to_the_list_of_its_task(site: Site, open_page: Open) -> None:
    nodes = [site.enrol(f"web-{n}") for n in (1, 2, 3)]
    page = open_page()
    page.check(f"#pick-{nodes[0]}")
    page.check(f"#pick-{nodes[2]}")
    page.get_by_role("button", name="Run on the chosen nodes 2").click()
    give(page, "uptime")
    expect(page.locator(".targets .n")).to_have_text(["web-1", "web-3"])
    page.get_by_role("button", name="Run it on 2 nodes").click()
    expect(page.locator("tbody tr")).to_have_count(2)
    for node in (nodes[0], nodes[2]):
        command = site.newest_command(node)
        site.start(command, node)
        site.ends(command, node, "failed", exit_code=7)
    expect(page.locator("tbody .s-bad")).to_have_count(2, timeout=10_000)


def test_a_viewer_sees_commands_but_no_way_to_run_one(site: Site, open_page: Open) -> None:
    node = site.enrol("web-1")
    command = site.do(_echo(site, node))
    page = open_page(who="vera")
    for address in ("/nodes", f"/nodes/{node}", "/commands", f"/commands/{command}"):
        page.goto(address)
        expect(page.locator("main")).not_to_contain_text("Run")
        expect(page.get_by_role("button", name="Cancel it")).to_have_count(0)
    answer = page.goto("/run")
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")
