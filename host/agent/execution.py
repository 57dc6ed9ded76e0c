"""One running task as the agent sees it: follows what its keeper writes, asks it to stop, and says how it ended (A5).

The keeper (`host.agent.keeper`) does the work and outlives us: a task that an earlier agent started is followed in the
same way, only that nobody rings and we look ourselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.agent import keeper, procfs
from host.agent.keeper_notes import Plan
from host.agent.ledger import Row
from host.agent.output import Collector
from host.agent.storing import Tail
from host.agent.tasks.base import TaskProblem
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution as ExecutionRecord

LOOK_S = 0.1
"""How often the task of an earlier agent is looked at."""
APPEAR_S = 2.0
"""How long a keeper that an earlier agent forked in its last moment may take to show its process."""


@dataclass(frozen=True)
class Started:
    """A task's process: `at` in UTC milliseconds, `ticks` since boot."""

    pid: int
    ticks: int | None
    at: int


@dataclass(frozen=True)
class Ending:
    """A final state of `states.COMMAND` and what led to it. `lost`: its keeper was killed, and processes of it may be left."""

    state: str
    reason: str
    exit_code: int | None = None
    signal: int | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    cut: bool = False
    cpu_ms: int | None = None
    memory_bytes: int | None = None
    lost: bool = False


class Execution:
    """`on_output(self)` is called when there is something to store; `rows` gives it, `saved` says that it is."""

    def __init__(
        self, command_id: str, place: Path, collector: Collector, on_output: Callable[[Execution], None], clock: Clock, skip: dict[str, int]
    ) -> None:
        self.command_id, self._place, self._collector, self._clock = command_id, place, collector, clock
        self._on_output, self._tail = on_output, Tail(place, skip)
        self._changed, self._stored = asyncio.Event(), asyncio.Event()
        self._over = self._stopped = self._begun = False
        self._notify = self._keeper = -1

    def start(self, plan: Plan, stdin: bytes) -> None:
        """Fork the keeper. Raises TaskProblem A2004."""
        try:
            self._keeper, self._notify = keeper.fork(self._place, plan, stdin)
        except OSError as problem:
            raise TaskProblem(
                "A2004", f"no process can be started: {problem.strerror}", "free memory or processes on this host"
            ) from problem
        asyncio.get_running_loop().add_reader(self._notify, self._rung)

    async def started(self) -> Started | None:
        """Its process, once it runs; None: it is not to be found. Raises TaskProblem A2001 where it cannot be started."""
        until = self._clock.monotonic() + APPEAR_S
        while True:
            facts = _read(self._place / "process.json")
            if facts is not None:
                return Started(facts["pid"], facts["ticks"], facts["at"])
            end = _read(self._place / "ended.json")
            if end is not None and end["error"]:
                raise TaskProblem("A2001", end["error"])
            if self._over or (self._notify < 0 and self._clock.monotonic() >= until):
                return None
            await self._change()

    async def run(self) -> Ending:
        """Until its keeper has ended, and its output has been handed over. That it runs has been told before."""
        self._begun = True
        self._announce()
        while not self._over:
            if self._notify < 0:
                self._look()
            if not self._over:
                await self._change()
            self._announce()
        while self._pull():
            self._stored.clear()
            self._on_output(self)
            await self._stored.wait()
        return self._ending()

    @property
    def stoppable(self) -> bool:
        """It runs and nobody has ordered its end yet."""
        return not self._stopped and not self._over

    def stop(self, state: str, reason: str, grace: float) -> None:
        """Have it end with `state`, unless it ends by itself first. `grace`: seconds from SIGTERM to SIGKILL."""
        if not self.stoppable:
            return
        self._stopped = True
        order = json.dumps({"stop": {"state": state, "reason": reason, "grace": grace}}) + "\n"
        # Without a reader it has just ended, and says so itself.
        with contextlib.suppress(OSError):
            descriptor = os.open(self._place / "control", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(descriptor, order.encode())
            finally:
                os.close(descriptor)

    def rows(self, last: bool = False) -> list[Row]:
        """Output that is to be stored; `last` also gives what a cut character held back."""
        self._pull()
        now = self._clock.now()
        return [("output", now, output) for output in self._collector.take(last)]

    def saved(self) -> None:
        """What `rows` gave is stored."""
        self._collector.saved()
        self._stored.set()
        if not self._over and self._pull():
            self._on_output(self)

    def close(self) -> None:
        self._tail.close()
        if self._notify >= 0 and not self._over:
            asyncio.get_running_loop().remove_reader(self._notify)
            os.close(self._notify)

    # -- what the keeper says ----------------------------------------------------------------------------------------

    def _rung(self) -> None:
        try:
            more = os.read(self._notify, 4096)
        except BlockingIOError:
            return
        if not more:
            asyncio.get_running_loop().remove_reader(self._notify)
            os.close(self._notify)
            os.waitpid(self._keeper, 0)  # its pipe closed because it has ended
            self._over = True
        self._changed.set()
        self._announce()

    def _announce(self) -> None:
        # Nothing is told of a task before it was told that it has been started.
        if self._begun and not self._over:
            self._on_output(self)

    async def _change(self) -> None:
        """Wait until there is something new, or it is time to look."""
        if self._notify < 0:
            await asyncio.sleep(LOOK_S)
            return
        await self._changed.wait()
        self._changed.clear()

    def _look(self) -> None:
        """Is the keeper of an earlier agent still there?"""
        facts = _read(self._place / "process.json")
        gone = facts is None or procfs.start_ticks(facts["keeper"]) != facts["keeper_ticks"]
        self._over = gone or (self._place / "ended.json").exists()

    def _pull(self) -> bool:
        """Take what was printed, as much as may wait to be stored; True when there may be more."""
        while not self._collector.truncated and self._collector.room > 0:
            pieces = self._tail.read(self._collector.room)
            if not pieces:
                return False
            for stream, data in pieces:
                self._collector.feed(stream, data)
        return not self._collector.truncated

    # -- how it ended ------------------------------------------------------------------------------------------------

    def _ending(self) -> Ending:
        end = _read(self._place / "ended.json")
        if end is None:
            counts = self._collector.counts
            reason = "the process that kept it was killed"
            return Ending(states.INTERRUPTED, reason, None, None, counts["stdout"], counts["stderr"], self._collector.truncated, lost=True)
        more: dict[str, Any] = {
            "exit_code": end["code"],
            "signal": end["signal"],
            "stdout_bytes": end["stdout"],
            "stderr_bytes": end["stderr"],
            "cut": self._collector.truncated or end["lost"] > 0,
            "cpu_ms": end["cpu_ms"],
            "memory_bytes": end["memory_bytes"],
        }
        if end["error"]:
            return Ending(states.FAILED, end["error"], **more)
        if end["state"]:
            return Ending(end["state"], end["reason"], **more)
        return Ending(*_by_itself(end["code"], end["signal"]), **more)

    def record(self, ending: Ending, result: dict[str, Any] | None) -> ExecutionRecord:
        """The final `execution` record."""
        return ExecutionRecord(
            self.command_id,
            ending.state,
            ending.reason,
            ending.exit_code,
            ending.signal,
            ending.stdout_bytes,
            ending.stderr_bytes,
            ending.cut,
            result,
            ending.cpu_ms,
            ending.memory_bytes,
        )


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return found


def _by_itself(code: int | None, number: int | None) -> tuple[str, str]:
    if code == 0:
        return states.SUCCEEDED, ""
    if number is None:
        return states.FAILED, f"exit code {code}"
    try:
        name = f" ({signal.Signals(number).name})"
    except ValueError:
        name = ""
    return states.FAILED, f"ended by signal {number}{name}"
