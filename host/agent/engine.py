"""The engine: takes commands, runs so many at a time, ends each in exactly one final state (A5).

`accept` and `cancel` return after the ledger holds the command; everything else happens in the loop.
Leaves to others: whether a command is genuine (`api`), how a kind is run (`tasks`), what an earlier
agent left behind (`recover`), sending the records (`daemon_link`).
"""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.agent import procfs
from host.agent.config import TaskSettings
from host.agent.durably import durably
from host.agent.execution import Ending, Execution
from host.agent.flusher import Flusher
from host.agent.ledger import Ledger, Row
from host.agent.output import Collector
from host.agent.registry import Registry
from host.agent.tasks.base import TaskProblem
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution as ExecutionRecord

log = logging.getLogger("agent.engine")
STOP_GRACE_S = 3.0
"""SIGTERM to SIGKILL while the agent itself is being stopped: supervisord waits no longer than 30 s in all."""


class Busy(Exception):
    """No room for another task, or none are taken any more; nothing has been remembered."""


class NotAllowed(Exception):
    """This host's policy refuses it; nothing has been remembered. The text is the reason."""


@dataclass(frozen=True)
class Answer:
    """What the ledger says of a command: its state, and whether it was there before this call."""

    state: str
    known: bool


class Engine:
    """One agent's tasks. Every method belongs to the loop's thread. `refusal(kind, content)` is the host's policy: why not, or ""."""

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        settings: TaskSettings,
        flusher: Flusher,
        spool: Path,
        clock: Clock,
        refusal: Callable[[str, Mapping[str, Any]], str] = lambda kind, content: "",
    ) -> None:
        self._refusal = refusal
        self._ledger, self._registry, self._settings = ledger, registry, settings
        self._flusher, self._spool, self._clock = flusher, spool, clock
        self._boot = procfs.boot_id()
        self._queue: deque[str] = deque()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, Execution] = {}
        self.stopping = False

    @property
    def running(self) -> int:
        return len(self._tasks)

    @property
    def queued(self) -> int:
        return len(self._queue)

    def accept(self, command_id: str, kind: str, content: dict[str, Any], expires: int) -> Answer:
        """Take a command. Raises ValueError (not valid), NotAllowed, Busy, sqlite3.Error (the ledger cannot be written)."""
        known = self._ledger.find(command_id)
        if known:
            return Answer(known.state, True)
        self._registry.read(kind, content)
        self._allow(kind, content)
        if self.stopping:
            raise Busy("the agent is being stopped")
        if len(self._queue) >= self._settings.max_queued + max(0, self._settings.max_concurrent - len(self._tasks)):
            raise Busy(f"{len(self._queue)} tasks are waiting already (tasks.max_queued)")
        self._ledger.accept(command_id, kind, json.dumps(content), self._clock.now(), expires)
        self.enqueue(command_id)
        return Answer(states.ACCEPTED, False)

    def _allow(self, kind: str, content: Mapping[str, Any]) -> None:
        reason = self._refusal(kind, content)
        if reason:
            raise NotAllowed(reason)

    def enqueue(self, command_id: str) -> None:
        """Run an accepted command as soon as there is a place."""
        self._queue.append(command_id)
        self._fill()

    def _fill(self) -> None:
        while self._queue and len(self._tasks) < self._settings.max_concurrent and not self.stopping:
            command_id = self._queue.popleft()
            task = asyncio.get_running_loop().create_task(self._run(command_id), name=command_id)
            self._tasks[command_id] = task
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task.get_name()]
        problem = None if task.cancelled() else task.exception()
        if problem:
            # A fault of ours must not leave a command without an end.
            log.error("command %s: the agent failed", task.get_name(), exc_info=problem)
            end = ExecutionRecord(task.get_name(), states.FAILED, f"the agent failed: {type(problem).__name__}: {problem}")
            self._ledger.finish(end, self._clock.now())
        self._fill()

    def cancel(self, command_id: str, target: str, expires: int) -> Answer:
        """End `target` on behalf of the command `command_id`, which is itself told as succeeded or failed.

        Raises NotAllowed, sqlite3.Error.
        """
        known = self._ledger.find(command_id)
        if known:
            return Answer(known.state, True)
        self._allow("cancel", {})
        entry = self._ledger.find(target)
        canceled: ExecutionRecord | None = None
        end = ExecutionRecord(command_id, states.SUCCEEDED, exit_code=0)
        reason = "canceled by a command"
        if entry is None:
            # It may be on its way, held by the daemon: remembered as ended, it is known when it comes, and never run.
            canceled = ExecutionRecord(target, states.CANCELED, f"{reason} before the host had it")
        elif entry.state == states.ACCEPTED:
            canceled = ExecutionRecord(target, states.CANCELED, f"{reason} before it was started")
        elif target not in self._running or not self._running[target].stoppable:
            end = ExecutionRecord(command_id, states.FAILED, f"the task {target} has ended already or is being ended")
        self._ledger.record_cancel(command_id, self._clock.now(), expires, end, canceled)
        if canceled and target in self._queue:
            self._queue.remove(target)
        elif end.state == states.SUCCEEDED and target in self._running:
            self._running[target].stop(states.CANCELED, reason)
        return Answer(end.state, False)

    async def _run(self, command_id: str) -> None:
        entry = self._ledger.find(command_id)
        # Asked again: it may have waited for long, and the policy changed meanwhile.
        reason = self._refusal(entry.kind, json.loads(entry.content or "{}")) if entry and entry.state == states.ACCEPTED else ""
        if reason:
            await durably(lambda: self._ledger.finish(ExecutionRecord(command_id, states.REFUSED, reason), self._clock.now()))
            return
        if entry is None or not await durably(lambda: self._ledger.intend(command_id, self._clock.now())):
            return  # canceled while it waited
        folder = self._spool / command_id
        try:
            folder.mkdir(mode=0o700)
            task = self._registry.read(entry.kind, json.loads(entry.content or "{}"))
            launch = task.prepare(command_id, folder)
            collector = Collector(command_id, task.limits.output_limit, self._room)
            execution = Execution(command_id, launch, collector, self._settings, self._flusher.dirty, self._clock)
        except (TaskProblem, ValueError, OSError) as problem:
            shutil.rmtree(folder, ignore_errors=True)
            await self._not_started(command_id, str(problem))
            return
        self._running[command_id] = execution
        at, child = self._clock.now(), execution.child
        if self.stopping:
            self._interrupt(execution)
        try:
            await durably(lambda: self._ledger.spawned(command_id, at, child.pid, child.start_ticks, self._boot))
            ending = await execution.run(task.limits.timeout)
            await self._finish(execution, ending)
        finally:
            del self._running[command_id]
            shutil.rmtree(folder, ignore_errors=True)

    def _room(self) -> bool:
        return self._ledger.outgoing.backlog_bytes < self._settings.max_backlog_bytes

    async def _finish(self, execution: Execution, ending: Ending) -> None:
        self._flusher.forget(execution)
        end, now = execution.record(ending), self._clock.now()
        rows = execution.rows(last=True)
        await durably(lambda: self._ledger.finish(end, now, rows))
        log.info("command %s %s %s", end.command_id, end.state, end.reason)

    async def _not_started(self, command_id: str, reason: str) -> None:
        now = self._clock.now()
        started: Row = ("execution", now, ExecutionRecord(command_id, states.STARTED))
        await durably(lambda: self._ledger.finish(ExecutionRecord(command_id, states.FAILED, reason), now, [started]))

    def _interrupt(self, execution: Execution) -> None:
        grace = min(STOP_GRACE_S, self._settings.stop_grace)
        execution.stop(states.INTERRUPTED, "the agent was stopped while it ran", grace)

    async def stop(self) -> None:
        """Start nothing more, give running tasks `shutdown_wait` to end, then end them. What waits stays in the ledger."""
        self.stopping = True
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=self._settings.shutdown_wait)
        for execution in list(self._running.values()):
            self._interrupt(execution)
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()))
        self._flusher.flush()
