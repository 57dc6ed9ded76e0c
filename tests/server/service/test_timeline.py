"""The timeline of a node: all that befell it, once each and in order, however it is turned over; on every database."""

from __future__ import annotations

import random

import pytest

from host.wire.codec import plain
from host.wire.records import Configuration, Event, Execution
from server.auth import Caller
from server.db import Session
from server.errors import BadInput, NodeUnknown
from server.service.alert_events import AlertEvent, row_of
from server.service.timeline import KINDS, Entry, Timeline
from tests.conftest import DAY, Manager

SCRIPT = {"script": "true", "interpreter": "shell"}


async def run(manager: Manager, node_id: str, name: str = "") -> str:
    done = await manager.services.commands.run(manager.admin, [node_id], "script", SCRIPT, name, manager.time())
    return done.commands[node_id]


async def timeline(manager: Manager, node_id: str, caller: Caller | None = None, **wanted: object) -> Timeline:
    return await manager.services.timelines.page(caller or manager.admin, node_id, manager.time(), **wanted)  # type: ignore[arg-type]


async def every(manager: Manager, node_id: str, limit: int, **wanted: object) -> list[Entry]:
    """All pages, one after another."""
    found, before = [], ""
    while True:
        page = await timeline(manager, node_id, limit=limit, before=before, **wanted)
        found += page.entries
        if not page.next:
            return found
        assert len(page.entries) == limit
        before = page.next


def told(entries: list[Entry]) -> list[str]:
    return [f"{one.kind} {one.name}" for one in entries]


async def alerted(manager: Manager, node_id: str, kind: str, at: int, number: int = 0) -> None:
    key, rule = f"{number:026d}", ("r", "CPU", "metric", "warning")
    event = AlertEvent(key, key, kind, at, *rule, node_id, "web-1", "", "too hot", 91.0, 90.0, at, 0, "", 1)
    await manager.db.transaction(lambda session: session.execute(manager.db.q.alerts.insert_event, row_of(event, True)))


async def updated(manager: Manager, node_id: str, at: int, number: int = 0) -> None:
    async def work(session: Session) -> None:
        await session.raw_statement(
            "INSERT INTO update_records (id, node_id, component, from_version, to_version, state, started_at, finished_at) "
            f"VALUES ('{number:026d}', '{node_id}', 'agent', '1.0', '1.1', 'succeeded', {at}, {at + 5})"
        )

    await manager.db.transaction(work)


async def test_a_timeline_tells_of_everything_that_befell_a_node_newest_first(manager: Manager) -> None:
    node = await manager.enrol()
    services, clock, admin = manager.services, manager.time, manager.admin
    clock.now += 1_000
    await manager.report(node, "urgent", (1, "configuration", plain(Configuration("a: 1\n", "f" * 64, "started"))))
    clock.now += 1_000
    command = await run(manager, node.id, "tidy up")
    await manager.report(node, "urgent", (2, "execution", plain(Execution(command, "started"))))
    clock.now += 1_000
    await manager.report(node, "urgent", (3, "execution", plain(Execution(command, "failed", "it broke", 3))))
    await alerted(manager, node.id, "opened", clock())
    await alerted(manager, node.id, "reminded", clock(), 1)
    clock.now += 1_000
    await manager.report(node, "urgent", (4, "event", plain(Event("agent_keeps_failing", "three times"))))
    clock.now += 1_000
    await updated(manager, node.id, clock())
    clock.now += 1_000
    await services.edits.tag(admin, [node.id], {"env": "prod"}, [], clock())
    clock.now += 1_000
    push = await services.orders.give(admin, node.id, "configure", clock(), text="a: 2\n", base="f" * 64)
    clock.now += 1_000
    await services.nodes.retire(admin, node.id, clock())

    found = (await timeline(manager, node.id)).entries
    assert told(found) == [
        "state retired",
        "action node.retire",
        "configuration canceled",
        "action node.tag",
        "update succeeded",
        "event agent_keeps_failing",
        "alert opened",
        "command failed",
        "configuration in-force",
        "state online",
        "identity node.enrol",
    ]
    by_name = {one.name: one for one in found}
    assert (by_name["failed"].actor, by_name["failed"].ref) == ("admin", command)
    assert (by_name["failed"].detail["exit_code"], by_name["failed"].detail["task"]) == (3, "tidy up")
    assert by_name["canceled"].ref == push
    assert by_name["node.tag"].detail["add"] == {"env": "prod"}
    assert [one.at for one in found] == sorted((one.at for one in found), reverse=True)
    for kind in KINDS:
        assert told((await timeline(manager, node.id, kind=kind)).entries) == [text for text in told(found) if text.startswith(f"{kind} ")]


async def test_pages_have_no_gap_and_nothing_twice_though_much_happened_in_one_millisecond(manager: Manager) -> None:
    node = await manager.enrol()
    chance, start = random.Random(7), manager.time()
    seq = {"urgent": 0, "bulk": 0}
    for number in range(60):
        manager.time.now = start + chance.randrange(4)
        match chance.randrange(6):
            case 0:
                await alerted(manager, node.id, "opened", manager.time(), number)
            case 1:
                await updated(manager, node.id, manager.time(), number)
            case 2:
                await manager.services.edits.note(manager.admin, node.id, f"note {number}", manager.time())
            case 3:
                await manager.db.transaction(lambda s: manager.services.nodes.note_state(s, node.id, "offline", manager.time()))
            case 4:
                await run(manager, node.id)
            case _:
                lane = chance.choice(["urgent", "bulk"])
                seq[lane] += 1
                await manager.report(node, lane, (seq[lane], "event", {"name": "something", "detail": str(number)}))
    whole = await every(manager, node.id, 200)
    assert len(whole) == len({one.id for one in whole}) == 62
    for limit in (1, 2, 7, 61, 62):
        assert await every(manager, node.id, limit) == whole
    for kind in KINDS:
        assert await every(manager, node.id, 3, kind=kind) == [one for one in whole if one.kind == kind]
    cut = await every(manager, node.id, 2, since=start + 1, until=start + 2)
    assert cut == [one for one in whole if start + 1 <= one.at <= start + 2]


async def test_what_happens_while_somebody_turns_pages_moves_nothing(manager: Manager) -> None:
    node = await manager.enrol()
    command = await run(manager, node.id)
    for number in range(6):
        manager.time.now += 1
        await manager.services.edits.note(manager.admin, node.id, f"note {number}", manager.time())
    before = await every(manager, node.id, 200)
    first = await timeline(manager, node.id, limit=3)
    manager.time.now += 1
    await manager.services.edits.note(manager.admin, node.id, "a new one", manager.time())
    await manager.services.commands.cancel(manager.admin, command, manager.time())
    rest = await timeline(manager, node.id, limit=200, before=first.next)
    assert [one.id for one in [*first.entries, *rest.entries]] == [one.id for one in before]


async def test_a_change_of_many_nodes_is_in_the_timeline_of_each(manager: Manager) -> None:
    nodes = [(await manager.enrol(f"web-{number}")).id for number in range(3)]
    await manager.services.edits.tag(manager.admin, nodes[:2], {"env": "prod"}, [], manager.time())
    group = await manager.services.groups.make(manager.admin, "region", "east", "", False, manager.time())
    await manager.services.groups.put(manager.admin, group, nodes[1:], manager.time())
    found = [told((await timeline(manager, one, kind="action")).entries) for one in nodes]
    assert found == [["action node.tag"], ["action group.put", "action node.tag"], ["action group.put"]]


async def test_who_may_not_read_the_audit_log_sees_who_did_what_and_no_more(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.services.edits.note(manager.admin, node.id, "between us", manager.time())
    [shown] = (await timeline(manager, node.id, manager.viewer, kind="action")).entries
    assert (shown.name, shown.actor, shown.detail) == ("node.note", "admin", {})


async def test_it_says_since_when_each_kind_is_kept_once_something_may_be_gone(manager: Manager) -> None:
    node = await manager.enrol()
    assert (await timeline(manager, node.id)).kept == {}
    manager.time.now += 31 * DAY
    month = manager.time() - 30 * DAY
    assert (await timeline(manager, node.id)).kept == {"event": month, "configuration": month, "state": month}
    await manager.services.nodes.forget_states(month)
    assert told((await timeline(manager, node.id)).entries) == ["identity node.enrol"]
    manager.time.now += 366 * DAY
    assert (await timeline(manager, node.id)).kept["alert"] == manager.time() - 365 * DAY


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"kind": "gossip"}, "kind"),
        ({"before": "yesterday"}, "before"),
        ({"before": "1.gossip.1"}, "before"),
        ({"before": "1.event.1"}, "before"),
        ({"before": "1.event.urgent.x.1"}, "before"),
        ({"before": "1.action.abc"}, "before"),
        ({"since": 2, "until": 1}, "since"),
    ],
)
async def test_what_cannot_be_used_is_named(manager: Manager, wanted: dict[str, object], field: str) -> None:
    node = await manager.enrol()
    with pytest.raises(BadInput) as problem:
        await timeline(manager, node.id, **wanted)
    assert problem.value.field == field


async def test_a_node_that_is_not_there_has_no_timeline(manager: Manager) -> None:
    with pytest.raises(NodeUnknown):
        await timeline(manager, "0" * 26)


async def test_a_deleted_node_leaves_nothing_of_its_timeline(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    await manager.services.nodes.delete(manager.admin, node.id, "web-1", manager.time())

    async def left(session: Session) -> list[dict[str, object]]:
        return await session.raw_rows("SELECT node_id FROM audit_nodes")

    assert await manager.db.transaction(left) == []
