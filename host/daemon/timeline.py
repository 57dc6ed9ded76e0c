"""The manager's time as this host knows it. Its own clock may be wrong by years and may jump (DESIGN §4, FAULTS F5)."""

from __future__ import annotations

from host.lib.clock import Clock

SKEW_WORTH_A_WORD = 300_000
"""Milliseconds of difference from which on the operator is told."""


class Timeline:
    """Carried on by the monotonic clock from the manager's last word; this host's clock until there was one.

    `floor` is a moment that is surely past: a signed certificate began then. May be asked from any thread.
    """

    def __init__(self, clock: Clock, floor: int = 0) -> None:
        self._clock, self._floor = clock, floor
        self._anchor: tuple[int, float] | None = None

    def learn(self, manager_now: int) -> None:
        """The manager said that it is `manager_now` (UTC ms)."""
        self._anchor = (manager_now, self._clock.monotonic())

    def now(self) -> int:
        """UTC milliseconds by the manager's clock."""
        anchor = self._anchor
        if anchor is None:
            return self._clock.now()
        return anchor[0] + int((self._clock.monotonic() - anchor[1]) * 1000)

    def monotonic(self) -> float:
        """Seconds that never go backwards: a Timeline is a Clock, set by the manager."""
        return self._clock.monotonic()

    @property
    def known(self) -> bool:
        return self._anchor is not None

    @property
    def floor(self) -> int:
        """Nobody may tell this host that it is earlier than this. The monotonic clock can only be late."""
        return max(self._floor, self.now() - SKEW_WORTH_A_WORD) if self.known else self._floor

    @property
    def ahead(self) -> int:
        """By how many ms the manager's clock is ahead of this host's."""
        return self.now() - self._clock.now()


def difference(ahead: int) -> str:
    """`this host's clock is 3 days behind the manager's`; `ahead` in ms, as `Timeline.ahead`."""
    seconds = round(abs(ahead) / 1000)
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes"), (1, "seconds")):
        if seconds >= 2 * size or size == 1:
            return f"this host's clock is {round(seconds / size)} {unit} {'behind' if ahead > 0 else 'ahead of'} the manager's"
    raise AssertionError("unreachable")
