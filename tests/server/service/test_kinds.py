"""What hosts tell of their kinds, what is made of it, and tasks of every kind, on every database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from server.errors import BadInput, NodeUnknown
from server.queries import Query
from server.service.kinds import BUILTIN, MAX_KINDS
from tests.browser.kinds import EVERY, HOSTILE, told
from tests.conftest import TABLES, Manager

BACKUP = {"engine": "mysql", "database": "orders"}
CANARY = "canary-4711-secret"


async def tells(manager: Manager, node: Any, body: dict[str, Any], seq: int = 1) -> None:
    assert (await manager.report(node, "urgent", (seq, "kinds", body))).stored == seq


async def events(manager: Manager, name: str) -> list[str]:
    query = manager.db.q.reports.events_named
    nodes = (await manager.services.nodes.page(q="", state="", limit=99, offset=0)).rows
    return [row["detail"] for node in nodes for row in await manager.db.rows(query, {"node_id": node["id"], "name": name, "limit": 99})]


async def run(manager: Manager, nodes: list[str], kind: str, content: Any, name: str = "") -> dict[str, str]:
    return (await manager.services.commands.run(manager.admin, nodes, kind, content, name, manager.time())).commands


async def refused(manager: Manager, nodes: list[str], kind: str, content: Any) -> tuple[str, str]:
    with pytest.raises(BadInput) as problem:
        await run(manager, nodes, kind, content)
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=1, offset=0)).total == 0
    return problem.value.field, problem.value.message


async def test_a_node_is_held_to_what_it_told_and_another_to_what_comes_with_the_agent(manager: Manager) -> None:
    old, new = await manager.enrol("old"), await manager.enrol("new")
    await tells(manager, new, told(EVERY, interpreters=("shell",)))
    assert [schema.kind for schema in (await manager.services.kinds.of_node(old.id)).schemas] == list(BUILTIN)
    found = await manager.services.kinds.of_node(new.id)
    assert "plugin.backup" in [schema.kind for schema in found.schemas]
    assert found.at == manager.time()
    await run(manager, [old.id], "script", {"script": "x", "interpreter": "powershell"})
    with pytest.raises(BadInput, match=r"content\.interpreter: 'powershell' is unknown; use one of shell"):
        await run(manager, [new.id], "script", {"script": "x", "interpreter": "powershell"})


async def test_nodes_that_do_not_take_it_are_named_and_nothing_is_queued(manager: Manager) -> None:
    one, two, three = await manager.enrol("web-1"), await manager.enrol("web-2"), await manager.enrol("web-3")
    await tells(manager, one, told(EVERY))
    await tells(manager, two, told(interpreters=("shell",)))
    everyone = [one.id, two.id, three.id]
    field, message = await refused(manager, everyone, "plugin.backup", BACKUP)
    assert (field, message) == ("type", "type: plugin.backup is not among what the agent runs on web-2, web-3; leave those out")
    field, message = await refused(manager, everyone, "script", {"script": "x", "interpreter": "python"})
    assert field == "content.interpreter"
    assert message.endswith("use one of shell (on web-2)")
    field, message = await refused(manager, everyone, "reboot", {})
    assert (field, message.startswith("type: 'reboot' is unknown; use one of ")) == ("type", True)
    with pytest.raises(NodeUnknown):
        await run(manager, [one.id, "nobody"], "plugin.backup", BACKUP)


async def test_a_message_names_ten_of_many_nodes(manager: Manager) -> None:
    nodes = [(await manager.enrol(f"n{number:02}")).id for number in range(13)]
    one = await manager.enrol("knows")
    await tells(manager, one, told(EVERY))
    _, message = await refused(manager, [one.id, *nodes], "plugin.backup", BACKUP)
    assert "n00, n01, n02, n03, n04, n05, n06, n07, n08, n09 and 3 more" in message


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ("text", "content"),
        ({"database": "x"}, "content.engine"),
        ({**BACKUP, "engine": "oracle"}, "content.engine"),
        ({**BACKUP, "level": 10}, "content.level"),
        ({**BACKUP, "level": 10**400}, "content.level"),
        ({**BACKUP, "share": float("nan")}, "content.share"),
        ({**BACKUP, "tables": "all"}, "content.tables"),
        ({**BACKUP, "dry-run": True}, "content.dry-run"),
        ({**BACKUP, "engine": "postgresql", "password": "x"}, "content.password"),
        ({**BACKUP, "hook": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}, "content.hook"),
        ({**BACKUP, "statements": "x" * 2_100_000}, "content"),
    ],
)
async def test_content_that_does_not_fit_is_refused_at_its_field(manager: Manager, content: Any, field: str) -> None:
    node = await manager.enrol()
    await tells(manager, node, told(EVERY))
    found, message = await refused(manager, [node.id], "plugin.backup", content)
    assert found == field
    assert len(message) < 500


async def test_where_nodes_differ_the_form_holds_what_any_of_them_takes(manager: Manager) -> None:
    one, two = await manager.enrol("a"), await manager.enrol("b")
    changed = json.loads(json.dumps(EVERY))
    changed["fields"][0]["choices"] = ["mysql", "sqlite"]
    changed["fields"][5]["most"] = 20
    changed["fields"].append({"name": "extra", "label": "Extra", "required": True})
    changed["fields"][11]["secret"] = False
    await tells(manager, one, told(EVERY))
    await tells(manager, two, told(changed))
    [offer] = [one for one in await manager.services.kinds.offers([one.id, two.id]) if one.schema.kind == "plugin.backup"]
    fields = {field.name: field for field in offer.schema.fields}
    assert not offer.same
    assert fields["engine"].choices == ["mysql", "postgresql", "sqlite"]
    assert fields["level"].most == 20
    assert not fields["extra"].required
    assert fields["password"].secret, "one host must not make readable what another calls secret"
    all_of_them = await manager.services.kinds.offers()
    assert [offer.schema.kind for offer in all_of_them][: len(BUILTIN)] == list(BUILTIN)


async def test_a_host_cannot_make_the_environment_readable(manager: Manager) -> None:
    node = await manager.enrol()
    body = told()
    for schema in body["kinds"]:
        for one in schema["fields"]:
            one["secret"] = False
    await tells(manager, node, body)
    commands = await run(manager, [node.id], "script", {"script": "x", "environment": {"TOKEN": CANARY}})
    assert CANARY not in str(await manager.services.commands.get(commands[node.id]))


async def test_secrets_are_nowhere_but_in_the_locked_command_until_it_has_ended(manager: Manager) -> None:
    node = await manager.enrol()
    await tells(manager, node, told(EVERY))
    content = {**BACKUP, "password": CANARY, "settings": {"key": CANARY}, "labels": {"seen": "readable"}}
    command_id = (await run(manager, [node.id], "plugin.backup", content))[node.id]
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert json.loads(command.body)["content"] == content
    for table in TABLES:
        everything = Query(table, f"SELECT * FROM {table}", manager.db.dialect)
        assert CANARY not in str(await manager.db.rows(everything)), table
    row = await manager.services.commands.get(command_id)
    assert json.loads(row["task_content"]) == {**content, "password": None, "settings": {"key": ""}}
    entry = (await manager.services.audit.page(1, 0)).rows[0]
    detail = json.loads(entry["detail"])
    assert (detail["kind"], detail["content"]["database"], detail["content"]["labels"]) == ("plugin.backup", "orders", {"seen": "readable"})
    assert row["task_name"] == "plugin.backup mysql orders"


async def test_the_audit_entry_of_a_very_large_task_stays_small_and_readable(manager: Manager) -> None:
    node = await manager.enrol()
    await tells(manager, node, told(EVERY))
    content = {**BACKUP, "statements": "s" * 500_000, "tables": ["t" * 90] * 900, "labels": {f"l{n}": "v" * 50 for n in range(900)}}
    await run(manager, [node.id], "plugin.backup", content, "n" * 500)
    entry = (await manager.services.audit.page(1, 0)).rows[0]
    assert len(entry["detail"]) < 16_000
    assert json.loads(entry["detail"])["content"]["engine"] == "mysql"


async def test_ten_thousand_kinds_fill_nothing_and_leave_one_event(manager: Manager) -> None:
    node = await manager.enrol()
    many = [{"kind": f"plugin.k{number}", "fields": []} for number in range(10_000)]
    await tells(manager, node, {"kinds": many, "refused": {f"p{number}": "w" * 9_000 for number in range(10_000)}})
    row = await manager.db.row(manager.db.q.kinds.of_node, {"node_id": node.id})
    assert row is not None
    assert len(json.loads(row["kinds"])) == MAX_KINDS
    assert len(row["kinds"]) + len(row["refused"]) < 300_000
    [event] = await events(manager, "kinds.unusable")
    assert "and 9926 more" in event
    assert len(event) <= 4_000


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"kind": "Bad Name"}, "schema: must be an object whose kind"),
        ("text", "schema: must be an object"),
        (None, "schema: must be an object"),
        ({"kind": "plugin.x", "fields": [{"name": "a", "type": "colour"}]}, "type 'colour' is unknown"),
        ({"kind": "plugin.x", "fields": [{"name": "a", "type": ["list"]}]}, "plugin.x: "),
        ({"kind": "plugin.x", "fields": [{"name": "a", "type": "integer", "most": 10**400}]}, "a bound is no usable number"),
        ({"kind": "plugin.x", "fields": [{"name": "a", "default": "x" * 70_000}]}, "larger than 65536 bytes"),
        ({"kind": "plugin.x", "fields": [{"name": "a", "only": {"a": [{"b": 1}]}}]}, "only must be an object"),
        ({"kind": "plugin.x", "fields": [{"name": "a"}, {"name": "a"}]}, "two fields have the same name"),
    ],
)
async def test_a_schema_that_makes_no_sense_is_left_out_with_an_event_and_the_others_stay(manager: Manager, schema: Any, why: str) -> None:
    node = await manager.enrol()
    body = told(EVERY)
    body["kinds"].insert(0, schema)
    if isinstance(schema, dict):
        await tells(manager, node, body)
        assert [one.kind for one in (await manager.services.kinds.of_node(node.id)).schemas] == [*BUILTIN, "plugin.backup"]
        [event] = await events(manager, "kinds.unusable")
    else:
        await tells(manager, node, body)  # the record itself is no such record
        [event] = await events(manager, "record.unusable")
        why = "Expected `object`"
    assert why in event


async def test_deeply_nested_and_huge_words_of_a_host_hold_nothing_up(manager: Manager) -> None:
    node = await manager.enrol()
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    await tells(manager, node, told({"kind": "plugin.deep", "fields": [{"name": "a", "type": "value", "default": deep}]}))
    assert "nested more than" in (await events(manager, "kinds.unusable"))[0]
    ids = [(await run(manager, [node.id], "script", {"script": "x"}))[node.id] for _ in range(3)]
    results: list[dict[str, Any]] = [{"deep": deep}, {"text": "x" * 70_000}, {"fits": "x" * 60_000}]
    for number, (command_id, result) in enumerate(zip(ids, results, strict=True)):
        more = {"cpu_ms": 10**30, "memory_bytes": -(10**30), "exit_code": 10**30, "stdout_bytes": 10**30}
        more = more if number < 2 else {"cpu_ms": 12, "memory_bytes": 3_000_000, "exit_code": 0}
        end = {"command_id": command_id, "state": "succeeded", "result": result, **more}
        start = {"command_id": command_id, "state": "started"}
        await manager.report(node, "urgent", (2 + 2 * number, "execution", start), (3 + 2 * number, "execution", end))
    rows = [await manager.services.commands.get(command_id) for command_id in ids]
    assert [row["state"] for row in rows] == ["succeeded"] * 3
    assert [row["result"] is None for row in rows] == [True, True, False]
    assert (rows[0]["cpu_ms"], rows[0]["memory_bytes"], rows[0]["exit_code"]) == (None, None, None)
    assert (rows[2]["cpu_ms"], rows[2]["memory_bytes"], rows[2]["exit_code"]) == (12, 3_000_000, 0)
    assert {event.partition(": ")[2] for event in await events(manager, "result.unusable")} == {
        "the result is nested more than 32 deep",
        "the result is larger than 65536 bytes",
    }


async def test_what_was_told_last_counts_and_refused_plugins_are_kept_with_their_reasons(manager: Manager) -> None:
    node = await manager.enrol()
    await tells(manager, node, told(EVERY, HOSTILE))
    body = told(HOSTILE)
    body["refused"] = {"backup": "line 3: no function run"}
    await tells(manager, node, body, seq=2)
    found = await manager.services.kinds.of_node(node.id)
    assert [one.kind for one in found.schemas][len(BUILTIN) :] == ["plugin.evil"]
    assert found.refused == {"backup": "line 3: no function run"}


async def test_what_runs_on_a_node_is_listed_until_it_has_ended(manager: Manager) -> None:
    node = await manager.enrol()
    first, second = [(await run(manager, [node.id], "script", {"script": "x"}))[node.id] for _ in range(2)]
    await manager.report(node, "urgent", (1, "execution", {"command_id": first, "state": "started"}))
    assert {row["id"]: row["state"] for row in await manager.services.commands.unfinished(node.id)} == {first: "started", second: "queued"}
    await manager.report(node, "urgent", (2, "execution", {"command_id": first, "state": "succeeded"}))
    assert [row["id"] for row in await manager.services.commands.unfinished(node.id)] == [second]
