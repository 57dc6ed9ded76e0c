"""What a daemon tells of itself, made ready for the node's page: how old it is, what of it is worth a warning.

Nothing is guessed: what was never told is unknown, and what is old says of when it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from host.wire import states
from host.wire.records import Health
from server.db import Row

STALE_MS = 600_000
"""Twice the longest time between two words of a daemon: older than that, it is no news."""

SKEW_MS = 30_000
"""From here on a clock is worth a warning: signatures are good for minutes, and charts begin to lie."""

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Told:
    """`health` is None when the daemon has told nothing. `late`: its certificate should have been renewed by now.

    `days_left` of the certificate, rounded down; negative when it has ended. `skew`: the manager's clock is so many ms ahead.
    """

    health: Health | None
    at: int
    stale: bool
    days_left: int | None = None
    late: bool = False
    skewed: bool = False

    @property
    def failing(self) -> dict[str, str]:
        """Collectors that fail, and why."""
        return self.health.failing_collectors if self.health else {}

    @property
    def broken(self) -> dict[str, str]:
        """Plugins that do not work, and why."""
        return {name: why for name, why in self.health.plugins.items() if why} if self.health else {}

    @property
    def working(self) -> list[str]:
        """Plugins that work."""
        return sorted(name for name, why in self.health.plugins.items() if not why) if self.health else []


def told(row: Row, node: Row, certificate_days: int, now: int) -> Told:
    """`row` is `Nodes.daemon`'s, `certificate_days` the life that the manager gives to certificates."""
    if not row or not row["health"]:
        return Told(None, 0, False)
    health = msgspec.convert(row["health"], Health)
    stale = old(row["health_at"], node, now)
    end = health.certificate_not_after
    if end is None:
        return Told(health, row["health_at"], stale, skewed=abs(health.clock_ahead_ms) > SKEW_MS)
    # They are renewed when a third of their life is left; with less than a quarter something keeps them from it.
    late = end - now < certificate_days * DAY_MS // 4
    return Told(health, row["health_at"], stale, (end - now) // DAY_MS, late, abs(health.clock_ahead_ms) > SKEW_MS)


def old(at: int, node: Row, now: int) -> bool:
    """Whether what was told `at` may no longer be so."""
    return at > 0 and (node["state"] != states.ONLINE or now - at > STALE_MS)
