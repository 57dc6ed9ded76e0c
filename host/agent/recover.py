"""After a start: what an earlier agent left in the ledger is brought to an end, nothing is run twice.

`accepted` never ran: it is run now, unless its time is over. `started` goes on beside its keeper and is followed to its end.
Where the host has not been started anew since and no keeper has begun, it was cut off before it could start, and waits again.
Where there is no keeper any more, what is left of it is ended, and it is told as `interrupted`, once.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from pathlib import Path

from host.agent import folders, keeper, procfs
from host.agent.durably import durably
from host.agent.engine import Engine
from host.agent.ledger import Entry, Ledger
from host.agent.leftovers import end_leftovers
from host.lib.clock import Clock
from host.wire import states
from host.wire.records import Execution

log = logging.getLogger("agent.recover")


def clear_spool(spool: Path, begun: list[Entry]) -> None:
    """A private folder with nothing in it but tasks that may still run; scripts of others may hold secrets."""
    spool.mkdir(mode=0o700, exist_ok=True)
    spool.chmod(0o700)
    wanted = {entry.id for entry in begun}
    for place in spool.iterdir():
        if place.name not in wanted:
            folders.remove(place)


def take_up(ledger: Ledger, engine: Engine, spool: Path, clock: Clock) -> tuple[list[Entry], list[Entry]]:
    """Give the engine what goes on and what waited; those that are cut off, and those whose time is over, are given back."""
    boot, cut_off, late = procfs.boot_id(), [], []
    for entry in ledger.in_state(states.STARTED):
        if entry.boot_id != boot:
            cut_off.append(entry)
        elif entry.pid is None and _never_began(entry, spool) and ledger.never_began(entry.id):
            folders.remove(spool / entry.id)  # it stands among the accepted now
        else:
            log.info("command %s goes on", entry.id)
            engine.adopt(entry)
    # The first one is started at once, so they come in the order in which they would have been.
    for entry in sorted(ledger.in_state(states.ACCEPTED), key=lambda entry: -entry.priority):
        if entry.expires_at < clock.now():
            late.append(entry)
        else:
            engine.enqueue(entry.id, entry.priority)
    return cut_off, late


def _never_began(entry: Entry, spool: Path) -> bool:
    """Nothing of it was ever started, and will not be. Without its folder only the processes can tell."""
    return keeper.claim(spool / entry.id) and not procfs.leftovers(entry.id, None, None)


async def end_the_rest(cut_off: list[Entry], late: list[Entry], ledger: Ledger, spool: Path, clock: Clock, grace: float) -> None:
    """Bring `cut_off`, `started` under an earlier agent, to `interrupted`, and `late` to `refused`. `grace` in seconds."""
    for entry in late:
        end = Execution(entry.id, states.REFUSED, "its time was over when the agent came back; it was never run")
        await durably(partial(ledger.finish, end, clock.now()))
    await asyncio.gather(*(_end(entry, ledger, spool, clock, grace) for entry in cut_off))


async def _end(entry: Entry, ledger: Ledger, spool: Path, clock: Clock, grace: float) -> None:
    reason = "the agent ended while it ran"
    if entry.boot_id not in (None, procfs.boot_id()):
        reason = "the host was started anew while it ran"
    elif await end_leftovers(entry.id, entry.pid, entry.start_ticks, clock, grace):
        reason += "; what was left of it has been ended"
    # The sizes are those of the output that was stored; what else it wrote, nobody knows.
    end = Execution(entry.id, states.INTERRUPTED, reason, stdout_bytes=entry.stdout_bytes, stderr_bytes=entry.stderr_bytes)
    await durably(partial(ledger.finish, end, clock.now()))
    folders.remove(spool / entry.id)
    log.warning("command %s was interrupted: %s", entry.id, reason)
