"""The daemon on a node's page: what it tells, how old that is, what of it is worth a warning; and orders for it."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from server.auth import Caller
from tests.conftest import DAY, Manager
from tests.server.web.conftest import Visitor

FILE = "manager:\n  address: ops.example.com:8443\n  enrolment_token: '********'\noutbox:\n  max_age: 7d\n"
HASH = hashlib.sha256(FILE.encode()).hexdigest()


def health(manager: Manager, **changes: object) -> dict[str, object]:
    told: dict[str, object] = {
        "started": manager.time() - DAY,
        "address": "ops.example.com:8443",
        "log_level": "info",
        "certificate_not_after": manager.time() + 60 * DAY,
        "memory_bytes": 27_000_000,
        "cpu_percent": 0.2,
    }
    return told | changes


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


async def test_a_daemon_that_has_told_nothing_is_unknown_and_not_well(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await visit.sign_in("admin")
    page = words((await visit.get(f"/nodes/{node.id}")).text)
    assert "The daemon has told nothing of itself yet." in page
    assert "Configuration unknown" in page
    assert "empty: the manager has everything" not in page


async def test_what_is_wrong_with_a_daemon_is_said_with_its_reason(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    wrong = health(
        manager,
        outbox_records=4,
        outbox_bytes=2048,
        dropped=812,
        link_failures=3,
        last_problem="D2001 nothing listens at ops.example.com:8443",
        clock_ahead_ms=-95_000,
        certificate_not_after=manager.time() + 5 * DAY,
        plugins={"raid": "", "queue": "it printed nothing"},
        failing_collectors={"disk": "D5001 /mnt/nfs does not answer"},
    )
    await manager.report(node, "urgent", (1, "health", wrong))
    await visit.sign_in("vera")
    page = words((await visit.get(f"/nodes/{node.id}")).text)
    for sentence in (
        "3 failed attempts in a row",
        "D2001 nothing listens at ops.example.com:8443",
        "1 min 35 s ahead of the manager",
        "ends in 5 days",
        "It should have been renewed by now",
        "4 records wait, 2.0 KiB",
        "812 records",
        "disk D5001 /mnt/nfs does not answer",
        "queue it printed nothing",
    ):
        assert sentence in page, sentence
    assert "as of" not in words(page)


async def test_old_news_says_of_when_it_is(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "health", health(manager)), (2, "state", {"state": "running", "pid": 7}))
    await visit.sign_in("admin")
    assert "as of" not in words((await visit.get(f"/nodes/{node.id}")).text)
    manager.time.now += 3_600_000
    assert words((await visit.get(f"/nodes/{node.id}")).text).count("as of 1 h ago") == 2


async def test_names_and_reasons_from_a_host_are_text_and_no_format(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    evil = "%(x)s {{7*7}} <u>%"
    sample = {"took_ms": 1.0, "plugins": [{"plugin": evil, "name": f"CPU {evil}", "value": 1e308, "unit": evil}]}
    sample["process_states"] = {evil: 3}
    await manager.report(node, "bulk", (1, "sample", sample))
    problems = {"plugins": {evil: evil}, "failing_collectors": {evil: evil}, "last_problem": evil, "log_level": evil}
    await manager.report(node, "urgent", (1, "health", health(manager, **problems)), (2, "configuration", {"text": evil, "hash": evil}))
    await manager.report(node, "urgent", (3, "event", {"name": "configuration", "detail": "no JSON"}))
    await manager.report(node, "urgent", (4, "event", {"name": "configuration", "detail": '{"hash": 1}'}))
    for who in ("vera", "admin"):
        await visit.sign_in(who)
        for path in ("", "/configuration"):
            page = await visit.get(f"/nodes/{node.id}{path}")
            assert page.status_code == 200
            assert "%(x)s {{7*7}} &lt;u&gt;%" in page.text
            assert "<u>%" not in page.text


async def test_more_metrics_than_can_be_drawn_are_still_listed(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    metrics = [{"plugin": "many", "name": f"metric-{n:02}", "value": n * 1000.0, "unit": "jobs"} for n in range(30)]
    await manager.report(node, "bulk", (1, "sample", {"took_ms": 1.0, "plugins": metrics}))
    await visit.sign_in("vera")
    page = await visit.get(f"/nodes/{node.id}")
    assert page.text.count("data-chart=") == 24
    assert "6 more metrics of plugins" in page.text
    assert "29\u202f000 jobs" in page.text


@pytest.mark.parametrize("verb", ["agent-start", "agent-stop", "agent-restart", "collect", "diagnose", "log-level"])
async def test_an_order_is_given_and_its_own_page_follows(visit: Visitor, manager: Manager, verb: str) -> None:
    node = await manager.enrol()
    await visit.sign_in("admin")
    answer = await visit.post(f"/nodes/{node.id}/orders", {"verb": verb, "level": "debug"})
    assert answer.status_code == 303
    command = await manager.services.commands.get(answer.headers["location"].removeprefix("/commands/"))
    assert (command["kind"], command["node_id"], command["state"]) == (verb, node.id, "queued")
    page = await visit.get(answer.headers["location"])
    assert "Exit code" not in page.text
    assert verb not in words(page.text)
    assert verb not in words((await visit.get("/commands")).text)


async def test_what_interrupts_is_asked_first_and_nothing_else_has_such_a_page(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await visit.sign_in("admin")
    for verb, heading in (("agent-stop", "Stop the agent on web-1?"), ("agent-restart", "Restart the agent on web-1?")):
        assert heading in (await visit.get(f"/nodes/{node.id}/orders/{verb}")).text
    for verb in ("collect", "nonsense"):
        assert (await visit.get(f"/nodes/{node.id}/orders/{verb}")).status_code == 404
    assert (await visit.post(f"/nodes/{node.id}/orders", {"verb": "configure"})).status_code == 400
    assert (await visit.post(f"/nodes/{node.id}/orders", {"verb": "log-level", "level": "loud"})).status_code == 400
    assert (await visit.post("/nodes/NOPE/orders", {"verb": "collect"})).status_code == 404


async def test_a_retired_node_takes_no_orders_and_offers_none(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "configuration", {"text": FILE, "hash": HASH}))
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    await visit.sign_in("admin")
    assert "/orders" not in (await visit.get(f"/nodes/{node.id}")).text
    assert "/configuration/edit" not in (await visit.get(f"/nodes/{node.id}/configuration")).text
    assert (await visit.post(f"/nodes/{node.id}/orders", {"verb": "collect"})).status_code == 409


async def test_a_bundle_is_downloaded_byte_for_byte_and_never_shown_as_text(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol("web/1 ü")
    command = await manager.services.orders.give(manager.admin, node.id, "diagnose", manager.time())
    data = b"\x1f\x8b" + bytes(range(256))
    await manager.report(node, "urgent", (1, "execution", {"command_id": command, "state": "started"}))
    await visit.sign_in("admin")
    assert "The host gathers it." in (await visit.get(f"/commands/{command}")).text
    chunk = {"command_id": command, "chunk": 0, "stream": "stdout", "offset": 0, "data": base64.b64encode(data).decode()}
    end = {"command_id": command, "state": "succeeded", "reason": "a tar.gz of 258 bytes", "stdout_bytes": 258}
    await manager.report(node, "urgent", (2, "output", chunk), (3, "execution", end))
    page = await visit.get(f"/commands/{command}")
    assert "Download the bundle" in page.text
    assert "\x1f" not in page.text
    answer = await visit.get(f"/commands/{command}/output/stdout")
    assert answer.content == data
    assert re.fullmatch(rf'attachment; filename="diagnostics-[A-Za-z0-9._-]+-{command}\.tar\.gz"', answer.headers["content-disposition"])


async def as_node(manager: Manager, node: str) -> Caller:
    row = await manager.services.nodes.get(node)
    return Caller("node", node, row["name"], "192.0.2.1", node_state="online")


async def told(manager: Manager) -> str:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "configuration", {"text": FILE, "hash": HASH, "note": "at start"}))
    return node.id


async def test_a_configuration_is_looked_at_before_it_is_pushed(visit: Visitor, manager: Manager) -> None:
    node = await told(manager)
    await visit.sign_in("admin")
    path, new = f"/nodes/{node}/configuration/edit", FILE.replace("7d", "3d")
    assert "enrolment_token: &#39;********&#39;" in (await visit.get(path)).text
    preview = await visit.post(path, {"text": new, "base": HASH, "step": "preview"})
    shown = words(preview.text)
    assert "1 line comes · 1 line goes" in shown
    assert "max_age: 3d" in shown
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=1, offset=0)).total == 0
    answer = await visit.post(path, {"text": new, "base": HASH, "step": "go"})
    command = await manager.services.commands.get(answer.headers["location"].removeprefix("/commands/"))
    assert command["kind"] == "configure"


@pytest.mark.parametrize("step", ["preview", "go"])
async def test_a_file_that_changed_meanwhile_is_answered_with_both_versions(visit: Visitor, manager: Manager, step: str) -> None:
    node = await told(manager)
    await visit.sign_in("admin")
    mine, theirs = FILE.replace("7d", "3d"), FILE + "daemon:\n  log_level: debug\n"
    now_hash = hashlib.sha256(theirs.encode()).hexdigest()
    caller = await as_node(manager, node)
    await manager.report(caller, "urgent", (2, "configuration", {"text": theirs, "hash": now_hash, "note": "pushed by X"}))
    answer = await visit.post(f"/nodes/{node}/configuration/edit", {"text": mine, "base": HASH, "step": step})
    assert answer.status_code == 409
    shown = words(answer.text)
    assert "has changed since you began" in shown
    assert "log_level: debug" in shown
    assert "max_age: 3d" in shown
    assert f'name="base" value="{now_hash}"' in answer.text
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=1, offset=0)).total == 0


@pytest.mark.parametrize("text", ["", " \n", FILE, FILE.rstrip(), FILE + "#" + "x" * 300_000])
async def test_a_text_that_cannot_be_pushed_is_kept_and_the_reason_said(visit: Visitor, manager: Manager, text: str) -> None:
    node = await told(manager)
    await visit.sign_in("admin")
    answer = await visit.post(f"/nodes/{node}/configuration/edit", {"text": text, "base": HASH, "step": "go"})
    assert answer.status_code == 400
    assert 'id="wrong-text"' in answer.text
    assert text[-50:].replace("'", "&#39;") in answer.text


async def test_the_history_tells_since_when_and_why(visit: Visitor, manager: Manager) -> None:
    node = await told(manager)
    caller, first = await as_node(manager, node), manager.time.now
    for number, (minutes, text, note) in enumerate(
        ((60, "x: 1\n", "pushed by 01COMMAND"), (62, FILE, "restored: no answer"), (90, FILE, "at start"))
    ):
        manager.time.now = first + minutes * 60_000
        change: dict[str, object] = {"text": text, "hash": hashlib.sha256(text.encode()).hexdigest(), "note": note}
        await manager.report(caller, "urgent", (number + 2, "configuration", change))
    manager.time.now = first + 122 * 60_000
    await visit.sign_in("vera")
    page = await visit.get(f"/nodes/{node}/configuration")
    shown = words(page.text)
    assert "in force since 1 h ago" in shown
    assert '<a class="mono" href="/commands/01COMMAND">' in page.text
    assert "restored: no answer" in shown
    assert [row["note"] for row in await manager.services.nodes.configurations(node)] == [
        "at start",
        "restored: no answer",
        "pushed by 01COMMAND",
        "at start",
    ]


async def test_a_configuration_that_is_not_known_cannot_be_edited(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await visit.sign_in("admin")
    assert "Not known yet" in (await visit.get(f"/nodes/{node.id}/configuration")).text
    assert (await visit.get(f"/nodes/{node.id}/configuration/edit")).status_code == 409
    answer = await visit.post(f"/nodes/{node.id}/configuration/edit", {"text": FILE, "base": HASH, "step": "go"})
    assert answer.status_code in (303, 409)
