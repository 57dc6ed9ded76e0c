"""Maintenance windows and the commands that wait for one, on every database, with time passed in."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timezone
from typing import Any

import pytest

from host.wire import signing
from host.wire.messages import Command, Facts, PollRequest
from server.auth import Caller
from server.db import Session
from server.errors import BadInput, BadSelector, Conflict, NotFound
from server.service.windows import Wanted
from server.services import build
from tests.conftest import QUICK_HASHER, Manager

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def wall(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M")


async def make(manager: Manager, opens_in: int = 3 * HOUR, minutes: int = 120, **more: Any) -> str:
    """A window that opens so many ms from now, once; its id."""
    schedule = {"start": wall(manager.time() + opens_in), "minutes": minutes, **more.pop("schedule", {})}
    wanted = Wanted(**{"name": "Kernel updates", "selector": "all", "zone": "UTC", "schedule": schedule, **more})
    return await manager.services.windows.make(manager.admin, wanted, manager.time())


async def run(manager: Manager, *nodes: Caller, wait: int = 7 * 86_400, **content: Any) -> list[str]:
    content = {"script": "true", **content}
    done = await manager.services.commands.run(manager.admin, [n.id for n in nodes], "script", content, "", manager.time(), wait_s=wait)
    return [done.commands[node.id] for node in nodes]


async def mail(manager: Manager, node: Caller) -> list[Command]:
    return await manager.services.commands.mailbox(node.id, [], manager.time())


async def tag(manager: Manager, node: Caller, name: str) -> None:
    await manager.services.edits.tag(manager.admin, [node.id], {name: "yes"}, [], manager.time())


async def zoned(manager: Manager, name: str, zone: str) -> Caller:
    """A host that tells this time zone."""
    node, facts = await manager.enrol(name), Facts(name, ["192.0.2.1"], timezone=zone)
    await manager.db.transaction(lambda s: manager.services.nodes.update_facts(s, node.id, facts, "192.0.2.1", manager.time()))
    return node


async def damage(manager: Manager, table: str, column: str, row_id: str, text: str) -> None:
    """As somebody would who edits the database."""
    await manager.db.transaction(lambda session: session.raw_statement(f"UPDATE {table} SET {column} = '{text}' WHERE id = '{row_id}'"))


async def test_a_node_is_in_a_window_from_its_start_until_before_its_end(manager: Manager) -> None:
    node, windows = await manager.enrol(), manager.services.windows
    start = manager.time() // MINUTE * MINUTE + 3 * HOUR
    window = await make(manager)
    for moment, inside in ((start - 1, False), (start, True), (start + 2 * HOUR - 1, True), (start + 2 * HOUR, False)):
        found = await windows.active([node.id, "nobody"], moment)
        assert (node.id in found) is inside
        assert "nobody" not in found
    active = (await windows.active([node.id], start))[node.id]
    assert (active.window_id, active.name, active.ends_at, active.silences, active.opens) == (
        window,
        "Kernel updates",
        start + 2 * HOUR,
        True,
        True,
    )


async def test_of_two_windows_each_effect_counts_and_a_disabled_one_has_none(manager: Manager) -> None:
    node, windows = await manager.enrol(), manager.services.windows
    await make(manager, 0, 60, name="Quiet", opens=False)
    await make(manager, 0, 300, name="Long", silences=False)
    await make(manager, 0, 900, name="Off", enabled=False)
    active = (await windows.active([node.id], manager.time() + MINUTE))[node.id]
    assert (active.name, active.silences, active.opens) == ("Quiet", True, True)
    active = (await windows.active([node.id], manager.time() + 2 * HOUR))[node.id]
    assert (active.name, active.silences, active.opens) == ("Long", False, True)


async def test_each_host_goes_by_its_own_clock_and_by_utc_where_it_tells_no_zone(manager: Manager) -> None:
    nodes = {}
    for name, zone in (("cn", "Asia/Shanghai"), ("us", "America/New_York"), ("odd", "CST6"), ("none", "")):
        nodes[name] = await zoned(manager, name, zone)
    schedule = {"start": "2027-03-01T02:00", "minutes": 60}
    await manager.services.windows.make(manager.admin, Wanted(name="night", selector="all", zone="host", schedule=schedule), manager.time())
    opened = await manager.services.windows.next_opening([node.id for node in nodes.values()], manager.time())
    hours = {name: wall(opened[node.id].starts_at) for name, node in nodes.items()}
    assert hours == {"cn": "2027-02-28T18:00", "us": "2027-03-01T07:00", "odd": "2027-03-01T02:00", "none": "2027-03-01T02:00"}
    at = opened[nodes["cn"].id].starts_at
    assert list(await manager.services.windows.active([n.id for n in nodes.values()], at)) == [nodes["cn"].id]


async def test_a_selector_that_has_become_wrong_covers_nobody_and_says_so(manager: Manager) -> None:
    node, services = await manager.enrol(), manager.services
    await tag(manager, node, "patch")
    window = await services.windows.get(await make(manager, 0, selector="patch=yes"))
    assert await services.windows.active([node.id], manager.time())
    await services.edits.tag(manager.admin, [node.id], {}, ["patch"], manager.time())
    manager.time.now += 11_000
    assert await services.windows.active([node.id], manager.time()) == {}
    assert "patch" in (await services.windows.members(window, manager.time()))[1]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"selector": ""}, "selector"),
        ({"selector": "evn=prod"}, "selector"),
        ({"schedule": {"minutes": 0}}, "schedule.minutes"),
        ({"schedule": {"cuts": [1]}}, "schedule.cuts"),
    ],
)
async def test_a_window_that_makes_no_sense_is_refused_at_its_field(manager: Manager, wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(BadInput) as caught:
        await make(manager, **wrong)
    assert caught.value.field == field
    assert isinstance(caught.value, BadSelector) == (field == "selector")
    assert await manager.services.windows.every() == []


async def test_a_change_names_the_version_it_was_made_of_and_is_audited(manager: Manager) -> None:
    windows = manager.services.windows
    window = await make(manager)
    assert await windows.change(manager.admin, window, 1, Wanted(name="Other"), manager.time()) == 2
    with pytest.raises(Conflict, match="changed by admin"):
        await windows.change(manager.admin, window, 1, Wanted(name="Lost"), manager.time())
    with pytest.raises(Conflict):
        await windows.delete(manager.admin, window, 1, manager.time())
    await windows.delete(manager.admin, window, 2, manager.time())
    with pytest.raises(NotFound):
        await windows.get(window)
    actions = [row["action"] for row in (await manager.services.audit.page(3, 0)).rows]
    assert actions == ["window.delete", "window.change", "window.make"]


async def test_what_is_open_can_be_ended_and_one_opening_skipped(manager: Manager) -> None:
    node, windows = await manager.enrol(), manager.services.windows
    window = await make(manager, 0, 60, schedule={"repeat": "weekly"})
    manager.time.now += 2 * MINUTE
    await windows.end_now(manager.admin, window, manager.time())
    assert await windows.active([node.id], manager.time()) == {}
    with pytest.raises(Conflict, match="not open now"):
        await windows.end_now(manager.admin, window, manager.time())
    [first] = (await windows.openings_of(await windows.get(window), manager.time(), manager.time() + 8 * DAY))[:1]
    await windows.skip(manager.admin, window, first.date, manager.time())
    opening = (await windows.next_opening([node.id], manager.time()))[node.id]
    assert opening.starts_at == first.start + 7 * DAY
    with pytest.raises(BadInput, match="does not open on"):
        await windows.skip(manager.admin, window, "2027-01-01", manager.time())


async def test_a_waiting_command_is_handed_out_only_while_a_window_is_open(manager: Manager) -> None:
    node = await manager.enrol()
    await make(manager)
    [command] = await run(manager, node)
    opens = manager.time() // MINUTE * MINUTE + 3 * HOUR
    for moment in (manager.time(), opens - 1):
        manager.time.now = moment
        await manager.services.holding.tick(moment)
        assert await mail(manager, node) == []
    assert (await manager.services.commands.get(command))["state"] == "queued"
    manager.time.now = opens
    [handed] = await mail(manager, node)
    assert handed.id == command
    row = await manager.services.commands.get(command)
    assert (row["waits"], row["handed_at"]) == (2, opens)
    # Good until it could no more end within the window, and never longer than any other command.
    key, body = manager.services.keys.dispatch_key(node.id), handed.body.encode()
    parts: dict[str, Any] = {"key_id": node.id, "method": "POST", "path": handed.path, "body": body}
    signing.verify(key, handed.headers, now=opens + HOUR, **parts)
    with pytest.raises(signing.SignatureError):
        signing.verify(key, handed.headers, now=opens + HOUR + 1, **parts)


async def test_what_is_stored_of_a_waiting_command_is_no_request_that_an_agent_takes(manager: Manager) -> None:
    node = await manager.enrol()
    await make(manager)
    [command] = await run(manager, node)
    row = await manager.services.commands.get(command)
    body = manager.services.keys.seals.unlock(row["body"], f"command {command}").encode()
    with pytest.raises(signing.SignatureError):
        signing.verify(
            manager.services.keys.dispatch_key(node.id),
            json.loads(row["headers"]),
            key_id=node.id,
            now=manager.time(),
            method="POST",
            path=row["path"],
            body=body,
        )


async def test_a_waiting_command_whose_row_was_changed_is_never_sent(manager: Manager) -> None:
    node = await manager.enrol()
    await make(manager, 0)
    [command] = await run(manager, node)

    async def forge(session: Session) -> None:
        await session.raw_statement(f"UPDATE commands SET path = '/api/v1/other' WHERE id = '{command}'")

    await manager.db.transaction(forge)
    assert await mail(manager, node) == []
    row = await manager.services.commands.get(command)
    assert (row["state"], row["reason"]) == ("refused", "its row was changed outside the manager; it was not sent")


async def test_one_that_does_not_fit_before_the_end_waits_for_the_next_opening(manager: Manager) -> None:
    node = await manager.enrol()
    window = await make(manager, 0, 60, schedule={"repeat": "weekly"})
    manager.time.now += 20 * MINUTE
    [long] = await run(manager, node, wait=10 * 86_400, timeout=45 * 60)
    [short] = await run(manager, node, timeout=60)
    assert [command.id for command in await mail(manager, node)] == [short]
    told = await manager.services.holding.told(await manager.services.commands.get(long), manager.time())
    assert told is not None
    assert (told["id"], told["opens_at"] > manager.time() + 6 * DAY) == (window, True)
    manager.time.now = told["opens_at"]
    assert long in [command.id for command in await mail(manager, node)]


@pytest.mark.parametrize(
    ("window", "content", "wait", "said"),
    [
        (None, {}, 7 * 86_400, "no maintenance window that opens for commands covers it"),
        ({"opens": False}, {}, 7 * 86_400, "no maintenance window that opens for commands covers it"),
        ({"enabled": False}, {}, 7 * 86_400, "no maintenance window that opens for commands covers it"),
        ({"selector": "name=other"}, {}, 7 * 86_400, "no maintenance window that opens for commands covers it"),
        ({"opens_in": -5 * HOUR}, {}, 7 * 86_400, "the window 'Kernel updates' never opens again"),
        ({}, {"timeout": 7200}, 7 * 86_400, "its time limit is longer than the window 'Kernel updates' stays open"),
        ({}, {}, 3600, "the window 'Kernel updates' opens only after it would have expired"),
    ],
)
async def test_where_no_window_will_ever_come_it_is_refused_at_once_with_the_reason(
    manager: Manager, window: dict[str, Any] | None, content: dict[str, Any], wait: int, said: str
) -> None:
    node, other = await manager.enrol("web-1"), await manager.enrol("other")
    if window is not None:
        await make(manager, **window)
    with pytest.raises(BadInput) as caught:
        await run(manager, node, wait=wait, **content)
    assert caught.value.field == "wait_for_window"
    assert f"web-1: {said}" in caught.value.message
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)).total == 0
    assert other.id


async def test_one_node_without_a_window_among_others_queues_nothing_and_is_named(manager: Manager) -> None:
    node, other = await manager.enrol("web-1"), await manager.enrol("db-1")
    await make(manager, selector="name=web-1")
    with pytest.raises(BadInput, match="db-1: no maintenance window"):
        await run(manager, node, other)
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)).total == 0


async def test_it_expires_where_no_window_let_it_out_within_its_limit(manager: Manager) -> None:
    node = await manager.enrol()
    window = await make(manager)
    [command] = await run(manager, node, wait=86_400)
    await manager.services.windows.delete(manager.admin, window, 1, manager.time())
    await manager.services.holding.tick(manager.time())
    told = await manager.services.holding.told(await manager.services.commands.get(command), manager.time())
    assert told is not None
    assert (told["opens_at"], told["why"]) == (None, "no maintenance window that opens for commands covers it")
    manager.time.now += 4 * HOUR
    assert await mail(manager, node) == []
    manager.time.now += DAY
    await manager.services.commands.end_overdue(manager.time())
    row = await manager.services.commands.get(command)
    assert (row["state"], "no maintenance window" in row["reason"]) == ("expired", True)


async def test_a_window_that_is_moved_takes_its_waiting_commands_along(manager: Manager) -> None:
    node = await manager.enrol()
    window = await make(manager)
    [command] = await run(manager, node)
    later = {"start": wall(manager.time() + 30 * HOUR), "minutes": 60}
    await manager.services.windows.change(manager.admin, window, 1, Wanted(schedule=later), manager.time())
    manager.time.now += 3 * HOUR + MINUTE
    # Before anybody has looked again: the gate was shut with the change itself.
    assert await mail(manager, node) == []
    await manager.services.holding.tick(manager.time())
    row = await manager.services.commands.get(command)
    assert wall(row["opens_at"]) == later["start"]
    manager.time.now = row["opens_at"]
    assert [one.id for one in await mail(manager, node)] == [command]


async def test_a_node_that_left_the_window_gets_nothing_though_its_gate_says_open(manager: Manager) -> None:
    node = await manager.enrol()
    await tag(manager, node, "patch")
    await make(manager, selector="patch=yes")
    [command] = await run(manager, node)
    manager.time.now += 3 * HOUR
    await manager.services.holding.tick(manager.time())
    await manager.services.edits.tag(manager.admin, [node.id], {"patch": "no"}, [], manager.time())
    assert await mail(manager, node) == []
    await manager.services.edits.tag(manager.admin, [node.id], {"patch": "yes"}, [], manager.time())
    assert [one.id for one in await mail(manager, node)] == [command]


async def test_canceled_while_it_waits_it_is_never_handed_out(manager: Manager) -> None:
    node = await manager.enrol()
    await make(manager)
    [command] = await run(manager, node)
    assert await manager.services.commands.cancel(manager.admin, command, manager.time()) == "canceled"
    manager.time.now += 3 * HOUR + MINUTE
    assert await mail(manager, node) == []


async def test_two_managers_let_it_out_once_and_give_it_again_only_within_the_window(manager: Manager) -> None:
    node = await manager.enrol()
    await make(manager)
    [command] = await run(manager, node)
    services = manager.services
    other = build(manager.db, services.config, services.keys, manager.time, QUICK_HASHER)
    manager.time.now += 3 * HOUR
    both = await asyncio.gather(mail(manager, node), other.commands.mailbox(node.id, [], manager.time()))
    assert {one.id for found in both for one in found} == {command}
    assert len({json.dumps(one.headers, sort_keys=True) for found in both for one in found}) == 1
    # Its answer may have been lost: given again, the same, while it can still end in time.
    assert [one.id for one in await mail(manager, node)] == [command]
    manager.time.now += 2 * HOUR
    assert await mail(manager, node) == []


async def test_a_held_poll_is_woken_when_the_window_opens(manager: Manager) -> None:
    node, services = await manager.enrol(), manager.services
    await make(manager)
    [command] = await run(manager, node)
    poll = asyncio.create_task(services.polls.poll(node, PollRequest(1, "0.1.0"), asyncio.Event()))
    while not services.wakeups.topics():
        await asyncio.sleep(0)
    manager.time.now += 3 * HOUR
    assert await services.holding.tick(manager.time()) == 1
    answer = await poll
    assert answer is not None
    assert [one.id for one in answer.commands] == [command]


async def test_a_retired_node_is_in_no_window_and_its_waiting_command_is_canceled(manager: Manager) -> None:
    node, services = await manager.enrol(), manager.services
    await make(manager)
    [command] = await run(manager, node)
    await services.nodes.retire(manager.admin, node.id, manager.time())
    assert (await services.commands.get(command))["state"] == "canceled"
    assert await services.windows.active([node.id], manager.time() + 4 * HOUR) == {}


async def test_who_is_in_a_window_is_known_without_a_query_for_each_node(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = [await manager.enrol(f"web-{number}") for number in range(3)]
    for number in range(5):
        await make(manager, 0, name=f"w{number}")
    asked: list[str] = []
    rows = manager.db.rows

    async def counted(query: Any, params: Any = {}) -> Any:
        asked.append(str(query))
        return await rows(query, params)

    monkeypatch.setattr(manager.db, "rows", counted)
    windows = manager.services.windows
    assert len(await windows.active([node.id for node in nodes], manager.time())) == 3
    first = len(asked)
    assert len(await windows.active([node.id for node in nodes] * 50, manager.time())) == 3
    assert asked[first:] == ["windows.versions"]


async def selected(manager: Manager, text: str) -> set[str]:
    read = await manager.services.selections.read(text)
    return {row["name"] for row in await manager.services.selections.rows_of(read, 100)}


async def test_nodes_can_be_asked_for_by_whether_a_window_is_open_for_them_now(manager: Manager) -> None:
    inside, outside = await manager.enrol("inside"), await manager.enrol("outside")
    await tag(manager, inside, "patched")
    await make(manager, selector="tag:patched", opens_in=HOUR, minutes=60)
    assert await selected(manager, "maintenance") == set()
    assert await selected(manager, "not maintenance") == {"inside", "outside"}
    manager.time.now += HOUR + MINUTE
    assert await selected(manager, "maintenance") == {"inside"}
    assert await selected(manager, "online and not Maintenance") == {"outside"}
    assert await manager.db.transaction(
        lambda session: manager.services.selections.among(session, "maintenance", [inside.id, outside.id])
    ) == {inside.id}
    active = await manager.services.windows.active([inside.id, outside.id], manager.time())
    assert set(active) == {inside.id}, "what pages say of the node agrees with it"
    manager.time.now += HOUR
    assert await selected(manager, "maintenance") == set()


async def test_in_each_hosts_own_zone_maintenance_means_the_hosts_where_it_is_that_time(manager: Manager) -> None:
    for name, zone in (("berlin", "Europe/Berlin"), ("shanghai", "Asia/Shanghai"), ("mars", "Mars/Olympus"), ("mute", "")):
        await zoned(manager, name, zone)
    now = datetime.fromtimestamp(manager.time() / 1000, timezone.utc)
    schedule = {"start": f"{now:%Y-%m-%d}T20:00", "minutes": 60}
    await manager.services.windows.make(manager.admin, Wanted("Tonight", "", "all", schedule, "host"), manager.time())
    midnight = int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
    for hour, expected in ((12, {"shanghai"}), (19, {"berlin"}), (20, {"mars", "mute"}), (21, set())):
        manager.time.now = midnight + hour * HOUR + MINUTE
        assert await selected(manager, "maintenance") == expected, hour
        assert await selected(manager, "not maintenance") == {"berlin", "shanghai", "mars", "mute"} - expected


async def test_a_window_cannot_be_made_for_the_nodes_in_maintenance_and_one_that_says_so_covers_none(manager: Manager) -> None:
    await manager.enrol("web")
    with pytest.raises(BadSelector, match="cannot cover the nodes that are in maintenance"):
        await make(manager, selector="all and not maintenance")
    window = await make(manager, opens_in=0, minutes=600)
    manager.time.now += MINUTE
    assert await selected(manager, "maintenance") == {"web"}
    await manager.db.transaction(
        lambda session: session.raw_statement(f"UPDATE maintenance_windows SET selector = 'maintenance' WHERE id = '{window}'")
    )
    assert await selected(manager, "maintenance") == set()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '{"start": "soon", "minutes": 60}', '{"minutes": 60}', '{"start": 5, "minutes": "x"}']
)
async def test_a_window_that_was_damaged_outside_never_opens_says_so_and_holds_up_no_other(manager: Manager, text: str) -> None:
    node, windows = await manager.enrol("web"), manager.services.windows
    damaged, sound = (
        await make(manager, opens_in=0, minutes=600, name="Damaged"),
        await make(manager, opens_in=0, minutes=300, name="Sound"),
    )
    await damage(manager, "maintenance_windows", "schedule", damaged, text)
    manager.time.now += MINUTE
    assert (await windows.active([node.id], manager.time()))[node.id].window_id == sound
    assert await selected(manager, "maintenance") == {"web"}
    await manager.services.holding.tick(manager.time())
    row = await windows.get(damaged)
    assert "damaged outside the manager" in row.damaged
    look = await windows.look(row, manager.time())
    assert (look.next, look.odd) == ([], [row.damaged])
    assert [one.window.name for one in await windows.calendar(manager.time(), manager.time() + DAY, manager.time())] == ["Sound"]
    with pytest.raises(BadInput, match="write it anew"):
        await windows.change(manager.admin, damaged, 1, Wanted(enabled=False), manager.time())
    schedule = {"start": wall(manager.time()), "minutes": 600}
    await windows.change(manager.admin, damaged, 1, Wanted(schedule=schedule), manager.time())
    assert (await windows.get(damaged)).damaged == ""
    manager.time.now += MINUTE
    assert (await windows.active([node.id], manager.time()))[node.id].window_id == damaged
