"""One process of a task: started in a session of its own, read without blocking, ended as a group.

The first process is not reaped before the last signal has been sent: as long as it is a zombie, its
number — the group's number — cannot be given to anybody else, so a signal never meets a stranger.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable

from host.agent.procfs import start_ticks
from host.agent.tasks.base import Launch, TaskProblem

READ_BYTES = 64 * 1024
WINDOW_S = 0.05
WINDOW_BYTES = 2 * 1024 * 1024
"""The most that is read of one task in a window (40 MB/s): a flood slows itself down, not the agent."""
LAST_READ_BYTES = 1024 * 1024
POLL_S = 0.05


class Child:
    """A started process. `on_data(stream, bytes)` gets its output, `on_change()` is called when `exited` or `closed` changed."""

    def __init__(self, launch: Launch, on_data: Callable[[str, bytes], None], on_change: Callable[[], None]) -> None:
        """Starts it. Raises TaskProblem when the system will not."""
        self._loop = asyncio.get_running_loop()
        self._on_data, self._on_change = on_data, on_change
        self.exited = False
        self._released = False
        self._paused: set[str] = set()
        self._window_start, self._window_bytes = 0.0, 0
        self._pipes: dict[int, str] = {}
        self._process = self._spawn(launch)
        self.pid = self._process.pid
        self.start_ticks = start_ticks(self.pid)
        for descriptor in self._pipes:
            self._loop.add_reader(descriptor, self._readable, descriptor)
        self._pidfd = self._watch()

    def _spawn(self, launch: Launch) -> subprocess.Popen[bytes]:
        ends: list[int] = []
        try:
            for stream in ("stdout", "stderr"):
                reading, writing = os.pipe2(os.O_CLOEXEC)
                os.set_blocking(reading, False)
                self._pipes[reading] = stream
                ends.append(writing)
            return subprocess.Popen(
                [argument.encode() for argument in launch.arguments],
                stdin=subprocess.DEVNULL,
                stdout=ends[0],
                stderr=ends[1],
                cwd=launch.working_folder,
                user=launch.user or None,
                env={name.encode(): value.encode() for name, value in launch.environment.items()},
                start_new_session=True,
            )
        except (OSError, ValueError) as problem:
            for descriptor in self._pipes:
                os.close(descriptor)
            what = getattr(problem, "strerror", None) or str(problem)
            raise TaskProblem("A2001", f"{launch.arguments[0]} could not be started: {what}") from problem
        finally:
            for descriptor in ends:
                os.close(descriptor)

    def _watch(self) -> int:
        """A descriptor that tells of the end; kernels before 5.3 have none and are asked 20 times a second."""
        try:
            pidfd = os.pidfd_open(self.pid)
        except OSError:
            self._loop.call_later(POLL_S, self._ask)
            return -1
        self._loop.add_reader(pidfd, self._ended)
        return pidfd

    def _ask(self) -> None:
        if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self._loop.call_later(POLL_S, self._ask)
        else:
            self._ended()

    def _ended(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        self.exited = True
        if self._released:
            self._process.wait()
        self._on_change()

    @property
    def closed(self) -> bool:
        """Both pipes are at their end."""
        return not self._pipes

    def _readable(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._close(descriptor)
            self._on_change()
            return
        self._on_data(self._pipes[descriptor], data)
        now = self._loop.time()
        if now - self._window_start > WINDOW_S:
            self._window_start, self._window_bytes = now, 0
        self._window_bytes += len(data)
        if self._window_bytes >= WINDOW_BYTES:
            self.pause("rate")
            self._loop.call_later(WINDOW_S, self.resume, "rate")

    def pause(self, why: str) -> None:
        """Read no more until every reason to pause is gone; the process waits once its pipe is full."""
        if not self._paused:
            for descriptor in self._pipes:
                self._loop.remove_reader(descriptor)
        self._paused.add(why)

    def resume(self, why: str) -> None:
        if why not in self._paused:
            return
        self._paused.discard(why)
        if not self._paused:
            for descriptor in self._pipes:
                self._loop.add_reader(descriptor, self._readable, descriptor)

    def signal(self, number: signal.Signals) -> None:
        """To the whole group. A stopped process is woken, or it could not follow."""
        if self._released:
            return
        try:
            os.killpg(self.pid, number)
            os.killpg(self.pid, signal.SIGCONT)
        except (ProcessLookupError, PermissionError):
            pass  # nobody left, or only members who became another user and are beyond our reach

    def release(self) -> int | None:
        """Read what is left, close the pipes, reap. The return code as `subprocess` has it; None while it still lives."""
        for descriptor in list(self._pipes):
            self._read_rest(descriptor)
            self._close(descriptor)
        self._released = True
        return self._process.wait() if self.exited else None

    def _read_rest(self, descriptor: int) -> None:
        left = LAST_READ_BYTES
        while left > 0:
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            left -= len(data)
            self._on_data(self._pipes[descriptor], data)

    def _close(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        del self._pipes[descriptor]
        os.close(descriptor)
