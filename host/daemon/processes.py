"""Other processes, as the operating system sees them: the edge that tests of the watch replace."""

from __future__ import annotations

import os
from typing import Protocol

import psutil


class Processes(Protocol):
    def alive(self, pid: int) -> bool: ...
    def usage(self, pid: int) -> tuple[float, int] | None:
        """CPU seconds used so far and resident bytes; None when it is gone."""

    def kill(self, pid: int, number: int) -> None: ...


class SystemProcesses:
    """This machine's processes, through psutil."""

    def alive(self, pid: int) -> bool:
        """A zombie is not alive: it waits for nothing but being collected."""
        try:
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    def usage(self, pid: int) -> tuple[float, int] | None:
        try:
            process = psutil.Process(pid)
            times = process.cpu_times()
            return times.user + times.system, process.memory_info().rss
        except psutil.Error:
            return None

    def kill(self, pid: int, number: int) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return  # it ended by itself, which is what was wanted
