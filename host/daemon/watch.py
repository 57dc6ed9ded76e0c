"""Keeps the agent alive: looks, lets `supervise` decide, acts through supervisord, and tells of it (D6–D8).

The agent is supervisord's child, never the daemon's. One that lost its supervisord (a `kill -9`) but still talks to
the daemon is left to work, and stopped by its pid when it has to be.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

from host.daemon import supervise, supervisord
from host.daemon.config import HealthCheck, Restart
from host.daemon.processes import Processes
from host.daemon.supervise import Decision, Memory, Seen
from host.lib.clock import Clock
from host.lib.errors import AgentError
from host.wire.records import AgentState, Event

log = logging.getLogger("daemon.watch")

STOP_WAIT = 30.0
"""Seconds between asking an agent without supervisord to end and killing it (D8)."""

ASK_WAIT = 10.0
"""Seconds that an agent which was asked to end has before supervisord ends it, which takes 30 s more at most (D8)."""

SEES_AN_END = 10.0
"""Seconds that supervisord has to see an end; one that it never sees is a failure as every other."""

LOOK_CLOSER = 3.0
"""Seconds after a lost connection during which the agent is looked at twice a second: supervisord needs a moment to know."""


PURPOSE = "stopped on purpose"
"""The reason in the state of an agent that an operator stopped."""


class Supervisor(Protocol):
    def info(self) -> supervisord.Program: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(frozen=True)
class Heartbeat:
    """The agent's last word: `at` in monotonic seconds, `pid` by the kernel; `connected`: its connection stands."""

    at: float
    pid: int
    version: str
    connected: bool


class Watch:
    """`emit(kind, body)` writes a record; `telling` is how often the state is told when nothing changes, in seconds;
    `stopped()` whether the agent is stopped on purpose; `ask()` asks it over its connection to end (D8)."""

    def __init__(
        self,
        supervisor: Supervisor,
        processes: Processes,
        clock: Clock,
        check: HealthCheck,
        waits: Restart,
        telling: float,
        emit: Callable[[str, Any], None],
        stopped: Callable[[], bool] = lambda: False,
        ask: Callable[[], None] = lambda: None,
    ) -> None:
        self._ask = ask
        self._supervisor, self._processes, self._clock = supervisor, processes, clock
        self._check, self._waits, self._telling, self._emit = check, waits, telling, emit
        self._stopped = stopped
        self._restart_of: int | None = None
        self._renew = False
        self._lock = threading.Lock()
        self._heartbeat: Heartbeat | None = None
        self._closer_until = 0.0
        self._memory = Memory()
        self._usage: tuple[int, float, float] | None = None  # pid, moment, CPU seconds
        self._orphan_asked: tuple[int, float] | None = None
        self._asked: tuple[int, float] | None = None
        self._told: tuple[float, AgentState] | None = None
        self._unseen_since: float | None = None
        self._problem = ""
        self.state = AgentState("unknown", reason="not looked at yet")
        self.last_failure = ""

    # -- from the agent's connection ------------------------------------------------------------------------------

    def heard(self, pid: int, version: str) -> None:
        """A heartbeat has come."""
        with self._lock:
            self._heartbeat = Heartbeat(self._clock.monotonic(), pid, version, True)

    def hung_up(self, pid: int) -> None:
        """The agent's connection ended: look at once, and closely for a moment."""
        with self._lock:
            if self._heartbeat and self._heartbeat.pid == pid:
                self._heartbeat = replace(self._heartbeat, connected=False)
            self._closer_until = self._clock.monotonic() + LOOK_CLOSER

    def told_state(self) -> tuple[str, str]:
        """The agent's state and version, for a poll."""
        return self.state.state, self.state.version

    def restart(self) -> None:
        """The agent that runs now is to be stopped and started anew; it does not count as a failure."""
        with self._lock:
            self._restart_of = self.state.pid

    def renew(self) -> None:
        """The agent that is found running at the first look is to be started anew: it has what another identity left it."""
        self._renew = True

    # -- the loop -------------------------------------------------------------------------------------------------

    def step(self) -> float:
        """Looks, decides, acts once; gives the seconds until the next look."""
        with self._lock:
            heartbeat, closer = self._heartbeat, self._closer_until
        seen, pid, orphan = self._look(heartbeat)
        if self._renew and seen.alive is not None:
            self._renew = False
            with self._lock:
                self._restart_of = pid
        seen = replace(seen, unwanted=self._unwanted(pid))
        decision = supervise.decide(self._memory, seen, self._check, self._waits)
        self._memory = decision.memory
        failed = self._act(decision, pid, orphan, bool(seen.unwanted))
        if decision.action != supervise.NONE and decision.state == "failed":
            if "; restart " in decision.reason:
                self.last_failure = decision.reason.partition("; restart ")[0]
            log.warning("D3003 the agent is not healthy: %s", decision.reason)
        if decision.alert:
            self._emit("event", Event("agent_keeps_failing", decision.reason))
        version = heartbeat.version if heartbeat and heartbeat.pid == pid else ""
        problem = self._problem if decision.state == "unknown" else failed or decision.reason
        state = "failed" if failed else decision.state
        self._tell(AgentState(state, pid, version, seen.cpu_percent, seen.memory_bytes, self._memory.restarts, problem))
        again = decision.again
        if seen.at < closer:
            again = min(again, supervise.SETTLE)
        return max(0.05, min(again, self._telling))

    def _look(self, heartbeat: Heartbeat | None) -> tuple[Seen, int | None, bool]:
        """What is seen, the agent's pid, and whether it lives without supervisord."""
        at = self._clock.monotonic()
        try:
            program = self._supervisor.info()
            self._noted("")
        except (supervisord.Unreachable, AgentError) as problem:
            self._noted(str(problem))
            program = None
        beat = heartbeat.at if heartbeat else None
        pid = program.pid if program and program.state in (supervisord.STARTING, supervisord.RUNNING) else None
        orphan = False
        if pid is None and heartbeat and heartbeat.connected and self._processes.alive(heartbeat.pid):
            pid, orphan = heartbeat.pid, not (program and program.state == supervisord.STOPPING)
        if pid is None:
            self._usage = self._unseen_since = None
            changing = bool(program) and program.state in (supervisord.STOPPING, supervisord.BACKOFF)  # type: ignore[union-attr]
            return Seen(at, False if program else None, changing, beat), None, False
        alive = self._processes.alive(pid)
        self._unseen_since = None if alive else at if self._unseen_since is None else self._unseen_since
        # supervisord takes an end for running until it has seen it, and starts nothing meanwhile.
        unseen = self._unseen_since is not None and at - self._unseen_since < SEES_AN_END
        changing = unseen or (bool(program) and program.state == supervisord.STOPPING)  # type: ignore[union-attr]
        cpu, memory = self._measure(pid, at) if alive else (None, None)
        return Seen(at, alive, changing, beat, cpu, memory), pid if alive else None, orphan

    def _unwanted(self, pid: int | None) -> str:
        if self._stopped():
            return PURPOSE
        with self._lock:
            if self._restart_of is None or self._restart_of != pid:
                self._restart_of = None
                return ""
            return "it is being restarted on purpose"

    def _measure(self, pid: int, at: float) -> tuple[float | None, int | None]:
        """The agent's own CPU percent since the last look, and its memory; its tasks are not counted."""
        used = self._processes.usage(pid)
        if used is None:
            return None, None
        before, self._usage = self._usage, (pid, at, used[0])
        if before is None or before[0] != pid or at - before[1] < 0.2:
            if before is not None and before[0] == pid:
                self._usage = before  # too soon for a share; measure over the longer time
            return None, used[1]
        return round(max(0.0, 100.0 * (used[0] - before[2]) / (at - before[1])), 1), used[1]

    def _act(self, decision: Decision, pid: int | None, orphan: bool, unwanted: bool) -> str:
        """Does what was decided; gives the problem when that failed."""
        try:
            if decision.action == supervise.START:
                self._orphan_asked = None
                self._supervisor.start()
                log.info("the agent is being started")
            elif decision.action == supervise.STOP and orphan and pid:
                self._stop_orphan(pid)
            elif decision.action == supervise.STOP and not (unwanted and pid and self._ends_by_itself(pid)):
                self._supervisor.stop()
        except (AgentError, supervisord.Unreachable) as problem:
            log.error("%s", problem)
            return str(problem)
        return ""

    def _ends_by_itself(self, pid: int) -> bool:
        """A healthy agent that is not wanted any more is asked over its connection first, and given a while."""
        now = self._clock.monotonic()
        with self._lock:
            listens = self._heartbeat is not None and self._heartbeat.pid == pid and self._heartbeat.connected
        if not listens:
            return False
        if self._asked is None or self._asked[0] != pid:
            self._asked = (pid, now)
            self._ask()
            with self._lock:
                self._closer_until = max(self._closer_until, now + ASK_WAIT)
        return now - self._asked[1] < ASK_WAIT

    def _stop_orphan(self, pid: int) -> None:
        now = self._clock.monotonic()
        if self._orphan_asked is None or self._orphan_asked[0] != pid:
            self._orphan_asked = (pid, now)
            self._processes.kill(pid, signal.SIGTERM)
        elif now - self._orphan_asked[1] >= STOP_WAIT:
            self._processes.kill(pid, signal.SIGKILL)

    def _noted(self, problem: str) -> None:
        if problem and problem != self._problem:
            log.error("%s", problem if problem.startswith("D") else f"D3001 {problem}")
        self._problem = problem

    def _tell(self, state: AgentState) -> None:
        """Writes a `state` record when something changed that somebody would want to know, or it is time."""
        at = self._clock.monotonic()
        told, self.state = self._told, state
        if told and at - told[0] < self._telling - 0.5:
            old = told[1]
            if (old.state, old.pid, old.version, old.restarts) == (state.state, state.pid, state.version, state.restarts):
                return
        self._told = (at, state)
        self._emit("state", state)
