"""Pages as text: fragments, errors, languages, and what is made of values from outside."""

from __future__ import annotations

import pytest

from server.web.i18n import load
from server.web.sentences import SENTENCES
from tests.conftest import Manager
from tests.server.web.conftest import Visitor


async def test_a_fragment_and_the_whole_page_have_one_address(visit: Visitor, manager: Manager) -> None:
    await manager.enrol("web-1")
    await visit.sign_in("admin")
    whole, fragment = await visit.get("/nodes"), await visit.get("/nodes", **{"HX-Request": "true"})
    assert whole.text.startswith("<!doctype html>")
    assert fragment.text.lstrip().startswith("<section")
    assert "web-1" in whole.text
    assert "web-1" in fragment.text
    assert "HX-Request" in fragment.headers["vary"]


async def test_an_error_says_what_why_and_what_next_with_the_requests_id(visit: Visitor) -> None:
    await visit.sign_in("admin")
    answer = await visit.get("/commands/NOPE")
    assert answer.status_code == 404
    assert "there is no command" in answer.text
    assert "Start from the list" in answer.text
    assert answer.headers["x-request-id"] in answer.text


async def test_an_unknown_api_address_is_answered_as_json(visit: Visitor) -> None:
    answer = await visit.get("/api/v1/nothing-here")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"


async def test_a_page_speaks_the_browsers_language_and_translates_what_services_say(visit: Visitor) -> None:
    fields: dict[str, str | list[str]] = {"name": "admin", "password": "wrong"}
    headers = {"Accept-Language": "fr;q=0.9, zh-CN;q=0.8, en;q=0.5", "Sec-Fetch-Site": "same-origin"}
    answer = await visit.post("/sign-in", fields, **headers)
    assert 'lang="zh-CN"' in answer.text
    assert "用户名或密码错误" in answer.text


def test_a_sentence_with_values_keeps_them_in_translation() -> None:
    chinese = load(SENTENCES)["zh"]
    assert chinese.sentence("too many wrong passwords; try again in 7 s") == "密码错误次数过多，请在 7 秒后重试"
    assert chinese.sentence("the node web-1 is retired and takes no commands") == "节点 web-1 已退役，不接受命令"
    assert chinese.sentence("a plain {sentence} %s nobody knows") == "a plain {sentence} %s nobody knows"


@pytest.mark.parametrize("number", ["0", "-1", "9999999999999999999", "x", "%C2%B2", ""])
async def test_a_page_number_that_is_none_is_no_failure(visit: Visitor, number: str) -> None:
    await visit.sign_in("admin")
    for path in ("/nodes", "/commands", "/audit"):
        assert (await visit.get(f"{path}?page={number}")).status_code == 200


@pytest.mark.parametrize("path", ["/nodes?state=1'--", "/commands?state=x", "/nodes/X?range=1000y"])
async def test_a_filter_that_does_not_exist_is_named(visit: Visitor, path: str) -> None:
    await visit.sign_in("admin")
    answer = await visit.get(path)
    assert answer.status_code in (400, 404)


async def test_template_code_in_names_is_text(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol("{{7*7}}")
    fields: dict[str, str | list[str]] = {"node": node.id, "f.script": "{{ cycler.__init__ }}%(x)s<b>", "f.timeout": "5"}
    answer = await visit.post("/run", {**fields, "f.interpreter": "shell", "step": "preview"})
    assert answer.status_code == 200
    assert "{{ cycler.__init__ }}%(x)s&lt;b&gt;" in answer.text
    assert "{{7*7}}" in (await visit.get("/nodes")).text


async def test_every_broken_form_is_400_and_keeps_its_fields(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    good: dict[str, str | list[str]] = {"node": node.id, "f.script": "id", "f.timeout": "5", "f.interpreter": "shell", "step": "go"}
    wrong: list[dict[str, str | list[str]]] = [
        {"f.script": " "}, {"f.timeout": "0"}, {"f.timeout": "²"}, {"f.interpreter": "Perl 6"}, {"node": []}, {"node": "NOPE"},
        {"f.working_folder": "tmp"}, {"f.environment": "no sign"}, {"f.environment": "=x"},
    ]  # fmt: skip
    for change in wrong:
        answer = await visit.post("/run", {**good, "name": "kept as it was", **change})
        assert answer.status_code in (400, 404), change
        assert "kept as it was" in answer.text or answer.status_code == 404, change
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=1, offset=0)).total == 0
    for body in (b"\xff=\xfe", b"a=%ff", b"&a=" * 7000):
        answer = await visit.http.post(
            "/run", content=body, headers={"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 400
    answer = await visit.http.post("/run", json={"a": 1}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 400


async def test_the_first_password_is_called_out_until_it_is_changed(visit: Visitor, manager: Manager) -> None:
    password = await manager.services.people.reset_password(manager.admin, "vera", manager.time())
    await visit.post("/sign-in", {"name": "vera", "password": password})
    assert "Change it now" in (await visit.get("/nodes")).text


async def test_the_overview_counts_open_alerts_by_severity(manager: Manager, visit: Visitor) -> None:
    await visit.sign_in("admin")
    assert "open alerts" not in (await visit.get("/")).text
    node = await manager.enrol()
    texts = ("rule_name", "rule_kind", "metric", "subject", "acknowledged_by", "comment", "resolved_why", "group_id", "command_task")
    texts += ("command_state", "command_note")
    numbers = ("silent", "flapping", "silenced", "told_at", "reminded_at", "acknowledged_at", "resolved_at", "command_at", "opened_at")
    alert = dict.fromkeys(texts, "") | dict.fromkeys(numbers, 0) | {"id": "01A", "rule_id": "01R", "open_key": "k", "summary": "full"}
    alert |= {"severity": "critical", "state": "open", "node_id": node.id, "node_name": node.name}
    text = f"INSERT INTO alerts ({', '.join(alert)}) VALUES ({', '.join(repr(value) for value in alert.values())})"
    await manager.db.transaction(lambda session: session.raw_statement(text))
    assert "open alerts" in (await visit.get("/")).text
