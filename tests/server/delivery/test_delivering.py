"""Deliveries over real sockets: retries, order, storms, faults of the other side, and what happens when a manager dies."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from server.db import Session
from server.errors import Conflict
from server.outbound import http
from server.outbound.outcome import Outcome
from server.service.delivery_turns import LEASE_MS
from server.service.receivers import Change
from server.services import build
from tests.conftest import QUICK_HASHER, Manager
from tests.server.delivery import http_receiver as does
from tests.server.delivery.conftest import event, go, make, states, tell
from tests.server.delivery.http_receiver import Receiver

HOUR = 3600


async def test_an_alert_is_told_and_the_log_says_so(manager: Manager, hook: Receiver) -> None:
    receiver = await make(manager, hook)
    await tell(manager, event(manager))
    assert await states(manager) == [("opened", "waiting", 0)]
    await go(manager)
    [request] = hook.got
    assert request.line == "POST /hook HTTP/1.1"
    assert request.json["type"] == "alert.opened"
    assert request.json["data"]["url"] == "https://ops.example.com/alerts/01ALERT0000000000000000000"
    [row] = (await manager.services.deliveries.page(receiver, "sent", 10, 0)).rows
    one = await manager.services.deliveries.get(row["id"])
    assert [(a["status"], a["good"], a["answer"]) for a in one["attempts_log"]] == [(200, True, "ok")]
    assert request.headers["webhook-id"] == row["id"]
    assert (await manager.services.receivers.get(receiver))["health"] == "fine"
    await go(manager, 60)
    assert len(hook.got) == 1


async def test_an_alert_that_is_undone_leaves_no_delivery_and_a_kept_one_has_all_of_them(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook, "first")
    await make(manager, hook, "second")

    async def work(session: Session) -> None:
        await manager.services.deliveries.enqueue(session, [event(manager)])
        raise Conflict("undone")

    with pytest.raises(Conflict):
        await manager.db.transaction(work)
    assert await states(manager) == []
    await tell(manager, event(manager))
    assert len(await states(manager)) == 2


async def test_only_what_a_receiver_wants_is_written_for_it(manager: Manager, hook: Receiver) -> None:
    node, other = await manager.enrol("web-1"), await manager.enrol("db-1")
    await make(manager, hook, "worst", min_severity="critical")
    await make(manager, hook, "opened", events=["opened"])
    await make(manager, hook, "web", selector="name:web-*")
    await make(manager, hook, "off", enabled=False)
    await tell(manager, event(manager, severity="warning", node_id=other.id), event(manager, "resolved", node_id=node.id, alert="01B"))
    rows = (await manager.services.deliveries.page("", "", 50, 0)).rows
    assert sorted((row["receiver_name"], row["event_kind"]) for row in rows) == [
        ("opened", "opened"),
        ("web", "resolved"),
        ("worst", "resolved"),
    ]


async def test_a_selector_that_cannot_be_read_any_more_loses_no_alert(manager: Manager, hook: Receiver) -> None:
    node = await manager.enrol("web-1")
    await manager.services.edits.tag(manager.admin, [node.id], {"env": "prod"}, [], manager.time())
    receiver = await make(manager, hook, selector="env=prod")
    await manager.services.edits.tag(manager.admin, [node.id], {}, ["env"], manager.time())
    await tell(manager, event(manager, node_id=node.id))
    assert await states(manager) == [("opened", "waiting", 0)]
    assert "selector cannot be read" in (await manager.services.receivers.get(receiver))["problem"]


async def test_500_for_an_hour_is_tried_ever_more_rarely_and_arrives_under_the_same_id(manager: Manager, hook: Receiver) -> None:
    receiver = await make(manager, hook)
    hook.otherwise = does.answers(500, b"down for repairs")
    await tell(manager, event(manager))
    for _ in range(HOUR // 5):
        await go(manager, 5)
    assert 6 <= len(hook.got) <= 14
    assert len(set(hook.ids)) == 1
    shown = await manager.services.receivers.get(receiver)
    assert (shown["health"], shown["enabled"], shown["waiting"]) == ("failing", True, 1)
    assert [one["why"] for one in await manager.services.receivers.attention(manager.time() + 5000)] == ["failing"]
    hook.otherwise = does.answers(200)
    for _ in range(HOUR // 5):
        await go(manager, 5)
    assert [state for _, state, _ in await states(manager)] == ["sent"]
    assert len(set(hook.ids)) == 1
    assert (await manager.services.receivers.get(receiver))["failing_since"] == 0
    assert await manager.services.receivers.attention(manager.time()) == []


async def test_what_a_day_does_not_bring_there_has_failed_says_why_and_can_be_sent_again(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook)
    hook.otherwise = does.answers(503, b"no")
    await tell(manager, event(manager))
    for _ in range(100):
        await go(manager, 900)
    [row] = (await manager.services.deliveries.page("", "failed", 10, 0)).rows
    assert "within a day" in row["reason"]
    tried = len(hook.got)
    hook.otherwise = does.answers(200)
    await go(manager, 900)
    assert len(hook.got) == tried
    await manager.services.deliveries.again(manager.admin, row["id"], manager.time())
    await go(manager, 1800)
    assert hook.ids[-1] == hook.ids[0]
    with pytest.raises(Conflict, match="only what has failed"):
        await manager.services.deliveries.again(manager.admin, row["id"], manager.time())


async def test_retry_after_is_obeyed(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook)
    hook.behave = [does.answers(429, b"", Retry_After="600")]
    await tell(manager, event(manager))
    await go(manager)
    for _ in range(59):
        await go(manager, 10)
    assert len(hook.got) == 1
    await go(manager, 10)
    assert len(hook.got) == 2


async def test_resolved_never_overtakes_its_opened_and_another_alert_need_not_wait(manager: Manager, hook: Receiver) -> None:
    refused: list[str] = []

    async def picky(request: does.Request, writer: asyncio.StreamWriter) -> None:
        first = request.json["data"]["alert_id"] == "01A" and not refused
        refused.extend(["once"] if first else [])
        await does.answers(422 if first else 200)(request, writer)

    await make(manager, hook)
    hook.otherwise = picky
    await tell(manager, event(manager, alert="01A"))
    manager.time.now -= 60_000  # the clock of another manager is behind
    await tell(manager, event(manager, "resolved", alert="01A"))
    await tell(manager, event(manager, alert="01B"))
    manager.time.now += 60_000
    await go(manager)
    assert [(r.json["data"]["alert_id"], r.json["type"]) for r in hook.got] == [("01B", "alert.opened"), ("01A", "alert.opened")]
    for _ in range(4):
        await go(manager, 60)
    told = [r.json["type"] for r in hook.got if r.json["data"]["alert_id"] == "01A"]
    assert told == ["alert.opened", "alert.opened", "alert.resolved"]


async def test_a_message_that_is_not_liked_does_not_hold_up_the_others(manager: Manager, hook: Receiver) -> None:
    async def picky(request: does.Request, writer: asyncio.StreamWriter) -> None:
        await does.answers(500 if request.json["data"]["alert_id"] == "01BAD" else 200)(request, writer)

    hook.otherwise = picky
    await make(manager, hook)
    await tell(manager, event(manager, alert="01BAD"))
    for number in range(5):
        await tell(manager, event(manager, alert=f"01GOOD{number}"))
        await go(manager, 60)
    counted = Counter(
        (row["alert_id"][:6].rstrip("01234"), row["state"]) for row in (await manager.services.deliveries.page("", "", 50, 0)).rows
    )
    assert counted[("01GOOD", "sent")] == 5
    assert counted[("01BAD", "waiting")] == 1


async def test_a_thousand_alerts_in_a_minute_are_few_messages_that_name_all_of_them(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook)
    alerts = [f"01STORM{number:04}" for number in range(1000)]
    for start in range(0, 1000, 100):
        await tell(manager, *(event(manager, alert=alert) for alert in alerts[start : start + 100]))
        await go(manager, 6)
    await go(manager, 60)
    assert len(hook.got) <= 4
    named = [one["data"]["alert_id"] for r in hook.got for one in (r.json["data"].get("events") or [{"data": r.json["data"]}])]
    assert sorted(named) == alerts
    assert Counter(state for _, state, _ in await states(manager)) == {"sent": 1000}


async def test_a_digest_that_fails_comes_again_whole_and_under_its_id(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook, settings={"burst": 2})
    hook.behave = [does.resets]
    await tell(manager, *(event(manager, alert=f"01A{number}") for number in range(5)))
    await tell(manager, *(event(manager, "resolved", alert=f"01A{number}") for number in range(5)))
    await go(manager)
    await tell(manager, event(manager, alert="01LATE"))
    await go(manager, 30)
    await go(manager, 90)
    first, late, second = hook.got
    assert first.body == second.body
    assert first.headers["webhook-id"] == second.headers["webhook-id"] != late.headers["webhook-id"]
    assert [one["type"] for one in first.json["data"]["events"]] == ["alert.opened"] * 5 + ["alert.resolved"] * 5
    rows = (await manager.services.deliveries.page("", "sent", 50, 0)).rows
    row = next(row for row in rows if row["alert_id"] != "01LATE")
    assert len((await manager.services.deliveries.get(row["id"]))["together"]) == 9


FAULTS = {
    "no answer": (does.never_answers, 0, "no answer within"),
    "drips": (does.drips, 0, "no answer within"),
    "reset": (does.resets, 0, "reset"),
    "garbage": (does.says(b"\x00\xff SSH-2.0 hello\r\n\r\n"), 0, "not HTTP"),
    "nothing": (does.says(b""), 0, "closed"),
    "endless head": (does.says(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 20_000), 0, "not HTTP"),
    "redirect inside": (does.answers(301, b"", Location="http://169.254.169.254/latest/meta-data/"), 301, "redirects are not followed"),
    "500": (does.answers(500, b"<script>alert(1)</script>\x1b[2J\x00" + b"y" * 5000), 500, "<script>alert(1)</script>[2Jyyy"),
}


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_the_other_side_does_it_is_logged_and_tried_again(manager: Manager, hook: Receiver, fault: str) -> None:
    if manager.db.dialect != "sqlite":
        pytest.skip("the other side's faults do not depend on the database")
    behave, status, text = FAULTS[fault]
    await make(manager, hook)
    hook.behave = [behave]
    await tell(manager, event(manager))
    await go(manager)
    [row] = (await manager.services.deliveries.page("", "waiting", 10, 0)).rows
    [attempt] = (await manager.services.deliveries.get(row["id"]))["attempts_log"]
    assert (attempt["status"], attempt["good"]) == (status, False)
    assert text in attempt["answer"]
    assert len(attempt["answer"]) <= 200
    assert attempt["answer"].isprintable()
    assert hook.connections == 1
    await go(manager, 10)
    assert [state for _, state, _ in await states(manager)] == ["sent"]


@pytest.mark.usefixtures("short_limits")
@pytest.mark.parametrize("behave", [does.hangs_half_way, does.never_ends])
async def test_a_good_status_counts_whatever_follows_it(manager: Manager, hook: Receiver, behave: does.Behaviour) -> None:
    if manager.db.dialect != "sqlite":
        pytest.skip("the other side's faults do not depend on the database")
    await make(manager, hook)
    hook.behave = [behave]
    await tell(manager, event(manager))
    await go(manager)
    assert await states(manager) == [("opened", "sent", 1)]


async def test_a_receiver_that_never_answers_delays_no_other(manager: Manager, hook: Receiver) -> None:
    async with does.receiver() as slow:
        slow.otherwise = does.never_answers
        await make(manager, slow, "slow")
        quick = await make(manager, hook, "quick")
        for number in range(3):
            await tell(manager, event(manager, alert=f"01A{number}"))
            await until_sent(manager, quick, number + 1)
        assert len(hook.got) == 3
        assert slow.most_open == 1
        await manager.services.delivery_turns.stop()


async def until_sent(manager: Manager, receiver_id: str, number: int) -> None:
    """Begin turns as the loop does, again and again, until so many are noted as sent."""

    async def wait() -> None:
        while [state for _, state, _ in await states(manager, receiver_id)] != ["sent"] * number:
            await manager.services.delivery_turns.start(manager.time())
            await asyncio.sleep(0.005)

    await asyncio.wait_for(wait(), 10)


async def test_a_manager_that_dies_after_sending_leaves_it_to_another_under_the_same_id(
    manager: Manager, hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make(manager, hook)
    await tell(manager, event(manager))
    turns = manager.services.delivery_turns
    sent, stop = asyncio.Event(), asyncio.Event()
    real = http.post

    async def dies(*args: object, **more: object) -> Outcome:
        outcome = await real(*args, **more)  # type: ignore[arg-type]
        sent.set()
        await stop.wait()
        return outcome

    monkeypatch.setattr(http, "post", dies)
    await turns.start(manager.time())
    await asyncio.wait_for(sent.wait(), 10)
    monkeypatch.undo()
    # Nothing of this manager runs any more: its lease stands, and no mark was made.
    other = build(manager.db, manager.services.config, manager.services.keys, manager.time, QUICK_HASHER).delivery_turns
    await other.start(manager.time())
    await other.settle()
    assert len(hook.got) == 1
    manager.time.now += LEASE_MS + 1
    await tell(manager, event(manager, "resolved"))
    await other.start(manager.time())
    await other.settle()
    assert hook.ids[0] == hook.ids[1] != hook.ids[2]
    assert await states(manager) == [("opened", "sent", 2), ("resolved", "sent", 1)]
    stop.set()
    await turns.settle()
    assert await states(manager) == [("opened", "sent", 2), ("resolved", "sent", 1)]


async def test_two_managers_send_each_message_once(manager: Manager, hook: Receiver) -> None:
    other = build(manager.db, manager.services.config, manager.services.keys, manager.time, QUICK_HASHER).delivery_turns
    names = [await make(manager, hook, f"hook-{number}", settings={"burst": 600}) for number in range(3)]
    for number in range(20):
        await tell(manager, event(manager, alert=f"01A{number:02}"))
        await asyncio.gather(*(turns.start(manager.time()) for turns in (manager.services.delivery_turns, other)))
    for _ in range(3):
        await asyncio.gather(*(turns.settle() for turns in (manager.services.delivery_turns, other)))
        await asyncio.gather(*(turns.start(manager.time()) for turns in (manager.services.delivery_turns, other)))
    await asyncio.gather(*(turns.settle() for turns in (manager.services.delivery_turns, other)))
    assert len(hook.ids) == len(set(hook.ids)) == 20 * len(names)
    assert Counter(state for _, state, _ in await states(manager)) == {"sent": 60}


async def test_switched_off_or_deleted_what_waits_fails_with_the_reason(manager: Manager, hook: Receiver) -> None:
    receivers = manager.services.receivers
    first, second = await make(manager, hook, "first"), await make(manager, hook, "second")
    await tell(manager, event(manager))
    await receivers.change(manager.admin, first, 1, Change(enabled=False), manager.time())
    await receivers.delete(manager.admin, second, 1, manager.time())
    await go(manager)
    rows = (await manager.services.deliveries.page("", "failed", 10, 0)).rows
    assert sorted(row["reason"] for row in rows) == ["the receiver was deleted by admin", "the receiver was switched off by admin"]
    assert hook.got == []
    for row in rows:
        with pytest.raises(Conflict, match="nothing can be sent"):
            await manager.services.deliveries.again(manager.admin, row["id"], manager.time())


async def test_a_test_is_sent_at_once_past_what_waits_and_ends_the_pause(manager: Manager, hook: Receiver) -> None:
    receiver = await make(manager, hook)
    hook.behave = [does.answers(500), does.answers(401, b"who are you")]
    await tell(manager, event(manager))
    await go(manager)
    turns = manager.services.delivery_turns
    one, outcome, _ = await turns.test(manager.admin, receiver, manager.time())
    assert (outcome.ok, outcome.status, outcome.text) == (False, 401, "who are you")
    assert (await manager.services.deliveries.get(one))["state"] == "failed"
    one, outcome, _ = await turns.test(manager.admin, receiver, manager.time())
    assert outcome.ok
    assert hook.got[-1].json["type"] == "test"
    assert (await manager.services.receivers.get(receiver))["health"] == "fine"
    await go(manager, 5)
    assert [(kind, state) for kind, state, _ in await states(manager) if kind != "test"] == [("opened", "sent")]
    actions = [row["action"] for row in (await manager.services.audit.page(5, 0)).rows]
    assert actions[:3] == ["receiver.test", "receiver.test", "receiver.make"]


async def test_the_log_is_kept_for_its_time_and_what_waits_is_not_dropped(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook)
    await tell(manager, event(manager))
    await go(manager)
    hook.otherwise = does.answers(500)
    await tell(manager, event(manager, "resolved"))
    await go(manager)
    await manager.services.deliveries.forget(manager.time() + 1, manager.time())
    assert await states(manager) == [("resolved", "waiting", 1)]
