"""A keeper: a process beside each task that starts it, keeps what it prints, ends it in time and writes down how it ended.

It is the task's parent and outlives the agent: an agent that is killed and started again finds the task running, its output
complete and, later, its exit code. It is forked off the agent, so it starts in a millisecond and shares its memory.

In the task's folder, all private to the agent's user:

    begun            made by whoever is first: the keeper, before it starts the process, or an agent that comes after a killed
                     one and finds that nothing was begun (`claim`); the other then leaves the task alone
    process.json     {"pid", "ticks", "keeper", "keeper_ticks", "at"}: written when the process has been started
    stdout, stderr   what it printed, up to `keep_bytes` over both
    order            how the two were interleaved: frames of one byte (1 stdout, 2 stderr) and a length, after their bytes
    control          a FIFO; a line {"stop": {"state", "reason", "grace"}} ends the task (seconds from SIGTERM to SIGKILL)
    ended.json       `End`: written once, by rename; the keeper's last act

The pipe `notify` tells the agent that something is new: a byte for that, its end when the keeper is gone.
What runs in the forked process is `keeping`.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from dataclasses import asdict
from pathlib import Path

from host.agent.keeper_notes import End, Plan, now_ms, write
from host.agent.keeping import Keeping


def fork(folder: Path, plan: Plan, stdin: bytes) -> tuple[int, int]:
    """Fork a keeper for the task in `folder`; its pid and the reading end of `notify`. Raises OSError."""
    if stdin:
        descriptor = os.open(folder / "stdin", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(stdin)
    os.mkfifo(folder / "control", 0o600)
    # By handle: a folder that was removed and made anew under the same name is another one.
    place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        pid = os.fork()
    except OSError:
        for descriptor in (place, reading, writing):
            os.close(descriptor)
        raise
    if pid:
        os.close(place)
        os.close(writing)
        return pid, reading
    _become(folder, place, plan, writing)
    raise AssertionError("unreachable")


def claim(folder: Path) -> bool:
    """Nothing was begun in `folder`, and from now on nothing will be; False: a keeper has begun."""
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        return _first(place)
    finally:
        os.close(place)


def _first(place: int) -> bool:
    try:
        os.close(os.open("begun", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=place))
    except FileExistsError:
        return False
    return True


def _become(folder: Path, place: int, plan: Plan, notify: int) -> None:
    """In the forked process: let go of everything that is the agent's, then keep. Never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, lambda *_: None)  # not ignored: that would be inherited by the task
        gc.disable()
        os.setsid()
        quiet = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(quiet, descriptor)
        # The agent's lock, sockets and ledger are closed here, or they would outlive it.
        low, high = sorted((place, notify))
        os.closerange(3, low)
        os.closerange(low + 1, high)
        os.closerange(high + 1, os.sysconf("SC_OPEN_MAX"))
        if _first(place):
            os.close(place)
            Keeping(folder, plan, notify).keep()
        code = 0
    except BaseException as problem:  # noqa: BLE001 - this process has no one else to tell
        with contextlib.suppress(OSError):
            write(folder / "ended.json", asdict(End(error=f"its keeper failed: {type(problem).__name__}: {problem}", at=now_ms())))
    finally:
        os._exit(code)
