"""The only wiring of the agent: settings and identity in, a running process out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import signal
import sqlite3

from host import __version__
from host.agent import procfs, recover, registry
from host.agent.api import Api
from host.agent.config import Settings
from host.agent.daemon_link import DaemonLink
from host.agent.door import Callers, Door
from host.agent.engine import Engine
from host.agent.file_api import FileApi
from host.agent.files.rules import places_of
from host.agent.flusher import Flusher
from host.agent.guard import Guard
from host.agent.heartbeat import Heartbeat
from host.agent.identity import Identity, server_context
from host.agent.kept import KeptOutput
from host.agent.ledger import Ledger
from host.agent.log_records import LogSource
from host.agent.nonces import Nonces
from host.agent.plugins.watch import FIRST_S, Plugins
from host.agent.policing import Policing
from host.agent.rates import Rates
from host.agent.server import Server, bind, make_server
from host.lib import policy_file
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.lib.logs import Forward
from host.lib.policy import Policy
from host.wire import states

log = logging.getLogger("agent")
FLUSH_S = 0.05
PRUNE_S = 3600.0
LAST_WORDS_S = 1.0


async def serve(settings: Settings, identity: Identity, clock: Clock) -> None:
    """Run until SIGTERM or SIGINT, then stop cleanly. Raises AgentError where it cannot start."""
    loop = asyncio.get_running_loop()
    context, sock = server_context(identity, settings.api.client_ca), bind(settings.address)
    ledger, nonces = Ledger(settings.work_dir / "ledger.db"), Nonces(settings.work_dir / "nonces.db", procfs.boot_id())
    flusher, logs = Flusher(ledger.tell, FLUSH_S), LogSource()

    def forward(level: str, logger: str, message: str, at: int) -> None:
        logs.add(level, logger, message, at)
        loop.call_soon_threadsafe(flusher.dirty, logs)

    handler = Forward(forward)
    logging.getLogger().addHandler(handler)
    spool = settings.work_dir / "spool"
    recover.clear_spool(spool, ledger.in_state(states.STARTED))
    kept = KeptOutput(spool, settings.work_dir / "kept", settings.tasks.kept_bytes)
    policing = Policing(Policy(settings.policy_file, policy_file.read))
    kinds = registry.standard(settings)
    engine = Engine(ledger, kinds, settings.tasks, flusher, spool, kept, clock, policing)
    beat = Heartbeat(engine, clock)
    rates = Rates(settings.api.unsigned_rate, settings.api.signed_rate, clock.monotonic)
    guard = Guard(identity, nonces, rates, clock)
    api = Api(engine, ledger, kept, identity, guard, Heartbeat(engine, clock).params, kinds.schemas, clock)
    files = FileApi(guard, places_of(registry.file_settings(settings)), policing, clock)
    callers = Callers(settings.host_headers, settings.api.allow, bool(settings.api.client_ca))
    server = make_server(Door(api.application(files), callers, rates, clock), context, rates.connection)
    backoff = Backoff(0.05, 2.0, random.random)
    stop = asyncio.Event()
    link = DaemonLink(settings.run_dir / "daemon.sock", ledger.outgoing, beat.params, settings.heartbeat_interval, backoff, stop.set)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    # Before what waited is taken up: it may be a plugin's.
    looking = await _plugins(Plugins(settings.plugins.folder, kinds, ledger.tell, clock))
    cut_off, late = recover.take_up(ledger, engine, spool, clock)
    endless = [looking, loop.create_task(link.run()), loop.create_task(_prune(ledger, kept, clock, int(settings.keep_finished * 1000)))]
    background = [*endless, loop.create_task(recover.end_the_rest(cut_off, late, ledger, spool, clock, settings.tasks.stop_grace))]
    serving = loop.create_task(server.serve(sockets=[sock]))
    stopping = loop.create_task(stop.wait())
    log.info("ops-agent %s listens on %s:%d", __version__, *settings.address)
    try:
        ended, _ = await asyncio.wait([stopping, serving, *endless], return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()  # none of them ends by itself but by a fault, and half an agent is worse than a restart
        log.info("stopping: %d running, %d waiting", engine.running, engine.queued)
        await _stop(engine, ledger, server, serving)
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        logging.getLogger().removeHandler(handler)
        ledger.close()
        nonces.close()
    log.info("stopped")


async def _plugins(plugins: Plugins) -> asyncio.Task[None]:
    """Looks at the folder for ever; returns after the first look, or when that takes too long."""
    looked = asyncio.Event()
    task = asyncio.get_running_loop().create_task(plugins.run(looked.set))
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(looked.wait(), FIRST_S)
    return task


async def _stop(engine: Engine, ledger: Ledger, server: Server, serving: asyncio.Task[None]) -> None:
    await engine.stop()  # the API goes on meanwhile: what runs can still be asked for and canceled
    server.close()
    await serving
    deadline = asyncio.get_running_loop().time() + LAST_WORDS_S
    while ledger.outgoing.waiting and asyncio.get_running_loop().time() < deadline:
        await asyncio.sleep(0.02)  # what the daemon does not take now is on disk for the next start


async def _prune(ledger: Ledger, kept: KeptOutput, clock: Clock, keep_ms: int) -> None:
    while True:
        try:
            gone = ledger.prune(clock.now(), keep_ms)
            kept.prune(clock.now() - keep_ms)
        except (sqlite3.Error, OSError) as problem:
            log.warning("old commands or their output could not be removed: %s", problem)
        else:
            log.log(logging.INFO if gone else logging.DEBUG, "%d finished commands left the ledger", gone)
        await asyncio.sleep(PRUNE_S)
