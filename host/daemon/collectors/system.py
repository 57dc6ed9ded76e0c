"""Load, number of processes, time since the boot."""

from __future__ import annotations

from typing import Any

from host.daemon.collectors.platform import Platform

STATES = {
    "R": "running",
    "S": "sleeping",
    "D": "disk sleep",
    "T": "stopped",
    "t": "traced",
    "Z": "zombie",
    "X": "dead",
    "I": "idle",
    "P": "parked",
}
"""The kernel's letters in /proc/<pid>/stat."""


def load(platform: Platform) -> list[float]:
    """The load averages over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in platform.load()]


def processes(platform: Platform) -> dict[str, Any]:
    """How many processes there are, and how many in each state. On a machine with so many that counting the states
    would take longer than a sample may, their number alone is told."""
    states = platform.process_states()
    if states is None:
        return {"processes": platform.process_count()}
    named: dict[str, int] = {}
    for letter, count in sorted(states.items()):
        name = STATES.get(letter, letter)
        named[name] = named.get(name, 0) + count
    return {"processes": sum(states.values()), "process_states": named}


def uptime(platform: Platform) -> int:
    """Whole seconds since the boot; 0 when the clock was set back to before it."""
    return max(0, int(platform.time() - platform.boot_time()))
