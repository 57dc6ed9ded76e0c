"""Forms of kinds without a browser: what is typed becomes content or comes back, secrets are on no page, and a host's words stay text."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from host.wire.schema import read
from server.errors import BadInput
from server.web.contents import changes, facts, result
from server.web.diffs import ADDED, REMOVED
from server.web.forms import Draft, content_of, rows, seal, typed_again, unseal
from tests.browser.kinds import EVERY, HOSTILE, SCRIPT, told
from tests.conftest import Manager
from tests.server.web.conftest import Visitor

CANARY = "canary-2342-secret"
BACKUP = {"kind": "plugin.backup", "f.engine": "mysql", "f.database": "orders"}
DIFF = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n one\n--- two\n+++ zwei <b>\n three\n"


def tokens(text: str) -> list[str]:
    return re.findall(r'name="sealed" value="([^"]+)"', text)


async def node_that_told(manager: Manager, *more: dict[str, Any]) -> Any:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "kinds", told(*more)))
    return node


def test_every_type_of_field_is_read_as_it_is_typed() -> None:
    schema = read(EVERY)
    typed = {"engine": "postgresql", "database": " orders ", "folder": "/srv", "statements": "a;\n\nb;\n", "compress": "0", "share": "0,5"}
    typed |= {
        "zone": "b",
        "tables": "a b\nc\n",
        "labels": "x=1=2\n\ny=",
        "hook": '{"a": [1]}',
        "seed": "01FILE",
        "timeout": "60",
        "nice": "0",
    }
    assert content_of(schema, Draft(kind="plugin.backup", typed=typed)) == {
        "engine": "postgresql",
        "database": "orders",
        "folder": "/srv",
        "statements": "a;\n\nb;\n",
        "compress": False,
        "share": 0.5,
        "zone": "b",
        "tables": ["a b", "c"],
        "labels": {"x": "1=2", "y": ""},
        "hook": {"a": [1]},
        "seed": "01FILE",
        "timeout": 60,
    }
    assert content_of(schema, Draft(kind="plugin.backup", typed={"database": "d", "hook": "null"})) == {"database": "d", "hook": None}
    content = content_of(schema, Draft(kind="plugin.backup", typed=typed))
    assert content_of(schema, Draft(kind="plugin.backup", typed=typed_again(schema, content))) == content


@pytest.mark.parametrize(
    ("typed", "field"),
    [({"level": "x"}, "level"), ({"share": "1e5"}, "share"), ({"labels": "no sign"}, "labels"), ({"timeout": "²"}, "timeout")],
)
def test_what_cannot_be_read_is_named_and_what_does_not_count_is_not_looked_at(typed: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as problem:
        content_of(read(EVERY), Draft(kind="plugin.backup", typed=typed))
    assert problem.value.field == field
    if field == "level":
        assert content_of(read(EVERY), Draft(kind="plugin.backup", typed={**typed, "compress": "0", "database": "d"})) == {
            "compress": False,
            "database": "d",
        }


async def test_what_cannot_be_tried_never_runs_in_earnest_instead(visit: Visitor, manager: Manager) -> None:
    schema = json.loads(json.dumps(EVERY))
    schema["fields"][-1]["only"] = {"engine": ["postgresql"]}
    node = await node_that_told(manager, schema)
    await visit.sign_in("admin")
    for step in ("try", "dry"):
        answer = await visit.post("/run", {**BACKUP, "node": node.id, "step": step})
        assert answer.status_code == 400
        assert "cannot be tried without changing; only engine postgresql can" in answer.text
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == []
    assert 'value="dry"' not in (await visit.post("/run", {**BACKUP, "node": node.id})).text
    assert 'value="dry"' in (await visit.post("/run", {**BACKUP, "f.engine": "postgresql", "node": node.id})).text


async def test_a_kept_secret_is_for_one_person_and_one_day(manager: Manager) -> None:
    seals, now = manager.services.keys.seals, manager.time()
    sealed = seal(seals, Draft(kept={"plugin.backup password": CANARY}), "ada", now)
    assert CANARY not in sealed
    assert unseal(seals, sealed, "ada", now) == {"plugin.backup password": CANARY}
    for owner, at, text in (
        ("eve", now, sealed),
        ("ada", now + 13 * 3_600_000, sealed),
        ("ada", now, sealed[:-8] + "AAAAAAA="),
        ("ada", now, "x"),
    ):
        with pytest.raises(BadInput):
            unseal(seals, text, owner, at)


async def test_secrets_travel_through_every_step_and_are_on_no_page(visit: Visitor, manager: Manager) -> None:
    node = await node_that_told(manager, EVERY)
    await visit.sign_in("admin")
    first = await visit.post("/run", {**BACKUP, "node": node.id, "f.password": CANARY, "f.settings": f"key={CANARY}", "f.level": "99"})
    assert first.status_code == 400
    assert CANARY not in first.text
    assert "Entered, and not shown again: key." in first.text
    [sealed] = tokens(first.text)
    away = await visit.post("/run", {**BACKUP, "node": node.id, "sealed": sealed, "step": "kind:script"})
    back = await visit.post("/run", {"kind": "script", "node": node.id, "sealed": tokens(away.text)[0], "step": "kind:plugin.backup"})
    seen = await visit.post("/run", {**BACKUP, "node": node.id, "sealed": tokens(back.text)[0]})
    assert "Run this on 1 node?" in seen.text
    assert CANARY not in away.text + back.text + seen.text
    gone = await visit.post("/run", {**BACKUP, "node": node.id, "sealed": tokens(seen.text)[0], "step": "go"})
    assert gone.status_code == 303
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    content = json.loads(command.body)["content"]
    assert (content["password"], content["settings"]) == (CANARY, {"key": CANARY})
    for path in (gone.headers["location"], "/commands", "/audit", f"/nodes/{node.id}", f"/run?again={command.id}"):
        assert CANARY not in (await visit.get(path)).text, path
    assert "enter them again" in (await visit.get(f"/run?again={command.id}")).text


async def test_a_task_never_runs_without_a_secret_that_was_entered(visit: Visitor, manager: Manager) -> None:
    node = await node_that_told(manager, EVERY)
    await visit.sign_in("admin")
    answer = await visit.post("/run", {**BACKUP, "node": node.id, "sealed": "changed", "step": "go"})
    assert answer.status_code == 400
    assert "enter it again" in answer.text
    dropped = await visit.post("/run", {**BACKUP, "node": node.id, "f.password": CANARY})
    left_out = {**BACKUP, "node": node.id, "sealed": tokens(dropped.text)[0], "drop.password": "1", "step": "go"}
    assert (await visit.post("/run", left_out)).status_code == 303
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert "password" not in json.loads(command.body)["content"]


async def test_choosing_another_kind_keeps_nodes_and_what_was_typed(visit: Visitor, manager: Manager) -> None:
    node = await node_that_told(manager, EVERY)
    await visit.sign_in("admin")
    typed: dict[str, str | list[str]] = {"kind": "script", "node": node.id, "name": "Nightly", "f.script": "echo <kept>", "f.timeout": "77"}
    other = await visit.post("/run", {**typed, "step": "kind:plugin.backup"})
    assert '<label for="f-database">' in other.text
    assert f'value="{node.id}" checked' in other.text
    assert 'value="Nightly"' in other.text
    assert 'name="f.script" hidden>\necho &lt;kept&gt;</textarea>' in other.text
    assert 'name="f.timeout" value="77"' in other.text


async def test_try_without_changing_makes_a_dry_run_and_run_for_real_does_not(visit: Visitor, manager: Manager) -> None:
    node = await node_that_told(manager, EVERY)
    await visit.sign_in("admin")
    seen = await visit.post("/run", {**BACKUP, "node": node.id, "step": "try"})
    assert "Try this on 1 node?" in seen.text
    tried = await visit.post("/run", {**BACKUP, "node": node.id, "step": "dry"})
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert json.loads(command.body)["content"]["dry_run"] is True
    report = {"command_id": command.id, "state": "succeeded", "exit_code": 0, "result": {"diff": DIFF, "changed": True}}
    await manager.report(node, "urgent", (2, "execution", {"command_id": command.id, "state": "started"}), (3, "execution", report))
    page = (await visit.get(tried.headers["location"])).text
    assert "dry run: nothing was changed" in page
    assert "What would change" in page
    assert "++ zwei &lt;b&gt;" in page
    assert "Run for real…" in page
    again = (await visit.get(f"/run?again={command.id}")).text
    assert 'name="f.engine" value="mysql" checked' in again
    real = await visit.post("/run", {**BACKUP, "node": node.id, "step": "go"})
    assert real.status_code == 303
    latest = (await manager.services.commands.mailbox(node.id, [], manager.time()))[-1]
    assert "dry_run" not in json.loads(latest.body)["content"]


async def test_a_problem_with_the_nodes_kinds_leaves_the_form_as_it_was(visit: Visitor, manager: Manager) -> None:
    node, other = await node_that_told(manager, EVERY), await manager.enrol("web-2")
    await visit.sign_in("admin")
    answer = await visit.post("/run", {**BACKUP, "node": [node.id, other.id]}, **{"Accept-Language": "zh", "Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 400
    assert "以下节点上的代理不支持 plugin.backup：web-2" in answer.text
    assert 'value="orders"' in answer.text
    for kind in ("", "plugin.gone", "x" * 5000, "' or 1=1"):
        answer = await visit.post("/run", {"kind": kind, "node": node.id, "step": "go"})
        assert answer.status_code == 400, kind
        assert (await visit.get("/run", **{})).status_code == 200


async def test_whatever_a_host_says_of_its_kinds_and_results_is_text(visit: Visitor, manager: Manager) -> None:
    node = await node_that_told(manager, EVERY, HOSTILE)
    await visit.sign_in("admin")
    calm = await visit.get(f"/run?node={node.id}&kind=plugin.backup")
    evil = await visit.get(f"/run?node={node.id}&kind=plugin.evil")
    assert evil.status_code == 200
    commands = await manager.services.commands.run(
        manager.admin, [node.id], "plugin.evil", {"node": SCRIPT, "step": SCRIPT}, "", manager.time()
    )
    command_id = commands.commands[node.id]
    returned = {
        SCRIPT: SCRIPT,
        "error": {"code": SCRIPT, "message": SCRIPT},
        "list": [SCRIPT],
        "deep": {"a": [SCRIPT]},
        "diff": DIFF + SCRIPT,
    }
    ended = {"command_id": command_id, "state": "failed", "result": returned}
    await manager.report(node, "urgent", (2, "execution", {"command_id": command_id, "state": "started"}), (3, "execution", ended))
    assert (await manager.services.commands.get(command_id))["state"] == "failed"
    pages = [
        evil,
        await visit.get(f"/commands/{command_id}"),
        await visit.get(f"/nodes/{node.id}"),
        await visit.get(f"/run?again={command_id}"),
    ]
    seen = await visit.post("/run", {"kind": "plugin.evil", "node": node.id, "f.node": SCRIPT, "f.step": SCRIPT, "f.dry_run": SCRIPT})
    for page in [*pages, seen]:
        assert page.text.count("<script") <= calm.text.count("<script") + 1
        assert "<img" not in page.text
        assert not re.search(r"<[^>]* on\w+=", re.sub(r'"[^"]*"', "", page.text))
    assert "{{ 7*7 }}%(x)s" in evil.text


def test_odd_results_and_differences_are_shown_as_what_they_are() -> None:
    shown = result({"error": "text", "a": None, "b": [], "c": [1, {"x": 2}], "d": "two\nlines", "diff": "no difference"})
    assert shown.error is None
    assert [(fact.label, fact.how) for fact in shown.rows] == [
        ("error", "mono"), ("a", "nothing"), ("b", "nothing"), ("c", "json"), ("d", "block"), ("diff", "mono"),
    ]  # fmt: skip
    lines = changes("before it\n" + DIFF + "@@ -9,0 +10,1 @@\n+last\nafter it\n-not a change\n")
    assert [(line.kind, line.text) for line in lines if line.kind in (ADDED, REMOVED)] == [
        (REMOVED, "-- two"),
        (ADDED, "++ zwei <b>"),
        (ADDED, "last"),
    ]
    assert changes("- a list\n+ of things\n") == []
    assert len(changes("@@ -1,9 +1,99999 @@\n" + "+x\n" * 99_999)) <= 2_000
    assert [fact.how for fact in facts("plugin.x", {"password": None, "a": {"b": 1}}, ["password"], None, str)] == ["secret", "json"]


def test_a_long_form_keeps_what_belongs_together() -> None:
    own, limits, timeout = rows(read(EVERY), Draft(kind="plugin.backup"), str)
    assert [[place.field.name for place in row] for row in own][:3] == [["engine"], ["database", "folder"], ["statements"]]
    assert [place.field.name for place in limits] == ["nice"]
    assert timeout is not None
    assert "dry_run" not in {place.field.name for row in own for place in row}


async def test_files_of_the_store_are_offered_where_a_field_takes_one(visit: Visitor, manager: Manager) -> None:
    files, now = manager.services.files, manager.time()
    row = await files.create(manager.admin, "seed <b>.sql", 4, now)
    unfinished = await files.create(manager.admin, "half.sql", 4, now)
    await files.put(row["id"], 0, b"data", now)
    await files.finish(manager.admin, row["id"], "", now)
    node = await node_that_told(manager, EVERY)
    await visit.sign_in("admin")
    text = (await visit.get(f"/run?node={node.id}&kind=plugin.backup")).text
    assert f'<option value="{row["id"]}">seed &lt;b&gt;.sql, 4 B</option>' in text
    assert unfinished["id"] not in text
    assert 'list="stored"' in text
    assert 'list="stored"' not in (await visit.get(f"/run?node={node.id}&kind=script")).text
