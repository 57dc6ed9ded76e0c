"""The wiring of the running daemon, and its life: start, run, clean stop (D12). No rules of its own."""

from __future__ import annotations

import logging
import os
import random
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon import VERSION, anew, enrolling, facts, loop, proxy
from host.daemon.agent_link import AgentLink
from host.daemon.config import Config, InForce, addresses
from host.daemon.dial import tls_context
from host.daemon.forward import LogForward
from host.daemon.handlers import AGENT, Handlers
from host.daemon.handover import Handover
from host.daemon.health import HealthTelling
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.loop import Loop
from host.daemon.machine import Machine
from host.daemon.measuring import Measuring
from host.daemon.obeying import Obeying
from host.daemon.outbox import Outbox, open_outbox
from host.daemon.pace import Pace
from host.daemon.poll import Poller
from host.daemon.processes import SystemProcesses
from host.daemon.recent import Recent
from host.daemon.renewing import Renewal
from host.daemon.report import Reporter
from host.daemon.route import Fixed, ManagerRoute
from host.daemon.rpc import RpcServer
from host.daemon.storing import Store
from host.daemon.supervisord import Supervisord
from host.daemon.timeline import Timeline
from host.daemon.transfer import Transfers
from host.daemon.watch import Watch
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.lib.files import ProcessLock, make_private_folder
from host.lib.logs import Forward
from host.wire.protocol import LANES
from host.wire.records import BULK, Event

log = logging.getLogger("daemon")

AGENT_TIMEOUT = 5.0
"""Seconds for the agent to take a command into its ledger; it is on this host."""
OUTBOX_RETRY = 5.0
"""Seconds until an outbox that the disk did not let open is tried again."""
PATIENCE = 30.0
"""Seconds a report loop waits for something to come before it looks again."""
PATIENCE_WITH = {"poll": 1.0, "transfer": 1.0, "report-urgent": 3.0, "report-bulk": 1.0}
"""Seconds of the stop for loops that hold nothing: what they were at is done again, whatever came of it. Where a name is
being looked up, a thread cannot be woken."""
STOP_LIMIT, FLUSH_LIMIT, FLUSH_TIMEOUT = 10.0, 8.0, 4.0
"""Seconds of the stop, 30 in all (D12): for loops to end, for the last reports, for each of these."""


def run(
    config: Config,
    in_force: InForce,
    clock: Clock,
    stop: threading.Event,
    reload: threading.Event,
    on_reload: Callable[[Callable[[], None]], None],
) -> str:
    """The daemon from start to end; "" after a clean stop, else why it wants to start afresh. Raises HostError.

    `reload` is set when the configuration is to be looked at; what `on_reload` is given is called then."""
    make_private_folder(config.daemon.work_dir)
    make_private_folder(config.daemon.run_dir)
    lock = ProcessLock(config.daemon.work_dir / "daemon.lock")
    if not _own(lock, stop):
        return ""
    outbox = _outbox(config, clock, stop)
    if outbox is None:
        lock.release()
        return ""
    store = Store(outbox)
    forward = Forward(LogForward(store.put, clock))
    recent = Recent()
    logging.getLogger().addHandler(forward)
    logging.getLogger().addHandler(recent)
    try:
        service = Service(config, in_force, clock, stop, reload, outbox, store, recent)
        on_reload(service.look_again)
        service.run()
    finally:
        logging.getLogger().removeHandler(forward)
        logging.getLogger().removeHandler(recent)
        store.flush(clock.now())
        outbox.close()
        lock.release()
    return service.again


def _outbox(config: Config, clock: Clock, stop: threading.Event) -> Outbox | None:
    """The outbox, as soon as the disk lets it be opened; None when `stop` came first. Without it nothing could be promised."""
    path, told = config.daemon.work_dir / "outbox.db", False
    while not stop.is_set():
        try:
            outbox, damage = open_outbox(path, config.outbox.max_bytes, config.outbox.max_age, clock.now())
        except (sqlite3.Error, OSError) as problem:
            if not told:
                log.error("D1001 %s: %s — make room, or mend the disk; this daemon waits for it", path, problem)
            told = True
            stop.wait(OUTBOX_RETRY)
            continue
        if damage:
            log.error("D1001 %s", damage)
        return outbox
    return None


def _own(lock: ProcessLock, stop: threading.Event) -> bool:
    """Waits until this is the only daemon here. A supervisord that was killed leaves its daemon behind, at work:
    the new one steps back, and takes over when the old one ends."""
    told = False
    while not stop.is_set():
        if lock.acquire():
            return True
        if not told:
            log.warning("another daemon (pid %s) works here; this one stands by", lock.holder())
            told = True
        stop.wait(1.0)
    return False


class Service:
    def __init__(
        self,
        config: Config,
        in_force: InForce,
        clock: Clock,
        stop: threading.Event,
        reload: threading.Event,
        outbox: Outbox,
        store: Store,
        recent: Recent,
    ) -> None:
        self._store = store
        self._config, self._config_path, self._clock, self._stop, self._outbox = config, Path(in_force.path), clock, stop, outbox
        self._in_force, self._recent, self.again = in_force, recent, ""
        self._obeying = Obeying(config, in_force, clock, stop, reload, outbox, self._start_afresh)
        self._started = clock.now()
        self._machine = Machine(facts.fingerprint, clock)
        self._identity: Identity | None = None
        self._poller: Poller | None = None
        self._handover: Handover | None = None
        self._route: ManagerRoute | None = None
        self._renewal: Renewal | None = None
        self._measuring: Measuring | None = None
        supervisord = Supervisord(config.supervisor_socket, config.supervisor.program)
        agent = config.agent
        self._watch = Watch(
            supervisord,
            SystemProcesses(),
            clock,
            agent.health_check,
            agent.restart,
            config.manager.heartbeat_interval,
            self._emit,
            lambda: self._obeying.intention.stopped,
            lambda: self._rpc.notify(AGENT, "stop"),
        )
        self._health = HealthTelling(self.status, clock, config.manager.heartbeat_interval, self._emit)
        handlers = Handlers(outbox, self._watch, clock, self.status, self._agent_arrived, self._agent_left)
        self._rpc = RpcServer(config.daemon_socket, handlers.table(), handlers.gone)
        self._files: RpcServer | None = None
        self._loops: dict[str, Loop] = {}
        self._reporters: list[tuple[Reporter, Link]] = []

    def run(self) -> None:
        """Enrols if needed, starts every loop, and ends them when `stop` is set."""
        threading.stack_size(loop.STACK_BYTES)
        log.info("ops-daemon %s started, pid %d", VERSION, os.getpid())
        try:
            self._start("rpc", self._rpc.step, self._rpc.interrupt)
            self._start("orders", self._obeying.step)
            backoff = Backoff(self._config.manager.reconnect_interval, self._config.manager.reconnect_max, random.random)
            run = enrolling.runner(self._config_path, self._stop)
            self._identity = enrolling.obtain(self._config.daemon.work_dir, run, backoff, self._stop)
            if self._identity:
                log.info("this host is node %s (%s)", self._identity.name, self._identity.node_id)
                if anew.agent_is_stale(self._identity.folder):
                    self._watch.renew()
                    self._outbox.begin_as_another(self._clock.now(), "told before this host became a node of its own")
                self._start_all(self._identity)
                self._stop.wait()
        finally:
            self._end()

    def status(self) -> dict[str, Any]:
        """What `ops-daemon status` shows."""
        contact, state, measuring = self._poller and self._poller.contact, self._watch.state, self._measuring
        sample = measuring.last if measuring else None
        manager: dict[str, Any] = {"address": self._config.manager.address} | self._way()
        if contact:
            manager |= {
                "connected": contact.connected,
                "last_contact": contact.since,
                "problem": contact.problem,
                "clock_ahead_ms": contact.clock_ahead,
            }
        identity = self._identity
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "started": self._started,
            "now": self._clock.now(),
            "node": {"id": identity.node_id, "name": identity.name} if identity else None,
            "manager": manager,
            "agent": vars(state).copy(),
            "outbox": vars(self._outbox.stats()) | {"held": self._store.held, "problem": self._store.problem},
            "holding": self._handover.account().holding if self._handover else [],
            "sample": {"at": sample[0], "took_ms": sample[1].took_ms} if sample else None,
            "failing_collectors": measuring.schedule.failing if measuring else {},
            "plugins": measuring.plugins.broken() if measuring else {},
            "configuration": {"path": self._in_force.path, "hash": self._in_force.hash, "note": self._in_force.note},
            "policy": self._obeying.policy.status(),
            "last_failure": self._watch.last_failure,
            "log_level": logging.getLevelName(logging.getLogger().level).lower(),
            "agent_wanted": not self._obeying.intention.stopped,
            "problems": list(self._recent.lines),
        }

    def _way(self) -> dict[str, Any]:
        """How the manager is reached; for `status` and Health."""
        if self._route is None or self._renewal is None:
            return {}
        used = self._route.plan()
        return {
            "address": used.where,
            "proxy": used.proxy.where if used.proxy else "",
            "failures": self._route.failures,
            "certificate_not_after": self._renewal.not_after,
            "renewal_problem": self._renewal.problem,
        }

    # -- start ----------------------------------------------------------------------------------------------------

    def _start(self, name: str, step: Callable[[], float], interrupt: Callable[[], None] = lambda: None) -> None:
        self._loops[name] = Loop(name, step, interrupt)
        self._loops[name].start()

    def _start_all(self, identity: Identity) -> None:
        manager, clock = self._config.manager, self._clock
        timeline = Timeline(clock, identity.validity().not_before)
        way = proxy.of(manager.proxy, manager.proxy_password_file)
        route = self._route = ManagerRoute(addresses(manager.address), way, identity, timeline, self._renewed)

        def link() -> Link:
            return Link(route, manager.timeout, clock, self._machine.headers)

        def backoff() -> Backoff:
            return Backoff(manager.reconnect_interval, manager.reconnect_max, random.random)

        agent = self._config.agent
        relay = AgentLink(Link(Fixed("agent", agent.host, agent.port, tls_context(identity.agent_certificate)), AGENT_TIMEOUT, clock))
        # Commands expire by the manager's clock, which made them.
        orders = self._obeying.begin(
            identity,
            timeline,
            self._watch,
            look=lambda: self._wake("watch"),
            hurry=self._hurry,
            sample=lambda: self._measuring and self._measuring.last,
            proof=self._proof,
            taken=lambda: self._wake("orders"),
        )
        held = Backoff(0.25, 5.0, random.random)
        self._handover = Handover(relay, timeline, held, self._news, lambda: self._wake("handover"), orders)
        poll_link = link()
        labels = self._config.manager.labels
        self._poller = Poller(
            poll_link,
            self._handover,
            clock,
            backoff(),
            lambda: facts.gather(labels, self._watch.state.version),
            self._watch.told_state,
            timeline,
            lambda: self._wake("health"),
            self._machine,
            self._enrol_anew,
        )
        self._measuring = Measuring(self._config, clock, self._emit, lambda: self._wake("collect"))
        self._start("watch", self._watch.step)
        self._start("handover", self._handover.step)
        self._measuring.start(self._start)
        for lane in LANES:
            lane_link = link()
            pace = Pace(self._config.outbox.drain_rate, clock.monotonic, random.random) if lane == BULK else None
            reporter = Reporter(lane, lane_link, self._outbox, clock, backoff(), pace)
            self._reporters.append((reporter, lane_link))
            self._start(f"report-{lane}", lambda reporter=reporter: reporter.step(PATIENCE), self._outbox.wake_all)  # type: ignore[misc]
        self._start("poll", self._poller.step, poll_link.shut)
        self._start_transfers(link())
        self._renewal = Renewal(identity, route, enrolling.runner(self._config_path, self._stop, "renew"), timeline, random.random)
        self._start("renew", self._renewal.step)
        self._start("health", self._health.step)
        self._wake("orders")

    def _start_transfers(self, link: Link) -> None:
        transfers = Transfers(link, self._clock, random.random)
        files = self._files = RpcServer(self._config.transfer_socket, transfers.table())

        def interrupt() -> None:
            transfers.stop()
            files.interrupt()

        self._start("transfer", files.step, interrupt)

    # -- what one part tells another ------------------------------------------------------------------------------

    def _emit(self, kind: str, body: Any) -> None:
        self._store.put(kind, self._clock.now(), body)

    def _renewed(self) -> None:
        self._emit("event", Event("certificate_renewed", "the manager knows this host by its new certificate"))

    def _news(self) -> None:
        if self._poller:
            self._poller.nudge()

    def _wake(self, name: str) -> None:
        if name in self._loops:
            self._loops[name].wake()

    def look_again(self) -> None:
        """The configuration is to be looked at; called by a signal's handler."""
        self._wake("orders")

    def _start_afresh(self, note: str) -> None:
        self.again = note
        self._stop.set()

    def _enrol_anew(self, reason: str) -> None:
        """The manager knows this machine for a copy of another: it becomes a node of its own."""
        assert self._identity is not None, "who polls has an identity"
        log.warning("D2002 %s", reason)
        try:
            anew.leave(self._identity)
        except OSError as problem:
            log.error("D2002 the copied identity cannot be given up: %s — check daemon.work_dir", problem)
            return  # the next poll is answered the same
        self._start_afresh("to enrol as a node of its own")

    def _hurry(self) -> None:
        if self._measuring:
            self._measuring.schedule.hurry()
            self._wake("collect")

    def _proof(self) -> tuple[bool, str]:
        """Whether a poll and a report were answered since the start, and what is in the way."""
        if self._poller is None:
            return False, ""
        reported = any(reporter.answered for reporter, _ in self._reporters)
        problems = (self._poller.contact.problem, *(reporter.problem for reporter, _ in self._reporters))
        return self._poller.contact.since is not None and reported, next((one for one in problems if one), "")

    def _agent_arrived(self) -> None:
        self._wake("watch")
        self._wake("handover")

    def _agent_left(self) -> None:
        self._wake("watch")

    # -- stop -----------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        """No new work, what runs ends, the last records are sent if the manager is there; the agent goes on."""
        deadline = self._clock.monotonic() + STOP_LIMIT
        for name, one in self._loops.items():
            if name != "rpc":
                one.stop()
        for name, one in self._loops.items():
            if name != "rpc" and not one.join(max(0.1, min(PATIENCE_WITH.get(name, STOP_LIMIT), deadline - self._clock.monotonic()))):
                log.info("the %s loop did not end in time", name)
        for reporter, link in self._reporters:
            if not self._loops[f"report-{reporter.lane}"].join(0):
                link.shut()  # the manager does not answer: what it would not say in this time waits for the next start
        if "rpc" in self._loops:
            self._loops["rpc"].stop()
            self._loops["rpc"].join(6.0)
        self._rpc.close()
        if self._files:
            self._files.close()
        if self._poller and self._poller.contact.connected:
            self._flush()
        log.info("ops-daemon stopped; the agent goes on")

    def _flush(self) -> None:
        deadline = self._clock.monotonic() + FLUSH_LIMIT
        for reporter, link in self._reporters:
            link.limit(FLUSH_TIMEOUT)
            while self._clock.monotonic() < deadline and self._outbox.wait(reporter.lane, 0):
                if reporter.step() > 0:
                    break  # it failed; what is left goes with the next start
            link.close()
