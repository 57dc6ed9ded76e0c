"""A thread around a step: the step does one round and says how long to wait; tests call the step itself.

A step that raises what nobody foresaw is logged and tried again: one loop never takes the process with it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("daemon.loop")

STACK_BYTES = 512 * 1024
"""Enough for SQLite, TLS and JSON nested up to Python's own limit (256 KiB is close to too little for that);
only what is touched counts as memory."""

AFTER_SURPRISE = 5.0
"""Seconds until a step that raised is tried again."""


class Loop:
    """`step()` gives the seconds until it wants to be called again; `interrupt` ends a step that blocks when the loop is stopped."""

    def __init__(self, name: str, step: Callable[[], float], interrupt: Callable[[], None] = lambda: None) -> None:
        self._name, self._step, self._interrupt = name, step, interrupt
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Calls the step now instead of when it wanted to be."""
        self._wake.set()

    def stop(self) -> None:
        """No further step; does not wait for the one under way."""
        self._stop.set()
        self._wake.set()
        self._interrupt()

    def join(self, timeout: float) -> bool:
        """True when the last step has ended within `timeout` seconds."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                delay = self._step()
            except Exception:
                log.exception("the %s loop met an unforeseen error; it goes on in %g s", self._name, AFTER_SURPRISE)
                delay = AFTER_SURPRISE
            if delay > 0 and not self._stop.is_set():
                self._wake.wait(delay)
