"""The log of all hosts: by time, page after page without a line lost or twice, and searches that end."""

from __future__ import annotations

from typing import Any

import pytest

from server.auth import Caller
from server.errors import BadInput
from server.service import logs
from tests.conftest import Manager


async def write(manager: Manager, node: Caller, *lines: tuple[int, str, str]) -> None:
    for seq, level, message in lines:
        body = {"component": "daemon", "level": level, "logger": "link", "message": message}
        await manager.report(node, "bulk", (seq, "log", body))


async def test_lines_of_all_hosts_come_page_by_page_also_where_they_share_a_moment(manager: Manager) -> None:
    nodes = [await manager.enrol(f"web-{n}") for n in range(3)]
    for seq in range(1, 8):
        for node in nodes:
            await write(manager, node, (seq, "WARNING", f"line {seq}"))
        manager.time.now += seq % 2
    seen, before = [], ""
    while True:
        page = await manager.services.logs.page(before=before, limit=4)
        seen += [(row["node_id"], row["seq"]) for row in page.rows]
        before = page.next
        if not before:
            break
    assert len(seen) == len(set(seen)) == 21
    of_one = await manager.services.logs.page(node_id=nodes[1].id)
    assert [row["seq"] for row in of_one.rows] == [7, 6, 5, 4, 3, 2, 1]


async def test_words_levels_and_nodes_narrow_it(manager: Manager) -> None:
    one, two = await manager.enrol("web-1"), await manager.enrol("db-1")
    await write(manager, one, (1, "WARNING", "slow"), (2, "ERROR", "No space left: 100% of /var_x"))
    await write(manager, two, (1, "critical", "gone"))

    async def messages(**wanted: str) -> list[str]:
        return sorted(row["message"] for row in (await manager.services.logs.page(**wanted)).rows)

    assert await messages(level="error") == ["No space left: 100% of /var_x", "gone"]
    assert await messages(q="100% of /VAR_") == ["No space left: 100% of /var_x"]
    assert await messages(q="db-") == ["gone"]
    assert await messages(node_id=one.id, q="slow") == ["slow"]
    assert await messages(q="nothing") == []
    assert await messages(before=str(manager.time())) == []


async def test_a_range_of_time_narrows_it_for_one_node_and_for_all(manager: Manager) -> None:
    one, two = await manager.enrol("web-1"), await manager.enrol("db-1")
    start = manager.time.now
    for seq in range(1, 7):
        for node in (one, two):
            await write(manager, node, (seq, "ERROR", f"line {seq}"))
        manager.time.now += 1000
    span = {"since": start + 1000, "until": start + 4000}

    async def seqs(**wanted: Any) -> list[int]:
        return [row["seq"] for row in (await manager.services.logs.page(**wanted)).rows]

    assert await seqs(node_id=one.id, **span) == [4, 3, 2]
    assert await seqs(**span) == [4, 4, 3, 3, 2, 2]
    assert await seqs(node_id=one.id, q="line 3", level="error", **span) == [3]
    assert await seqs(node_id=one.id, q="line 6", **span) == []
    first = await manager.services.logs.page(node_id=one.id, limit=2, **span)
    assert [row["seq"] for row in first.rows] == [4, 3]
    rest = await manager.services.logs.page(node_id=one.id, limit=2, before=first.next, **span)
    assert ([row["seq"] for row in rest.rows], rest.next) == ([2], "")
    with pytest.raises(BadInput, match="since: later than until"):
        await manager.services.logs.page(since=2, until=1)


async def test_a_search_within_a_range_ends_where_the_range_begins(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SCAN", 3)
    node = await manager.enrol()
    start = manager.time.now
    for seq in range(1, 9):
        await write(manager, node, (seq, "ERROR", "hay"))
        manager.time.now += 1000
    since = start + 4000
    first = await manager.services.logs.page(node_id=node.id, q="needle", since=since)
    assert (bool(first.next), first.searched_to) == (True, start + 5000)
    last = await manager.services.logs.page(node_id=node.id, q="needle", since=since, before=first.next)
    assert (last.next, last.searched_to) == ("", None)


async def test_a_search_says_how_far_it_came_and_goes_on_from_there(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "SCAN", 5)
    node = await manager.enrol()
    for seq in range(1, 13):
        await write(manager, node, (seq, "ERROR", "needle" if seq == 2 else "hay"))
        manager.time.now += 1000
    first = await manager.services.logs.page(q="needle")
    assert (first.rows, bool(first.next), first.searched_to) == ([], True, manager.time() - 5000)
    second = await manager.services.logs.page(q="needle", before=first.next)
    third = await manager.services.logs.page(q="needle", before=second.next)
    assert ([row["seq"] for row in third.rows], third.next) == ([2], "")


@pytest.mark.parametrize("before", ["x", "1.2", "-1", "1.a.b.c", "9" * 20])
async def test_a_cursor_that_is_none_is_refused(manager: Manager, before: str) -> None:
    with pytest.raises(BadInput, match="before"):
        await manager.services.logs.page(before=before)
