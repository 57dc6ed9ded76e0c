"""The agent's keeper, in simulated time: D7's figures as timelines."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from host.daemon.config import HealthCheck, Restart
from host.daemon.supervise import NONE, START, STOP, Decision, Memory, Seen, decide, wait_before
from host.daemon.supervisord import EXITED, RUNNING, STOPPED, Program
from host.daemon.watch import Watch
from tests.host.daemon.conftest import FakeClock

CHECK, WAITS = HealthCheck(), Restart()


@dataclass
class World:
    """An agent that a test lets live, die, fall silent or burn; decisions are carried out at once."""

    at: float = 0.0
    alive: bool = False
    beating: bool = True
    cpu: float = 1.0
    memory: int = 50_000_000
    dies_at_once: bool = False
    beat: float | None = None
    kept: Memory = field(default_factory=Memory)
    starts: list[float] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    alerts: list[float] = field(default_factory=list)
    last: Decision | None = None

    def run(self, seconds: float) -> None:
        end = self.at + seconds
        while self.at < end:
            if self.alive and self.beating:
                self.beat = self.at
            decision = decide(self.kept, Seen(self.at, self.alive, False, self.beat, self.cpu, self.memory), CHECK, WAITS)
            self.kept, self.last = decision.memory, decision
            if decision.action == START:
                self.starts.append(round(self.at, 1))
                self.alive = not self.dies_at_once
            elif decision.action == STOP:
                self.stops.append(round(self.at, 1))
                self.alive = False
            if decision.alert:
                self.alerts.append(self.at)
            self.at += max(0.1, decision.again)


def started() -> World:
    world = World()
    world.run(60)
    assert world.starts == [0.0]
    assert world.kept.restarts == 0
    assert world.last
    assert world.last.state == "running"
    return world


@pytest.mark.parametrize(("number", "wait"), [(1, 0), (2, 10), (3, 10), (4, 30), (5, 30), (6, 60), (7, 60), (50, 60)])
def test_the_waits_before_restarts(number: int, wait: float) -> None:
    assert wait_before(number, WAITS) == wait


def test_a_dead_agent_is_started_at_once_and_noticed_within_a_check() -> None:
    world = started()
    died = world.at
    world.alive = False
    world.run(31)
    assert len(world.starts) == 2
    assert world.starts[1] - died <= 30
    assert world.kept.restarts == 1


def test_an_agent_that_keeps_dying_is_restarted_slower_and_slower_with_an_alert_from_the_sixth_on() -> None:
    world = started()
    world.dies_at_once, world.alive = True, False
    world.run(400)
    gaps = [round(b - a) for a, b in zip(world.starts[1:], world.starts[2:], strict=False)]
    assert all(abs(gap - wait) <= 1 for gap, wait in zip(gaps, [10, 10, 30, 30, 60, 60], strict=False)), gaps
    assert world.kept.restarts >= 7
    assert len(world.alerts) == world.kept.restarts - 5


def test_the_count_begins_again_after_five_quiet_minutes() -> None:
    world = started()
    for _ in range(3):
        world.alive = False
        world.run(60)
    assert world.kept.restarts == 3
    world.run(310)
    assert world.kept.restarts == 0
    world.alive = False
    died = world.at
    world.run(31)
    assert world.starts[-1] - died <= 30, "the first of a new row is at once"


def test_three_missed_heartbeats_are_a_failure_and_two_are_none() -> None:
    world = started()
    world.beating = False
    last = world.beat or 0
    world.run(last + 89 - world.at)
    assert world.stops == []
    world.run(5)
    assert len(world.stops) == 1
    assert 90 <= world.stops[0] - last <= 91, "the check comes when it is due, not up to 30 s later"
    assert len(world.starts) == 2


def test_a_fresh_agent_has_as_long_as_a_silent_one_for_its_first_heartbeat() -> None:
    world = World(beating=False)
    world.run(85)
    assert world.stops == []
    world.run(10)
    assert len(world.stops) == 1


@pytest.mark.parametrize("limit", ["cpu", "memory"])
def test_a_limit_passed_for_longer_than_a_minute_is_a_failure_and_a_shorter_peak_is_none(limit: str) -> None:
    world = started()
    calm = (world.cpu, world.memory)
    world.cpu, world.memory = (90.0, calm[1]) if limit == "cpu" else (calm[0], 600_000_000)
    began = world.at
    world.run(45)
    world.cpu, world.memory = calm
    world.run(120)
    assert world.stops == []
    world.cpu, world.memory = (90.0, calm[1]) if limit == "cpu" else (calm[0], 600_000_000)
    began = world.at
    world.run(70)
    assert len(world.stops) == 1
    assert 60 < world.stops[0] - began <= 62
    assert len(world.starts) == 2
    assert world.last


def test_exactly_the_limit_is_allowed() -> None:
    world = started()
    world.cpu, world.memory = CHECK.cpu_threshold, CHECK.memory_threshold
    world.run(300)
    assert world.stops == []


def test_nothing_is_done_while_supervisord_does_not_answer() -> None:
    world = started()
    decision = decide(world.kept, Seen(world.at, None), CHECK, WAITS)
    assert (decision.action, decision.state) == (NONE, "unknown")
    assert decision.again <= 5


def test_an_agent_that_will_not_stop_is_asked_again_and_not_started_beside_it() -> None:
    world = started()
    decision = decide(world.kept, Seen(world.at + 200, True, False, world.at), CHECK, WAITS)
    assert decision.action == STOP
    decision = decide(decision.memory, Seen(world.at + 201, True, False, world.at), CHECK, WAITS)
    assert decision.action == STOP
    assert decision.memory.restarts == 1
    decision = decide(decision.memory, Seen(world.at + 202, True, True, world.at), CHECK, WAITS)
    assert decision.action == NONE
    decision = decide(decision.memory, Seen(world.at + 203, False), CHECK, WAITS)
    assert decision.action == START
    assert decision.memory.restarts == 1


PURPOSE = "stopped on purpose"


@pytest.mark.parametrize(
    ("alive", "changing", "action", "state"),
    [
        (True, False, STOP, "running"),
        (True, True, NONE, "running"),
        (False, True, NONE, "stopped"),
        (False, False, NONE, "stopped"),
        (None, False, NONE, "unknown"),
    ],
)
@pytest.mark.parametrize(
    "before",
    [Memory(), Memory(started_before=True, watching_since=1.0), Memory(due=5.0, restarts=3, last_restart=1.0, started_before=True)],
)
def test_an_agent_that_is_not_meant_to_run(before: Memory, alive: bool | None, changing: bool, action: str, state: str) -> None:
    decision = decide(before, Seen(100.0, alive, changing, None, 99.0, 10**12, PURPOSE), CHECK, WAITS)
    assert (decision.action, decision.state, decision.alert) == (action, state, False)
    assert decision.memory == (before if alive is None else Memory()), "what was counted before does not matter afterwards"
    if alive is not None:
        assert decision.reason == PURPOSE


def test_an_agent_that_is_meant_to_run_again_is_started_at_once_whatever_was_before() -> None:
    world = started()
    world.dies_at_once, world.alive = True, False
    world.run(200)
    decision = decide(world.kept, Seen(world.at, False, unwanted=PURPOSE), CHECK, WAITS)
    decision = decide(decision.memory, Seen(world.at + 3600, False, unwanted=PURPOSE), CHECK, WAITS)
    assert decision.action == NONE
    decision = decide(decision.memory, Seen(world.at + 7200, False), CHECK, WAITS)
    assert (decision.action, decision.memory.restarts) == (START, 0)


class SlowToSee:
    """supervisord and its process: an end is seen a moment late, and until then it says that it runs and starts nothing."""

    def __init__(self) -> None:
        self.program, self.alive_pids, self.starts = Program(STOPPED, None, 0, ""), set[int](), 0

    def info(self) -> Program:
        return self.program

    def start(self) -> None:
        if self.program.state != RUNNING:
            self.starts += 1
            self.program = Program(RUNNING, self.starts, 0, "")
            self.alive_pids.add(self.starts)

    def stop(self) -> None:
        raise AssertionError("nothing is to be stopped here")

    def alive(self, pid: int) -> bool:
        return pid in self.alive_pids

    def usage(self, pid: int) -> tuple[float, int] | None:
        return (1.0, 50_000_000) if self.alive(pid) else None

    def kill(self, pid: int, number: int) -> None:
        raise AssertionError("nothing is to be killed here")


def test_an_end_that_supervisord_has_not_seen_yet_counts_once_and_the_restart_waits_for_it() -> None:
    clock = FakeClock()
    machine = SlowToSee()
    watch = Watch(machine, machine, clock, CHECK, WAITS, 60, lambda kind, body: None)
    for _ in range(3):
        clock.pass_(watch.step())
    machine.alive_pids.clear()
    for _ in range(3):
        clock.pass_(watch.step())
    machine.program = Program(EXITED, None, -9, "")
    seen = clock.monotonic()
    while machine.starts == 1:
        clock.pass_(min(watch.step(), 0.5))
    assert clock.monotonic() - seen < 1
    watch.step()
    assert (machine.starts, watch.state.state, watch.state.pid, watch.state.restarts) == (2, "running", 2, 1)


def test_an_end_that_supervisord_never_sees_is_a_failure_and_not_a_stop() -> None:
    clock, machine = FakeClock(), SlowToSee()
    watch = Watch(machine, machine, clock, CHECK, WAITS, 60, lambda kind, body: None)
    for _ in range(3):
        clock.pass_(watch.step())
    machine.alive_pids.clear()
    for _ in range(30):
        clock.pass_(min(watch.step(), 0.5))
    assert (watch.state.state, watch.state.restarts > 0) == ("failed", True)
