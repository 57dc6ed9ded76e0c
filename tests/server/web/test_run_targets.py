"""Where something runs, on the page: by selector or by name, frozen before it goes, and never on protected nodes unconfirmed."""

from __future__ import annotations

import re

import pytest

from tests.conftest import Manager
from tests.server.web.conftest import Visitor

SCRIPT = {"kind": "script", "f.script": "uptime"}


async def targets_of(manager: Manager) -> list[str]:
    return sorted(
        row["node_name"] for row in (await manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)).rows
    )


def frozen_of(page: str) -> str:
    found = re.search(r'name="frozen" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_a_selector_is_resolved_once_and_what_matches_later_is_not_run_on(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    await manager.enrol("web-1")
    db = await manager.enrol("db-1")
    form = {**SCRIPT, "select": "name:web-*", "node": db.id}
    page = (await visit.post("/run", {**form, "step": "preview"})).text
    assert "Run this on 2 nodes?" in page
    assert "nodes whose name" in page or "where the name" in page
    late = await manager.enrol("web-2")
    assert late.id not in page
    answer = await visit.post("/run", {**form, "frozen": frozen_of(page), "step": "go"})
    assert answer.status_code == 303
    assert await targets_of(manager) == ["db-1", "web-1"]


async def test_the_way_back_keeps_the_selector_and_what_was_ticked(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    web, db = await manager.enrol("web-1"), await manager.enrol("db-1")
    page = (await visit.post("/run", {**SCRIPT, "select": "name:web-*", "node": db.id, "frozen": f"{web.id},{db.id}", "step": "edit"})).text
    assert 'name="select" value="name:web-*"' in page
    assert re.findall(r'value="(\w{26})" checked', page) == [db.id]


@pytest.mark.parametrize(
    ("select", "said"), [("env=prod and onlin", "<mark>onlin</mark>"), ("name:nobody", "no node that takes commands"), ("", "at least one")]
)
async def test_a_selector_that_means_nothing_runs_nothing_and_loses_nothing(
    visit: Visitor, manager: Manager, select: str, said: str
) -> None:
    await visit.sign_in("admin")
    await manager.services.edits.tag(manager.admin, [(await manager.enrol("web-1")).id], {"env": "prod"}, [], manager.time())
    for step in ("preview", "go"):
        answer = await visit.post("/run", {**SCRIPT, "select": select, "step": step})
        assert answer.status_code == 400
        assert said in answer.text
        assert "uptime</textarea>" in answer.text
    assert await targets_of(manager) == []


async def test_a_protected_group_is_named_before_anything_runs(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol("web-1")
    group = await manager.services.groups.make(manager.admin, "region", "中国", "", True, manager.time())
    await manager.services.groups.put(manager.admin, group, [node.id], manager.time())
    form = {**SCRIPT, "select": "all", "frozen": node.id}
    assert "Type its name: 中国" in (await visit.post("/run", {**form, "step": "preview"})).text
    for typed in ("", "China"):
        answer = await visit.post("/run", {**form, "confirm": typed, "step": "go"})
        assert answer.status_code == 409
        assert "must be typed exactly" in answer.text
        assert f'name="confirm" value="{typed}"' in answer.text
    assert await targets_of(manager) == []
    assert (await visit.post("/run", {**form, "confirm": "中国", "step": "go"})).status_code == 303
    assert await targets_of(manager) == ["web-1"]


async def test_what_a_selector_means_is_told_while_it_is_typed_and_as_a_page(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("vera")
    await manager.enrol("web-1")
    piece = await visit.get("/targets?select=online", **{"HX-Request": "true"})
    assert "<html" not in piece.text
    assert "<b>1 node</b>: nodes" in piece.text
    wrong = await visit.get("/targets?select=onlin", **{"HX-Request": "true"})
    assert (wrong.status_code, "<mark>onlin</mark>" in wrong.text) == (200, True)
    page = await visit.get("/targets?select=onlin")
    assert (page.status_code, "<html" in page.text) == (400, True)
