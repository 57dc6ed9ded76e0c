"""The form of a rule that starts something: a task of any kind, with what was typed kept and secrets shown to nobody."""

from __future__ import annotations

import re

from tests.conftest import Manager
from tests.server.web.conftest import Visitor

Fields = dict[str, str | list[str]]
FORM: Fields = {
    "kind": "metric",
    "name": "CPU busy",
    "severity": "warning",
    "selector": "all",
    "metric": "cpu_usage",
    "comparison": "above",
    "threshold": "90%",
    "starts": "task",
    "enabled": "1",
    "step": "save",
}


async def order(manager: Manager, address: str) -> tuple[str, dict[str, object]]:
    row = await manager.db.row(manager.db.q.alert_rules.by_id, {"id": address.partition("?")[0].rpartition("/")[2]})
    assert row is not None
    found = await manager.services.alert_rules.order(row)
    assert found is not None
    return found.kind, found.content


async def test_a_rule_starts_a_task_of_the_kind_that_was_chosen(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    page = (await visit.post("/rules", {**FORM, "task_kind": "script", "f.script": "echo kept", "step": "task:service"})).text
    assert 'name="f.service"' in page or 'name="f.name"' in page, "the fields of that kind"
    assert 'value="task" checked' in page
    assert 'value="CPU busy"' in page, "what was typed of the rule is there still"
    name = "f.service" if 'name="f.service"' in page else "f.name"
    action = re.search(r'name="f.(action|operation|do)"', page)
    assert action is not None
    fields: Fields = {**FORM, "task_kind": "service", name: "nginx", f"f.{action[1]}": "restart"}
    answer = await visit.post("/rules", fields)
    assert answer.status_code == 303, re.findall(r'class="wrong"[^>]*>.*?</p>', answer.text)
    kind, content = await order(manager, answer.headers["location"])
    assert (kind, content) == ("service", {name[2:]: "nginx", action[1]: "restart"})
    page = (await visit.get(answer.headers["location"])).text
    assert "what it starts now: service" in page


async def test_a_script_is_given_as_before_and_a_mistake_in_it_stands_at_its_field(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    empty = await visit.post("/rules", {**FORM, "task_kind": "script", "f.script": " "})
    assert empty.status_code == 400
    assert 'id="wrong-f-script"' in empty.text
    late = await visit.post("/rules", {**FORM, "task_kind": "script", "f.script": "uptime", "f.timeout": "soon"})
    assert late.status_code == 400
    assert 'id="wrong-f-timeout"' in late.text
    assert ">uptime</textarea>" in late.text
    answer = await visit.post("/rules", {**FORM, "task_kind": "script", "f.script": "uptime"})
    assert await order(manager, answer.headers["location"]) == ("script", {"script": "uptime"})


async def test_without_a_task_what_stands_in_its_fields_counts_for_nothing(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    answer = await visit.post("/rules", {**FORM, "starts": "none", "task_kind": "script", "f.script": "reboot", "f.timeout": "x"})
    assert answer.status_code == 303
    [rule] = [one for one in await manager.services.alert_rules.all(manager.time()) if one["name"] == "CPU busy"]
    assert not rule["command"]


async def test_secrets_of_a_task_are_not_shown_and_not_lost(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    fields: Fields = {**FORM, "task_kind": "script", "f.script": "echo", "f.environment": "TOKEN=hunter2"}
    page = (await visit.post("/rules", {**fields, "threshold": "5m"})).text
    assert "hunter2" not in page
    sealed = re.search(r'name="sealed" value="([^"]+)"', page)
    assert sealed is not None
    again: Fields = {name: value for name, value in fields.items() if name != "f.environment"}
    answer = await visit.post("/rules", {**again, "sealed": sealed[1]})
    assert await order(manager, answer.headers["location"]) == ("script", {"script": "echo", "environment": {"TOKEN": "hunter2"}})
    assert "hunter2" not in (await visit.get(answer.headers["location"])).text


async def test_a_kind_that_no_agent_has_is_refused(visit: Visitor) -> None:
    await visit.sign_in("admin")
    answer = await visit.post("/rules", {**FORM, "task_kind": "wish", "f.x": "1"})
    assert answer.status_code == 400
