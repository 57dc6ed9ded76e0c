"""Asks for the size of a file system without waiting for ever: a dead NFS server or disk never answers `statvfs`.

The question is asked in a helper thread. A mount that does not answer within LIMIT_S costs its own figures: its thread
is left waiting, and the mount is not asked again until that thread has come back. So a dead mount holds one thread,
however long it is dead; all mounts of one round together take TOTAL_S at most.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

LIMIT_S, TOTAL_S = 0.2, 0.3
MOST_STUCK = 16


class _Helper(threading.Thread):
    def __init__(self, ask: Callable[[str], Any]) -> None:
        super().__init__(name="statvfs", daemon=True)
        self._ask = ask
        self.questions: SimpleQueue[str | None] = SimpleQueue()
        self.answers: SimpleQueue[Any] = SimpleQueue()

    def run(self) -> None:
        while (path := self.questions.get()) is not None:
            try:
                answer = self._ask(path)
            except OSError as problem:
                answer = problem
            self.answers.put(answer)


class Patience:
    """`ask(path)` may block. Used by one thread."""

    def __init__(self, ask: Callable[[str], Any], monotonic: Callable[[], float], limit: float = LIMIT_S, total: float = TOTAL_S) -> None:
        self._ask, self._monotonic, self._limit, self._total = ask, monotonic, limit, total
        self._idle: _Helper | None = None
        self._stuck: dict[str, _Helper] = {}
        self._deadline = 0.0

    def begin(self) -> None:
        """A new round: takes back the helpers whose mounts have answered meanwhile."""
        self._deadline = self._monotonic() + self._total
        for path, helper in list(self._stuck.items()):
            if not helper.answers.empty():
                helper.answers.get()
                del self._stuck[path]
                if self._idle is None:
                    self._idle = helper
                else:
                    helper.questions.put(None)

    def size(self, path: str) -> Any:
        """What `ask` gives. Raises its OSError; OSError ETIMEDOUT when there is no answer in time."""
        if path in self._stuck:
            raise OSError(errno.ETIMEDOUT, "it still does not answer; it is asked again when it does")
        left = min(self._limit, self._deadline - self._monotonic())
        if left <= 0 or len(self._stuck) >= MOST_STUCK:
            raise OSError(errno.ETIMEDOUT, "it was not asked, because others did not answer")
        if self._idle is None:
            self._idle = _Helper(self._ask)
            self._idle.start()
        helper = self._idle
        helper.questions.put(path)
        try:
            answer = helper.answers.get(timeout=left)
        except Empty:
            self._stuck[path], self._idle = helper, None
            raise OSError(errno.ETIMEDOUT, f"it did not answer within {left:.1g} s") from None
        if isinstance(answer, OSError):
            raise answer
        return answer

    def end(self) -> None:
        """Lets the idle helper go."""
        if self._idle is not None:
            self._idle.questions.put(None)
            self._idle = None
