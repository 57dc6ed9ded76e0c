"""The last warnings and errors of this process' log, for `ops-daemon status`."""

from __future__ import annotations

import logging
from collections import deque

KEPT = 10


class Recent(logging.Handler):
    """`lines` holds (UTC ms, level, message), the newest last."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[tuple[int, str, str]] = deque(maxlen=KEPT)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append((int(record.created * 1000), record.levelname.lower(), record.getMessage()[:300]))
