"""The calls to the operating system that collectors make: the edge that tests replace, and that another
operating system would implement."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Protocol

import psutil

STATES_LIMIT_S = 0.15


class Platform(Protocol):
    """The results have the fields of psutil's. Counters are raw: they may wrap or start again."""

    def cpu_times(self) -> Any: ...
    def cpu_times_each(self) -> list[Any]: ...
    def cpu_model(self) -> str: ...
    def virtual_memory(self) -> Any: ...
    def swap_memory(self) -> Any: ...
    def mounts(self) -> list[Any]: ...
    def disk_usage(self, mount: str) -> Any: ...
    def disk_counters(self) -> dict[str, Any]: ...
    def nic_counters(self) -> dict[str, Any]: ...
    def load(self) -> tuple[float, float, float]: ...
    def process_count(self) -> int: ...
    def process_states(self) -> dict[str, int] | None: ...
    def boot_time(self) -> float: ...
    def time(self) -> float: ...


class PsutilPlatform:
    """This machine, through psutil."""

    def __init__(self) -> None:
        self._model: str | None = None

    def cpu_times(self) -> Any:
        return psutil.cpu_times()

    def cpu_times_each(self) -> list[Any]:
        return list(psutil.cpu_times(percpu=True))

    def cpu_model(self) -> str:
        """The processor's name; it is read once."""
        if self._model is None:
            self._model = cpu_model(Path("/proc/cpuinfo"))
        return self._model

    def virtual_memory(self) -> Any:
        return psutil.virtual_memory()

    def swap_memory(self) -> Any:
        return psutil.swap_memory()

    def mounts(self) -> list[Any]:
        return list(psutil.disk_partitions(all=True))

    def disk_usage(self, mount: str) -> Any:
        return psutil.disk_usage(mount)

    def disk_counters(self) -> dict[str, Any]:
        """Whole devices only: partitions would be counted twice."""
        counters = psutil.disk_io_counters(perdisk=True, nowrap=False) or {}
        whole = set(os.listdir("/sys/block")) if os.path.isdir("/sys/block") else set(counters)
        return {name: value for name, value in counters.items() if name in whole}

    def nic_counters(self) -> dict[str, Any]:
        return dict(psutil.net_io_counters(pernic=True, nowrap=False) or {})

    def load(self) -> tuple[float, float, float]:
        return os.getloadavg()

    def process_count(self) -> int:
        return len(psutil.pids())

    def process_states(self) -> dict[str, int] | None:
        """State's letter → how many; None when they are too many to count within STATES_LIMIT_S."""
        return process_states("/proc", time.monotonic() + STATES_LIMIT_S)

    def boot_time(self) -> float:
        return psutil.boot_time()

    def time(self) -> float:
        return time.time()


def process_states(proc: str, deadline: float) -> dict[str, int] | None:
    """One small read for each process: objects of psutil's would take three times as long. `deadline` is monotonic."""
    states: dict[str, int] = {}
    for name in os.listdir(proc):
        if not name.isdigit():
            continue
        if time.monotonic() > deadline:
            return None
        try:
            descriptor = os.open(f"{proc}/{name}/stat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue  # it has ended since
        try:
            # The name is in brackets and may itself hold brackets; 1 KiB holds it and the state behind it.
            letter = os.read(descriptor, 1024).rpartition(b")")[2][1:2].decode("ascii", "replace")
        except OSError:
            continue  # it has ended since
        finally:
            os.close(descriptor)
        states[letter] = states.get(letter, 0) + 1
    return states


def cpu_model(cpuinfo: Path) -> str:
    """The first name in `cpuinfo`; processors without one (many ARM) give the machine's type."""
    try:
        with cpuinfo.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                key, _, value = line.partition(":")
                if key.strip() in ("model name", "Hardware", "cpu model"):
                    return value.strip()
    except OSError:
        return os.uname().machine  # a name is a comfort, not worth a failed sample
    return os.uname().machine
