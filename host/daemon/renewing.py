"""Sees to it that this host's certificate is renewed in time: at two thirds of its life, by `ops-daemon renew`.

That is a short-lived process, as at enrolment: cryptography lives and dies with it. What it wrote is used from the next
connection on (`route`). A renewal that fails is tried again with growing waits and is a warning each time its reason
changes; the certificate in force goes on serving.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from host.daemon.enrolling import Run
from host.daemon.identity import Identity
from host.daemon.route import ManagerRoute
from host.daemon.timeline import Timeline
from host.lib.backoff import Backoff
from host.lib.errors import LinkError

log = logging.getLogger("daemon.renew")

DUE = 2 / 3
LONGEST_LOOK = 3600.0
"""Seconds until the time is looked at again: clocks are set, certificates replaced by hand."""
FIRST_WAIT, LAST_WAIT = 60.0, 3600.0
"""Seconds between tries, at first and at most; never more than a fiftieth of the certificate's life."""


class Renewal:
    """`step` is a loop's. `random` gives floats in [0, 1)."""

    def __init__(self, identity: Identity, route: ManagerRoute, run: Run, timeline: Timeline, random: Callable[[], float]) -> None:
        self._identity, self._route, self._run, self._timeline, self._random = identity, route, run, timeline, random
        # A fleet that enrolled in one minute does not renew in one minute: the last hundredth of the wait is by lot.
        self._lot = random()
        self._backoff: Backoff | None = None
        self.problem = ""
        self.not_after: int | None = None

    def step(self) -> float:
        """Renews if that is due; gives the seconds until it wants to look again."""
        try:
            found = self._identity.validity()
        except LinkError as problem:
            return self._failed(str(problem), LAST_WAIT)
        if self.not_after not in (None, found.not_after):
            self._route.reload()  # it was renewed by hand
        self.not_after = found.not_after
        life = found.not_after - found.not_before
        due, now = found.not_before + int(life * (DUE + self._lot / 100)), self._timeline.now()
        if now < due:
            return min((due - now) / 1000 + 0.01, LONGEST_LOOK)
        code, line, wait = self._run()
        if code != 0:
            return self._failed(line, life / 50_000, wait)
        try:
            self._route.reload()
        except LinkError as problem:
            return self._failed(str(problem), life / 50_000)
        fresh = self._identity.validity()
        if fresh.not_after <= found.not_after:  # or this would go round and round
            return self._failed("D2002 the manager gave a certificate that ends no later than the one before", life / 50_000)
        self.problem, self._backoff, self.not_after = "", None, fresh.not_after
        log.info("this host's certificate was renewed; it ends on %s", _day(self.not_after))
        return 0.0

    def _failed(self, line: str, most: float, wait: float = 0.0) -> float:
        if self._backoff is None:
            cap = max(0.1, min(LAST_WAIT, most))
            self._backoff = Backoff(min(FIRST_WAIT, cap), cap, self._random)
        delay = self._backoff.next(floor=wait)
        if line != self.problem:
            ends = f"; it ends on {_day(self.not_after)}" if self.not_after else ""
            log.warning("this host's certificate could not be renewed: %s (next try in %.0f s%s)", line, delay, ends)
        self.problem = line
        return delay


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(moment // 1000))
