"""Polls and the hand-over: every command ends in exactly one account, whatever breaks in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from host.daemon.agent_link import ACCEPTED, REFUSED, UNREACHABLE, AgentLink, Outcome
from host.daemon.handover import TOO_LATE, Handover
from host.daemon.link import Link
from host.daemon.poll import PACE, Poller
from host.lib.backoff import Backoff
from host.wire.headers import EXPIRES
from host.wire.messages import Command, Facts
from tests.host.daemon.conftest import FakeClock
from tests.host.daemon.fake_manager import FakeManager, Reply, free_port, refusal

MakeLink = Callable[..., Link]


def command(number: int, expires: int = 9_999_999_999_999) -> Command:
    return Command(f"c{number}", "POST", "/api/v1/task/execute", "{}", {EXPIRES: str(expires)})


class FakeRelay:
    """Answers by command id; `default` for the others."""

    def __init__(self, default: Outcome, **by_id: Outcome) -> None:
        self.default, self.by_id = default, by_id
        self.seen: list[str] = []

    def relay(self, one: Command) -> Outcome:
        self.seen.append(one.id)
        return self.by_id.get(one.id, self.default)


def backoff() -> Backoff:
    return Backoff(1.0, 30.0, lambda: 0.0)


def poller(link: Link, handover: Handover, clock: FakeClock) -> Poller:
    return Poller(link, handover, clock, backoff(), lambda: Facts("host"), lambda: ("running", "0.1.0"))


def poll_answer(*commands: Command, facts_wanted: bool = False) -> Reply:
    items = [vars(one) for one in commands]
    return Reply(
        data={"now": 1_800_000_000_500, "wait": 0.1, "commands": items, "facts_wanted": facts_wanted, "news_of_a_newer_manager": 1}
    )


def test_a_command_is_handed_over_and_told_with_the_next_poll(manager: FakeManager, link_to: MakeLink, clock: FakeClock) -> None:
    relay = FakeRelay(Outcome(ACCEPTED), c2=Outcome(REFUSED, "signed for another node"))
    one = poller(link_to(manager.port), Handover(relay, clock, backoff()), clock)
    manager.answer = lambda call: poll_answer(command(1), command(2))
    assert one.step() == 0
    manager.answer = lambda call: poll_answer()
    assert one.step() == 0
    one.step()
    bodies: list[dict[str, Any]] = [call.json for call in manager.calls]
    assert bodies[0]["facts"] == {"hostname": "host", "addresses": [], "labels": {}} | bodies[0]["facts"]
    assert "facts" not in bodies[1]
    assert bodies[1]["agent_state"] == "running"
    assert bodies[1]["accepted"] == ["c1"]
    assert bodies[1]["refused"] == [{"id": "c2", "reason": "signed for another node"}]
    assert bodies[2]["accepted"] == []
    assert bodies[2]["refused"] == []
    assert one.contact.connected
    assert one.contact.clock_ahead == 500


def test_what_a_lost_answer_carried_is_told_again(manager: FakeManager, link_to: MakeLink, clock: FakeClock) -> None:
    one = poller(link_to(manager.port), Handover(FakeRelay(Outcome(ACCEPTED)), clock, backoff()), clock)
    manager.answer = lambda call: poll_answer(command(1))
    one.step()
    for fault in (Reply(fault="half", raw=b"{"), refusal(500, 1, "oops"), Reply(raw=b"[]"), Reply(data={"now": "x", "wait": 1})):
        manager.answer = lambda call, reply=fault: reply  # type: ignore[misc]
        assert one.step() > 0
    manager.answer = lambda call: poll_answer()
    one.step()
    assert all(call.json["accepted"] == ["c1"] for call in manager.calls[1:])


def test_failures_wait_longer_each_time_obey_retry_after_and_a_success_resets(
    manager: FakeManager, link_to: MakeLink, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    one = poller(link_to(manager.port), Handover(FakeRelay(Outcome(ACCEPTED)), clock, backoff()), clock)
    manager.answer = lambda call: refusal(401, 1002, "this node's certificate was revoked")
    assert [one.step() for _ in range(3)] == [1.0, 2.0, 4.0]
    assert "revoked" in one.contact.problem
    assert not one.contact.connected
    assert caplog.text.count("revoked") == 1, "one line for one reason, not one for each try"
    manager.answer = lambda call: refusal(503, 2002, "busy", Retry_After="20")
    assert one.step() == 28.0
    manager.answer = lambda call: poll_answer()
    assert one.step() == 0
    assert one.contact.problem == ""
    manager.answer = lambda call: Reply(204)
    assert one.step() == 1.0, "a stopping manager is not asked again at once"


def test_facts_are_sent_again_when_the_manager_wants_them(manager: FakeManager, link_to: MakeLink, clock: FakeClock) -> None:
    one = poller(link_to(manager.port), Handover(FakeRelay(Outcome(ACCEPTED)), clock, backoff()), clock)
    manager.answer = lambda call: poll_answer(facts_wanted=len(manager.calls) == 2)
    for _ in range(4):
        one.step()
    assert ["facts" in call.json for call in manager.calls] == [True, False, True, False]


def test_a_manager_that_answers_nothing_at_once_does_not_make_the_daemon_spin(
    manager: FakeManager, link_to: MakeLink, clock: FakeClock
) -> None:
    one = poller(link_to(manager.port), Handover(FakeRelay(Outcome(ACCEPTED)), clock, backoff()), clock)
    manager.answer = lambda call: poll_answer()
    assert [one.step() for _ in range(5)] == [0, 0, 0, PACE, PACE]


def test_a_command_that_makes_no_sense_does_not_stop_the_others(manager: FakeManager, link_to: MakeLink, clock: FakeClock) -> None:
    relay = FakeRelay(Outcome(ACCEPTED))
    one = poller(link_to(manager.port), Handover(relay, clock, backoff()), clock)
    manager.answer = lambda call: Reply(data={"now": 1, "wait": 1, "commands": [{"id": "broken"}, "text", {**vars(command(3))}]})
    one.step()
    assert relay.seen == ["c3"]


def test_commands_are_held_in_order_while_the_agent_is_away_and_delivered_once_it_is_back(clock: FakeClock) -> None:
    relay, told = FakeRelay(Outcome(UNREACHABLE, "away")), []
    handover = Handover(relay, clock, backoff(), news=lambda: told.append("news"), held=lambda: told.append("held"))
    handover.offer([command(1), command(2)])
    handover.offer([command(1), command(3)])
    assert relay.seen == ["c1"], "one try tells enough; the others wait behind it"
    assert handover.account().holding == ["c1", "c2", "c3"]
    assert told == ["held", "held"]
    assert handover.step() > 0
    relay.default = Outcome(ACCEPTED)
    relay.seen.clear()
    handover.step()
    account = handover.account()
    assert relay.seen == ["c1", "c2", "c3"]
    assert account.accepted == relay.seen
    assert account.holding == []
    assert told[-1] == "news"
    handover.told(account)
    assert handover.account().accepted == []


def test_a_held_cancellation_reaches_the_agent_before_what_it_cancels(clock: FakeClock) -> None:
    relay = FakeRelay(Outcome(UNREACHABLE, "away"))
    handover = Handover(relay, clock, backoff())
    handover.offer([command(1), command(2), replace(command(3), path="/api/v1/task/c2/cancel")])
    relay.default = Outcome(ACCEPTED)
    relay.seen.clear()
    handover.step()
    assert relay.seen == ["c3", "c1", "c2"]


def test_a_held_command_that_expires_is_refused_in_words(clock: FakeClock) -> None:
    handover = Handover(FakeRelay(Outcome(UNREACHABLE, "away")), clock, backoff())
    handover.offer([command(1, clock.now() + 5000), command(2, clock.now() + 90_000)])
    clock.pass_(6)
    handover.step()
    account = handover.account()
    assert [(one.id, one.reason) for one in account.refused] == [("c1", TOO_LATE)]
    assert account.holding == ["c2"]


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Reply(data={"code": 0, "message": "ok", "data": {"id": "c1", "state": "accepted", "known": False}}), ACCEPTED),
        (Reply(data={"code": 0, "message": "ok", "data": {"id": "c1", "state": "started", "known": True}}), ACCEPTED),
        (refusal(400, 1001, "bad body"), REFUSED),
        (refusal(401, 1002, "the signature does not fit"), REFUSED),
        (refusal(403, 1003, "other node"), REFUSED),
        (refusal(404, 1001, "no such task"), REFUSED),
        (refusal(429, 3001, "queue full"), UNREACHABLE),
        (refusal(503, 3001, "stopping"), UNREACHABLE),
        (Reply(fault="drop"), UNREACHABLE),
    ],
)
def test_what_the_agent_answers_decides_what_becomes_of_a_command(
    manager: FakeManager, link_to: MakeLink, reply: Reply, verdict: str
) -> None:
    manager.answer = lambda call: reply
    agent = AgentLink(link_to(manager.port))
    outcome = agent.relay(Command("c1", "POST", "/api/v1/task/execute", '{"ü":1}', {EXPIRES: "5", "X-Ops-Nonce": "c1"}))
    assert outcome.verdict == verdict
    assert (verdict == ACCEPTED) == (outcome.reason == "")
    call = manager.calls[0]
    assert (call.path, call.body, call.headers["X-Ops-Nonce"]) == ("/api/v1/task/execute", '{"ü":1}'.encode(), "c1")


def test_an_agent_that_is_not_there_is_unreachable(link_to: MakeLink) -> None:
    assert AgentLink(link_to(free_port())).relay(command(1)).verdict == UNREACHABLE
