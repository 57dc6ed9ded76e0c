"""One node edited as a whole: all of it or nothing, and never over somebody else's change. On every database."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from server.errors import BadInput, Conflict, NodeUnknown, NotFound
from server.service.node_edit import NodeChange
from tests.conftest import Manager
from tests.server.service.test_organising import make


async def edit(manager: Manager, node_id: str, version: int, **change: Any) -> int:
    return await manager.services.node_edit.edit(manager.admin, node_id, version, NodeChange(**change), manager.time())


async def seen(manager: Manager, node_id: str) -> tuple[Any, ...]:
    """Version, tags, groups by kind, fields."""
    row = await manager.services.nodes.get(node_id)
    held = {one["kind"]: one["name"] for one in (await manager.services.groups.of_nodes([node_id])).get(node_id, [])}
    return row["version"], row["tags"], held, (await manager.services.edits.values_of([node_id])).get(node_id, {})


async def test_tags_groups_and_fields_are_changed_together(manager: Manager) -> None:
    node = (await manager.enrol()).id
    east, west = await make(manager, "East"), await make(manager, "West")
    await manager.services.edits.define(manager.admin, "slots", "", "number", [], manager.time())
    assert await edit(manager, node, 1, tags={"env": "prod", "rack": "4"}, groups={"region": east}, fields={"slots": "12"}) == 2
    assert await seen(manager, node) == (2, {"env": "prod", "rack": "4"}, {"region": "East"}, {"slots": "12"})
    [entry] = (await manager.services.audit.page(1, 0)).rows
    assert entry["action"] == "node.edit"
    assert json.loads(entry["detail"]) == {
        "name": "web-1",
        "add": {"env": "prod", "rack": "4"},
        "remove": [],
        "groups": {"region": "East"},
        "fields": {"slots": "12"},
    }
    assert await edit(manager, node, 2, groups={"region": west}) == 3
    assert await seen(manager, node) == (3, {"env": "prod", "rack": "4"}, {"region": "West"}, {"slots": "12"})
    assert await edit(manager, node, 3, tags={}, groups={"region": ""}, fields={"slots": ""}) == 4
    assert await seen(manager, node) == (4, {}, {}, {})
    assert (await manager.services.selections.preview("all and not tag:none", "en")).names == ["web-1"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"fields": {"slots": "many"}}, "field-slots"),
        ({"groups": {"region": "nope"}}, "group-region"),
        ({"groups": {"continent": ""}}, "groups"),
        ({"tags": {"": "x"}}, "tags"),
    ],
)
async def test_what_cannot_be_used_changes_nothing_of_the_rest(manager: Manager, wrong: dict[str, Any], field: str) -> None:
    node = (await manager.enrol()).id
    await manager.services.edits.define(manager.admin, "slots", "", "number", [], manager.time())
    with pytest.raises(BadInput) as problem:
        await edit(manager, node, 1, **({"tags": {"env": "prod"}} | wrong))
    assert problem.value.field == field
    assert await seen(manager, node) == (1, {}, {}, {})
    with pytest.raises(NotFound):
        await edit(manager, node, 1, fields={"gone": "x"})
    with pytest.raises(NodeUnknown):
        await edit(manager, "nobody", 1, tags={})


async def test_every_other_change_by_people_makes_a_version_that_an_edit_must_know(manager: Manager) -> None:
    node, other = (await manager.enrol()).id, (await manager.enrol("web-2")).id
    group = await make(manager, "East")
    services, now = manager.services, manager.time()
    await services.edits.define(manager.admin, "slots", "", "number", [], now)
    await services.edits.tag(manager.admin, [node, other], {"env": "prod"}, [], now)
    await services.groups.put(manager.admin, group, [node], now)
    await services.groups.take_out(manager.admin, "region", [node], now)
    await services.edits.fill(manager.admin, [node], "slots", "3", now)
    with pytest.raises(Conflict, match=r"the node was changed by admin at .* it is version 5, not 1; load it again"):
        await edit(manager, node, 1, tags={})
    assert await seen(manager, node) == (5, {"env": "prod"}, {}, {"slots": "3"})
    assert (await seen(manager, other))[0] == 2
    await manager.db.transaction(lambda session: services.nodes.move(session, node, "offline", now))
    assert await edit(manager, node, 5, tags={}) == 6, "what its host does is nobody's edit"


async def test_of_two_edits_at_the_same_moment_one_is_refused(manager: Manager) -> None:
    node = (await manager.enrol()).id
    wanted = [{"who": str(number)} for number in range(4)]
    done = await asyncio.gather(*(edit(manager, node, 1, tags=tags) for tags in wanted), return_exceptions=True)
    assert [one for one in done if not isinstance(one, Conflict)] == [2]
    version, tags, _, _ = await seen(manager, node)
    assert (version, tags) == (2, wanted[done.index(2)])
