"""Other programs run by a task's worker: no shell, a clean environment, bounded in time and in what is kept of their words."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Protocol

from host.agent.tasks.base import PATH

MAX_KEPT = 16 * 1024 * 1024
"""Bytes kept of each stream; the list of all packages of a large host is 1 MB."""
MISSING, LATE = 127, -1


@dataclass(frozen=True)
class Ran:
    """`code`: the exit code, minus a signal's number, MISSING without such a program, LATE when its time was over."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def words(self) -> str:
        """The last thing that it said, in one line: what an operator wants to read of a failure."""
        lines = [line.strip() for line in (self.err.strip() or self.out.strip()).splitlines() if line.strip()]
        return lines[-1][:300] if lines else f"exit code {self.code}"


class Run(Protocol):
    """Runs a program. `show`: what it writes is the task's output too, at once."""

    def __call__(
        self, arguments: list[str], timeout: float, *, environment: Mapping[str, str] | None = None, show: bool = False
    ) -> Ran: ...


@dataclass
class Clock:
    """Time as the kinds see it, so that a test can turn it. Seconds, but `now_ms` (UTC)."""

    end: float = 0.0

    def monotonic(self) -> float:
        return time.monotonic()

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def left(self) -> float:
        """Until the task has to be done."""
        return max(0.0, self.end - self.monotonic())


def until(timeout: float) -> Clock:
    """A clock whose end comes shortly before the engine's own, so that there is time to say what happened."""
    return Clock(time.monotonic() + timeout - min(2.0, timeout * 0.1))


def has(program: str) -> bool:
    return shutil.which(program, path=PATH) is not None


def run(arguments: list[str], timeout: float, *, environment: Mapping[str, str] | None = None, show: bool = False) -> Ran:
    """See `Run`. What outlives a killed program stays in the task's group, and goes with the task."""
    clean = {"PATH": PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", **(environment or {})}
    try:
        process = subprocess.Popen(arguments, env=clean, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        return Ran(MISSING, err=f"{arguments[0]}: there is no such program on this host")
    except OSError as problem:
        return Ran(126, err=f"{arguments[0]}: {problem.strerror}")
    kept: tuple[bytearray, bytearray] = (bytearray(), bytearray())
    pipes = (process.stdout, process.stderr)
    readers = [
        threading.Thread(target=_read, args=(pipe, keep, sink if show else None), daemon=True)
        for pipe, keep, sink in zip(pipes, kept, (sys.stdout, sys.stderr), strict=True)
        if pipe
    ]
    for one in readers:
        one.start()
    try:
        code = process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        code = LATE
    for one in readers:
        one.join(2.0)  # a service that was started may hold the pipe open for ever
    out, err = (bytes(keep).decode("utf-8", "replace") for keep in kept)
    return Ran(code, out, err)


def _read(pipe: IO[bytes], keep: bytearray, sink: IO[str] | None) -> None:
    with pipe:
        for line in iter(lambda: pipe.readline(65536), b""):
            if len(keep) < MAX_KEPT:
                keep += line
            if sink:
                sink.write(line.decode("utf-8", "replace"))
                sink.flush()
