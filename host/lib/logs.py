"""Logging on the host: one line an event on stderr (supervisord keeps and rotates the file), and a hook
through which warnings and errors also travel to the manager (D14)."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

LEVELS = ("debug", "info", "warning", "error")


def set_up(level: str) -> None:
    """Lines `2026-11-21T10:00:00.123Z INFO daemon.poll message`, UTC."""
    handler = logging.StreamHandler(sys.stderr)
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class Forward(logging.Handler):
    """Calls `deliver(level, logger, message, at)` for WARNING and above.

    A record logged by the delivery itself is not delivered again, or a failing disk would feed itself.
    """

    def __init__(self, deliver: Callable[[str, str, str, int], None]) -> None:
        super().__init__(logging.WARNING)
        self._deliver = deliver
        self._busy = False

    def emit(self, record: logging.LogRecord) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            self._deliver(record.levelname.lower(), record.name, record.getMessage()[:4000], int(record.created * 1000))
        except Exception:  # noqa: BLE001 - a logging handler must never raise; handleError prints it
            self.handleError(record)
        finally:
            self._busy = False
