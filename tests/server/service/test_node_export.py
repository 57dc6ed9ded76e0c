"""All nodes of a filter as one table: each once, whatever happens to the fleet meanwhile."""

from __future__ import annotations

import pytest

from server.db import Row
from server.errors import BadInput
from server.service import node_export
from tests.conftest import Manager


async def tagged(manager: Manager, name: str, env: str) -> str:
    node = (await manager.enrol(name)).id
    await manager.services.edits.tag(manager.admin, [node], {"env": env}, [], manager.time())
    return node


async def whole(manager: Manager, **wanted: str) -> list[Row]:
    export = manager.services.node_export
    select = wanted.pop("select", "")
    condition = (await manager.services.selections.read(select)).condition if select else None
    ids = await export.start(q=wanted.get("q", ""), state=wanted.get("state", ""), selected=condition)
    return [row async for rows in export.rows(ids, manager.time()) for row in rows]


async def test_a_row_says_what_the_list_and_more_says(manager: Manager) -> None:
    node, now, services = await manager.enrol("web-1"), manager.time(), manager.services
    await services.edits.tag(manager.admin, [node.id], {"env": "prod"}, [], now)
    group = await services.groups.make(manager.admin, "region", "Shanghai", "", False, now)
    await services.groups.put(manager.admin, group, [node.id], now)
    await services.edits.define(manager.admin, "rack", "Rack", "text", [], now)
    await services.edits.fill(manager.admin, [node.id], "rack", "A1", now)
    cpu = {"percent": 12.345, "user": 1.0, "system": 1.0, "idle": 1.0}
    await manager.report(node, "bulk", (1, "sample", {"took_ms": 1, "cpu": cpu}))
    [row] = await whole(manager)
    assert await services.node_export.columns() == [*node_export.COLUMNS, "field.rack"]
    assert set(row) == {*node_export.COLUMNS, "field.rack"}
    assert (row["name"], row["tags"], row["field.rack"]) == ("web-1", {"env": "prod"}, "A1")
    assert (row["region"], row["business"]) == ("Shanghai", None)
    assert (row["cpu_percent"], row["memory_percent"], row["id"]) == (12.3, None, node.id)
    assert row["enrolled_at"].endswith("Z")


async def test_it_follows_the_filter_and_a_wrong_one_is_refused(manager: Manager) -> None:
    for number in range(3):
        await tagged(manager, f"web-{number}", "prod" if number else "test")
    assert [row["name"] for row in await whole(manager, q="WEB-1")] == ["web-1"]
    assert [row["name"] for row in await whole(manager, select="env=prod")] == ["web-1", "web-2"]
    assert await whole(manager, select="env=prod", state="retired") == []
    assert await manager.services.node_export.names(q="web", state="online", selected=None) == ["web-0", "web-1", "web-2"]
    with pytest.raises(BadInput, match="state"):
        await whole(manager, state="gone")


async def test_a_fleet_that_changes_meanwhile_is_neither_doubled_nor_shifted(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_export, "AT_ONCE", 2)
    nodes = [await manager.enrol(f"web-{number}") for number in range(5)]
    export, found = manager.services.node_export, list[str]()
    async for rows in export.rows(await export.start(q="", state="", selected=None), manager.time()):
        if not found:
            await manager.enrol("aaa-first")
            await manager.services.nodes.retire(manager.admin, nodes[3].id, manager.time())
            await manager.services.nodes.delete(manager.admin, nodes[3].id, "web-3", manager.time())
        found += [row["name"] for row in rows]
    assert found == ["web-0", "web-1", "web-2", "web-4"]
