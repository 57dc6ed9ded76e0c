"""Orders for the daemon itself: genuine ones only, at most once, each with exactly one end."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from host.daemon.agent_link import ACCEPTED, REFUSED, UNREACHABLE, Outcome
from host.daemon.agent_orders import AgentOrders
from host.daemon.handover import Handover
from host.daemon.identity import Identity
from host.daemon.intention import Intention
from host.daemon.order_ledger import CHUNK_BYTES, OrderLedger
from host.daemon.orders import End, Orders, Stopped, Write
from host.daemon.outbox import Outbox
from host.lib.backoff import Backoff
from host.wire import signing
from host.wire.messages import Command
from host.wire.orders import Order
from host.wire.records import AgentState
from tests.host.daemon.conftest import FakeClock

KEY = bytes(range(32))
TTL = 3_600_000


def signed(clock: FakeClock, number: int, verb: str, node: str = "N1", key: bytes = KEY, **more: str) -> Command:
    body = json.dumps({"node_id": node, **more})
    path = f"/daemon/v1/{verb}"
    now = clock.now()
    headers = signing.sign(key, key_id=node, nonce=f"c{number}", now=now, expires=now + TTL, method="POST", path=path, body=body.encode())
    return Command(f"c{number}", "POST", path, body, headers)


@dataclass
class World:
    """A daemon's orders over a real outbox; `collect` counts, `diagnose` writes, `agent-start` does as told."""

    folder: Path
    clock: FakeClock
    outbox: Outbox
    done: list[str] = field(default_factory=list)
    refusing: str = ""
    act: Callable[[], End] = lambda: End("succeeded", "well")

    def orders(self) -> Orders:
        return Orders(
            Identity(self.folder, "N1", "here"),
            OrderLedger(self.outbox, self.clock.now()),
            {"collect": self.collect, "diagnose": self.write, "configure": lambda *_: None},
            {"diagnose": lambda _, order: order.level},
            lambda verb: self.refusing,
            self.clock,
            lambda: None,
        )

    def collect(self, command_id: str, order: Order, write: Write) -> End:
        self.done.append(command_id)
        return self.act()

    def write(self, command_id: str, order: Order, write: Write) -> End:
        write(bytes(100_000))
        write(b"end")
        return End("succeeded")

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in self.outbox.next_batch("urgent", 1000, 10_000_000) if one.kind == kind]

    def states(self, command_id: str) -> list[str]:
        return [one["state"] for one in self.told("execution") if one["command_id"] == command_id]


@pytest.fixture
def world(tmp_path: Path, clock: FakeClock) -> Iterator[World]:
    (tmp_path / "dispatch.key").write_text(KEY.hex())
    outbox = Outbox(tmp_path / "outbox.db", 2**30)
    yield World(tmp_path, clock, outbox)
    outbox.close()


def test_a_genuine_order_is_carried_out_once_and_told_from_start_to_end(world: World) -> None:
    orders, command = world.orders(), signed(world.clock, 1, "collect")
    assert orders.relay(command) == Outcome(ACCEPTED)
    assert orders.relay(command) == Outcome(ACCEPTED)
    assert orders.step() == 0
    assert orders.relay(command) == Outcome(ACCEPTED), "known, however late it comes again"
    assert orders.step() > 0
    assert world.done == ["c1"]
    assert world.states("c1") == ["started", "succeeded"]
    assert world.told("execution")[1]["reason"] == "well"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"key": bytes(32)}, "signature does not fit"),
        ({"node": "N2"}, "another node"),
        ({"verb": "reboot"}, "knows no order"),
        ({"verb": "../task"}, "knows no order"),
        ({"level": 5}, "must be text"),
    ],
)
def test_what_is_not_genuine_is_refused_and_nothing_is_remembered(world: World, change: dict[str, Any], words: str) -> None:
    outcome = world.orders().relay(signed(world.clock, 1, **{"verb": "collect", **change}))
    assert outcome.verdict == REFUSED
    assert words in outcome.reason
    assert world.told("execution") == []
    assert world.orders().relay(signed(world.clock, 1, "collect")).verdict == ACCEPTED


def test_another_orders_signature_and_an_expired_one_are_refused(world: World) -> None:
    first = signed(world.clock, 1, "collect")
    stolen = Command("c2", first.method, first.path, first.body, first.headers)
    assert "another order's" in world.orders().relay(stolen).reason
    changed = Command("c1", "POST", "/daemon/v1/diagnose", first.body, first.headers)
    assert world.orders().relay(changed).verdict == REFUSED
    world.clock.pass_(TTL / 1000 + 1)
    assert "expired" in world.orders().relay(first).reason


def test_an_order_whose_time_ran_out_while_it_waited_is_never_begun(world: World) -> None:
    orders = world.orders()
    orders.relay(signed(world.clock, 1, "collect"))
    world.clock.pass_(TTL / 1000 + 1)
    orders.step()
    assert world.done == []
    assert world.states("c1") == ["refused"]


def test_this_hosts_policy_refuses_with_its_reason(world: World) -> None:
    world.refusing = "this host's policy refuses the kind collect"
    assert world.orders().relay(signed(world.clock, 1, "collect")) == Outcome(REFUSED, world.refusing)


def test_what_is_looked_at_before_it_begins_ends_refused(world: World) -> None:
    orders = world.orders()
    orders.relay(signed(world.clock, 1, "diagnose", level="not like this"))
    orders.step()
    assert world.states("c1") == ["refused"]
    assert world.told("execution")[0]["reason"] == "not like this"


def test_after_a_kill_what_was_begun_is_interrupted_and_what_waited_is_done(world: World) -> None:
    def killed() -> End:
        raise KeyboardInterrupt  # the process ends here: nothing more is written

    world.act = killed
    orders = world.orders()
    for number in (1, 2, 3):
        orders.relay(signed(world.clock, number, "collect" if number < 3 else "configure"))
    with pytest.raises(KeyboardInterrupt):
        orders.step()
    world.act = lambda: End("succeeded")
    again = world.orders()
    again.end_cut_off(spared="c3")
    assert world.states("c1") == ["started", "interrupted"]
    while again.step() == 0:
        pass
    assert world.done == ["c1", "c2"]
    assert world.states("c2") == ["started", "succeeded"]
    assert world.states("c3") == ["started"], "it goes on elsewhere"
    again.end_cut_off(spared="c3")
    assert world.states("c3") == ["started"]
    again.end_cut_off()
    assert world.states("c3") == ["started", "interrupted"]


def test_output_is_told_in_numbered_pieces_with_its_size_at_the_end(world: World) -> None:
    orders = world.orders()
    orders.relay(signed(world.clock, 1, "diagnose"))
    orders.step()
    pieces = world.told("output")
    assert [one["chunk"] for one in pieces] == list(range(len(pieces)))
    data = b"".join(base64.b64decode(one["data"]) for one in pieces)
    assert data == bytes(100_000) + b"end"
    assert [one["offset"] for one in pieces] == [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 100_000]
    assert world.told("execution")[-1]["stdout_bytes"] == 100_003


@pytest.mark.parametrize(
    ("problem", "state", "words"),
    [
        (Stopped(), "interrupted", "was stopped"),
        (OSError(28, "No space left on device", "/var"), "failed", "/var: No space"),
        (ZeroDivisionError("x"), "failed", "ZeroDivisionError"),
    ],
)
def test_whatever_goes_wrong_an_order_has_an_end(world: World, problem: Exception, state: str, words: str) -> None:
    def fail() -> End:
        raise problem

    world.act = fail
    orders = world.orders()
    orders.relay(signed(world.clock, 1, "collect"))
    orders.step()
    assert world.states("c1") == ["started", state]
    assert words in world.told("execution")[-1]["reason"]


class Stuck:
    """An agent that takes nothing."""

    def relay(self, command: Command) -> Outcome:
        return Outcome(UNREACHABLE, "no agent")


def test_an_order_does_not_wait_behind_commands_for_an_agent_that_is_away(world: World) -> None:
    handover = Handover(Stuck(), world.clock, Backoff(1, 2, lambda: 0.0), orders=world.orders())
    task = Command("t1", "POST", "/api/v1/task/execute", "{}", signed(world.clock, 9, "collect").headers)
    handover.offer([task])
    handover.offer([signed(world.clock, 1, "collect")])
    assert handover.account().accepted == ["c1"]
    assert handover.account().holding == ["t1"]


class FakeWatch:
    def __init__(self) -> None:
        self.state = AgentState("running", 7, "0.1.0")
        self.restarts = 0

    def restart(self) -> None:
        self.restarts += 1
        self.state = AgentState("running", 8, "0.1.0")


def test_an_agent_stopped_on_purpose_stays_so_over_a_restart_of_the_daemon(tmp_path: Path, clock: FakeClock) -> None:
    watch, intention = FakeWatch(), Intention(tmp_path)

    def look() -> None:
        watch.state = AgentState("stopped") if intention.stopped else AgentState("running", 9, "0.1.0")

    orders = AgentOrders(watch, intention, clock, threading.Event(), look)  # type: ignore[arg-type]
    assert orders.halt("c1", Order("N1"), lambda data: None).state == "succeeded"
    assert Intention(tmp_path).stopped
    assert "pid 9" in orders.start("c2", Order("N1"), lambda data: None).reason
    assert not Intention(tmp_path).stopped
    (tmp_path / "intention.json").write_text("{")
    assert not Intention(tmp_path).stopped
