"""Load, number of processes, time since the boot."""

from __future__ import annotations

from host.daemon.collectors.platform import Platform


def load(platform: Platform) -> list[float]:
    """The load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in platform.load()]


def processes(platform: Platform) -> int:
    return platform.process_count()


def uptime(platform: Platform) -> int:
    """Whole seconds since the boot; 0 when the clock was set back to before it."""
    return max(0, int(platform.time() - platform.boot_time()))
