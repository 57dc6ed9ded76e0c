"""Reports: deleted is only what the manager has, nothing is stuck, and both sides heal when one was restored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from host.daemon.link import Link
from host.daemon.outbox import Outbox
from host.daemon.report import Reporter
from host.lib.backoff import Backoff
from host.wire.protocol import MAX_RECORDS
from host.wire.records import Event
from tests.host.daemon.conftest import FakeClock, Pki
from tests.host.daemon.fake_manager import Call, FakeManager, Reply, refusal
from tests.host.daemon.managers import GoodManager

MakeLink = Callable[..., Link]


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "o.db", 1 << 28)


@pytest.fixture
def reporter(outbox: Outbox, manager: FakeManager, link_to: MakeLink, clock: FakeClock) -> Reporter:
    return Reporter("urgent", link_to(manager.port), outbox, clock, Backoff(1.0, 30.0, lambda: 0.0))


def fill(outbox: Outbox, count: int) -> None:
    for number in range(count):
        outbox.append("event", number, Event("n", f"ünicode {number}"))


def test_records_arrive_whole_and_in_order_and_only_then_are_deleted(
    outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki
) -> None:
    good = GoodManager(pki.authority)
    manager.answer = good.answer
    fill(outbox, 3)
    assert reporter.step() == 0
    assert outbox.stats().urgent == 0
    assert [(r["seq"], r["kind"], r["at"], r["body"]["detail"]) for r in good.records["urgent"]] == [
        (n + 1, "event", n, f"ünicode {n}") for n in range(3)
    ]
    assert reporter.step() == 0
    assert len(manager.calls) == 1, "nothing to say, nothing sent"
    assert manager.calls[0].headers["Content-Encoding"] == "gzip"


def test_a_lost_answer_is_followed_by_the_same_records_and_none_is_stored_twice(
    outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki
) -> None:
    good = GoodManager(pki.authority)

    def lose_the_first(call: Call) -> Reply:
        reply = good.answer(call)
        return Reply(fault="drop") if len(manager.calls) == 1 else reply

    manager.answer = lose_the_first
    fill(outbox, 2)
    assert reporter.step() == 1.0
    assert outbox.stats().urgent == 2
    fill(outbox, 1)
    assert reporter.step() == 0
    assert outbox.stats().urgent == 0
    assert [record["seq"] for record in good.records["urgent"]] == [1, 2, 3]


def test_a_backlog_goes_in_portions(outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki) -> None:
    good = GoodManager(pki.authority)
    manager.answer = good.answer
    outbox.append_from_agent(1, [_event(n) for n in range(1, MAX_RECORDS + 11)], 0)
    reporter.step()
    assert outbox.stats().urgent == 10
    reporter.step()
    assert [record["seq"] for record in good.records["urgent"]] == list(range(1, MAX_RECORDS + 11))


def test_a_record_that_the_manager_will_never_take_becomes_a_tombstone_and_the_rest_goes_on(
    outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki
) -> None:
    good = GoodManager(pki.authority)

    def picky(call: Call) -> Reply:
        bad = any(r["kind"] == "event" and r["body"]["detail"].endswith("2") for r in call.json["records"])
        return refusal(400, 1001, "records: detail may not end in 2") if bad else good.answer(call)

    manager.answer = picky
    fill(outbox, 5)
    for _ in range(12):
        assert reporter.step() == 0
    assert outbox.stats().urgent == 0
    told = [(r["seq"], r["kind"]) for r in good.records["urgent"]]
    assert told == [(1, "event"), (2, "event"), (3, "dropped"), (4, "event"), (5, "event")]
    assert "may not end in 2" in good.records["urgent"][2]["body"]["why"]


def test_a_report_that_is_too_large_is_halved(outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki) -> None:
    good = GoodManager(pki.authority)
    manager.answer = lambda call: refusal(413, 1001, "too large") if len(call.json["records"]) > 3 else good.answer(call)
    fill(outbox, 10)
    for _ in range(12):
        assert reporter.step() == 0
    assert [record["seq"] for record in good.records["urgent"]] == list(range(1, 11))


def test_failures_are_waited_out(outbox: Outbox, reporter: Reporter, manager: FakeManager) -> None:
    fill(outbox, 1)
    waits = []
    for reply in (
        refusal(503, 2002, "busy", Retry_After="9"),
        Reply(204),
        Reply(raw=b"x"),
        Reply(data={"stored": "x"}),
        refusal(401, 1002, "revoked"),
    ):
        manager.answer = lambda call, reply=reply: reply  # type: ignore[misc]
        waits.append(reporter.step())
    assert waits == [10.0, 2.0, 4.0, 8.0, 16.0]
    assert outbox.stats().urgent == 1


def test_a_manager_restored_from_an_older_copy_is_told_what_it_lost(outbox: Outbox, reporter: Reporter, manager: FakeManager) -> None:
    fill(outbox, 5)
    outbox.acknowledge("urgent", 4)
    manager.answer = lambda call: Reply(data={"stored": 2, "now": 1})
    assert reporter.step() == 0
    first = outbox.next_batch("urgent", 10, 1 << 20)[0]
    assert (first.seq, first.kind, json.loads(first.body)["first"]) == (4, "dropped", 3)
    manager.answer = lambda call: Reply(data={"stored": call.json["records"][-1]["seq"], "now": 1})
    assert reporter.step() == 0
    assert outbox.stats().urgent == 0


def test_an_outbox_restored_from_an_older_copy_begins_a_new_epoch_and_loses_nothing(
    outbox: Outbox, reporter: Reporter, manager: FakeManager, pki: Pki
) -> None:
    good = GoodManager(pki.authority)
    manager.answer = good.answer
    good.stored[("urgent", outbox.epoch)] = 500
    before = outbox.epoch
    fill(outbox, 2)
    assert reporter.step() == 0
    assert outbox.epoch != before
    assert reporter.step() == 0
    assert outbox.stats().urgent == 0
    assert [record["seq"] for record in good.records["urgent"]] == [1, 2]


def _event(seq: int):  # type: ignore[no-untyped-def]
    from host.wire.messages import Record

    return Record(seq, "event", seq, {"name": "n", "detail": str(seq)})
