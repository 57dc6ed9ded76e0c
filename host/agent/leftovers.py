"""Ending what is left of a task whose keeper or agent is gone."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from host.agent import procfs
from host.lib.clock import Clock

log = logging.getLogger("agent.leftovers")
LOOK_S = 0.05


async def end_leftovers(command_id: str, pid: int | None, ticks: int | None, clock: Clock, grace: float) -> bool:
    """End the task's processes, gently for `grace` seconds, then not; whether there were any (`procfs.leftovers`)."""
    found = left = procfs.leftovers(command_id, pid, ticks)
    deadline = clock.monotonic() + grace
    number = signal.SIGTERM
    while left:
        for one in left:
            try:
                os.kill(one, number)
                os.kill(one, signal.SIGCONT)
            except (ProcessLookupError, PermissionError):
                continue  # gone meanwhile, or it has become another user's
        if number == signal.SIGKILL and clock.monotonic() > deadline + grace:
            log.error("command %s: processes %s do not end", command_id, left)
            break
        await asyncio.sleep(LOOK_S)
        left = procfs.leftovers(command_id, pid, ticks)
        number = signal.SIGKILL if clock.monotonic() > deadline else number
    return bool(found)
