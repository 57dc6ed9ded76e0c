"""NVIDIA's GPUs, where there are any (D1), through nvidia-ml-py in a short-lived process.

Drivers hang, and the library costs megabytes: the daemon itself never imports it. Where neither a device nor the
driver's library exists nothing is ever started; a missing nvidia-ml-py is told once, and is no failure.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from host.lib.clock import Clock
from host.lib.short_lived import Job, Processes
from host.wire.records import Gpu

log = logging.getLogger("daemon.gpu")

DEVICES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg")
LIBRARIES = tuple(
    f"{folder}/libnvidia-ml.so.1"
    for folder in (
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/usr/local/nvidia/lib64",
        "/usr/lib/wsl/lib",
    )
)
TIMEOUT_S = 10.0
_PROBE = Path(__file__).with_name("gpu_probe.py")


def present(paths: Sequence[str] = DEVICES + LIBRARIES) -> bool:
    """Whether this machine has a driver of NVIDIA's."""
    return any(os.path.exists(path) for path in paths)


class GpuCollector:
    """`step` belongs to one thread of its own; `take` to the samples'. `fresh()` is called when there is something to take."""

    def __init__(self, interval: float, clock: Clock, fresh: Callable[[], None], command: Sequence[str] = ()) -> None:
        self._interval, self._clock, self._fresh = interval, clock, fresh
        self._command = list(command) or [sys.executable, "-I", str(_PROBE)]
        self._stopped = threading.Event()
        self._processes = Processes(clock.monotonic, self._stopped.is_set)
        self._lock = threading.Lock()
        self._news: tuple[list[Gpu] | None, str] | None = None
        self._due = clock.monotonic()
        self._told = False

    def take(self) -> tuple[list[Gpu] | None, str] | None:
        """The GPUs and why they could not be read ("" when they could); None when nothing is new."""
        with self._lock:
            news, self._news = self._news, None
            return news

    def stop(self) -> None:
        self._stopped.set()

    def step(self) -> float:
        """Asks once if it is time; gives the seconds to the next time."""
        now = self._clock.monotonic()
        if now >= self._due:
            self._due += self._interval * (1 + (now - self._due) // self._interval)
            environment = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
            for result in self._processes.run([Job("gpu", self._command, environment, TIMEOUT_S)]):
                self._keep(result.output, result.problem)
        return max(0.0, self._due - self._clock.monotonic())

    def _keep(self, output: bytes, problem: str) -> None:
        gpus: list[Gpu] | None = None
        if not problem:
            try:
                data = json.loads(output)
                if data["missing"]:
                    if not self._told:
                        log.info("GPUs are not measured: %s", data["missing"])
                    self._told = True
                    return
                gpus = [Gpu(**gpu) for gpu in data["gpus"]]
            except (ValueError, KeyError, TypeError) as nonsense:
                problem = f"the answer makes no sense: {nonsense}"
        with self._lock:
            self._news = (gpus, problem)
        self._fresh()
