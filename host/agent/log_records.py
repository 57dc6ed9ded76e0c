"""Warnings and errors of the agent's own log on their way to the manager (D14)."""

from __future__ import annotations

from collections import deque

from host.agent.ledger import Row
from host.wire.records import Log

MOST_WAITING = 500


class LogSource:
    """Gathers lines in memory; past MOST_WAITING the oldest are lost, and the loss is told as a line."""

    def __init__(self) -> None:
        self._lines: deque[Row] = deque()
        self._lost = 0
        self._given = 0

    def add(self, level: str, logger: str, message: str, at: int) -> None:
        self._lines.append(("log", at, Log("agent", level, logger, message)))
        if len(self._lines) > MOST_WAITING:
            self._lines.popleft()
            self._given = max(0, self._given - 1)
            self._lost += 1

    def rows(self) -> list[Row]:
        if self._lost and self._lines:
            told = Log("agent", "warning", "agent.log", f"{self._lost} earlier lines of this log were not kept")
            self._lines.appendleft(("log", self._lines[0][1], told))
            self._lost = 0
        self._given = len(self._lines)
        return list(self._lines)

    def saved(self) -> None:
        for _ in range(self._given):
            self._lines.popleft()
        self._given = 0
