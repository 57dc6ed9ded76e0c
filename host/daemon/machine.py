"""Which machine this is, for each call to the manager: looked at again now and then, since a disk may be cloned and cards are
plugged while the daemon runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from host.lib.clock import Clock
from host.wire.machine import HEADER, marks_of

LOOK_S = 10.0
"""Seconds until the machine is looked at again: all calls of one moment say the same."""


class Machine:
    """`look` reads the fingerprint (`facts.fingerprint`)."""

    def __init__(self, look: Callable[[], dict[str, str]], clock: Clock) -> None:
        self._look, self._clock = look, clock
        self._until = float("-inf")
        self.fingerprint: dict[str, str] = {}
        self._marks = ""

    @property
    def marks(self) -> str:
        """As `host.wire.machine` writes them; "" where nothing of this machine can be told."""
        now = self._clock.monotonic()
        if now >= self._until:
            self.fingerprint = self._look()
            self._marks, self._until = marks_of(self.fingerprint), now + LOOK_S
        return self._marks

    def headers(self) -> Mapping[str, str]:
        """What goes with every call."""
        marks = self.marks
        return {HEADER: marks} if marks else {}
