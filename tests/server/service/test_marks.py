"""What is marked on charts: spans that touch a range, moments within it, on every database."""

from __future__ import annotations

from server.db import Row, Session
from server.queries import Query
from server.service.marks import MOST, Mark
from server.service.windows import Wanted
from tests.conftest import Manager

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def health(started: int) -> dict[str, object]:
    return {"started": started, "address": "manager:8443"}


async def alert(manager: Manager, node_id: str, name: str, opened: int, resolved: int = 0) -> None:
    row: Row = dict.fromkeys(("rule_id", "rule_name", "rule_kind", "metric", "node_name", "subject", "group_id", "command_note"), "")
    row |= {"id": name.ljust(26, "0"), "open_key": name, "severity": "warning", "node_id": node_id, "summary": name, "flapping": 0}
    row |= {"silenced": 0, "value": None, "threshold": None, "now": opened, "told_at": opened, "command_state": ""}

    async def work(session: Session) -> None:
        await session.execute(manager.db.q.alerts.insert, row)
        if resolved:
            await session.execute(manager.db.q.alerts.resolve, {"id": row["id"], "now": resolved, "why": ""})

    await manager.db.transaction(work)


def told(marks: list[Mark], kind: str) -> list[str]:
    return [mark.title for mark in marks if mark.kind == kind]


async def test_alerts_that_were_open_in_the_range_are_marked_and_no_others(manager: Manager) -> None:
    node, other = await manager.enrol(), await manager.enrol("other")
    now = manager.time.now
    since, until = now - 2 * HOUR, now - HOUR
    await alert(manager, node.id, "ended-before", since - 2 * HOUR, since - 1)
    await alert(manager, node.id, "reaches-in", since - 2 * HOUR, since + 1)
    await alert(manager, node.id, "within", since + MINUTE, since + 2 * MINUTE)
    await alert(manager, node.id, "goes-on", since - DAY)
    await alert(manager, node.id, "came-after", until + 1)
    await alert(manager, other.id, "of-another", since + MINUTE)
    found = await manager.services.marks.of_node(node.id, since, until, now)
    assert told(found.marks, "alert") == ["goes-on", "reaches-in", "within"]
    assert [mark.until for mark in found.marks if mark.kind == "alert"] == [None, since + 1, since + 2 * MINUTE]
    assert found.more == []


async def test_of_very_many_the_newest_are_marked_and_it_is_said(manager: Manager) -> None:
    node = await manager.enrol()
    now = manager.time.now
    for number in range(MOST + 5):
        await alert(manager, node.id, f"n{number:03}", now - HOUR + number * 1000, now - HOUR + number * 1000 + 500)
    found = await manager.services.marks.of_node(node.id, now - 2 * HOUR, now, now)
    titles = told(found.marks, "alert")
    assert (titles[0], titles[-1], len(titles), found.more) == ("n005", f"n{MOST + 4:03}", MOST, ["alert"])


async def test_windows_of_the_node_are_marked_from_when_they_were_made_on(manager: Manager) -> None:
    node = await manager.enrol("web-1")
    await manager.enrol("db-1")
    made = manager.time.now
    daily = {"start": "2020-01-01T02:00", "minutes": 60, "repeat": "weekly", "weekdays": [0, 1, 2, 3, 4, 5, 6]}
    for name, selector in (("mine", "name=web-1"), ("not mine", "name=db-1")):
        await manager.services.windows.make(manager.admin, Wanted(name, "", selector, daily, "UTC", True, False, True), made)
    now = made + 3 * DAY
    found = await manager.services.marks.of_node(node.id, made - 10 * DAY, now, now)
    assert told(found.marks, "window") == ["mine"] * 3
    assert all(mark.until == mark.since + HOUR for mark in found.marks if mark.kind == "window" and mark.until)
    fleet = await manager.services.marks.of_fleet(made - 10 * DAY, now, now)
    assert sorted(told(fleet.marks, "window")) == ["mine"] * 3 + ["not mine"] * 3


async def test_a_window_in_each_hosts_own_zone_is_marked_by_the_clocks_of_the_node(manager: Manager) -> None:
    node = await manager.enrol("web-1")
    row = {"id": node.id, "zone": "Asia/Shanghai"}
    change = Query("zone", "UPDATE node_facts SET timezone = :zone WHERE node_id = :id", manager.db.dialect)
    await manager.db.transaction(lambda session: session.execute(change, row))
    made = manager.time.now
    daily = {"start": "2020-01-01T02:00", "minutes": 60, "repeat": "weekly", "weekdays": [0, 1, 2, 3, 4, 5, 6]}
    await manager.services.windows.make(manager.admin, Wanted("own", "", "name=web-1", daily, "host", True, False, True), made)
    now = made + 2 * DAY
    for remembered in (False, True):
        if remembered:
            await manager.services.windows.members((await manager.services.windows.every())[0], now)
        found = await manager.services.marks.of_node(node.id, made, now, now)
        assert [mark.since % DAY for mark in found.marks] == [18 * HOUR] * 2, "two in the night in Shanghai"


async def test_a_start_of_the_daemon_is_marked_once_and_at_its_own_time(manager: Manager) -> None:
    node = await manager.enrol()
    first, second = manager.time.now - 5 * MINUTE, manager.time.now - MINUTE
    for number, started in enumerate((first, first, second, second), start=1):
        manager.time.now += 1000
        await manager.report(node, "urgent", (number, "health", health(started)))
    found = await manager.services.marks.of_node(node.id, first - 1, manager.time.now, manager.time.now)
    assert [(mark.kind, mark.since, mark.until) for mark in found.marks] == [("start", first, first), ("start", second, second)]


async def test_a_start_that_lies_ahead_is_marked_when_it_was_told(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "health", health(manager.time.now + DAY)))
    found = await manager.services.marks.of_node(node.id, manager.time.now, manager.time.now, manager.time.now)
    assert [mark.since for mark in found.marks] == [manager.time.now]


async def test_updates_are_marked_with_both_versions(manager: Manager) -> None:
    node = await manager.enrol()
    insert = Query(
        "update",
        "INSERT INTO update_records (id, node_id, component, from_version, to_version, state, started_at, finished_at) "
        "VALUES (:id, :node_id, 'agent', '1.0', '1.1', 'succeeded', :at, NULL)",
        manager.db.dialect,
    )
    row = {"id": "U" * 26, "node_id": node.id, "at": manager.time.now}
    await manager.db.transaction(lambda session: session.execute(insert, row))
    found = await manager.services.marks.of_node(node.id, manager.time.now - 1, manager.time.now, manager.time.now)
    assert [(mark.title, mark.state) for mark in found.marks] == [("agent 1.0 → 1.1", "succeeded")]
