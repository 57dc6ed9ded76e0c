"""The wiring of what obeys: orders, their ledger and policy, configuration and its probation. No rules of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon.agent_orders import AgentOrders
from host.daemon.config import Config, InForce
from host.daemon.configure import Configure
from host.daemon.identity import Identity
from host.daemon.intention import Intention
from host.daemon.order_ledger import OrderLedger
from host.daemon.order_policy import OrderPolicy
from host.daemon.orders import IDLE, Orders
from host.daemon.outbox import Outbox
from host.daemon.plain_orders import PlainOrders
from host.daemon.watch import Watch
from host.lib.clock import Clock
from host.wire import orders
from host.wire.records import Configuration

log = logging.getLogger("daemon")

Proof = Callable[[], tuple[bool, str]]
"""Whether a poll and a report have succeeded since the start, and why not, in words."""


class Obeying:
    """One loop's work: `step`. `again(note)` makes the daemon end and start afresh; `look()` makes the watch look."""

    def __init__(
        self,
        config: Config,
        in_force: InForce,
        clock: Clock,
        stop: threading.Event,
        reload: threading.Event,
        outbox: Outbox,
        again: Callable[[str], None],
    ) -> None:
        self._config, self._in_force, self._clock, self._stop, self._reload, self._outbox = config, in_force, clock, stop, reload, outbox
        self._ledger = OrderLedger(outbox, clock.now())
        self._configure = Configure(Path(in_force.path), in_force.hash, config.daemon.probation, clock, again)
        self._proof: Proof = lambda: (False, "this host is not enrolled")
        self._orders: Orders | None = None
        self.intention = Intention(config.daemon.work_dir)
        self.policy = OrderPolicy(config.daemon.policy_file)

    def begin(
        self,
        identity: Identity,
        clock: Clock,
        watch: Watch,
        look: Callable[[], None],
        hurry: Callable[[], None],
        sample: Callable[[], Any],
        proof: Proof,
        taken: Callable[[], None],
    ) -> Orders:
        """Once this host is enrolled. `clock` is the manager's time: orders expire by it."""
        in_force, folder = self._in_force, self._config.daemon.work_dir
        agent = AgentOrders(watch, self.intention, self._clock, self._stop, look)
        plain = PlainOrders(hurry, sample, Path(in_force.path), folder, self._clock, self._stop)
        verbs = {**agent.verbs(), **plain.verbs(), orders.CONFIGURE: self._configure.order}
        looks = {**plain.looks(), orders.CONFIGURE: self._configure.look}
        self._proof = proof
        self._orders = Orders(identity, self._ledger, verbs, looks, self.policy, clock, taken)
        self._orders.end_cut_off(spared=self._configure.end_cut_off(self._ledger))
        self._outbox.append("configuration", self._clock.now(), Configuration(in_force.text, in_force.hash, in_force.note[:255]))
        return self._orders

    def step(self) -> float:
        """Reloads when asked, judges what is on probation, carries out one order; gives the seconds until the next look."""
        if self._stop.is_set():
            return IDLE
        if self._reload.is_set():
            self._reload.clear()
            self._configure.reload()
            return 0.0
        if self._orders is None:
            return IDLE
        probation = self._configure.watch(self._ledger, *self._proof())
        return self._orders.step() if probation is None else probation
