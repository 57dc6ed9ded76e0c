"""What a keeper does in its forked process: start the task, keep what it prints, end it in time, note how it ended.

No logging, no event loop, no lock that a thread of the agent may have held at the fork; only files, pipes and signals.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from host.agent.keeper_notes import End, Plan, now_ms, write
from host.agent.procfs import start_ticks
from host.agent.storing import READ_BYTES, Kept
from host.wire import states

LAST_READ_BYTES = 1024 * 1024
"""How much a task may still have in its pipes when it has ended."""
KILL_WAIT_S = 10.0
"""How long a SIGKILL may take: only a process that hangs in the kernel (a dead network disk) takes longer."""
POLL_S = 0.05
"""Kernels before 5.3 cannot tell of a process' end and are asked so often."""


class Keeping:
    """One task, from its start to `ended.json`. `notify` is rung when there is something new."""

    def __init__(self, folder: Path, plan: Plan, notify: int) -> None:
        self._folder, self._plan, self._notify = folder, plan, notify
        self._kept = Kept(folder, plan.keep_bytes)
        self._control = os.open(folder / "control", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._heard = b""
        self._pipes: dict[int, int] = {}
        self._poll = select.poll()
        self._exited_at: float | None = None
        self._stopped: dict[str, Any] | None = None
        self._kill_at: float | None = None
        self._killed_at: float | None = None
        self._paused_until = 0.0

    def keep(self) -> None:
        started = time.monotonic()
        try:
            process = self._start()
        except (OSError, ValueError, subprocess.SubprocessError, LookupError) as problem:
            what = getattr(problem, "strerror", None) or str(problem)
            write(self._folder / "ended.json", asdict(End(error=f"{self._plan.arguments[0]} could not be started: {what}", at=now_ms())))
            return
        self._pid = process.pid
        facts = {
            "pid": self._pid,
            "ticks": start_ticks(self._pid),
            "keeper": os.getpid(),
            "keeper_ticks": start_ticks(os.getpid()),
            "at": now_ms(),
        }
        write(self._folder / "process.json", facts)
        self._ring()
        self._deadline = started + self._plan.timeout
        self._watch()
        while not self._over(time.monotonic()):
            self._turn()
        self._finish(process)

    # -- the start ------------------------------------------------------------------------------------------------

    def _start(self) -> subprocess.Popen[bytes]:
        plan = self._plan
        ends = []
        for stream in (1, 2):
            reading, writing = os.pipe2(os.O_CLOEXEC)
            os.set_blocking(reading, False)
            self._pipes[reading] = stream
            ends.append(writing)
        source = self._folder / "stdin"
        stdin = os.open(source if source.exists() else os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        limited = plan.nice or plan.memory_limit
        try:
            return subprocess.Popen(
                [argument.encode() for argument in plan.arguments],
                stdin=stdin,
                stdout=ends[0],
                stderr=ends[1],
                cwd=plan.working_folder,
                env={name.encode(): value.encode() for name, value in plan.environment.items()},
                start_new_session=True,
                preexec_fn=self._limit if limited else None,
                **_identity(plan.ids, ends),
            )
        finally:
            for descriptor in (stdin, *ends):
                os.close(descriptor)

    def _limit(self) -> None:
        if self._plan.nice:
            os.nice(self._plan.nice)
        if self._plan.memory_limit:
            resource.setrlimit(resource.RLIMIT_AS, (self._plan.memory_limit, self._plan.memory_limit))

    def _watch(self) -> None:
        for descriptor in (*self._pipes, self._control):
            self._poll.register(descriptor, select.POLLIN)
        try:
            self._pidfd = os.pidfd_open(self._pid)
            self._poll.register(self._pidfd, select.POLLIN)
        except OSError:
            self._pidfd = -1

    # -- one turn -------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        for descriptor, _ in self._poll.poll(self._patience() * 1000):
            if descriptor == self._control:
                self._listen()
            elif descriptor != self._pidfd:
                self._take(descriptor)
        if self._exited_at is None and os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            # Not reaped yet: as long as it is a zombie its number, which is the group's, is nobody else's.
            self._exited_at = time.monotonic()
            if self._pidfd >= 0:
                self._poll.unregister(self._pidfd)
        now = time.monotonic()
        if self._exited_at is None and self._stopped is None and now >= self._deadline:
            reason = f"it ran longer than {self._plan.timeout:g} s and was stopped"
            self._stop({"state": states.TIMED_OUT, "reason": reason, "grace": self._plan.grace})
        if self._kill_at is not None and self._killed_at is None and now >= self._kill_at:
            self._signal(signal.SIGKILL)
            self._killed_at = now
        self._pace(now)

    def _patience(self) -> float:
        """Seconds until something is due though nothing comes."""
        now = time.monotonic()
        dues = [now + 60.0, *(due for due in (self._paused_until,) if due)]
        if self._exited_at is None:
            dues += [self._deadline] if self._stopped is None else []
            dues += [now + POLL_S] if self._pidfd < 0 else []
            dues += [self._killed_at + KILL_WAIT_S] if self._killed_at is not None else []
        elif self._stopped is not None:
            dues.append(now + POLL_S)  # is anybody of the group left?
        elif self._kept.full_disk is None:
            dues.append(self._exited_at + self._plan.drain)
        if self._kill_at is not None and self._killed_at is None:
            dues.append(self._kill_at)
        return max(0.0, min(dues) - now) + 0.001

    def _over(self, now: float) -> bool:
        if self._exited_at is None:
            return self._killed_at is not None and now >= self._killed_at + KILL_WAIT_S
        if not self._pipes:
            return self._stopped is None or self._killed_at is not None or self._alone()
        end = self._kill_at if self._stopped is not None and self._kill_at is not None else self._exited_at + self._plan.drain
        return self._kept.full_disk is None and now >= end

    def _alone(self) -> bool:
        """Nobody of the group is left but the dead: no need to wait for the rest of the grace."""
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat", "rb") as file:
                        fields = file.read().rpartition(b")")[2].split()
                except OSError:
                    continue  # it ended meanwhile
                if int(fields[2]) == self._pid and fields[0] not in (b"Z", b"X"):
                    return False
        return True

    def _listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._heard += os.read(self._control, 4096)
        *lines, self._heard = self._heard.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                order = json.loads(line).get("stop")
                if order and self._stopped is None and self._exited_at is None:
                    self._stop(order)

    def _stop(self, order: dict[str, Any]) -> None:
        self._stopped = order
        self._signal(signal.SIGTERM)
        self._kill_at = time.monotonic() + float(order["grace"])

    def _signal(self, number: signal.Signals) -> None:
        """To the whole group. A stopped process is woken, or it could not follow."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._pid, number)
            os.killpg(self._pid, signal.SIGCONT)

    # -- output ---------------------------------------------------------------------------------------------------

    def _take(self, descriptor: int) -> None:
        if self._paused_until:
            return
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._poll.unregister(descriptor)
            del self._pipes[descriptor]
            os.close(descriptor)
            return
        self._kept.take(self._pipes[descriptor], data)
        self._ring()

    def _pace(self, now: float) -> None:
        """Stop reading for a while when the disk takes nothing, or a flood comes: the task then waits, not the host."""
        self._kept.again(now)
        wait = self._kept.wait_until(now)
        if wait and not self._paused_until:
            for descriptor in self._pipes:
                self._poll.unregister(descriptor)
        elif not wait and self._paused_until:
            for descriptor in self._pipes:
                self._poll.register(descriptor, select.POLLIN)
        self._paused_until = wait

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            os.write(self._notify, b"!")

    # -- the end --------------------------------------------------------------------------------------------------

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
        self._signal(signal.SIGKILL)  # nothing of the group outlives the task
        for descriptor, stream in self._pipes.items():
            self._rest(descriptor, stream)
        code, usage = self._reap()
        order = self._stopped or {}
        reason = str(order.get("reason", ""))
        if code is None:
            reason += "; its process hangs in the kernel and will end when that lets go of it"
        self._kept.give_up()
        end = End(
            state=str(order.get("state", "")),
            reason=reason,
            code=code if code is not None and code >= 0 else None,
            signal=-code if code is not None and code < 0 else None,
            stdout=self._kept.counts[1],
            stderr=self._kept.counts[2],
            lost=self._kept.lost,
            cpu_ms=int((usage.ru_utime + usage.ru_stime) * 1000) if usage else None,
            memory_bytes=_peak(usage) if usage else None,
            at=now_ms(),
        )
        while True:
            try:
                return write(self._folder / "ended.json", asdict(end))
            except FileNotFoundError:
                return None  # the agent has given the task up, folder and all
            except OSError:
                time.sleep(1.0)  # a full disk: how it ended must not be lost

    def _rest(self, descriptor: int, stream: int) -> None:
        left = LAST_READ_BYTES
        while left > 0:
            try:
                data = os.read(descriptor, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                return
            left -= len(data)
            self._kept.take(stream, data)

    def _reap(self) -> tuple[int | None, resource.struct_rusage | None]:
        until = time.monotonic() + (KILL_WAIT_S if self._exited_at is None and self._killed_at is None else 0.5)
        while True:
            pid, status, usage = os.wait4(self._pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status), usage
            if time.monotonic() >= until:
                return None, None
            time.sleep(0.002)


def _peak(usage: resource.struct_rusage) -> int | None:
    """The kernel counts what a process was before it became its program: a copy of this one. Below that nothing is known."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss * 1024 if usage.ru_maxrss > own else None


def _identity(ids: tuple[int, int, list[int]] | None, ends: list[int]) -> dict[str, Any]:
    """What Popen needs to become another user; the pipes are his, so that he can open /dev/stderr."""
    if ids is None:
        return {}
    user, group, groups = ids
    for descriptor in ends:
        os.fchown(descriptor, user, group)
    return {"user": user, "group": group, "extra_groups": groups}
