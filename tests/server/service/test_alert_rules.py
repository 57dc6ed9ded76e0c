"""Alert rules: every mistake is named with its mend, nothing is half-changed, and what a rule starts runs as its author or not at all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from server.auth import Caller
from server.errors import BadInput, BadSelector, Conflict, NotAllowed, NotFound
from server.service.alert_drafts import DEFAULTS, Draft
from tests.conftest import Manager
from tests.server.service.alerting import Site, cpu, disks

GOOD: dict[str, Any] = {"name": "Busy", "kind": "metric", "selector": "all", "metric": "cpu_usage", "threshold": "90%"}
SCRIPT = {"kind": "script", "content": {"script": "df -h"}}


@pytest.fixture
def site(manager: Manager) -> Site:
    return Site(manager)


@pytest.mark.parametrize(
    ("more", "field", "message"),
    [
        ({"name": " "}, "name", "1 to 100"),
        ({"kind": "moon"}, "kind", "use one of metric, change"),
        ({"severity": "bad"}, "severity", "info, warning, critical"),
        ({"metric": "cpu_usge"}, "metric", "did you mean cpu_usage"),
        ({"metric": ""}, "metric", "is no metric"),
        ({"threshold": "90GB"}, "threshold", "wrong unit; write a number from 0 to 100"),
        ({"threshold": "900"}, "threshold", "out of range"),
        ({"threshold": "100%"}, "threshold", "never above 100"),
        ({"threshold": ""}, "threshold", "is no figure"),
        ({"clear": "95"}, "clear", "at or below 90"),
        ({"comparison": "over"}, "comparison", "above, below"),
        ({"subject": "/"}, "subject", "leave it empty"),
        ({"hold": -1}, "hold", "seconds"),
        ({"hold": 10**9}, "hold", "seconds"),
        ({"kind": "change", "metric": "mount.percent", "threshold": "5"}, "metric", "is not kept"),
        ({"kind": "change", "span": 5}, "span", "seconds"),
        ({"kind": "certificate", "threshold": "0"}, "threshold", "out of range"),
        ({"kind": "disk-full", "threshold": "5%"}, "threshold", "wrong unit; write hours"),
        ({"selector": ""}, "selector", "selector"),
        ({"selector": "evn=prod"}, "selector", "column 1"),
        ({"command_limit": 0}, "command_limit", "an hour"),
        ({"command": {"kind": "script"}}, "command", "kind and content"),
        ({"command": {"kind": "moon", "content": {}}}, "type", "unknown"),
        ({"command": {"kind": "script", "content": {}}}, "content", "script"),
    ],
)
async def test_a_rule_with_a_mistake_is_refused_and_nothing_is_made(site: Site, more: dict[str, Any], field: str, message: str) -> None:
    await site.node("web-1")
    with pytest.raises(BadInput, match=message) as caught:
        await site.manager.services.alert_rules.make(site.manager.admin, Draft(**(GOOD | more)), site.manager.time())
    assert field in caught.value.field
    assert await site.manager.services.alert_rules.all(site.manager.time()) == []


async def test_what_a_rule_cannot_find_yet_is_a_warning_with_a_suggestion(site: Site) -> None:
    rules, admin, now = site.manager.services.alert_rules, site.manager.admin, site.manager.time()
    _, warnings = await rules.make(admin, Draft(**GOOD), now)
    assert warnings == ["selector: it means no node at present"]
    node = await site.node("web-1")
    await site.sample(node, **disks(data=5.0), plugins=[{"plugin": "queue", "name": "held", "value": 1.0}])
    for metric, subject, said in (
        ("plugin:queue/hold", "", "did you mean plugin:queue/held"),
        ("gpu.percent", "", "has told gpu.percent lately; the rule waits until one does"),
        ("mount.percent", "/dta", "did you mean /data"),
        ("mount.percent", "/data", None),
        ("plugin:queue/held", "", None),
    ):
        draft = Draft(**(GOOD | {"name": f"{metric} {subject}", "metric": metric, "subject": subject, "threshold": "90"}))
        _, warnings = await rules.make(admin, draft, site.manager.time())
        assert (said in warnings[0]) if said else not warnings, (metric, warnings)


async def test_the_first_rules_come_once_and_what_somebody_removed_stays_removed(site: Site) -> None:
    rules, now = site.manager.services.alert_rules, site.manager.time()
    assert await rules.seed(now) == len(DEFAULTS)
    made = await rules.all(now)
    assert {row["kind"] for row in made} == {"metric", "disk-full", "offline", "agent-failed", "certificate", "outbox", "clock"}
    assert all(row["enabled"] for row in made)
    await rules.delete(site.manager.admin, made[0]["id"], 1, now)
    assert await rules.seed(now) == 0
    assert len(await rules.all(now)) == len(DEFAULTS) - 1


async def test_a_rule_is_changed_only_from_the_version_that_was_read(site: Site) -> None:
    rules, admin, now = site.manager.services.alert_rules, site.manager.admin, site.manager.time()
    rule_id = await site.rule("Busy")
    assert (await rules.change(admin, rule_id, 1, Draft(**(GOOD | {"threshold": "80"})), now))[0] == 2
    with pytest.raises(Conflict, match="changed by admin"):
        await rules.change(admin, rule_id, 1, Draft(**(GOOD | {"threshold": "70"})), now)
    assert (await rules.get(rule_id, now))["threshold"] == 80
    other = await site.rule("Other")
    with pytest.raises(Conflict, match="already"):
        await rules.change(admin, other, 1, Draft(**GOOD), now)
    with pytest.raises(NotFound):
        await rules.get("nope", now)


async def test_switching_a_rule_off_or_deleting_it_ends_its_alerts_with_that_reason(site: Site) -> None:
    rules, admin = site.manager.services.alert_rules, site.manager.admin
    node = await site.node("web-1")
    await site.offline(node)
    off, gone, kept = [await site.rule(name, "offline", threshold="0") for name in ("Off", "Gone", "Kept")]
    assert await site.tick(1) == ["opened"] * 3
    draft = {"kind": "offline", "selector": "all", "threshold": "0"}
    await rules.change(admin, off, 1, Draft(name="Off", enabled=False, **draft), site.manager.time())
    await rules.delete(admin, gone, 1, site.manager.time())
    await rules.change(admin, kept, 1, Draft(name="Renamed", **draft), site.manager.time())
    assert [event.kind for event in site.told[3:]] == ["resolved", "resolved"]
    assert {row["rule_name"]: row["resolved_why"] for row in await site.history()} == {
        "Off": "the rule was switched off",
        "Gone": "the rule was deleted",
        "Kept": "",
    }
    assert await site.tick(1) == []
    await rules.change(admin, off, 2, Draft(name="Off", **draft), site.manager.time())
    assert await site.tick(1) == ["opened"], "switched on again it begins anew"


async def test_a_rule_that_is_changed_while_a_tick_looks_is_not_written_over(site: Site) -> None:
    rules, admin = site.manager.services.alert_rules, site.manager.admin
    node = await site.node("web-1")
    await site.offline(node)
    rule_id = await site.rule("Offline", "offline", threshold="0")

    async def meanwhile(node_ids: object, now: int) -> dict[str, object]:
        await rules.delete(admin, rule_id, 1, now)
        return {}

    site.manager.services.alerts.windows = meanwhile
    assert await site.tick(1) == []
    assert await site.history() == []


async def test_a_selector_that_no_longer_means_anything_stops_its_rule_loudly(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    services, admin = site.manager.services, site.manager.admin
    node = await site.node("web-1")
    group = await services.groups.make(admin, "region", "Shanghai", "", False, site.manager.time())
    await services.groups.put(admin, group, [node.id], site.manager.time())
    rule_id = await site.rule("Offline", "offline", "group:shanghai", threshold="0")
    await site.offline(node)
    assert await site.tick(1) == ["opened"]
    await services.groups.delete(admin, group, 1, site.manager.time(), move_up=True)
    assert await site.tick(1) == []
    shown = await services.alert_rules.get(rule_id, site.manager.time())
    assert "shanghai" in shown["problem"].lower()
    assert "evaluates nothing" in caplog.text
    [alert] = await site.open()
    assert alert["silent"] is True
    group = await services.groups.make(admin, "region", "Shanghai", "", False, site.manager.time())
    await services.groups.put(admin, group, [node.id], site.manager.time())
    assert await site.tick(1) == []
    assert (await services.alert_rules.get(rule_id, site.manager.time()))["problem"] == ""
    assert (await site.open())[0]["silent"] is False


async def raised(site: Site, **more: Any) -> str:
    """A rule with a command, and its alert on one node; the rule's id."""
    node = await site.node("web-1")
    rule_id = await site.rule("Offline", "offline", threshold="0", command=SCRIPT, **more)
    await site.offline(node)
    assert await site.tick(1) == ["opened"]
    return rule_id


async def start(site: Site) -> int:
    return await site.manager.services.alert_commands.start(site.manager.time())


async def test_an_alert_starts_its_rules_command_once_on_the_node_that_raised_it(site: Site) -> None:
    await raised(site)
    assert await start(site) == 1
    assert await start(site) == 0
    commands = (await site.manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)).rows
    assert [(row["node_name"], row["task_name"], row["kind"]) for row in commands] == [("web-1", "Offline (alert)", "script")]
    [alert] = await site.open()
    assert (alert["command_state"], alert["command_task"]) == ("started", commands[0]["task_id"])
    entries = [row for row in (await site.manager.services.audit.page(20, 0)).rows if row["action"] in ("alert.command", "command.run")]
    assert {row["actor"] for row in entries} == {"admin"}
    assert len(entries) == 2


async def test_two_managers_start_an_alerts_command_once(site: Site) -> None:
    await raised(site)
    assert sum(await asyncio.gather(start(site), start(site), start(site))) == 1


async def test_an_author_who_may_not_run_commands_any_more_runs_none(site: Site) -> None:
    await raised(site)
    await site.manager.services.people.set_disabled(site.manager.admin, "admin", True, site.manager.time())
    assert await start(site) == 0
    [alert] = await site.open()
    assert alert["command_state"] == "refused"
    assert "may not run commands now" in alert["command_note"]


async def test_whoever_may_not_run_commands_cannot_give_a_rule_one_nor_change_such_a_rule(site: Site) -> None:
    rules = site.manager.services.alert_rules
    editor = Caller("viewer", site.manager.viewer.id, "vera")
    with pytest.raises(NotAllowed):
        await rules.make(editor, Draft(**GOOD, command=SCRIPT), site.manager.time())
    rule_id, _ = await rules.make(site.manager.admin, Draft(**GOOD, command=SCRIPT), site.manager.time())
    with pytest.raises(NotAllowed):
        await rules.change(editor, rule_id, 1, Draft(**(GOOD | {"threshold": "1"}), command="keep"), site.manager.time())


async def test_a_command_that_was_written_into_the_database_is_not_run(site: Site) -> None:
    rule_id = await raised(site)
    stolen = f"UPDATE alert_rules SET selector = 'not online' WHERE id = '{rule_id}'"
    await site.manager.db.transaction(lambda session: session.raw_statement(stolen))
    assert await start(site) == 0
    [alert] = await site.open()
    assert "changed outside the manager" in alert["command_note"]
    rules, now = site.manager.services.alert_rules, site.manager.time()
    shown = await rules.order_shown(await rules.get(rule_id, now))
    assert shown is not None
    assert shown["broken"]


async def test_a_rule_starts_only_so_many_commands_an_hour(site: Site) -> None:
    nodes = [await site.node(f"n-{number}") for number in range(4)]
    await site.rule("Offline", "offline", threshold="0", command=SCRIPT, command_limit=2)
    await site.offline(*nodes)
    await site.tick(1)
    assert await start(site) == 2
    notes = [row["command_note"] for row in await site.open() if row["command_state"] == "refused"]
    assert notes == ["the rule has started its 2 commands of this hour"] * 2


async def test_a_manager_that_died_while_it_started_a_command_leaves_word_of_it(site: Site) -> None:
    await raised(site)
    [alert] = await site.open()
    q, now = site.manager.db.q.alerts, site.manager.time()
    await site.manager.db.transaction(lambda s: s.execute(q.claim_command, {"id": alert["id"], "now": now}))
    site.manager.time.now += 3 * 60_000
    assert await start(site) == 0
    assert "is not tried again" in (await site.open())[0]["command_note"]


async def test_a_window_keeps_commands_from_being_started(site: Site) -> None:
    node = await site.node("web-1")
    site.silenced = {node.id}
    await site.rule(command=SCRIPT)
    await site.sample(node, **cpu(95.0))
    await site.tick()
    assert await start(site) == 0
    assert (await site.open())[0]["command_note"] == "silenced by a maintenance window"


async def test_a_rules_secrets_are_not_shown(site: Site) -> None:
    content = {"script": "true", "environment": {"TOKEN": "hunter2"}}
    rule_id, _ = await site.manager.services.alert_rules.make(
        site.manager.admin, Draft(**GOOD, command={"kind": "script", "content": content}), site.manager.time()
    )
    rules, now = site.manager.services.alert_rules, site.manager.time()
    shown = await rules.get(rule_id, now)
    assert "hunter2" not in repr(shown)
    assert "hunter2" not in repr(await rules.order_shown(shown))
    row = await site.manager.db.row(site.manager.db.q.alert_rules.by_id, {"id": rule_id})
    assert "hunter2" not in repr(row)


async def test_a_bad_selector_says_where(site: Site) -> None:
    with pytest.raises(BadSelector) as caught:
        await site.rule(selector="name:web-* and shlf=x")
    assert (caught.value.column, caught.value.length) == (16, 4)


async def test_of_a_kind_that_nobody_knows_any_more_nothing_is_shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rules, kinds = site.manager.services.alert_rules, site.manager.services.kinds
    content = {"script": "echo hunter2", "environment": {"TOKEN": "hunter2"}}
    draft = Draft(**GOOD, command={"kind": "script", "content": content})
    rule_id, _ = await rules.make(site.manager.admin, draft, site.manager.time())

    async def schemas() -> dict[str, Any]:
        return told

    monkeypatch.setattr(kinds, "schemas", schemas)
    script = (await kinds.offers())[0].schema
    told = {"script": replace(script, fields=[replace(one, secret=False) for one in script.fields])}
    shown = await rules.order_shown(await rules.get(rule_id, site.manager.time()))
    assert shown is not None
    assert shown["content"] == {"script": "echo hunter2", "environment": {"TOKEN": ""}}, "a node's word makes nothing readable"
    monkeypatch.setattr("server.service.kinds.BUILTIN", {})
    told = {}
    shown = await rules.order_shown(await rules.get(rule_id, site.manager.time()))
    assert shown is not None
    assert shown["content"] == {"script": None, "environment": {"TOKEN": ""}}
