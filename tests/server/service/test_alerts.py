"""Alerts over real databases: opened once, told once, ended with a reason; storms, windows, silence, and two managers at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.services import Services, build
from tests.conftest import DAY, QUICK_HASHER, Manager
from tests.server.service.alerting import MINUTE, Site, cpu, disks


@pytest.fixture
def site(manager: Manager) -> Site:
    return Site(manager)


@pytest.fixture
async def second(manager: Manager, empty_database: str, tmp_path: Path) -> AsyncIterator[Services]:
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], manager.time())
        yield build(db, Config(data_dir=tmp_path), keys, manager.time, QUICK_HASHER)


async def test_a_busy_processor_opens_an_alert_which_is_acknowledged_and_resolved(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule(hold=120, clear="80%")
    for minute, percent, came in ((0, 95.0, []), (1, 96.0, []), (2, 97.5, ["opened"]), (3, 99.0, []), (4, 85.0, [])):
        await site.sample(node, **cpu(percent))
        assert await site.tick() == came, minute
        site.manager.time.now += MINUTE
    [alert] = await site.open()
    assert alert["summary"] == "CPU of web-1 is 97.5 %, above 90 % for 2 min"
    assert (alert["node_name"], alert["severity"], alert["value"], alert["threshold"]) == ("web-1", "warning", 97.5, 90.0)
    [done] = await site.manager.services.alerts.acknowledge(site.manager.admin, [alert["id"]], "on it", site.manager.time())
    assert done.ok
    await site.sample(node, **cpu(70.0))
    assert await site.tick() == ["resolved"]
    [past] = await site.history()
    assert (past["state"], past["acknowledged_by"], past["comment"]) == ("resolved", "admin", "on it")
    assert past["resolved_why"] == "the figure is good again"
    assert await site.open() == []
    assert await site.kinds_of(alert["id"]) == ["opened", "acknowledged", "resolved"]
    assert [event.kind for event in site.told] == ["opened", "acknowledged", "resolved"]


async def test_each_mount_has_an_alert_of_its_own_and_one_that_is_gone_ends(site: Site) -> None:
    node = await site.node("db-1")
    await site.rule("Disks", metric="mount.percent")
    await site.sample(node, **disks(root=91.0, var=95.0, boot=10.0))
    assert await site.tick() == ["opened", "opened"]
    assert {row["subject"] for row in await site.open()} == {"/", "/var"}
    await site.sample(node, at=site.manager.time() + 1, **disks(root=92.0, boot=10.0))
    assert await site.tick(1) == ["resolved"]
    [left] = await site.open()
    assert left["subject"] == "/"
    assert [row["resolved_why"] for row in await site.history() if row["subject"] == "/var"] == ["it is no longer there"]


async def test_a_rule_for_one_mount_looks_at_that_one_only(site: Site) -> None:
    node = await site.node("db-1")
    await site.rule("Var", metric="mount.percent", subject="/var")
    await site.sample(node, **disks(root=99.0, var=95.0))
    await site.tick()
    assert [row["subject"] for row in await site.open()] == ["/var"]


async def test_sections_of_collectors_with_other_periods_do_not_hide_each_other(site: Site) -> None:
    node = await site.node("db-1")
    await site.rule("Disks", metric="mount.percent")
    await site.rule("Busy")
    await site.sample(node, **disks(root=95.0))
    await site.sample(node, at=site.manager.time() + 1_000, **cpu(95.0))
    site.manager.time.now += 2_000
    assert sorted(await site.tick()) == ["opened", "opened"]


async def test_a_silent_node_keeps_its_alert_marked_unknown_and_opens_no_other(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule()
    await site.sample(node, **cpu(95.0))
    await site.tick()
    await site.offline(node)
    assert await site.tick(1) == []
    [alert] = await site.open()
    assert alert["silent"] is True
    assert await site.tick(60) == []
    assert len(await site.history()) == 1
    await site.online(node)
    assert await site.tick(1) == [], "online, but nothing fresh told yet"
    assert (await site.open())[0]["silent"] is True
    await site.sample(node, **cpu(96.0))
    assert await site.tick() == []
    assert (await site.open())[0]["silent"] is False
    await site.sample(node, at=site.manager.time() + 1, **cpu(5.0))
    assert await site.tick(1) == ["resolved"]


async def test_a_node_is_offline_after_its_grace_and_back_at_once(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Offline", "offline", threshold="5m", severity="critical")
    await site.tick()
    await site.offline(node)
    assert await site.tick(5) == []
    assert await site.tick(0.25) == ["opened"]
    [alert] = await site.open()
    assert alert["summary"] == "web-1 has been offline for 5 min 15 s, longer than 5 min"
    await site.online(node)
    assert await site.tick(0.25) == ["resolved"]


async def test_a_node_that_was_not_seen_because_the_manager_was_away_is_not_told_of_as_offline(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Offline", "offline", threshold="5m")
    await site.tick()
    nodes = site.manager.services.nodes
    assert await site.manager.db.transaction(lambda s: nodes.move(s, node.id, "unknown", site.manager.time()))
    assert await site.tick(60) == []
    await site.offline(node)
    assert await site.tick(4) == [], "its grace begins when it is certain"
    assert await site.tick(1.25) == ["opened"]


async def test_what_hosts_tell_of_agents_outboxes_clocks_and_certificates_is_watched(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Failed", "agent-failed")
    await site.rule("Restarts", "agent-restarts", threshold="2", span=3600)
    await site.rule("Outbox", "outbox", threshold="0")
    await site.rule("Clock", "clock", threshold="30s")
    await site.rule("Certificate", "certificate", threshold="14")
    state = {"state": "running", "version": "1", "restarts": 0}
    await site.tell(node, "urgent", "state", state)
    await site.health(node)
    assert await site.tick() == []
    site.manager.time.now += MINUTE
    await site.tell(node, "urgent", "state", state | {"restarts": 3})
    await site.health(node, dropped=7, clock_ahead_ms=-45_000)
    assert await site.tick() == ["opened"] * 3
    said = {row["rule_name"]: row["summary"] for row in await site.open()}
    assert said["Restarts"] == "The agent of web-1 was restarted 3 times in 60 min, more than 2"
    assert said["Outbox"] == "web-1 let go of 7 records in 60 min because they could not be sent, more than 0"
    assert said["Clock"] == "The clock of web-1 is off by 45 s, more than 30 s"
    site.manager.time.now += MINUTE
    await site.tell(node, "urgent", "state", {"state": "failed", "version": "1", "restarts": 3})
    assert await site.tick() == ["opened"]
    assert sorted(await site.tick(77 * 24 * 60)) == ["opened", "reminded", "reminded", "resolved", "resolved"]
    assert "The certificate of web-1 ends in" in {row["rule_name"]: row["summary"] for row in await site.open()}["Certificate"]


async def test_a_disk_that_will_be_full_is_found_by_its_trend(site: Site) -> None:
    node, calm = await site.node("db-1"), await site.node("db-2")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    await site.rule("Full", "disk-full", threshold="24h")
    for turn in range(24):
        site.manager.time.now = start + turn * 5 * MINUTE
        await site.sample(node, **disks(root=70.0 + turn * 0.25))
        await site.sample(calm, **disks(root=95.0))
    assert await site.tick() == ["opened"]
    [alert] = await site.open()
    assert (alert["node_name"], alert["subject"]) == ("db-1", "/")
    assert alert["summary"].startswith("db-1 / will be full in 8 h ")


async def test_each_mount_has_a_trend_of_its_own_also_one_that_is_not_the_fullest(site: Site) -> None:
    node = await site.node("db-1")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    await site.rule("Full", "disk-full", threshold="24h", clear="48h")
    await site.rule("Root full", "disk-full", threshold="24h", subject="/")
    for turn in range(12):
        site.manager.time.now = start + turn * 15 * MINUTE
        await site.sample(node, **disks(root=95.0, var=40.0 + turn * 0.75, home=60.0 - turn))
        await site.tick()
    [alert] = await site.open()
    assert (alert["rule_name"], alert["subject"]) == ("Full", "/var")
    assert alert["opened_at"] == start + 7 * 15 * MINUTE, "eight quarters are the least that tells a trend"
    for turn in range(12, 40):
        site.manager.time.now = start + turn * 15 * MINUTE
        await site.sample(node, **disks(root=95.0, var=48.0, home=48.0))
        await site.tick()
    assert [row["state"] for row in await site.history()] == ["resolved"]


async def test_a_manager_that_begins_knows_the_trends_from_what_is_stored(site: Site) -> None:
    node = await site.node("db-1")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    await site.rule("Full", "disk-full", threshold="24h")
    for turn in range(8):
        site.manager.time.now = start + turn * 15 * MINUTE
        await site.sample(node, **disks(root=95.0, var=40.0 + turn))
        # A sample without disks in the same quarter, and one that told the disks later in it.
        await site.sample(node, at=site.manager.time.now - 1_000, **cpu(10.0))
    watch = build(site.manager.db, site.manager.services.config, site.manager.services.keys, site.manager.time, QUICK_HASHER).alert_watch
    assert await watch.tick(site.manager.time())
    assert [row["subject"] for row in await site.open()] == ["/var"]


async def test_a_jump_is_found_by_the_rate_of_change(site: Site) -> None:
    node = await site.node("web-1")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    await site.rule("Jump", "change", metric="memory_usage", threshold="30%", span=1800)
    memory = {"total": 100, "used": 40, "available": 60, "percent": 40.0}
    site.manager.time.now = start + MINUTE
    await site.sample(node, memory=memory)
    site.manager.time.now = start + 31 * MINUTE
    await site.manager.services.rollups.work(site.manager.time())
    await site.sample(node, memory=memory | {"percent": 75.0})
    assert await site.tick() == ["opened"]
    assert (await site.open())[0]["summary"] == "Memory of web-1 changed by 35 % in 30 min, above 30 %"


async def test_a_plugins_figure_and_a_failed_update_are_watched(site: Site) -> None:
    node = await site.node("q-1")
    await site.rule("Queue", metric="plugin:queue/held", threshold="100")
    await site.rule("Update", "update-failed")
    await site.sample(node, plugins=[{"plugin": "queue", "name": "held", "value": 150.0, "unit": "jobs"}])

    async def work(session: object) -> None:
        text = (
            "INSERT INTO update_records (id, node_id, component, from_version, to_version, state, started_at, finished_at) "
            f"VALUES ('U1', '{node.id}', 'daemon', '1', '2', 'rolled_back', 1, {site.manager.time()})"
        )
        await session.raw_statement(text)  # type: ignore[attr-defined]

    await site.manager.db.transaction(work)
    assert await site.tick() == ["opened", "opened"]
    assert await site.tick(25 * 60) == ["resolved"], "a day later the failed update is no news; the plugin is silent"


async def test_a_thousand_nodes_offline_in_a_minute_are_one_message_and_a_thousand_alerts(site: Site) -> None:
    nodes = [await site.node(f"n-{number}") for number in range(40)]
    await site.rule("Offline", "offline", threshold="0")
    await site.tick()
    await site.offline(*nodes)
    assert await site.tick(1) == ["grouped"]
    [grouped] = site.told
    assert (grouped.count, grouped.summary) == (40, "Offline: 40 alerts on different nodes within a minute")
    alerts = await site.open()
    assert len(alerts) == 40
    assert {row["group_id"] for row in alerts} == {grouped.group_id}
    assert await site.tick(0.25) == []
    late = await site.node("n-late")
    await site.offline(late)
    assert await site.tick(0.25) == [], "it joins the storm"
    assert await site.tick(2) == ["grouped"]
    assert site.told[-1].count == 41, "when it has calmed, the final number"
    await site.online(*nodes)
    assert await site.tick(1) == []
    await site.online(late)
    assert await site.tick(0.25) == ["resolved"]
    assert (site.told[-1].count, site.told[-1].group_id) == (41, grouped.group_id)
    assert await site.tick(5) == []
    history = await site.history()
    assert len(history) == 41
    for row in (history[0], history[-1]):
        assert set(await site.kinds_of(row["id"])) >= {"opened", "resolved"}


async def test_a_few_nodes_are_no_storm(site: Site) -> None:
    nodes = [await site.node(f"n-{number}") for number in range(5)]
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(*nodes)
    assert await site.tick(1) == ["opened"] * 5


async def test_a_window_silences_and_what_is_still_wrong_is_told_when_it_is_over(site: Site) -> None:
    one, two = await site.node("web-1"), await site.node("web-2")
    await site.rule()
    site.silenced = {one.id, two.id}
    for node in (one, two):
        await site.sample(node, **cpu(95.0))
    assert await site.tick() == []
    assert [row["silenced"] for row in await site.open()] == [True, True]
    await site.sample(two, at=site.manager.time() + 1, **cpu(5.0))
    assert await site.tick(1) == [], "nobody was told of its begin, so nobody is of its end"
    site.silenced = set()
    assert await site.tick(1) == ["opened"]
    assert site.told[-1].node_name == "web-1"
    assert (await site.open())[0]["silenced"] is False
    assert await site.tick(1) == []


async def test_an_alert_that_nobody_takes_on_is_told_of_again(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(node)
    assert await site.tick(1) == ["opened"]
    assert await site.tick(23 * 60) == []
    assert await site.tick(61) == ["reminded"]
    [alert] = await site.open()
    await site.manager.services.alerts.acknowledge(site.manager.admin, [alert["id"]], "", site.manager.time())
    assert await site.tick(25 * 60) == []


async def test_flapping_is_said_and_then_quiet(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule()
    came = []
    for turn in range(24):
        site.manager.time.now += MINUTE
        await site.sample(node, **cpu(95.0 if turn % 2 == 0 else 5.0))
        came += await site.tick()
    assert came == ["opened", "resolved"] * 5 + ["opened"]
    [alert] = await site.open()
    assert alert["flapping"] is True
    assert "flapping" in site.told[-1].summary
    for _ in range(13):
        site.manager.time.now += 5 * MINUTE
        await site.sample(node, **cpu(5.0))
        came += await site.tick()
    assert came[-1] == "resolved"
    assert await site.open() == []


async def test_of_two_people_at_once_one_is_told_who_was_first(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(node)
    await site.tick(1)
    [alert] = await site.open()
    alerts, now = site.manager.services.alerts, site.manager.time()
    both = await asyncio.gather(
        *(alerts.acknowledge(caller, [alert["id"]], "", now) for caller in (site.manager.admin, site.manager.viewer))
    )
    outcomes = [outcome for [outcome] in both]
    assert sorted(one.ok for one in outcomes) == [False, True]
    assert any("has acknowledged it already" in one.message for one in outcomes)
    [missing] = await alerts.acknowledge(site.manager.admin, ["nope"], "", now)
    assert not missing.ok


async def test_two_managers_that_tick_at_once_open_an_alert_once(site: Site, second: Services) -> None:
    nodes = [await site.node(f"n-{number}") for number in range(5)]
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(*nodes)
    now = site.manager.time.now = site.manager.time.now + MINUTE
    other = Site(Manager(second, site.manager.db, site.manager.time, site.manager.admin, ""))
    done = await asyncio.gather(
        site.manager.services.alert_watch.tick(now), second.alert_watch.tick(now), site.manager.services.alert_watch.tick(now)
    )
    assert True in done
    assert len(await site.history()) == 5
    assert len(site.told + other.told) == 5


async def test_a_manager_that_dies_in_mid_tick_is_followed_by_another_that_goes_on(site: Site, second: Services) -> None:
    node = await site.node("web-1")
    await site.rule(hold=120)
    await site.sample(node, **cpu(95.0))
    await site.tick()
    q, now = site.manager.db.q.alert_watches, site.manager.time()
    assert await site.manager.db.transaction(lambda s: s.execute(q.lease, {"now": now, "until": now + 60_000})) == 1
    assert not await second.alert_watch.tick(now + 1_000)
    site.manager.time.now += 2 * MINUTE
    await site.sample(node, **cpu(95.0))
    assert await second.alert_watch.tick(site.manager.time())
    assert [row["node_name"] for row in await site.open()] == ["web-1"], "pending since before, as it was stored"


async def test_a_tick_that_lost_its_lease_writes_nothing(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(node)
    watch, q = site.manager.services.alert_watch, site.manager.db.q.alert_watches

    async def steal(node_ids: object, now: int) -> dict[str, object]:
        later = {"now": now + 120_000, "until": now + 180_000}
        assert await site.manager.db.transaction(lambda s: s.execute(q.lease, later)) == 1
        return {}

    site.manager.services.alerts.windows = steal
    assert not await watch.tick(site.manager.time() + MINUTE)
    assert await site.history() == []
    assert site.told == []


async def test_alerts_of_retired_deleted_and_no_longer_meant_nodes_end_with_that_reason(site: Site) -> None:
    services, admin = site.manager.services, site.manager.admin
    names = ("retired", "deleted", "moved")
    nodes = {name: await site.node(name) for name in names}
    await services.edits.tag(admin, [node.id for node in nodes.values()], {"env": "prod"}, [], site.manager.time())
    await site.rule("Offline", "offline", "env=prod", threshold="0")
    await site.offline(*nodes.values())
    await site.tick(1)
    assert len(await site.open()) == 3
    for name in ("retired", "deleted"):
        await services.nodes.retire(admin, nodes[name].id, site.manager.time())
    await services.nodes.delete(admin, nodes["deleted"].id, "deleted", site.manager.time())
    await services.edits.tag(admin, [nodes["moved"].id], {"env": "test"}, [], site.manager.time())
    await site.node("stays")  # somebody must have the tag, or the selector is unknown
    await services.edits.tag(admin, [nodes["retired"].id], {"env": "prod"}, [], site.manager.time())
    await site.tick(1)
    assert {row["node_name"]: row["resolved_why"] for row in await site.history()} == {
        "retired": "the node was retired",
        "deleted": "the node was deleted",
        "moved": "the rule's selector no longer means this node",
    }


async def test_old_alerts_are_forgotten_with_their_events_and_open_ones_are_not(site: Site) -> None:
    one, two = await site.node("web-1"), await site.node("web-2")
    await site.rule("Offline", "offline", threshold="0")
    await site.offline(one, two)
    await site.tick(1)
    await site.online(one)
    await site.tick(1)
    site.manager.time.now += 400 * DAY
    await site.manager.services.alerts.forget(site.manager.time() - 365 * DAY)
    [left] = await site.history()
    assert left["node_name"] == "web-2"
    assert await site.kinds_of(left["id"]) == ["opened"]
