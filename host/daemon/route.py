"""Where a link leads: to the agent always the same way; to the manager by the address, proxy and certificate in use now.

One `ManagerRoute` serves all links to the manager: an address is kept as long as it works (sticky), a failure makes the
next one current, once for all links, and the waits between tries are the caller's jittered backoff. A renewed certificate
is used from each link's next call on; until it has worked once the one before it is kept, and taken again if it is refused.
"""

from __future__ import annotations

import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from host.daemon.dial import Plan, tls_context
from host.daemon.identity import Identity
from host.daemon.link_errors import LinkFailure, Rejected
from host.daemon.proxy import Proxy
from host.daemon.timeline import Timeline

log = logging.getLogger("daemon.link")


class Route(Protocol):
    """`plan` is for a new connection; `is_current` whether one made by it may go on being used."""

    def plan(self) -> Plan: ...
    def is_current(self, plan: Plan) -> bool: ...
    def worked(self, plan: Plan) -> None: ...
    def failed(self, plan: Plan, problem: LinkFailure) -> None: ...


@dataclass(frozen=True)
class Fixed:
    """One address, one certificate: the agent's API."""

    who: str
    host: str
    port: int
    context: ssl.SSLContext

    def plan(self) -> Plan:
        return Plan(self.who, self.host, self.port, self.context)

    def is_current(self, plan: Plan) -> bool:
        return True

    def worked(self, plan: Plan) -> None:
        return

    def failed(self, plan: Plan, problem: LinkFailure) -> None:
        return


class ManagerRoute:
    """`addresses` are (host, port), the first one first. `proved` is called when a renewed certificate has worked."""

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        proxy: Proxy | None,
        identity: Identity,
        timeline: Timeline,
        proved: Callable[[], None] = lambda: None,
    ) -> None:
        self._addresses, self._proxy, self._identity, self._timeline, self._proved = list(addresses), proxy, identity, timeline, proved
        self._lock = threading.Lock()
        self._current = 0
        self._generation = 0
        self._context = self._load()
        self._on_trial = identity.has_old
        self.failures = 0
        """Ever, of all links."""

    @property
    def where(self) -> str:
        """The address in use, host:port."""
        return self.plan().where

    def plan(self) -> Plan:
        with self._lock:
            host, port = self._addresses[self._current]
            return Plan(
                "manager", host, port, self._context, self._proxy, self._identity.ca, self._identity.chain, self._timeline, self._generation
            )

    def is_current(self, plan: Plan) -> bool:
        with self._lock:
            return plan.generation == self._generation and (plan.host, plan.port) == self._addresses[self._current]

    def reload(self) -> None:
        """The certificate on disk is another one now. Raises LinkFailure; then all stays as it was."""
        fresh = self._load()
        with self._lock:
            self._context, self._on_trial = fresh, self._identity.has_old
            self._generation += 1

    def worked(self, plan: Plan) -> None:
        with self._lock:
            if not self._on_trial or plan.generation != self._generation:
                return
            self._on_trial = False
            self._identity.forget_old()
        log.info("the manager knows this host by its new certificate now")
        self._proved()

    def failed(self, plan: Plan, problem: LinkFailure) -> None:
        with self._lock:
            self.failures += 1
            if problem.certificate:
                self._take_back(plan, problem)
            elif _elsewhere(problem) and (plan.host, plan.port) == self._addresses[self._current]:
                # Only if no other link has moved on already: two failures of one address must not skip the next one.
                self._current = (self._current + 1) % len(self._addresses)

    def _take_back(self, plan: Plan, problem: LinkFailure) -> None:
        if not self._on_trial or plan.generation != self._generation:
            return
        self._on_trial = False
        self._identity.restore_old()
        self._context = self._load()
        self._generation += 1
        log.warning("%s; it was the new certificate: the one before it is used again", problem)

    def _load(self) -> ssl.SSLContext:
        certificate, key = self._identity.chain
        return tls_context(self._identity.ca, certificate, key)


def _elsewhere(problem: LinkFailure) -> bool:
    """Whether another address may do better: nobody answered, or one that is broken. One that says no, or when to come
    again, speaks for all: they share a database."""
    return not isinstance(problem, Rejected) or (problem.status >= 500 and not problem.retry_after)
