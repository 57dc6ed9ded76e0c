"""Groups, tags, fields, notes and saved filters on every database."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import BadInput, BadSelector, Conflict, NodeUnknown, NotFound
from server.service.groups import Change
from tests.conftest import Manager


async def make(manager: Manager, name: str, parent: str = "", kind: str = "region", protected: bool = False) -> str:
    return await manager.services.groups.make(manager.admin, kind, name, parent, protected, manager.time())


async def names(manager: Manager, selector: str) -> list[str]:
    return (await manager.services.selections.preview(selector, "en")).names


async def test_a_group_counts_what_is_below_and_a_node_is_in_one_of_each_kind(manager: Manager) -> None:
    china = await make(manager, "China")
    shanghai, beijing = await make(manager, "Shanghai", china), await make(manager, "Beijing", china)
    shop = await make(manager, "Shop", kind="business")
    first, second = (await manager.enrol("web-1")).id, (await manager.enrol("web-2")).id
    groups = manager.services.groups
    await groups.put(manager.admin, shanghai, [first, second], manager.time())
    await groups.put(manager.admin, beijing, [second], manager.time())
    await groups.put(manager.admin, shop, [first], manager.time())
    tree = {row["name"]: (row["path"], row["depth"], row["nodes"], row["total"]) for row in await groups.tree()}
    assert tree == {
        "Shop": ("Shop", 0, 1, 1),
        "China": ("China", 0, 0, 2),
        "Beijing": ("China/Beijing", 1, 1, 1),
        "Shanghai": ("China/Shanghai", 1, 1, 1),
    }
    assert await names(manager, "group:china") == ["web-1", "web-2"]
    assert await names(manager, "group:china/beijing or group:shop") == ["web-1", "web-2"]
    await groups.take_out(manager.admin, "region", [first, second], manager.time())
    assert await names(manager, "group:china") == []
    assert await names(manager, "group:shop") == ["web-1"]


async def test_a_group_never_comes_below_itself_even_by_two_moves_at_once(manager: Manager) -> None:
    a, b = await make(manager, "A"), await make(manager, "B")
    groups = manager.services.groups
    done = await asyncio.gather(
        groups.change(manager.admin, a, 1, Change(parent_id=b), manager.time()),
        groups.change(manager.admin, b, 1, Change(parent_id=a), manager.time()),
        return_exceptions=True,
    )
    [problem] = [one for one in done if isinstance(one, Exception)]
    assert isinstance(problem, BadInput)
    assert "below itself" in str(problem)
    with pytest.raises(BadInput, match="below itself"):
        await groups.change(manager.admin, a, (await groups.get(a))["version"], Change(parent_id=a), manager.time())


async def test_who_comes_second_is_told_who_was_first_and_changes_nothing(manager: Manager) -> None:
    group = await make(manager, "China")
    groups = manager.services.groups
    assert await groups.change(manager.admin, group, 1, Change(name="中国"), manager.time()) == 2
    with pytest.raises(Conflict, match=r"changed by admin at 2027-01-15 08:00:00 UTC: it is version 2, not 1"):
        await groups.change(manager.admin, group, 1, Change(name="Chine"), manager.time())
    with pytest.raises(Conflict, match="version 2"):
        await groups.delete(manager.admin, group, 1, manager.time())
    assert (await groups.get(group))["name"] == "中国"


async def test_a_group_is_deleted_empty_or_with_what_is_in_it_moved_up(manager: Manager) -> None:
    china = await make(manager, "China")
    shanghai = await make(manager, "Shanghai", china)
    pudong = await make(manager, "Pudong", shanghai, protected=True)
    node = (await manager.enrol()).id
    groups = manager.services.groups
    await groups.put(manager.admin, shanghai, [node], manager.time())
    with pytest.raises(Conflict, match=r"\(nodes: 1, groups: 1\)"):
        await groups.delete(manager.admin, shanghai, 1, manager.time())
    await groups.delete(manager.admin, shanghai, 1, manager.time(), move_up=True)
    assert [(row["path"], row["nodes"]) for row in await groups.tree()] == [("China", 1), ("China/Pudong", 0)]
    with pytest.raises(Conflict, match="protected"):
        await groups.delete(manager.admin, pudong, 2, manager.time(), confirm="pudong")
    await groups.delete(manager.admin, pudong, 2, manager.time(), confirm="Pudong")
    await groups.delete(manager.admin, china, 1, manager.time(), move_up=True)
    assert await groups.of_nodes([node]) == {}


async def test_names_of_groups_are_unique_among_their_neighbours(manager: Manager) -> None:
    china = await make(manager, "China")
    await make(manager, "China", china)
    await make(manager, "China", kind="business")
    for name, parent, error in (
        ("CHINA", "", Conflict),
        ("", "", BadInput),
        ("a/b", "", BadInput),
        ("x", "nope", BadInput),
        ("x" * 65, "", BadInput),
    ):
        with pytest.raises(error):
            await make(manager, name, parent)
    with pytest.raises(BadInput, match="kind"):
        await make(manager, "x", kind="planet")
    at = china
    for depth in range(9):
        at = await make(manager, f"deeper {depth}", at)
    with pytest.raises(BadInput, match="at most 10 deep"):
        await make(manager, "too deep", at)


async def test_tags_of_many_are_changed_with_what_became_of_each(manager: Manager) -> None:
    edits = manager.services.edits
    first, second = (await manager.enrol("web-1")).id, (await manager.enrol("web-2")).id
    await edits.tag(manager.admin, [second], {f"t{number}": "" for number in range(64)}, [], manager.time())
    done = await edits.tag(manager.admin, [first, "nope", second], {"env": "prod"}, ["other"], manager.time())
    assert [(one.name, one.ok) for one in done] == [("web-1", True), ("", False), ("web-2", False)]
    assert "more than 64" in done[2].message
    assert (await manager.services.nodes.get(first))["tags"] == {"env": "prod"}
    assert await names(manager, "env=PROD") == ["web-1"]
    await edits.tag(manager.admin, [first], {"ENV": "test"}, [], manager.time())
    assert (await manager.services.nodes.get(first))["tags"] == {"ENV": "test"}
    await edits.tag(manager.admin, [first], {}, ["ENV"], manager.time())
    assert await names(manager, "tag:env") == []
    for add, remove in (({}, []), ({"": "x"}, []), ({"a\nb": ""}, []), ({"a": "x" * 256}, []), ({"a": "b"}, ["a"])):
        with pytest.raises(BadInput):
            await edits.tag(manager.admin, [first], add, remove, manager.time())


async def test_a_field_takes_only_values_of_its_type(manager: Manager) -> None:
    edits, node = manager.services.edits, (await manager.enrol()).id
    await edits.define(manager.admin, "Slots", "Slots", "number", [], manager.time())
    await edits.define(manager.admin, "rack", "Rack", "choice", ["A1", "A2"], manager.time())
    await edits.define(manager.admin, "bought", "", "date", [], manager.time())
    for field, value in (
        ("slots", "many"),
        ("slots", "nan"),
        ("slots", "1_0"),
        ("rack", "A3"),
        ("bought", "2026-13-01"),
        ("bought", "today"),
    ):
        with pytest.raises(BadInput, match="value: "):
            await edits.fill(manager.admin, [node], field, value, manager.time())
    for field, value in (("slots", "12"), ("rack", "A1"), ("bought", "2025-06-01")):
        assert (await edits.fill(manager.admin, [node], field, value, manager.time()))[0].ok
    assert (await edits.values_of([node]))[node] == {"slots": "12", "rack": "A1", "bought": "2025-06-01"}
    assert await names(manager, "slots>9 and rack=a1 and bought<2026-01-01") == ["web-1"]
    with pytest.raises(Conflict, match="1 nodes have 'A1'"):
        await edits.redefine(manager.admin, "rack", 1, "Rack", ["A2"], manager.time())
    assert await edits.redefine(manager.admin, "rack", 1, "Rack", ["A1", "B1"], manager.time()) == 2
    await edits.fill(manager.admin, [node], "slots", "", manager.time())
    assert await names(manager, "field:slots") == []
    await edits.undefine(manager.admin, "rack", 2, manager.time())
    with pytest.raises(BadSelector, match="rack"):
        await names(manager, "rack=a1")
    for name in ("os", "and", "a b", "", "x" * 65):
        with pytest.raises(BadInput, match="name: "):
            await edits.define(manager.admin, name, "", "text", [], manager.time())


async def test_notes_are_kept_with_author_and_time(manager: Manager) -> None:
    edits, node = manager.services.edits, (await manager.enrol()).id
    note = await edits.note(manager.admin, node, " new disk ", manager.time())
    assert [(row["text"], row["author"], row["created_at"]) for row in await edits.notes(node)] == [("new disk", "admin", manager.time())]
    with pytest.raises(NodeUnknown):
        await edits.note(manager.admin, "nope", "x", manager.time())
    with pytest.raises(BadInput):
        await edits.note(manager.admin, node, " ", manager.time())
    with pytest.raises(NotFound):
        await edits.delete_note(manager.admin, "another", note, manager.time())
    await edits.delete_note(manager.admin, node, note, manager.time())
    assert await edits.notes(node) == []


async def test_a_saved_filter_is_a_good_selector_with_a_name_of_its_own(manager: Manager) -> None:
    selections = manager.services.selections
    saved = await selections.save(manager.admin, "silent", "offline", manager.time())
    with pytest.raises(Conflict):
        await selections.save(manager.admin, "silent", "online", manager.time())
    with pytest.raises(BadSelector):
        await selections.save(manager.admin, "wrong", "onlin", manager.time())
    assert [(row["name"], row["selector"], row["author"]) for row in await selections.filters()] == [("silent", "offline", "admin")]
    await selections.forget(manager.admin, saved, manager.time())
    with pytest.raises(NotFound):
        await selections.forget(manager.admin, saved, manager.time())


async def test_targets_are_those_that_take_commands_and_never_all_by_mistake(manager: Manager) -> None:
    first, second, third = [(await manager.enrol(f"web-{number}")).id for number in (1, 2, 3)]
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, second, "quarantined", manager.time()))
    await manager.services.nodes.retire(manager.admin, third, manager.time())
    selections = manager.services.selections
    assert await selections.nodes_of("all") == [first]
    assert await selections.ids_of("all") == [first, second]
    preview = await selections.preview("all", "en")
    assert (preview.total, preview.commandable, preview.states) == (2, 1, {"online": 1, "quarantined": 1})
    for text in ("", " ", "al", "env!=prod", "quarantined", "retired", "name=nobody"):
        with pytest.raises(BadInput, match="select: "):
            await selections.nodes_of(text)


async def test_facts_that_a_host_tells_later_are_what_selectors_see(manager: Manager) -> None:
    from host.wire.messages import Facts

    node = await manager.enrol()
    facts = Facts("renamed", ["10.9.8.7", "nonsense"], os="Fedora 41", cpu_count=4, memory=2**33)
    await manager.db.transaction(lambda session: manager.services.nodes.update_facts(session, node.id, facts, "", manager.time()))
    assert await names(manager, "os~FEDORA and cpu_count=4 and memory=8GiB and address=10.9.0.0/16 and hostname=renamed") == ["web-1"]
    assert await names(manager, "address=192.0.2.1") == []


async def test_nodes_from_before_there_were_selectors_are_prepared_once(manager: Manager) -> None:
    await manager.enrol()
    await manager.db.transaction(lambda session: session.raw_statement("DELETE FROM node_facts"))
    assert await names(manager, "all") == []
    assert await manager.services.index.index_missing() == 1
    assert await manager.services.index.index_missing() == 0
    assert await names(manager, "address=192.0.2.1") == ["web-1"]


async def test_every_change_is_in_the_audit_log(manager: Manager) -> None:
    services, now, node = manager.services, manager.time(), (await manager.enrol()).id
    group = await make(manager, "China")
    await services.groups.change(manager.admin, group, 1, Change(name="X"), now)
    await services.groups.put(manager.admin, group, [node], now)
    await services.groups.take_out(manager.admin, "region", [node], now)
    await services.groups.delete(manager.admin, group, 2, now)
    await services.edits.tag(manager.admin, [node], {"a": "b"}, [], now)
    await services.edits.define(manager.admin, "f", "", "text", [], now)
    await services.edits.fill(manager.admin, [node], "f", "x", now)
    await services.edits.redefine(manager.admin, "f", 1, "F", [], now)
    await services.edits.undefine(manager.admin, "f", 2, now)
    await services.edits.delete_note(manager.admin, node, await services.edits.note(manager.admin, node, "x", now), now)
    await services.selections.forget(manager.admin, await services.selections.save(manager.admin, "x", "all", now), now)
    told = [row["action"] for row in reversed((await services.audit.page(100, 0)).rows)]
    expected = "group.make group.change group.put group.leave group.delete node.tag field.make node.field field.change field.delete"
    assert told[-14:] == [*expected.split(), "node.note", "node.note", "filter.save", "filter.delete"]
    assert await services.audit.first_broken() is None
