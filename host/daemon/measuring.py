"""Puts together what measures a host: the collectors' schedule, the plugins' rounds, the GPU's probe (D1, D2).

Collectors run in one thread, and none waits. What takes time (plugins, a GPU's driver) runs in threads of its own and
calls for a sample when it has something.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.daemon.collectors import gpu
from host.daemon.collectors.platform import PsutilPlatform
from host.daemon.collectors.registry import Fields, collectors
from host.daemon.collectors.schedule import Schedule
from host.daemon.config import Config
from host.daemon.plugins.runner import PluginRunner
from host.lib.clock import Clock
from host.wire.records import Sample

Start = Callable[[str, Callable[[], float], Callable[[], None]], None]


class Measuring:
    """`put(kind, body)` stores a record; `wake()` makes the loop around `collect` look at once."""

    def __init__(self, config: Config, clock: Clock, put: Callable[[str, Any], None], wake: Callable[[], None]) -> None:
        self._clock, self._put, self._wake = clock, put, wake
        self.plugins = PluginRunner(config.plugins, clock, put, lambda: self._fresh("plugins"))
        settings = config.collectors
        delivered: dict[str, Callable[[float], Fields]] = {"plugins": self._from_plugins}
        self._gpu: gpu.GpuCollector | None = None
        if settings.gpu.enabled and gpu.present():
            self._gpu = gpu.GpuCollector(settings.gpu.interval, clock, lambda: self._fresh("gpu"))
            delivered["gpu"] = self._from_gpu
        self.schedule = Schedule(collectors(settings, PsutilPlatform(), delivered), clock)
        self.last: tuple[int, Sample] | None = None

    def start(self, start: Start) -> None:
        """Starts the loops: `start(name, step, interrupt)`."""
        start("collect", self.collect, lambda: None)
        start("plugins", self.plugins.step, self.plugins.stop)
        if self._gpu:
            start("gpu", self._gpu.step, self._gpu.stop)

    def collect(self) -> float:
        """One sample, if one is due; gives the seconds to the next."""
        sample = self.schedule.step()
        if sample is not None:
            self._put("sample", sample)
            self.last = (self._clock.now(), sample)
        return self.schedule.wait()

    def _fresh(self, name: str) -> None:
        self.schedule.hasten(name)
        self._wake()

    def _from_plugins(self, at: float) -> Fields:
        return {"plugins": self.plugins.take()}

    def _from_gpu(self, at: float) -> Fields:
        found = self._gpu.take() if self._gpu else None
        if found is None:
            return {}
        gpus, problem = found
        return {"gpus": gpus, "problems": [problem] if problem else []}
