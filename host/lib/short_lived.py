"""Runs short-lived processes side by side in one thread: each with a deadline, a bound of what it may print, a user,
and an end: its whole process group is killed, whatever became of the process itself.

One that cannot even be killed (it hangs in the kernel, on a dead file system) is left behind and not started again
while it is there, so such processes do not pile up.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

MAX_OUTPUT = 64 * 1024
MAX_STDERR = 4096
AT_ONCE = 4
_TICK_S, _SOON_S = 0.25, 0.02
"""How often a stop and deadlines are looked for; and the end of a process that has closed its output."""
_KILL_S = 1.0
STUCK = "it cannot be ended: it hangs in the kernel"


@dataclass(frozen=True)
class Job:
    """`user`: uid, gid and groups to run as; None: this process' own. `timeout` in seconds."""

    name: str
    command: list[str]
    environment: dict[str, str]
    timeout: float
    user: tuple[int, int, tuple[int, ...]] | None = None


@dataclass(frozen=True)
class Result:
    """`problem` is "" when it ended by itself with exit code 0; `output` is what it printed."""

    name: str
    output: bytes
    problem: str = ""


@dataclass
class _Running:
    """`deadline` in monotonic seconds."""

    job: Job
    process: subprocess.Popen[bytes]
    deadline: float
    output: bytearray = field(default_factory=bytearray)
    errors: bytearray = field(default_factory=bytearray)
    pipes: set[int] = field(default_factory=set)


class Processes:
    def __init__(self, monotonic: Callable[[], float], stopped: Callable[[], bool]) -> None:
        self._monotonic, self._stopped = monotonic, stopped
        self._stuck: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, jobs: list[Job]) -> Iterator[Result]:
        """Each job's result as it ends, at most AT_ONCE at a time. After a stop all are killed and nothing more is given."""
        waiting, running = list(reversed(jobs)), []  # type: tuple[list[Job], list[_Running]]
        try:
            while (waiting or running) and not self._stopped():
                while waiting and len(running) < AT_ONCE:
                    started = self._start(waiting.pop())
                    if isinstance(started, Result):
                        yield started
                    else:
                        running.append(started)
                _read_all(running)
                for one in list(running):
                    problem = _verdict(one, self._monotonic())
                    if problem is not None:
                        running.remove(one)
                        yield Result(one.job.name, bytes(one.output), self._end(one) or problem)
        finally:
            for one in running:
                self._end(one)

    def _start(self, job: Job) -> _Running | Result:
        if job.name in self._stuck:
            if self._stuck[job.name].poll() is None:
                return Result(job.name, b"", STUCK)
            del self._stuck[job.name]
        uid, gid, groups = job.user or (None, None, None)
        try:
            process = subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                cwd="/",
                env=job.environment,
                start_new_session=True,
                user=uid,
                group=gid,
                extra_groups=groups,
            )
        except (OSError, subprocess.SubprocessError, ValueError) as problem:
            return Result(job.name, b"", f"it could not be started: {getattr(problem, 'strerror', None) or problem}")
        with suppress(OSError):  # it may have ended already: a courtesy, not a promise
            os.setpriority(os.PRIO_PROCESS, process.pid, 10)  # measuring never takes the processor from what is measured
        one = _Running(job, process, self._monotonic() + job.timeout)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            os.set_blocking(stream.fileno(), False)
            one.pipes.add(stream.fileno())
        return one

    def _end(self, one: _Running) -> str:
        """Kills what is left of the group. It has not been waited for yet, so its number cannot be another's."""
        with suppress(ProcessLookupError, PermissionError):  # nobody of the group is left
            os.killpg(one.process.pid, signal.SIGKILL)
        for stream in (one.process.stdout, one.process.stderr):
            assert stream is not None
            stream.close()
        try:
            one.process.wait(_KILL_S)
        except subprocess.TimeoutExpired:
            self._stuck[one.job.name] = one.process
            return STUCK
        return ""


def _read_all(running: list[_Running]) -> None:
    """Waits until something happens, or for a moment, and takes what lies in the pipes."""
    poll = select.poll()
    owner = {descriptor: one for one in running for descriptor in one.pipes}
    for descriptor in owner:
        poll.register(descriptor, select.POLLIN)
    closing = any(not one.pipes for one in running)
    for descriptor, _ in poll.poll(1000 * (_SOON_S if closing else _TICK_S)):
        one = owner[descriptor]
        assert one.process.stdout is not None
        try:
            part = os.read(descriptor, 65536)
        except BlockingIOError:
            continue
        if not part:
            one.pipes.discard(descriptor)
        elif descriptor == one.process.stdout.fileno():
            one.output += part[: MAX_OUTPUT + 1 - len(one.output)]
        else:
            one.errors = (one.errors + part)[-MAX_STDERR:]


def _verdict(one: _Running, now: float) -> str | None:
    """None while it runs; "" when it ended well; else what was wrong."""
    if len(one.output) > MAX_OUTPUT:
        return f"it printed more than {MAX_OUTPUT} bytes"
    ended = os.waitid(os.P_PID, one.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended is None:
        return f"it did not end within {one.job.timeout:g} s" if now >= one.deadline else None
    if now < one.deadline and _has_more(one):
        return None
    if ended.si_code == os.CLD_EXITED and ended.si_status == 0:
        return ""
    how = f"it ended with exit code {ended.si_status}" if ended.si_code == os.CLD_EXITED else f"it was ended by signal {ended.si_status}"
    last = one.errors.decode("utf-8", "replace").strip().splitlines()[-1:]
    return how + (f": {last[0][:200]}" if last else "")


def _has_more(one: _Running) -> bool:
    """Whether a process that has ended left something unread in its pipes."""
    poll = select.poll()
    for descriptor in one.pipes:
        poll.register(descriptor, select.POLLIN)
    return any(event & select.POLLIN for _, event in poll.poll(0))
