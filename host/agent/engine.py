"""The engine: takes commands, runs so many at a time, ends each in exactly one final state (A5).

`accept` and `cancel` return after the ledger holds the command; everything else happens in the loop.
Leaves to others: whether a command is genuine (`api`), how a kind is run (`tasks`), the process itself (`keeper`), what an
earlier agent left behind (`recover`), sending the records (`daemon_link`).
"""

from __future__ import annotations

import asyncio
import heapq
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.agent import folders, procfs
from host.agent.config import TaskSettings
from host.agent.durably import durably
from host.agent.execution import Ending, Execution, Started
from host.agent.flusher import Flusher
from host.agent.folders import Folder
from host.agent.keeper_notes import Plan
from host.agent.kept import KeptOutput
from host.agent.ledger import Entry, Ledger, Row
from host.agent.leftovers import end_leftovers
from host.agent.output import Collector
from host.agent.registry import Registry
from host.agent.tasks.base import Launch, TaskProblem
from host.agent.worker import RESULT_VARIABLE
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution as ExecutionRecord
from host.wire.tasks import Limits

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
        kept: KeptOutput,
        clock: Clock,
        refusal: Callable[[str, Mapping[str, Any]], str] = lambda kind, content: "",
    ) -> None:
        self._refusal, self._kept = refusal, kept
        self._ledger, self._registry, self._settings = ledger, registry, settings
        self._flusher, self._spool, self._clock = flusher, spool, clock
        self._boot = procfs.boot_id()
        self._queue: list[tuple[int, int, str]] = []
        self._arrivals = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._running: dict[str, Execution] = {}
        self._failing: set[asyncio.Task[None]] = set()
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
        priority = self._registry.read(kind, content).limits.priority
        self._allow(kind, content)
        if self.stopping:
            raise Busy("the agent is being stopped")
        if len(self._queue) >= self._settings.max_queued + max(0, self._settings.max_concurrent - len(self._tasks)):
            raise Busy(f"{len(self._queue)} tasks are waiting already (tasks.max_queued)")
        at_once = not self._queue and len(self._tasks) < self._settings.max_concurrent
        self._ledger.accept(command_id, kind, json.dumps(content), self._clock.now(), expires, priority, self._boot if at_once else "")
        if at_once:
            self._begin(command_id, self._run(command_id))
        else:
            self.enqueue(command_id, priority)
        return Answer(states.ACCEPTED, False)

    def _allow(self, kind: str, content: Mapping[str, Any]) -> None:
        reason = self._refusal(kind, content)
        if reason:
            raise NotAllowed(reason)

    def enqueue(self, command_id: str, priority: int) -> None:
        """Run an accepted command as soon as there is a place: higher priorities first, then in the order of arrival."""
        self._arrivals += 1
        heapq.heappush(self._queue, (-priority, self._arrivals, command_id))
        self._fill()

    def _fill(self) -> None:
        while self._queue and len(self._tasks) < self._settings.max_concurrent and not self.stopping:
            _, _, command_id = heapq.heappop(self._queue)
            self._begin(command_id, self._run(command_id))

    def _begin(self, command_id: str, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name=command_id)
        self._tasks[command_id] = task
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task.get_name()]
        problem = None if task.cancelled() else task.exception()
        if problem:
            # A fault of ours must not leave a command without an end.
            log.error("command %s: the agent failed", task.get_name(), exc_info=problem)
            end = ExecutionRecord(task.get_name(), states.FAILED, f"the agent failed: {type(problem).__name__}: {problem}")
            last = asyncio.get_running_loop().create_task(self._fail(end))
            self._failing.add(last)
            last.add_done_callback(self._failing.discard)
        self._fill()

    async def _fail(self, end: ExecutionRecord) -> None:
        await durably(lambda: self._ledger.finish(end, self._clock.now()))

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
        if canceled:
            self._queue = [waiting for waiting in self._queue if waiting[2] != target]
            heapq.heapify(self._queue)
        elif end.state == states.SUCCEEDED and target in self._running:
            self._running[target].stop(states.CANCELED, reason, self._settings.stop_grace)
        return Answer(end.state, False)

    # -- one task ---------------------------------------------------------------------------------------------------

    async def _run(self, command_id: str) -> None:
        entry = self._ledger.find(command_id)
        if entry is None or not (entry.state == states.STARTED or await self._intended(entry)):
            return  # canceled while it waited, or refused
        try:
            execution, folder = self._start(entry)
            await self._follow(execution, folder)
        except (TaskProblem, ValueError) as problem:
            await self._not_started(command_id, str(problem))
        # Only now that its end is told: an agent that is cut off before leaves it, or the next one could take it for never begun.
        folders.remove(self._spool / command_id)

    async def _intended(self, entry: Entry) -> bool:
        """What waited is about to be started. False: it is not to be started any more."""
        # The policy is asked again: it may have changed meanwhile.
        reason = self._refusal(entry.kind, json.loads(entry.content or "{}")) if entry.state == states.ACCEPTED else ""
        if reason:
            await durably(lambda: self._ledger.finish(ExecutionRecord(entry.id, states.REFUSED, reason), self._clock.now()))
            return False
        return await durably(lambda: self._ledger.intend(entry.id, self._clock.now(), self._boot))

    def _start(self, entry: Entry) -> tuple[Execution, Folder]:
        """Raises TaskProblem, ValueError."""
        task = self._registry.read(entry.kind, json.loads(entry.content or "{}"))
        folder = folders.make(self._spool, entry.id, task.user)
        launch = task.prepare(entry.id, folder.home)
        folders.hand_over(folder, task.user)
        execution = self._execution(entry, folder, task.limits)
        execution.start(self._plan(launch, task.user, task.limits, folder), launch.stdin)
        return execution, folder

    def adopt(self, entry: Entry) -> None:
        """Follow to its end what an earlier agent started; it takes a place among those that run."""
        self._begin(entry.id, self._go_on(entry))

    async def _go_on(self, entry: Entry) -> None:
        folder = folders.of(self._spool / entry.id)
        try:
            limits = self._limits(entry)
            await self._follow(self._execution(entry, folder, limits), folder, told=entry.pid is not None)
        except TaskProblem as problem:
            await self._not_started(entry.id, str(problem))
        folders.remove(folder.place)

    def _limits(self, entry: Entry) -> Limits:
        try:
            return self._registry.read(entry.kind, json.loads(entry.content or "{}")).limits
        except ValueError:
            return Limits()  # its plugin is gone; the keeper has its own

    def _execution(self, entry: Entry, folder: Folder, limits: Limits) -> Execution:
        stored = {"stdout": entry.stdout_bytes, "stderr": entry.stderr_bytes}
        collector = Collector(entry.id, limits.output_limit, self._room, entry.chunks, stored)
        return Execution(entry.id, folder.place, collector, self._flusher.dirty, self._clock, stored)

    def _plan(self, launch: Launch, user: str, limits: Limits, folder: Folder) -> Plan:
        return Plan(
            launch.arguments,
            launch.environment | {RESULT_VARIABLE: str(folder.result)},
            launch.working_folder,
            folders.ids(user),
            limits.nice,
            limits.memory_limit,
            limits.timeout,
            self._settings.stop_grace,
            self._settings.drain,
            max(self._settings.keep_bytes, limits.output_limit),
        )

    async def _follow(self, execution: Execution, folder: Folder, told: bool = False) -> None:
        """From its process' start to its end. Raises TaskProblem where it cannot be started; nothing was told then."""
        command_id = execution.command_id
        self._running[command_id] = execution
        if self.stopping:
            self._interrupt(execution)
        try:
            began = await execution.started()
            if began and not told:
                await durably(lambda: self._ledger.spawned(command_id, began.at, began.pid, began.ticks, self._boot))
            ending = await execution.run()
            if ending.lost:
                await self._end_lost(command_id, began)
            await self._finish(execution, ending, folder)
        finally:
            del self._running[command_id]
            execution.close()

    async def _end_lost(self, command_id: str, began: Started | None) -> None:
        """Its keeper was killed; nothing of the task may go on unseen."""
        pid, ticks = (began.pid, began.ticks) if began else (None, None)
        await end_leftovers(command_id, pid, ticks, self._clock, self._settings.stop_grace)

    def _room(self) -> bool:
        return self._ledger.outgoing.backlog_bytes < self._settings.max_backlog_bytes

    async def _finish(self, execution: Execution, ending: Ending, folder: Folder) -> None:
        self._flusher.forget(execution)
        result, complaint = folders.result_of(folder)
        end = execution.record(_explained(ending, result, complaint), result)
        now, rows = self._clock.now(), execution.rows(last=True)
        if ending.cut:
            try:
                self._kept.keep(folder.place)
            except OSError as problem:
                log.warning("command %s: the rest of its output could not be kept: %s", end.command_id, problem)
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


def _explained(ending: Ending, result: dict[str, Any] | None, complaint: str) -> Ending:
    """With the task's own word on why it failed, and what is to be said of its result."""
    reason = ending.reason
    error = (result or {}).get("error")
    message = error.get("message") if isinstance(error, dict) else None
    if ending.state == states.FAILED and isinstance(message, str) and message.strip():
        reason = message.strip()
    if complaint:
        reason = f"{reason}; {complaint}" if reason else complaint
    return Ending(**{**vars(ending), "reason": reason})
