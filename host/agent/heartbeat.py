"""What a heartbeat says of the agent (A8)."""

from __future__ import annotations

import os
from typing import Any

from host import __version__
from host.agent import procfs
from host.agent.engine import Engine
from host.lib.clock import Clock


class Heartbeat:
    """`params()` measures since the call before: `cpu_percent` of one core, `memory_bytes` resident."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine, self._clock = engine, clock
        self._at, self._used = clock.monotonic(), procfs.own_usage().cpu_seconds

    def params(self) -> dict[str, Any]:
        now, usage = self._clock.monotonic(), procfs.own_usage()
        percent = 100 * (usage.cpu_seconds - self._used) / max(now - self._at, 0.001)
        self._at, self._used = now, usage.cpu_seconds
        return {
            "pid": os.getpid(),
            "version": __version__,
            "state": "stopping" if self._engine.stopping else "running",
            "cpu_percent": round(percent, 2),
            "memory_bytes": usage.memory_bytes,
            "running": self._engine.running,
            "queued": self._engine.queued,
        }
