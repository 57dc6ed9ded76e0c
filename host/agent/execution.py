"""The life of one running task: from its process' start to its end, by itself or by order (A5).

Order of an end: SIGTERM to the group, `stop_grace`, SIGKILL to the group. A process that ended by
itself leaves its children `drain` seconds to finish writing. Either way nothing of the group outlives
the task; what is to stay must have made a session of its own, as services do.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import dataclass

from host.agent.config import TaskSettings
from host.agent.ledger import Row
from host.agent.output import Collector
from host.agent.process import Child
from host.agent.tasks.base import Launch
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution as ExecutionRecord

KILL_WAIT_S = 10.0
"""How long a SIGKILL may take: only a process that hangs in the kernel (a dead network disk) takes longer."""


@dataclass(frozen=True)
class Ending:
    """A final state of `states.COMMAND` and what led to it."""

    state: str
    reason: str
    exit_code: int | None = None
    signal: int | None = None


class Execution:
    """Raises TaskProblem when the process cannot be started. `on_output(self)` is called when there is something to store."""

    def __init__(
        self,
        command_id: str,
        launch: Launch,
        collector: Collector,
        settings: TaskSettings,
        on_output: Callable[[Execution], None],
        clock: Clock,
    ) -> None:
        self.command_id, self._collector, self._clock = command_id, collector, clock
        self._settings, self._on_output = settings, on_output
        self._stopped: tuple[str, str] | None = None
        self._grace = settings.stop_grace
        self._wake = asyncio.Event()
        self.child = Child(launch, self._data, self._wake.set)

    @property
    def stoppable(self) -> bool:
        """Its process lives and nobody has ordered its end yet."""
        return self._stopped is None and not self.child.exited

    def stop(self, state: str, reason: str, grace: float | None = None) -> bool:
        """End it with `state`. False when its process has ended already, or an earlier order stands."""
        if not self.stoppable:
            return False
        self._stopped = (state, reason)
        self._grace = self._settings.stop_grace if grace is None else grace
        self._wake.set()
        return True

    async def run(self, timeout: float) -> Ending:
        """Until nothing of it is left; `timeout` in seconds."""
        child = self.child
        if not await self._until(lambda: child.exited or self._stopped is not None, timeout):
            self.stop(states.TIMED_OUT, f"it ran longer than {timeout:g} s and was stopped")
        ordered = self._stopped
        if ordered is None:
            await self._until(lambda: child.closed, self._settings.drain)
        else:
            child.signal(signal.SIGTERM)
            await self._until(lambda: child.exited and child.closed, self._grace)
        child.signal(signal.SIGKILL)
        await self._until(lambda: child.exited, KILL_WAIT_S)
        code = child.release()
        if ordered:
            state, reason = ordered
            if code is None:
                reason += "; its process hangs in the kernel and will end when that lets go of it"
            return Ending(state, reason, code if code is not None and code >= 0 else None, -code if code is not None and code < 0 else None)
        return _by_itself(code)

    async def _until(self, done: Callable[[], bool], seconds: float) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while not done():
            self._wake.clear()
            left = deadline - loop.time()
            if left <= 0:
                return False
            try:
                await asyncio.wait_for(self._wake.wait(), left)
            except asyncio.TimeoutError:
                return done()
        return True

    def _data(self, stream: str, data: bytes) -> None:
        self._collector.feed(stream, data)
        if self._collector.full:
            self.child.pause("full")
        self._on_output(self)

    def rows(self, last: bool = False) -> list[Row]:
        """Output that is to be stored; `last` also gives what a cut character held back."""
        now = self._clock.now()
        return [("output", now, output) for output in self._collector.take(last)]

    def saved(self) -> None:
        """What `rows` gave is stored: reading may go on."""
        self._collector.saved()
        self.child.resume("full")

    def record(self, ending: Ending) -> ExecutionRecord:
        """The final `execution` record."""
        counts = self._collector.counts
        return ExecutionRecord(
            self.command_id,
            ending.state,
            ending.reason,
            ending.exit_code,
            ending.signal,
            counts["stdout"],
            counts["stderr"],
            self._collector.truncated,
        )


def _by_itself(code: int | None) -> Ending:
    if code == 0:
        return Ending(states.SUCCEEDED, "", 0)
    if code is None or code > 0:
        return Ending(states.FAILED, f"exit code {code}", code)
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""
    return Ending(states.FAILED, f"ended by signal {-code}{name}", None, -code)
