"""Pages of groups, bulk changes and waiting hosts as text: errors at their place, nothing typed lost, nothing done twice."""

from __future__ import annotations

import re

from host.wire.messages import EnrollRequest, Facts
from tests.conftest import Manager, make_csr
from tests.server.web.conftest import Visitor

Fields = dict[str, str | list[str]]


async def test_a_wrong_selector_lists_nothing_and_says_why_in_the_readers_language(visit: Visitor, manager: Manager) -> None:
    await manager.enrol("web-1")
    await visit.sign_in("admin")
    answer = await visit.get("/nodes?select=nme:web-*", **{"Accept-Language": "zh"})
    assert answer.status_code == 400
    assert "选择器第 1 列" in answer.text
    assert "<mark>nme</mark>" in answer.text
    assert "web-1</a>" not in answer.text


async def test_a_group_that_somebody_else_changed_is_not_overwritten(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    group = await manager.services.groups.make(manager.admin, "region", "China", "", False, manager.time())
    form: Fields = {"version": "1", "name": "中国", "parent": ""}
    assert (await visit.post(f"/groups/{group}", form)).status_code == 303
    answer = await visit.post(f"/groups/{group}", {**form, "name": "Chine"})
    assert answer.status_code == 409
    assert "changed by admin" in answer.text
    for wrong in ({"version": "x"}, {"name": ""}, {"parent": group}):
        answer = await visit.post(f"/groups/{group}", {"version": "2", "name": "中国", "parent": "", **wrong})
        assert answer.status_code == 400, wrong
    assert (await visit.post(f"/groups/{group}", {"version": "2", "step": "delete"})).status_code == 303


async def test_one_node_is_edited_and_what_was_typed_is_kept_when_it_is_wrong(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node, services, now = await manager.enrol(), manager.services, manager.time()
    group = await services.groups.make(manager.admin, "region", "China", "", False, now)
    await services.edits.define(manager.admin, "slots", "Slots", "number", [], now)
    form: Fields = {"tags": "env=prod\nrack=4", "version": "1", "group-region": group, "field-slots": "many"}
    answer = await visit.post(f"/nodes/{node.id}/edit", form)
    assert answer.status_code == 400
    assert 'value="many"' in answer.text
    answer = await visit.post(f"/nodes/{node.id}/edit", {**form, "field-slots": "12"})
    assert answer.status_code == 303
    page = (await visit.get(f"/nodes/{node.id}")).text
    for text in ("env=prod", "China", "Slots", ">12<"):
        assert text in page
    await visit.post(f"/nodes/{node.id}/edit", {"tags": "rack=4", "version": "2", "group-region": "", "field-slots": ""})
    assert (await services.nodes.get(node.id))["tags"] == {"rack": "4"}
    assert await services.groups.of_nodes([node.id]) == {}


async def test_many_are_changed_as_they_were_shown(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    first, second = await manager.enrol("web-1"), await manager.enrol("web-2")
    assert "Change 2 nodes" in (await visit.get("/bulk?match=1&select=name:web-*")).text
    assert (await visit.get("/bulk?match=1&select=nme:x")).status_code == 400
    form: Fields = {"node": [first.id, "gone"], "action": "tag", "tags": "env=prod"}
    page = (await visit.post("/bulk", form)).text
    assert "Nothing is changed yet." in page
    assert "<b>env=prod</b>" in page
    assert (await manager.services.nodes.get(first.id))["tags"] == {}
    answer = await visit.post("/bulk", {**form, "step": "go"})
    assert "1 node changed" in answer.text
    assert "there is no node" in answer.text
    assert (await manager.services.nodes.get(second.id))["tags"] == {}
    for wrong in ({"action": "fly"}, {"action": "tag", "tags": ""}, {"action": "group", "group": "X"}, {"action": "ungroup", "kind": "x"}):
        for step in ("", "go"):
            assert (await visit.post("/bulk", {"node": first.id, "step": step, **wrong})).status_code in (400, 404), wrong


async def test_a_bulk_change_shows_before_and_after_and_asks_for_the_name_of_a_protected_group(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    first, second = await manager.enrol("web-1"), await manager.enrol("web-2")
    china = await manager.services.groups.make(manager.admin, "region", "China", "", True, manager.time())
    europe = await manager.services.groups.make(manager.admin, "region", "Europe", "", False, manager.time())
    await manager.services.groups.put(manager.admin, china, [first.id], manager.time())
    await manager.services.groups.put(manager.admin, europe, [second.id], manager.time())
    form: Fields = {"node": [first.id, second.id], "action": "group", "group": europe}
    page = (await visit.post("/bulk", form)).text
    assert "1 node has it so already" in page
    assert re.search(r">China</td><td[^>]*><b>Europe</b></td>", page)
    assert "Type its name: China" in page
    refused = await visit.post("/bulk", {**form, "step": "go", "confirm": "china"})
    assert refused.status_code == 409
    assert 'value="china"' in refused.text
    assert "2 nodes changed" in (await visit.post("/bulk", {**form, "step": "go", "confirm": "China"})).text
    assert {row["name"] for row in (await manager.services.groups.of_nodes([first.id]))[first.id]} == {"Europe"}


async def test_one_node_of_a_protected_group_is_edited_only_with_its_name(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    group = await manager.services.groups.make(manager.admin, "region", "China", "", True, manager.time())
    shop = await manager.services.groups.make(manager.admin, "business", "Shop", "", True, manager.time())
    form: Fields = {"tags": "env=prod", "version": "1", "group-region": group, "group-business": shop}
    assert (await visit.post(f"/nodes/{node.id}/edit", form)).status_code == 303
    again = {**form, "tags": "env=test", "version": "2"}
    answer = await visit.post(f"/nodes/{node.id}/edit", again)
    assert answer.status_code == 409
    assert "Type its name: China" in answer.text
    assert (await visit.post(f"/nodes/{node.id}/edit", {**again, "confirm": ["Shop", "China"]})).status_code == 303
    assert (await manager.services.nodes.get(node.id))["tags"] == {"env": "test"}


async def test_a_host_that_asks_is_decided_upon_on_its_page(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    wanted = EnrollRequest(1, "", make_csr(), Facts("<b>new</b>"))
    await manager.services.approvals.ask(wanted, "192.0.2.5", manager.time())
    [row] = await manager.services.approvals.waiting()
    page = (await visit.get("/waiting")).text
    assert row["public_key"][:32] in page
    assert "<b>new</b>" not in page
    assert (await visit.post(f"/waiting/{row['node_id']}", {"step": "fly"})).status_code == 400
    answer = await visit.post(f"/waiting/{row['node_id']}", {"step": "approve"})
    assert answer.headers["location"] == f"/nodes/{row['node_id']}?notice=approved"
    assert (await visit.post(f"/waiting/{row['node_id']}", {"step": "reject"})).status_code == 409


async def test_a_retired_node_is_deleted_only_by_its_name(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    assert "Take it back into service" in (await visit.get(f"/nodes/{node.id}")).text
    assert (await visit.post(f"/nodes/{node.id}/delete", {"confirm": "web"})).status_code == 400
    assert (await visit.post(f"/nodes/{node.id}/delete", {"confirm": "web-1"})).status_code == 303
    assert (await visit.get(f"/nodes/{node.id}")).status_code == 404


async def test_the_list_is_handed_on_whole_as_a_file_as_names_and_to_the_run_form(visit: Visitor, manager: Manager) -> None:
    for number in range(3):
        node = await manager.enrol(f"web-{number}")
        await manager.services.edits.tag(manager.admin, [node.id], {"env": "prod" if number else "test"}, [], manager.time())
    await visit.sign_in("admin")
    page = (await visit.get("/nodes?select=env%3Dprod&state=online")).text
    assert "/run?select=%28env%3Dprod%29+and+state%3Donline" in page
    assert "/nodes/export?format=csv&amp;state=online&amp;select=env%3Dprod" in page
    answer = await visit.get("/nodes/export?format=csv&state=online&select=env%3Dprod")
    assert answer.content.startswith(b"\xef\xbb\xbfname,state,")
    assert answer.headers["content-disposition"].startswith('attachment; filename="nodes-20')
    assert answer.text.count("\r\n") == 3
    assert (await visit.get("/nodes/export?format=names&q=web")).text == "web-0\nweb-1\nweb-2"
    assert len((await visit.get("/nodes/export?format=json")).json()) == 3
    assert (await visit.get("/nodes/export?format=doc")).status_code == 400
    assert (await visit.get("/nodes/export?select=nme")).status_code == 400
    # Searched for by text: the run form is given the filter, since no selector says the same.
    assert "/run?match=1&amp;q=web" in (await visit.get("/nodes?q=web")).text
    assert "/run?" not in (await visit.get("/nodes?state=retired")).text.partition('id="list"')[2]


async def test_a_state_is_saved_as_a_filter_too(visit: Visitor, manager: Manager) -> None:
    await manager.enrol("web-0")
    await visit.sign_in("admin")
    assert 'name="selector" value="state=online"' in (await visit.get("/nodes?state=online")).text
    assert 'name="selector"' not in (await visit.get("/nodes?state=online&q=web")).text
    answer = await visit.post("/filters", {"name": "away", "selector": "state=online"})
    assert answer.headers["location"] == "/nodes?select=state%3Donline&notice=saved"
    assert "Delete the saved filter away" in (await visit.get("/nodes?state=online")).text


async def test_many_are_retired_and_taken_back_after_a_look_and_a_protected_groups_name(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    first, second = await manager.enrol("web-1"), await manager.enrol("web-2")
    group = await manager.services.groups.make(manager.admin, "region", "Core", "", True, manager.time())
    await manager.services.groups.put(manager.admin, group, [first.id], manager.time())
    form: Fields = {"node": [first.id, second.id], "action": "retire"}
    look = await visit.post("/bulk", form)
    assert "Nothing is changed yet" in look.text
    assert "Type its name: Core" in look.text
    refused = await visit.post("/bulk", {**form, "step": "go", "confirm": "core"})
    assert refused.status_code == 409
    assert (await manager.services.nodes.get(second.id))["state"] == "online"
    done = await visit.post("/bulk", {**form, "step": "go", "confirm": "Core"})
    assert "2 nodes changed" in done.text
    assert "Take them back" in done.text
    assert (await manager.services.nodes.get(first.id))["state"] == "retired"
    await visit.post("/bulk", {**form, "action": "restore", "step": "go"})
    assert (await manager.services.nodes.get(first.id))["state"] == "offline"


async def test_one_node_of_a_protected_group_is_retired_and_ordered_about_only_by_the_groups_name(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    group = await manager.services.groups.make(manager.admin, "region", "Core", "", True, manager.time())
    await manager.services.groups.put(manager.admin, group, [node.id], manager.time())
    asked = await visit.post(f"/nodes/{node.id}/orders", {"verb": "log-level", "level": "debug"})
    assert asked.status_code == 409
    assert "Type its name: Core" in asked.text
    assert 'value="debug"' in asked.text
    assert "must be typed exactly" not in asked.text
    wrong = await visit.post(f"/nodes/{node.id}/orders", {"verb": "log-level", "level": "debug", "confirm": "core"})
    assert "must be typed exactly" in wrong.text
    given = await visit.post(f"/nodes/{node.id}/orders", {"verb": "log-level", "level": "debug", "confirm": "Core"})
    assert given.status_code == 303
    assert "Type its name: Core" in (await visit.get(f"/nodes/{node.id}/orders/agent-stop")).text
    assert "Type its name: Core" in (await visit.get(f"/nodes/{node.id}/retire")).text
    assert (await visit.post(f"/nodes/{node.id}/retire", {"confirm": ""})).status_code == 409
    assert (await visit.post(f"/nodes/{node.id}/retire", {"confirm": "Core"})).status_code == 303
    assert (await manager.services.nodes.get(node.id))["state"] == "retired"


async def test_a_token_for_a_machine_installed_anew_is_made_from_its_nodes_page(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, node.id, "offline", manager.time()))
    assert f'href="/enrol?node={node.id}"' in (await visit.get(f"/nodes/{node.id}")).text
    form = (await visit.get(f"/enrol?node={node.id}")).text
    assert "For the machine of web-1, installed anew" in form
    assert 'id="node-name"' not in form
    made = await visit.post("/enrol", {"node": node.id, "uses": "1", "hours": "1", "note": "", "tags": "", "name": ""})
    assert "ops1." in made.text
    rows = await manager.db.transaction(lambda session: session.raw_rows("SELECT for_node FROM enrolment_tokens"))
    assert {row["for_node"] for row in rows} == {"", node.id}
    assert (await visit.get("/enrol?node=nobody")).status_code == 404


async def test_of_two_people_who_edit_a_node_at_once_the_second_is_told_and_nothing_is_lost(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    assert '<input type="hidden" name="version" value="1">' in (await visit.get(f"/nodes/{node.id}/edit")).text
    assert (await visit.post(f"/nodes/{node.id}/edit", {"tags": "env=prod", "version": "1"})).status_code == 303
    second = await visit.post(f"/nodes/{node.id}/edit", {"tags": "env=test\nrack=4", "version": "1"})
    assert second.status_code == 409
    for text in ("changed by admin", "Nothing was saved; what you typed is still below", "env=test\nrack=4", "env=prod"):
        assert text in second.text, text
    assert (await manager.services.nodes.get(node.id))["tags"] == {"env": "prod"}
    assert (await visit.post(f"/nodes/{node.id}/edit", {"tags": "env=test"})).status_code == 400
