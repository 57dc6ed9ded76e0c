"""Commands for the daemon itself: checked, remembered, carried out one after another (D5, D8, D13).

An order is taken when its signature, its node and its shape hold, this host's policy allows it and the ledger has it.
From then on it ends in exactly one final state. What a verb does is the verb's own module.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from host.daemon.agent_link import ACCEPTED, REFUSED, UNREACHABLE, Outcome
from host.daemon.identity import Identity
from host.daemon.order_ledger import Entry, OrderLedger
from host.lib.clock import Clock
from host.lib.errors import HostError
from host.wire import codec, states
from host.wire.headers import EXPIRES
from host.wire.messages import Command
from host.wire.orders import VERBS, Order
from host.wire.protocol import DAEMON_PREFIX

log = logging.getLogger("daemon.orders")

IDLE = 3600.0
"""Seconds between two looks at nothing; what is taken wakes the loop."""


@dataclass(frozen=True)
class End:
    """How an order ended: one of `states.COMMAND_FINAL`, and why, in a sentence."""

    state: str
    reason: str = ""


class Stopped(Exception):
    """The daemon is being stopped; the order that is under way is cut off."""


Write = Callable[[bytes], None]
Verb = Callable[[str, Order, Write], End | None]
"""(command id, order, where its output goes) → its end; None when it goes on and is ended later, from elsewhere."""
Look = Callable[[str, Order], str]
"""(command id, order) → why it is refused before it is begun; "" when it is not."""


class Orders:
    """`policy(verb)` gives the reason why this host refuses it, or ""; `taken()` is called when there is something to do."""

    def __init__(
        self,
        identity: Identity,
        ledger: OrderLedger,
        verbs: Mapping[str, Verb],
        looks: Mapping[str, Look],
        policy: Callable[[str], str],
        clock: Clock,
        taken: Callable[[], None],
    ) -> None:
        self._identity, self._ledger, self._verbs, self._looks = identity, ledger, verbs, looks
        self._policy, self._clock, self._taken = policy, clock, taken

    def relay(self, command: Command) -> Outcome:
        """Takes an order into the ledger, or says why not; one that is known starts nothing."""
        try:
            if self._ledger.state(command.id, self._clock.now()):
                return Outcome(ACCEPTED)
            reason, verb = self._refusal(command)
            if reason:
                return Outcome(REFUSED, reason)
            self._ledger.accept(command.id, verb, command.body, self._clock.now(), int(command.headers[EXPIRES]))
        except sqlite3.Error as problem:
            log.error("D3001 the order %s could not be written down: %s", command.id, problem)
            return Outcome(UNREACHABLE, f"the ledger cannot be written: {problem}")
        self._taken()
        return Outcome(ACCEPTED)

    def end_cut_off(self, spared: str = "") -> None:
        """After a start: what an earlier process began and did not end is `interrupted`; all but `spared`."""
        now = self._clock.now()
        for entry in self._ledger.unfinished(states.STARTED, now):
            if entry.id != spared:
                self._ledger.finish(entry.id, states.INTERRUPTED, "the daemon ended while it ran", now)

    def step(self) -> float:
        """Carries out the oldest order; gives the seconds to wait before the next look."""
        waiting = self._ledger.unfinished(states.ACCEPTED, self._clock.now())
        if not waiting:
            return IDLE
        entry, now = waiting[0], self._clock.now()
        reason = self._too_late(entry, now)
        if reason:
            self._ledger.finish(entry.id, states.REFUSED, reason, now)
            log.warning("order %s (%s) was refused: %s", entry.id, entry.verb, reason)
        elif self._ledger.start(entry.id, now):
            end = self._carry_out(entry)
            if end is not None:
                self._ledger.finish(entry.id, end.state, end.reason, self._clock.now())
                log.info("order %s (%s) %s: %s", entry.id, entry.verb, end.state, end.reason)
        return 0.0

    def _too_late(self, entry: Entry, now: int) -> str:
        """Why an order that was taken is not begun; "" when it is."""
        if now > entry.expires:
            return "its time was over before the daemon came to it; nothing was done"
        look = self._looks.get(entry.verb)
        try:
            return look(entry.id, codec.build(Order, json.loads(entry.body))) if look else ""
        except OSError as problem:
            return f"{problem.filename or 'the host'}: {problem.strerror or problem}"

    def _carry_out(self, entry: Entry) -> End | None:
        def write(data: bytes) -> None:
            self._ledger.write(entry.id, data, self._clock.now())

        try:
            return self._verbs[entry.verb](entry.id, codec.build(Order, json.loads(entry.body)), write)
        except Stopped:
            return End(states.INTERRUPTED, "the daemon was stopped while it ran")
        except HostError as problem:
            return End(states.FAILED, str(problem))
        except OSError as problem:
            return End(states.FAILED, f"{problem.filename or 'the host'}: {problem.strerror or problem}")
        except Exception as problem:
            # A fault of ours must not leave an order without an end.
            log.exception("order %s (%s): the daemon failed", entry.id, entry.verb)
            return End(states.FAILED, f"the daemon failed: {type(problem).__name__}: {problem}")

    def _refusal(self, command: Command) -> tuple[str, str]:
        """Why the order is not taken ("" when it is), and its verb."""
        from host.wire import signing  # hashing is loaded by the first order, not by every daemon (D15)

        verb = command.path[len(DAEMON_PREFIX) :]
        try:
            key = bytes.fromhex((self._identity.folder / "dispatch.key").read_text("ascii").strip())
            nonce = signing.verify(
                key,
                command.headers,
                key_id=self._identity.node_id,
                now=self._clock.now(),
                method=command.method,
                path=command.path,
                body=command.body.encode(),
            )
        except (OSError, ValueError) as problem:
            return f"identity/dispatch.key cannot be read: {problem}", verb
        except signing.SignatureError as problem:
            return str(problem), verb
        if nonce != command.id or command.method != "POST":
            return "the signature is another order's", verb
        if verb not in VERBS or verb not in self._verbs:
            return f"this daemon knows no order {verb[:40]!r}", verb
        try:
            order = codec.build(Order, json.loads(command.body))
        except ValueError as problem:
            return f"the order makes no sense: {problem}", verb
        if not all(isinstance(value, str) for value in (order.level, order.text, order.base)):
            return "the order makes no sense: level, text and base must be text", verb
        if order.node_id != self._identity.node_id:
            return "the order is for another node", verb
        return self._policy(verb), verb
