"""Rows that somebody edited past the manager: shown as damaged with the mend, and nothing else stops for them."""

from __future__ import annotations

import json

import pytest

from server.errors import Conflict
from server.service.alert_drafts import Draft
from server.service.receiver_settings import DEFAULTS
from server.service.receivers import Change
from tests.conftest import Manager
from tests.server.service.alerting import Site, cpu

SETTINGS = {"url": "https://hook.example.com/x"}


@pytest.fixture
def site(manager: Manager) -> Site:
    return Site(manager)


async def damage(manager: Manager, table: str, row_id: str, column: str, text: str) -> None:
    value = text.replace("'", "''")
    await manager.db.transaction(lambda session: session.raw_statement(f"UPDATE {table} SET {column} = '{value}' WHERE id = '{row_id}'"))


async def receiver(manager: Manager, name: str) -> str:
    return (await manager.services.receivers.make(manager.admin, "webhook", Change(name=name, settings=SETTINGS), manager.time()))[0]


@pytest.mark.parametrize(
    ("column", "text", "what"),
    [
        ("settings", "", "settings"),
        ("settings", "[1", "settings"),
        ("settings", "null", "settings"),
        ("settings", '{"url": 7}', "settings"),
        ("settings", '{"url": "https://a.example.com", "burst": "many"}', "settings"),
        ("event_kinds", "{", "list of events"),
        ("event_kinds", "[]", "list of events"),
        ("event_kinds", '["opened", "shouted"]', "list of events"),
        ("min_severity", "loud", "least severity"),
    ],
)
async def test_a_damaged_receiver_is_shown_holds_up_no_other_and_can_be_saved_anew(
    manager: Manager, column: str, text: str, what: str
) -> None:
    receivers = manager.services.receivers
    damaged, _ = await receiver(manager, "damaged"), await receiver(manager, "sound")
    await damage(manager, "receivers", damaged, column, text)
    by_name = {row["name"]: row for row in await receivers.all()}
    assert f"its {what} was damaged outside the manager" in by_name["damaged"]["problem"]
    assert by_name["damaged"]["health"] == "failing"
    assert set(by_name["damaged"]["settings"]) >= set(DEFAULTS["webhook"])
    assert (by_name["sound"]["problem"], by_name["sound"]["health"]) == ("", "untried")
    site = Site(manager)
    manager.services.alerts.enqueue = manager.services.deliveries.enqueue
    node = await site.node("web-1")
    await site.rule(hold=0)
    await site.sample(node, **cpu(99.0))
    assert await manager.services.alert_watch.tick(manager.time())
    log = (await manager.services.deliveries.page("", "", 10, 0)).rows
    assert {row["receiver_name"] for row in log} == {"damaged", "sound"}, "told too much rather than nothing"
    # Nothing is sent to it, and it is not asked again each second.
    await manager.services.delivery_turns.turn(damaged)
    assert (await receivers.get(damaged))["pause_until"] > manager.time() + 1_000_000
    with pytest.raises(Conflict, match="damaged outside the manager"):
        await manager.services.delivery_turns.test(manager.admin, damaged, manager.time())
    wanted = Change(min_severity="warning", events=["opened"], settings={**DEFAULTS["webhook"], **SETTINGS})
    await receivers.change(manager.admin, damaged, 1, wanted, manager.time())
    mended = await receivers.get(damaged)
    assert (mended["problem"] == "" or "damaged" not in mended["problem"], mended["settings"]["url"]) == (True, SETTINGS["url"])
    assert (await receivers.opened(damaged)).settings["url"] == SETTINGS["url"]


async def test_secrets_that_were_changed_outside_can_be_entered_anew_or_made_anew(manager: Manager) -> None:
    receivers, one = manager.services.receivers, await receiver(manager, "hook")
    await damage(manager, "receivers", one, "secrets", "nonsense")
    assert "enter them anew" in (await receivers.get(one))["problem"]
    with pytest.raises(Conflict, match="secrets were changed outside the manager"):
        await manager.services.delivery_turns.test(manager.admin, one, manager.time())
    made = await receivers.rotate(manager.admin, one, 1, manager.time())
    assert (await receivers.opened(one)).secrets == {"secret": made}


async def test_a_receiver_of_a_kind_that_there_is_none_can_only_be_deleted(manager: Manager) -> None:
    receivers, one = manager.services.receivers, await receiver(manager, "pigeon")
    await damage(manager, "receivers", one, "kind", "pigeon")
    assert "its kind was damaged" in (await receivers.all())[0]["problem"]
    with pytest.raises(Conflict, match="delete the receiver"):
        await receivers.change(manager.admin, one, 1, Change(name="dove"), manager.time())
    await receivers.delete(manager.admin, one, 1, manager.time())


@pytest.mark.parametrize(
    ("column", "text", "what"),
    [("kind", "wish", "kind"), ("comparison", "beside", "comparison"), ("severity", "loud", "severity"), ("metric", "happiness", "metric")],
)
async def test_a_damaged_rule_evaluates_nothing_says_so_and_the_others_go_on(site: Site, column: str, text: str, what: str) -> None:
    rules, now = site.manager.services.alert_rules, site.manager.time
    node = await site.node("web-1")
    damaged, _ = await site.rule("Damaged", hold=0), await site.rule("Sound", threshold="80%")
    await site.sample(node, **cpu(99.0))
    await damage(site.manager, "alert_rules", damaged, column, text)
    assert await site.tick() == ["opened"]
    assert [row["rule_name"] for row in await site.open()] == ["Sound"]
    said = {row["name"]: row["problem"] for row in await rules.all(now())}
    assert said == {"Damaged": f"its {what} was damaged outside the manager: write the rule anew, or delete it", "Sound": ""}
    assert (await rules.get(damaged, now()))["problem"]
    assert isinstance(await rules.draft(damaged, now()), Draft)
    await rules.change(site.manager.admin, damaged, 1, Draft("Damaged", "metric", "all", "cpu_usage", threshold="90%"), now())
    assert await site.tick(1) == ["opened"]
    assert (await rules.get(damaged, now()))["problem"] == ""


async def test_an_open_alert_of_a_rule_that_was_damaged_stays_open_and_is_unknown(site: Site) -> None:
    node, rule = await site.node("web-1"), await site.rule()
    await site.sample(node, **cpu(99.0))
    await site.tick()
    await damage(site.manager, "alert_rules", rule, "kind", "wish")
    await site.tick(1)
    assert [(row["state"], row["silent"]) for row in await site.open()] == [("open", True)]


async def test_a_watch_that_was_damaged_counts_anew_and_the_watch_goes_on(site: Site) -> None:
    node = await site.node("web-1")
    await site.rule("Restarts", "agent-restarts", threshold="3", span=3600)
    await site.tell(node, "urgent", "state", {"state": "running", "version": "1", "restarts": 1})
    await site.tick()
    for text in ("{", "7", '[["x"]]', json.dumps([1, 2])):
        await site.manager.db.transaction(
            lambda s, text=text: s.raw_statement(f"UPDATE alert_watches SET marks = '{text}', opens = '{text}'")
        )  # type: ignore[misc]
        assert await site.tick(1) == []
    await site.tell(node, "urgent", "state", {"state": "running", "version": "1", "restarts": 6})
    assert await site.tick(1) == ["opened"]
