"""Runs the loops: each tick alone, a little jitter, errors counted and logged, never ending the loop."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from types import ModuleType

from server.loops import alerts, checkpoint, commands, deliveries, files, partitions, presence, retention, rollups, wakes, windows
from server.services import Services

log = logging.getLogger("server.loops")

LOOPS: tuple[ModuleType, ...] = (presence, commands, wakes, checkpoint, partitions, rollups, retention, files, deliveries, windows, alerts)


async def run(services: Services, stop: asyncio.Event) -> None:
    """Until `stop`; returns when every tick under way has ended."""
    await asyncio.gather(*(_loop(module, services, stop) for module in LOOPS))
    await services.delivery_turns.stop()


async def _loop(module: ModuleType, services: Services, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        begun = time.perf_counter()
        try:
            await module.tick(services, services.clock())
            failures = 0
        except Exception:
            # A loop that ends would stop its work for good, unseen; the next tick may well succeed.
            failures += 1
            log.exception("loop %s failed (%d in a row)", module.__name__, failures)
        services.telemetry.turn(module.__name__.rpartition(".")[2], time.perf_counter() - begun, failures > 0, services.clock())
        pause = module.EVERY * random.uniform(0.9, 1.1) * min(1 + failures, 10)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except asyncio.TimeoutError:
            continue
