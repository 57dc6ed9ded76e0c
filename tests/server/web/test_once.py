"""A button that is pressed twice, or a page that is loaded anew, does once what it does."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime, timezone

import pytest

from server.service.alert_drafts import Draft
from server.service.receivers import Change
from server.service.windows import Wanted
from tests.conftest import Manager
from tests.server.web.conftest import Visitor

Fields = dict[str, str | list[str]]


async def press(visit: Visitor, page: str, fields: Fields, path: str = "") -> list[str]:
    """The form of `page` sent twice as it is, and once more from a fresh page; where each answer leads to."""
    text = (await visit.get(page)).text
    press = re.findall(r'name="once" value="(\w+)"', text)
    assert press, f"{page} has no form that is sent once"
    answers = [await visit.post(path or page, {**fields, "once": press[0]}) for _ in range(2)]
    fresh = re.findall(r'name="once" value="(\w+)"', (await visit.get(page)).text)
    assert fresh[0] != press[0]
    answers.append(await visit.post(path or page, {**fields, "once": fresh[0]}))
    return [answer.headers.get("location", answer.text) for answer in answers]


async def given(manager: Manager, node: str) -> int:
    return (await manager.services.commands.page(node_id=node, task_id="", state="", limit=1, offset=0)).total


@pytest.mark.parametrize("verb", ["collect", "diagnose", "agent-start", "agent-restart", "agent-stop", "log-level"])
async def test_an_order_is_given_once(visit: Visitor, manager: Manager, verb: str) -> None:
    await visit.sign_in("admin")
    node = (await manager.enrol()).id
    first, second, third = await press(visit, f"/nodes/{node}", {"verb": verb, "level": "debug"}, f"/nodes/{node}/orders")
    assert first == second != third
    assert await given(manager, node) == 2


async def test_an_order_pressed_twice_at_once_is_given_once(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = (await manager.enrol()).id
    fields: Fields = {"verb": "collect", "once": "x"}
    answers = await asyncio.gather(*(visit.post(f"/nodes/{node}/orders", fields) for _ in range(3)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert await given(manager, node) == 1


async def test_a_command_is_canceled_once(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node, services = (await manager.enrol()).id, manager.services
    command = (await services.commands.run(manager.admin, [node], "script", {"script": "x"}, "", manager.time())).commands[node]
    await manager.db.transaction(lambda session: services.commands.acknowledge(session, node, [command], [], manager.time()))
    first, second, _ = await press(visit, f"/commands/{command}", {}, f"/commands/{command}/cancel")
    assert first == second == f"/commands/{command}?notice=canceled"
    orders = await manager.db.transaction(lambda session: session.raw_rows("SELECT id FROM commands WHERE target_id IS NOT NULL"))
    assert len(orders) == 2


async def test_a_note_and_a_group_are_made_once(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = (await manager.enrol()).id
    await press(visit, f"/nodes/{node}", {"text": "hello"}, f"/nodes/{node}/notes")
    assert len(await manager.services.edits.notes(node)) == 2
    first, second, third = await press(visit, "/groups", {"place": "region/", "name": "China"})
    assert first == second
    assert "there already" in third
    assert len(await manager.services.groups.tree()) == 1


async def test_a_window_is_made_and_ended_once(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    windows, now = manager.services.windows, manager.time()
    begun = datetime.fromtimestamp(now / 1000 - 300, timezone.utc).strftime("%Y-%m-%dT%H:%M")
    start = {"start": begun, "minutes": 60}
    window = await windows.make(manager.admin, Wanted("Now", "", "all", start, "UTC"), now)
    first, second, third = await press(visit, f"/windows/{window}", {"step": "end"})
    assert first == second == f"/windows/{window}?notice=saved"
    assert "it is not open now" in third
    fields: Fields = {"f.name": "New", "f.selector": "all", "f.zone": "UTC", "f.start": "2030-01-01T00:00", "f.end": "2030-01-01T01:00"}
    fields |= {"f.repeat": "once", "f.silences": "1"}
    first, second, third = await press(visit, "/windows/new", fields, "/windows")
    assert first.startswith("/windows/")
    assert first == second != third
    assert len(await windows.every()) == 3, third


async def test_a_receiver_is_made_once_and_its_page_shows_the_same_secret_when_it_is_loaded_anew(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    fields: Fields = {"kind": "webhook", "name": "pager", "enabled": "1", "min_severity": "info", "event": ["opened"]}
    fields |= {"s.url": "https://example.com/hook", "s.burst": "20"}
    first, second, third = await press(visit, "/receivers/new", fields, "/receivers")
    [secret] = set(re.findall("whsec_[A-Za-z0-9+/=]+", first))
    assert secret in second
    assert "there is a receiver" in third
    [row] = await manager.services.receivers.all()
    version = str(row["version"])
    first, second, third = await press(visit, f"/receivers/{row['id']}", {"step": "rotate", "version": version})
    [made] = set(re.findall("whsec_[A-Za-z0-9+/=]+", first))
    assert made in second
    assert made != secret
    assert "load it again" in third


async def test_a_test_is_sent_once_and_its_outcome_has_an_address(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    change = Change(name="pager", settings={"url": "https://ops.invalid/hook"})
    receiver, _ = await manager.services.receivers.make(manager.admin, "webhook", change, manager.time())
    first, second, third = await press(visit, f"/receivers/{receiver}", {}, f"/receivers/{receiver}/test")
    assert first == second != third
    assert first.startswith(f"/receivers/{receiver}?tested=")
    assert (await manager.services.deliveries.page(receiver, "", 10, 0)).total == 2
    for _ in range(2):
        assert "The test was not taken." in (await visit.get(first)).text
    other, _ = await manager.services.receivers.make(manager.admin, "webhook", Change(**{**vars(change), "name": "b"}), manager.time())
    assert "The test was" not in (await visit.get(first.replace(receiver, other))).text
    assert (await visit.get(f"/receivers/{receiver}?tested=nope")).status_code == 404


async def test_nothing_is_sent_again_to_who_is_switched_off(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    receivers, deliveries = manager.services.receivers, manager.services.deliveries
    change = Change(name="pager", settings={"url": "https://ops.invalid/hook"})
    receiver, _ = await receivers.make(manager.admin, "webhook", change, manager.time())
    delivery, _, _ = await manager.services.delivery_turns.test(manager.admin, receiver, manager.time())
    await manager.db.transaction(lambda session: session.raw_statement("UPDATE deliveries SET event_kind = 'opened'"))
    assert "Send it again" in (await visit.get(f"/deliveries/{delivery}")).text
    await receivers.change(manager.admin, receiver, 1, Change(enabled=False), manager.time())
    assert "Send it again" not in (await visit.get(f"/deliveries/{delivery}")).text
    assert (await deliveries.get(delivery))["repeatable"] is False
    await receivers.delete(manager.admin, receiver, 2, manager.time())
    assert (await deliveries.get(delivery))["repeatable"] is False


async def test_alerts_are_acknowledged_once(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node, services = await manager.enrol(), manager.services
    cpu = {"percent": 97.0, "user": 97.0, "system": 0.0, "idle": 3.0}
    await manager.report(node, "bulk", (1, "sample", {"took_ms": 1.0, "cpu": cpu}))
    draft = Draft("CPU busy", "metric", "all", "cpu_usage", threshold="90%", clear="80%")
    rule, _ = await services.alert_rules.make(manager.admin, draft, manager.time())
    await services.alert_watch.tick(manager.time())
    [alert] = (await services.alerts.page(rule_id=rule, limit=5, offset=0)).rows
    text = (await visit.get(f"/alerts/{alert['id']}")).text
    [press] = set(re.findall(r'name="once" value="(\w+)"', text))
    path, fields = f"/alerts/{alert['id']}/acknowledge", {"comment": "mine", "once": press}
    answers = [await visit.post(path, {**fields}) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == [f"/alerts/{alert['id']}?notice=acknowledged"] * 2
    assert len([one for one in await services.alerts.events(alert["id"]) if one["note"] == "mine"]) == 1
    changed = await visit.post(path, {"comment": "another", "once": press})
    assert "has acknowledged it already" in changed.text


async def test_a_token_is_made_once_and_shown_again_when_its_page_is_loaded_anew(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    first, second, third = await press(visit, "/enrol", {"uses": "1", "hours": "1", "note": "", "tags": "", "name": ""})
    tokens = [set(re.findall(r"ops1\.[\w.-]+", text)) for text in (first, second, third)]
    assert tokens[0] == tokens[1]
    assert tokens[0] != tokens[2]
