"""Runs the loops: each tick alone, a little jitter, errors counted and logged, never ending the loop."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from types import ModuleType

from server.errors import OpsError
from server.loops import alerts, checkpoint, commands, deliveries, files, partitions, presence, retention, rollups, standing, wakes, windows
from server.services import Services

log = logging.getLogger("server.loops")

LOOPS: tuple[ModuleType, ...] = (
    presence,
    commands,
    wakes,
    checkpoint,
    partitions,
    rollups,
    retention,
    files,
    deliveries,
    windows,
    alerts,
    standing,
)
ERROR_CHARS = 300
"""As much as is told of a failure; the log has all of it."""


async def run(services: Services, stop: asyncio.Event) -> None:
    """Until `stop`; returns when every tick under way has ended."""
    await asyncio.gather(*(_loop(module, services, stop) for module in LOOPS))
    await services.delivery_turns.stop()


async def _loop(module: ModuleType, services: Services, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        begun, error = time.perf_counter(), ""
        try:
            await module.tick(services, services.clock())
            failures = 0
        except Exception as problem:
            # A loop that ends would stop its work for good, unseen; the next tick may well succeed.
            failures, error = failures + 1, _told(problem)
            log.exception("loop %s failed (%d in a row)", module.__name__, failures)
        services.telemetry.turn(module.__name__.rpartition(".")[2], time.perf_counter() - begun, error, services.clock())
        pause = module.EVERY * random.uniform(0.9, 1.1) * min(1 + failures, 10)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except asyncio.TimeoutError:
            continue


def _told(problem: Exception) -> str:
    """In one line, for people: what our own errors say, else the kind of error with its first line."""
    lines = str(problem).strip().splitlines()
    text = problem.message if isinstance(problem, OpsError) else ": ".join([type(problem).__name__, *lines[:1]])
    # A path that is no UTF-8 leaves halves of characters in it, which no database takes.
    return (text or type(problem).__name__)[:ERROR_CHARS].encode("utf-8", "replace").decode()
