"""Commands between the manager and the agent's ledger: what was accepted, refused, or is still held here.

A command that the agent cannot take now is held and offered again, in order, until it expires; meanwhile the manager
is told that it is held. What was accepted or refused is told until a poll that carried it was answered.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from host.daemon.agent_link import ACCEPTED, REFUSED, Outcome
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.wire.headers import EXPIRES, REQUEST_ID, is_request_id
from host.wire.messages import Command, Refusal
from host.wire.protocol import DAEMON_PREFIX

log = logging.getLogger("daemon.handover")

TOO_LATE = "the agent could not be reached in time"
IDLE = 3600.0
"""Seconds between two looks at nothing; `offer` wakes the loop before."""


class Relay(Protocol):
    def relay(self, command: Command) -> Outcome: ...


@dataclass(frozen=True)
class Account:
    """What a poll tells: ids in the ledger, refusals, ids held."""

    accepted: list[str]
    refused: list[Refusal]
    holding: list[str]


class Handover:
    """`news()` is called when the retrying thread has something for the next poll; `held()` when something has to be retried.
    `orders` takes what is for the daemon itself: an order to start the agent must not wait for the agent."""

    def __init__(
        self,
        relay: Relay,
        clock: Clock,
        backoff: Backoff,
        news: Callable[[], None] = lambda: None,
        held: Callable[[], None] = lambda: None,
        orders: Relay | None = None,
    ) -> None:
        self._orders = orders
        self._relay, self._clock, self._backoff, self._news, self._held = relay, clock, backoff, news, held
        self._lock = threading.Lock()  # of the three collections
        self._door = threading.Lock()  # of the relay: one connection, and commands in order
        self._accepted: dict[str, None] = {}
        self._refused: dict[str, Refusal] = {}
        self._holding: dict[str, Command] = {}

    def account(self) -> Account:
        with self._lock:
            return Account(list(self._accepted), list(self._refused.values()), list(self._holding))

    def told(self, account: Account) -> None:
        """The manager has answered a poll that carried `account`."""
        with self._lock:
            for identifier in account.accepted:
                self._accepted.pop(identifier, None)
            for refusal in account.refused:
                self._refused.pop(refusal.id, None)

    def offer(self, commands: list[Command]) -> None:
        """Hands the commands to the agent; holds those that it cannot take now, and all behind them."""
        with self._lock:
            fresh = [command for command in commands if command.id not in self._holding]
            blocked = any(not self._is_order(command) for command in self._holding.values())
        held = False
        for command in fresh:
            if self._is_order(command):
                settled = self._settle(command)
            elif blocked:
                settled = False
            else:
                settled = self._settle(command)
                blocked = not settled
            if not settled:
                held = True
                with self._lock:
                    self._holding[command.id] = command
        if held:
            self._held()

    def step(self) -> float:
        """Offers what is held once more; gives the seconds until the next try."""
        with self._lock:
            # Cancellations first: the agent then knows what it must not start before it is offered it.
            waiting = sorted(self._holding.values(), key=lambda command: not command.path.endswith("/cancel"))
        settled, blocked = 0, False
        for command in waiting:
            if blocked and not self._is_order(command):
                continue
            if self._settle(command):
                settled += 1
            elif not self._is_order(command):
                blocked = True
        if not blocked:
            self._backoff.reset()
        self._drop_expired()
        if settled:
            log.info("%d held commands were handed to the agent", settled)
        with self._lock:
            left = bool(self._holding)
        if waiting and (settled or not left):
            self._news()
        return self._backoff.next() if left else IDLE

    def _settle(self, command: Command) -> bool:
        """One attempt; False when it has to be held."""
        if self._orders is not None and self._is_order(command):
            outcome = self._orders.relay(command)
        else:
            with self._door:
                outcome = self._relay.relay(command)
        with self._lock:
            if outcome.verdict == ACCEPTED:
                self._accepted[command.id] = None
            elif outcome.verdict == REFUSED:
                self._refused[command.id] = Refusal(command.id, outcome.reason)
            elif self._expired(command):
                self._refused[command.id] = Refusal(command.id, TOO_LATE)
            else:
                return False
            self._holding.pop(command.id, None)
        if outcome.verdict == REFUSED:
            log.warning("%s refused %s: %s", "the daemon" if self._is_order(command) else "the agent", _named(command), outcome.reason)
        else:
            log.info("%s was handed over", _named(command))
        return True

    def _is_order(self, command: Command) -> bool:
        return self._orders is not None and command.path.startswith(DAEMON_PREFIX)

    def _drop_expired(self) -> None:
        with self._lock:
            for command in [one for one in self._holding.values() if self._expired(one)]:
                del self._holding[command.id]
                self._refused[command.id] = Refusal(command.id, TOO_LATE)
                log.warning("%s expired before the agent could be reached", _named(command))

    def _expired(self, command: Command) -> bool:
        """A command without a readable expiry is not kept: nobody could say for how long."""
        value = command.headers.get(EXPIRES, "")
        return not value.isdigit() or self._clock.now() > int(value)


def _named(command: Command) -> str:
    """For the log: with the request that gave it, which the manager's log has too. It comes unsigned: no more than a word of it."""
    request = command.headers.get(REQUEST_ID, "")
    return f"command {command.id} (request {request})" if is_request_id(request) else f"command {command.id}"
