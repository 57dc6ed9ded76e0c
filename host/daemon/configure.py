"""The order that changes the configuration, and SIGHUP: looked at by a short-lived process, then in force by a fresh start (D13).

A pushed file is on probation (`probation`); one that was edited on the host and reloaded is not: what was before it is
not known here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from host.daemon import probation, short
from host.daemon.order_ledger import OrderLedger
from host.daemon.orders import End, Write
from host.lib.clock import Clock
from host.lib.files import write_atomically
from host.wire import states
from host.wire.orders import MAX_CONFIGURATION_BYTES, Order

log = logging.getLogger("daemon.configuration")

CHECK_LIMIT = 30.0
LOOK = 0.2
"""Seconds between two looks at whether the manager was reached."""


class Configure:
    """`limit` is the seconds of a probation; `again()` ends this process' work and starts it afresh."""

    def __init__(self, path: Path, in_force: str, limit: float, clock: Clock, again: Callable[[str], None]) -> None:
        self._path, self._in_force, self._limit, self._clock, self._again = path, in_force, limit, clock, again
        self._difference: dict[str, bytes] = {}
        self._since = clock.monotonic()

    def look(self, command_id: str, order: Order) -> str:
        """Why the file is not taken; "" when it is. Nothing has changed yet."""
        data = order.text.encode("utf-8", "surrogateescape")
        if not 0 < len(data) <= MAX_CONFIGURATION_BYTES:
            return f"text: a configuration has 1 to {MAX_CONFIGURATION_BYTES} bytes"
        if probation.hash_of(self._path) != order.base:
            return f"the file on the host is not the one that was edited ({order.base[:12]}…): look at the one in force, and edit that"
        proposed = probation.proposed_file(self._path)
        write_atomically(proposed, data)
        code, output, problem = short.run("host.daemon", ["check-config", "--config", str(proposed), "--for", str(self._path)], CHECK_LIMIT)
        if code:
            return problem or f"checking it ended with {code}"
        self._difference = {command_id: output}
        return ""

    def order(self, command_id: str, order: Order, write: Write) -> End | None:
        """Puts the file in force, on probation. None: it is ended when the manager was reached, or the limit is over."""
        difference = self._difference.pop(command_id, b"")
        write(difference)
        proposed = probation.proposed_file(self._path)
        text = proposed.read_bytes()
        if not difference:
            return End(states.SUCCEEDED, "it is the configuration in force; nothing was changed")
        new = probation.hash_of(proposed)
        began = self._clock.now()
        probation.switch(self._path, probation.Marker(command_id, probation.SWITCHING, order.base, new, self._limit, began), text)
        proposed.unlink(missing_ok=True)
        log.info("a configuration was pushed (%s…); it is put on probation", new[:12])
        self._again("pushed")
        return None

    def watch(self, ledger: OrderLedger, proven: bool, problem: str) -> float | None:
        """A step of what is on probation, or has just ended it: seconds until the next, None when nothing is.

        `proven`: a poll and a report have succeeded; `problem`: why not, in words.
        """
        marker = probation.read(self._path)
        if marker is None:
            return None
        now = self._clock.now()
        if marker.step == probation.WATCHING:
            if proven:
                marker = probation.write(self._path, probation.Marker(**{**vars(marker), "step": probation.CONFIRMED}))
            elif min(probation.left(marker, now), marker.limit - (self._clock.monotonic() - self._since)) <= 0:
                told = problem or "no poll and no report was answered"
                probation.restore(self._path, marker, f"the manager was not reached within {marker.limit:g} s: {told}")
                log.error("D1002 the pushed configuration did not reach the manager; the one before is restored")
                self._again("restored")
                return LOOK
            else:
                return LOOK
        if marker.step == probation.CONFIRMED:
            ledger.finish(marker.command, states.SUCCEEDED, "in force: the manager was reached under it", now)
            log.info("the pushed configuration (%s…) is confirmed", marker.new[:12])
        else:
            ledger.finish(marker.command, states.FAILED, f"the configuration before it is in force: {marker.reason}", now)
        probation.remove(self._path)
        return 0.0

    def end_cut_off(self, ledger: OrderLedger) -> str:
        """After a start: the order on probation, which goes on; others that were begun had not changed anything yet."""
        marker = probation.read(self._path)
        for entry in ledger.unfinished(states.STARTED, self._clock.now()):
            if entry.verb == "configure" and (marker is None or entry.id != marker.command):
                reason = "the daemon ended before the file was replaced; nothing was changed"
                ledger.finish(entry.id, states.FAILED, reason, self._clock.now())
        return marker.command if marker else ""

    def reload(self) -> None:
        """SIGHUP: takes the file as it is now, if it is good; otherwise goes on with the one in force."""
        if probation.read(self._path) is not None:
            log.warning("D1002 %s: a pushed configuration is on probation; reload again when that is over", self._path)
            return
        if probation.hash_of(self._path) == self._in_force:
            log.info("%s has not changed", self._path)
            return
        try:
            code, _, problem = short.run("host.daemon", ["check-config", "--config", str(self._path)], CHECK_LIMIT)
        except OSError as error:
            code, problem = 1, f"D1001 {self._path} could not be checked: {error}"
        if code:
            log.error("%s (the configuration before goes on)", problem)
            return
        log.info("%s is loaded anew", self._path)
        self._again("reloaded")
