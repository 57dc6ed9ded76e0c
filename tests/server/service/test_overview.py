"""The overview says how it stands and what needs somebody, from states and aggregates: each kind comes, says whom, and goes."""

from __future__ import annotations

from host.wire.messages import EnrollRequest, Facts
from server.auth import Caller
from server.service.attention import BACKLOG_MS, MINUTE_MS, UNFETCHED_MS
from server.service.findings import CRITICAL, KINDS, WARNING, Finding
from server.service.receivers import Change
from server.service.rollups import FINE, HOUR_MS
from tests.conftest import DAY, Manager, make_csr
from tests.server.service.alerting import Site
from tests.server.service.alerting import cpu as busy
from tests.server.service.test_metrics import cpu


async def found(manager: Manager) -> dict[str, Finding]:
    return {one.kind: one for one in await manager.services.attention.findings(manager.time())}


async def health(manager: Manager, node: Caller, seq: int, **more: object) -> None:
    await manager.report(node, "urgent", (seq, "health", {"started": 1, "address": "a", **more}))


async def move(manager: Manager, node: Caller, state: str) -> None:
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, node.id, state, manager.time()))


async def seen(manager: Manager, node: Caller) -> None:
    rows = {"id": node.id, "at": manager.time()}
    await manager.db.transaction(lambda session: session.execute(manager.db.q.nodes.seen, rows))


async def test_a_fleet_at_rest_needs_nobody(manager: Manager) -> None:
    node = await manager.enrol()
    await health(manager, node, 1, outbox_records=3, outbox_oldest=manager.time() - 1000, clock_ahead_ms=200)
    await manager.report(node, "urgent", (2, "state", {"state": "running", "version": "0.1.0"}))
    await manager.services.audit.keep_checkpoint()
    look = await manager.services.overviews.look(manager.time())
    assert (look.attention, look.total, look.online, look.online_share) == ([], 1, 1, 100.0)
    assert look.agents == {"running": 1}
    assert [dict(row) for row in look.agent_versions] == [{"version": "0.1.0", "total": 1}]


async def test_what_is_gravest_comes_first_and_then_what_is_oldest(manager: Manager) -> None:
    first, second, third = [await manager.enrol(f"web-{n}") for n in range(3)]
    manager.time.now += MINUTE_MS
    await health(manager, third, 1, clock_ahead_ms=-90_000)
    for node in (first, second):
        await seen(manager, node)
        await move(manager, node, "offline")
        manager.time.now += MINUTE_MS
    kinds = await manager.services.attention.findings(manager.time())
    assert [(one.kind, one.severity, one.count) for one in kinds if one.kind != "checkpoint"] == [
        ("offline", CRITICAL, 2),
        ("clock", WARNING, 1),
    ]
    assert [subject.name for subject in kinds[0].subjects] == ["web-0", "web-1"]
    assert kinds[0].what == "2 nodes are offline"
    assert kinds[1].subjects[0].said == "90 s ahead"
    await move(manager, first, "online")
    await move(manager, second, "online")
    assert "offline" not in await found(manager)


async def test_a_host_that_never_came_is_told_from_one_that_left(manager: Manager) -> None:
    token = await manager.services.enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time())
    await manager.services.enrolment.enroll(EnrollRequest(1, token.token, make_csr(), Facts("new")), "192.0.2.1", manager.time())
    kinds = await found(manager)
    assert kinds["never_seen"].what == "1 enrolled host has never connected"
    assert "offline" not in kinds


async def test_hosts_that_wait_and_nodes_in_quarantine_are_named(manager: Manager) -> None:
    asked = EnrollRequest(1, "", make_csr(), Facts("asks", ["192.0.2.5"]))
    await manager.services.approvals.ask(asked, "192.0.2.5", manager.time())
    node = await manager.enrol("twice")
    await move(manager, node, "quarantined")
    kinds = await found(manager)
    assert [one.name for one in kinds["pending"].subjects] == ["asks"]
    assert (kinds["quarantined"].severity, kinds["quarantined"].subjects[0].node_id) == (CRITICAL, node.id)


async def test_an_agent_that_failed_or_restarts_often_is_noticed(manager: Manager) -> None:
    node = await manager.enrol()
    for seq, restarts in enumerate((0, 1, 2), 1):
        await manager.report(node, "urgent", (seq, "state", {"state": "running", "restarts": restarts}))
        manager.time.now += MINUTE_MS
    assert "agent_restarts" not in await found(manager)
    await manager.report(node, "urgent", (4, "state", {"state": "failed", "restarts": 3, "reason": "exit code 1"}))
    kinds = await found(manager)
    assert kinds["agent_failed"].subjects[0].said == "exit code 1"
    assert kinds["agent_restarts"].subjects[0].said == "3 restarts within the hour"
    manager.time.now += HOUR_MS
    await manager.report(node, "urgent", (5, "state", {"state": "running", "restarts": 3}))
    assert not {"agent_failed", "agent_restarts"} & set(await found(manager))


async def test_an_outbox_that_drops_or_does_not_get_empty_is_noticed(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (40, "dropped", {"first": 1, "why": "the outbox was full"}))
    await health(manager, node, 1, outbox_records=812, outbox_oldest=manager.time() - BACKLOG_MS - 1)
    kinds = await found(manager)
    assert kinds["dropping"].subjects[0].said == "40 records are lost"
    assert kinds["backlog"].subjects[0].said == "812 records wait"
    manager.time.now += DAY + 1
    assert not {"dropping", "backlog"} & set(await found(manager)), "old news is none"


async def test_a_certificate_counts_until_its_successor_is_there(manager: Manager) -> None:
    await manager.enrol()
    manager.time.now += 60 * DAY
    assert "certificate" not in await found(manager)
    manager.time.now += 15 * DAY
    assert (await found(manager))["certificate"].severity == WARNING
    manager.time.now += 13 * DAY
    assert (await found(manager))["certificate"].severity == CRITICAL


async def test_commands_that_wait_too_long_are_found_and_say_why(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "true"}, "Say hello", manager.time())
    assert "stuck" not in await found(manager)
    manager.time.now += UNFETCHED_MS + 1
    [subject] = (await found(manager))["stuck"].subjects
    assert subject.said == "Say hello: not fetched though the host is online"
    assert subject.command_id
    look = await manager.services.overviews.look(manager.time())
    assert (look.commands, look.running[0]["task_name"]) == ({"queued": 1}, "Say hello")


async def test_a_nearly_full_disk_is_found_in_the_roll_ups(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now // HOUR_MS * HOUR_MS + HOUR_MS
    disk = {"mount": "/", "device": "d", "fstype": "ext4", "total": 100, "used": 96, "free": 4, "percent": 96.0}
    manager.time.now = start + MINUTE_MS
    await manager.report(node, "bulk", (1, "sample", cpu(5.0) | {"disks": [disk]}))
    manager.time.now = start + 2 * FINE + MINUTE_MS
    assert await manager.services.rollups.work(manager.time())
    disks = (await found(manager))["disk"]
    assert (disks.severity, disks.subjects[0].said) == (CRITICAL, "96.0 percent in use")


async def test_troubles_of_the_manager_itself_are_told(manager: Manager) -> None:
    manager.services.telemetry.turn("commands", 0.1, "it breaks", manager.time())
    manager.services.telemetry.turn("commands", 0.1, "it breaks", manager.time())
    await manager.enrol()
    manager.time.now += 6 * MINUTE_MS
    kinds = await found(manager)
    assert kinds["manager_loop"].subjects[0].said == "failed 2 times in a row, and never succeeded since the start, lastly with: it breaks"
    assert "checkpoint" in kinds
    manager.services.telemetry.turn("commands", 0.1, "", manager.time())
    await manager.services.audit.keep_checkpoint()
    assert not {"manager_loop", "checkpoint"} & set(await found(manager))


async def test_minutes_of_the_fleet_hold_median_and_highest_and_old_ones_stay_readable(manager: Manager) -> None:
    start = manager.time.now // HOUR_MS * HOUR_MS
    manager.time.now = start + 1000
    for number, percent in enumerate((10.0, 20.0, 90.0)):
        await manager.report(await manager.enrol(f"web-{number}"), "bulk", (1, "sample", cpu(percent)))

    async def old(session: object) -> None:
        await session.raw_statement(  # type: ignore[attr-defined]
            f"INSERT INTO fleet_metrics (at, nodes, cpu_usage, cpu_usage_p95) VALUES ({start - HOUR_MS}, 3, 5.0, 9.0)"
        )

    await manager.db.transaction(old)
    manager.time.now = start + 5 * MINUTE_MS
    await manager.services.rollups.work(manager.time())
    before, now = await manager.services.rollups.fleet(start - HOUR_MS, manager.time(), MINUTE_MS)
    assert (before["cpu_usage_median"], before["cpu_usage_most"], before["cpu_usage_p95"]) == (None, None, 9.0)
    assert (now["cpu_usage_median"], now["cpu_usage_p95"], now["cpu_usage_most"], now["cpu_usage"]) == (20.0, 90.0, 90.0, 40.0)


def test_every_kind_has_words_for_what_why_and_next() -> None:
    for name, kind in KINDS.items():
        assert all((kind.one, kind.many, kind.why, kind.next)), name


async def test_open_alerts_need_somebody_until_one_takes_them_on_the_critical_first(manager: Manager) -> None:
    site = Site(manager)
    first, second, third = [await site.node(f"web-{n}") for n in range(3)]
    await site.rule("Busy", threshold="80%")
    await site.sample(first, **busy(85.0))
    await site.tick()
    assert (await found(manager))["alerts"].severity == WARNING
    await site.rule("Very busy", threshold="90%", severity="critical")
    await site.rule("By the way", threshold="1%", severity="info")
    manager.time.now += MINUTE_MS
    for node in (first, second, third):
        await site.sample(node, **busy(95.0 if node is second else 50.0))
    site.silenced = {third.id}
    await site.tick()
    seen = (await found(manager))["alerts"]
    assert (seen.severity, seen.count) == (CRITICAL, 2)
    assert [(one.name, one.said.partition(" is ")[0]) for one in seen.subjects] == [("web-1", "CPU of web-1")] * 2
    assert seen.subjects[0].alert_id == (await manager.services.alerts.page(severity="critical", limit=1, offset=0)).rows[0]["id"]
    await manager.services.alerts.acknowledge(manager.admin, [one.alert_id for one in seen.subjects], "at it", manager.time())
    assert "alerts" not in await found(manager)


async def test_a_receiver_that_takes_nothing_for_an_hour_needs_somebody(manager: Manager) -> None:
    settings = {"url": "https://hook.example.com/x"}
    one, _ = await manager.services.receivers.make(manager.admin, "webhook", Change(name="hook", settings=settings), manager.time())
    wrong = {"id": one, "problem": "connection refused", "now": manager.time()}
    await manager.db.transaction(lambda session: session.execute(manager.db.q.delivery_turns.went_wrong, wrong))
    assert "receivers" not in await found(manager), "it may be a restart"
    manager.time.now += HOUR_MS
    seen = (await found(manager))["receivers"]
    assert [(who.name, who.receiver_id, who.said) for who in seen.subjects] == [("hook", one, "connection refused")]
    await manager.db.transaction(lambda session: session.execute(manager.db.q.delivery_turns.went_well, wrong))
    assert "receivers" not in await found(manager)
