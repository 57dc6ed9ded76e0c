"""Pages of rules and receivers whose rows were damaged outside the manager: shown with the mend, in both languages, never an error."""

from __future__ import annotations

import pytest

from server.service.alert_drafts import Draft
from server.service.receivers import Change
from tests.conftest import Manager
from tests.server.web.conftest import Visitor


async def damage(manager: Manager, table: str, column: str, text: str) -> None:
    await manager.db.transaction(lambda session: session.raw_statement(f"UPDATE {table} SET {column} = '{text}'"))


@pytest.mark.parametrize(
    ("column", "text"), [("settings", "{"), ("event_kinds", "7"), ("min_severity", "loud"), ("kind", "pigeon"), ("secrets", "x")]
)
@pytest.mark.parametrize("kind", ["webhook", "mail"])
async def test_a_damaged_receiver_has_its_page(visit: Visitor, manager: Manager, kind: str, column: str, text: str) -> None:
    settings = {"url": "https://hook.example.com/x"}
    if kind == "mail":
        settings = {"host": "mail.example.com", "sender": "a@example.com", "to": ["b@example.com"]}  # type: ignore[dict-item]
    one, _ = await manager.services.receivers.make(manager.admin, kind, Change(name="hook", settings=settings), manager.time())
    await damage(manager, "receivers", column, text)
    await visit.sign_in("admin")
    for path in ("/receivers", f"/receivers/{one}", "/", "/deliveries"):
        answer = await visit.get(path)
        assert answer.status_code == 200, path
        assert "outside the manager" in answer.text or path in ("/", "/deliveries"), path
    chinese = await visit.get("/receivers", **{"Accept-Language": "zh-CN"})
    assert chinese.status_code == 200


@pytest.mark.parametrize(
    ("column", "text"), [("kind", "wish"), ("metric", "happiness"), ("severity", "loud"), ("comparison", "x"), ("command", "nonsense")]
)
async def test_a_damaged_rule_has_its_page_and_can_be_written_anew(visit: Visitor, manager: Manager, column: str, text: str) -> None:
    rules = manager.services.alert_rules
    rule, _ = await rules.make(manager.admin, Draft("CPU", "metric", "all", "cpu_usage", threshold="90%"), manager.time())
    await damage(manager, "alert_rules", column, text)
    await visit.sign_in("admin")
    for path in ("/rules", f"/rules/{rule}", f"/rules/{rule}/delete"):
        answer = await visit.get(path)
        assert answer.status_code == 200, path
        assert "outside the manager" in answer.text or column == "command" or path.endswith("delete"), path
    form: dict[str, str | list[str]] = {"name": "CPU", "kind": "metric", "severity": "warning", "selector": "all", "metric": "cpu_usage"}
    form |= {"comparison": "above", "threshold": "90%", "starts": "none", "enabled": "1", "version": "1", "step": "preview"}
    assert (await visit.post(f"/rules/{rule}", form)).status_code == 200
    assert (await visit.post(f"/rules/{rule}", {**form, "step": "save"})).status_code == 303
    assert (await rules.get(rule, manager.time()))["problem"] == ""
