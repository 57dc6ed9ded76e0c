"""Ctrl-C: it ends opsctl soon, with 130 (`main`), and says what was left behind (`leaving`).

Python raises KeyboardInterrupt wherever it is at that moment: also where a library or the interpreter itself swallows it, or where it
waits for something that does not end. So it has GRACE_S to get to the end by itself, and a second Ctrl-C ends it at once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import NoReturn

from server.ctl import show
from server.ctl.problems import INTERRUPTED

GRACE_S = 3.0
PERHAPS = "the manager may have taken it already; see: opsctl commands --limit 5"


class leaving:
    """`with leaving("what Ctrl-C in here says") as left:`, and `left.says(…)` once it is another thing. The exception goes on."""

    def __init__(self, *lines: str) -> None:
        self._lines = lines

    def says(self, *lines: str) -> None:
        self._lines = lines

    def __enter__(self) -> leaving:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        if kind is KeyboardInterrupt:
            for line in self._lines:
                show.say(line)


@contextmanager
def ends() -> Iterator[None]:
    """Ctrl-C in here ends the process within GRACE_S, whatever becomes of the exception. Where it is ignored it stays ignored."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield
        return

    def give_up(number: int, frame: FrameType | None) -> NoReturn:
        os._exit(INTERRUPTED)

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(signal.SIGINT, give_up)
        signal.signal(signal.SIGALRM, give_up)
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is stop:
            signal.signal(signal.SIGINT, before)
