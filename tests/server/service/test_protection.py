"""Protected groups: nothing is done to nodes in one before its name was typed, whichever way it is asked."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import pytest

from server.errors import Conflict
from server.service.node_edit import NodeChange
from tests.conftest import Manager
from tests.server.service.test_organising import make

Deed = Callable[[list[str], list[str]], Awaitable[object]]


async def edit(manager: Manager, node_id: str, names: list[str]) -> int:
    row = await manager.services.nodes.get(node_id)
    change = NodeChange(tags=row["tags"])
    return await manager.services.node_edit.edit(manager.admin, node_id, row["version"], change, manager.time(), names)


def deeds(manager: Manager, other: str) -> dict[str, Deed]:
    """Everything that is done to chosen nodes, by name."""
    s, who = manager.services, manager.admin
    return {
        "command.run": lambda ids, names: s.commands.run(who, ids, "script", {"script": "true"}, "", manager.time(), names),
        "node.tag": lambda ids, names: s.edits.tag(who, ids, {"a": "b"}, [], manager.time(), names),
        "node.field": lambda ids, names: s.edits.fill(who, ids, "rack", "1", manager.time(), names),
        "group.put": lambda ids, names: s.groups.put(who, other, ids, manager.time(), names),
        "group.leave": lambda ids, names: s.groups.take_out(who, "business", ids, manager.time(), names),
        "node.edit": lambda ids, names: edit(manager, ids[-1], names),
        "node.order": lambda ids, names: s.orders.give(who, ids[-1], "collect", manager.time(), confirm=names),
        "node.retire": lambda ids, names: s.nodes.retire_all(who, ids, manager.time(), names),
    }


async def test_every_deed_asks_for_the_name_of_a_protected_group_and_says_in_the_audit_log_that_it_was_given(manager: Manager) -> None:
    china = await make(manager, "China", protected=True)
    shanghai, shop = await make(manager, "Shanghai", china), await make(manager, "Shop", kind="business")
    inside, outside = (await manager.enrol("in")).id, (await manager.enrol("out")).id
    await manager.services.groups.put(manager.admin, shanghai, [inside], manager.time())
    await manager.services.edits.define(manager.admin, "rack", "", "text", [], manager.time())
    for name, deed in deeds(manager, shop).items():
        for wrong in ([], ["china"], ["Shanghai"]):
            with pytest.raises(Conflict, match="the protected group China; give its name") as refused:
                await deed([outside, inside], wrong)
            assert refused.value.field == "confirm", name
        await deed([outside], [])
        await deed([outside, inside], [" China "])
        [entry] = [row for row in (await manager.services.audit.page(1, 0)).rows if row["action"] == name]
        assert json.loads(entry["detail"])["confirmed"] == ["China"], name
    assert (await manager.services.nodes.get(inside))["tags"] == {"a": "b"}


async def test_a_refused_deed_changes_nothing(manager: Manager) -> None:
    group = await make(manager, "Core", protected=True)
    inside, outside = (await manager.enrol("in")).id, (await manager.enrol("out")).id
    await manager.services.groups.put(manager.admin, group, [inside], manager.time())
    with pytest.raises(Conflict):
        await manager.services.edits.tag(manager.admin, [outside, inside], {"a": "b"}, [], manager.time())
    with pytest.raises(Conflict):
        await manager.services.commands.run(manager.admin, [outside, inside], "script", {"script": "true"}, "", manager.time())
    assert (await manager.services.nodes.get(outside))["tags"] == {}
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)).total == 0


async def test_of_several_protected_groups_each_is_named_and_counted(manager: Manager) -> None:
    above = await make(manager, "China", protected=True)
    below, prod = await make(manager, "Shanghai", above, protected=True), await make(manager, "prod", kind="environment", protected=True)
    await make(manager, "Empty", kind="business", protected=True)
    first, second = (await manager.enrol("a")).id, (await manager.enrol("b")).id
    groups = manager.services.groups
    await groups.put(manager.admin, below, [first], manager.time())
    await groups.put(manager.admin, above, [second], manager.time())
    await groups.put(manager.admin, prod, [first], manager.time(), ["China", "Shanghai"])
    found = [(one.path, one.nodes) for one in await groups.guarding([first, second])]
    assert found == [("prod", 1), ("China", 2), ("China/Shanghai", 1)]
    with pytest.raises(Conflict, match="the protected groups prod, Shanghai; give the name of each"):
        await manager.services.edits.tag(manager.admin, [first, second], {"a": "b"}, [], manager.time(), ["China"])
    assert await groups.guarding([]) == []
