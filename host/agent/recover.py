"""After a start: what an earlier agent left in the ledger is brought to an end, nothing is run twice.

`accepted` never ran: it is run now, unless its time is over. `started` may have done anything: what is
left of it is ended, and it is told as `interrupted`, once, in the transaction that ends it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from functools import partial
from pathlib import Path

from host.agent import procfs
from host.agent.durably import durably
from host.agent.engine import Engine
from host.agent.ledger import Entry, Ledger
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution

log = logging.getLogger("agent.recover")
LOOK_S = 0.05


def empty_spool(spool: Path) -> None:
    """A private, empty folder; scripts of tasks that were cut off may hold secrets."""
    shutil.rmtree(spool, ignore_errors=True)
    spool.mkdir(mode=0o700, exist_ok=True)
    spool.chmod(0o700)


def run_what_waited(ledger: Ledger, engine: Engine, clock: Clock) -> list[Entry]:
    """Give `accepted` commands to the engine, in their order; those whose time is over are given back."""
    now, late = clock.now(), []
    for entry in ledger.in_state(states.ACCEPTED):
        if entry.expires_at < now:
            late.append(entry)
        else:
            engine.enqueue(entry.id)
    return late


async def end_the_rest(cut_off: list[Entry], late: list[Entry], ledger: Ledger, clock: Clock, grace: float) -> None:
    """Bring `cut_off`, `started` under an earlier agent, to `interrupted`, and `late` to `refused`. `grace` in seconds."""
    for entry in late:
        end = Execution(entry.id, states.REFUSED, "its time was over when the agent came back; it was never run")
        await durably(partial(ledger.finish, end, clock.now()))
    await asyncio.gather(*(_end(entry, ledger, clock, grace) for entry in cut_off))


async def _end(entry: Entry, ledger: Ledger, clock: Clock, grace: float) -> None:
    boot = procfs.boot_id()
    reason = "the agent ended while it ran"
    if entry.boot_id not in (None, boot):
        reason = "the host was started anew while it ran"
    elif await _end_processes(entry, clock, grace):
        reason += "; what was left of it has been ended"
    # The sizes are those of the output that was stored; what else it wrote, nobody knows.
    end = Execution(entry.id, states.INTERRUPTED, reason, stdout_bytes=entry.stdout_bytes, stderr_bytes=entry.stderr_bytes)
    await durably(partial(ledger.finish, end, clock.now()))
    log.warning("command %s was interrupted: %s", entry.id, reason)


async def _end_processes(entry: Entry, clock: Clock, grace: float) -> bool:
    found = procfs.leftovers(entry.id, entry.pid, entry.start_ticks)
    left = found
    deadline = clock.monotonic() + grace
    number = signal.SIGTERM
    while left:
        for pid in left:
            try:
                os.kill(pid, number)
                os.kill(pid, signal.SIGCONT)
            except (ProcessLookupError, PermissionError):
                continue  # gone meanwhile, or it has become another user's
        if number == signal.SIGKILL and clock.monotonic() > deadline + grace:
            log.error("command %s: processes %s do not end", entry.id, left)
            break
        await asyncio.sleep(LOOK_S)
        left = procfs.leftovers(entry.id, entry.pid, entry.start_ticks)
        number = signal.SIGKILL if clock.monotonic() > deadline else number
    return bool(found)
