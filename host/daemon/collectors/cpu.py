"""Processor load from the difference of two readings of its time counters; nothing ever sleeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from host.daemon.collectors.platform import Platform
from host.wire.records import Cpu

_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
# guest and guest_nice are left out: the kernel has them in user and nice already.


@dataclass(frozen=True)
class CpuCounters:
    """Seconds spent, in the order of `_FIELDS`, over all processors and for each."""

    total: tuple[float, ...]
    each: tuple[tuple[float, ...], ...]


def read(platform: Platform) -> CpuCounters:
    """The counters as they are now."""
    return CpuCounters(_row(platform.cpu_times()), tuple(_row(one) for one in platform.cpu_times_each()))


def collect(platform: Platform, previous: CpuCounters | None) -> tuple[Cpu, CpuCounters]:
    """Percent since `previous`; without one, or when the counters went back, the average since the boot."""
    now = read(platform)
    before = previous or CpuCounters((0.0,) * len(_FIELDS), ())
    shares = _shares(now.total, before.total)
    user, nice, system, idle, iowait, irq, softirq, _ = shares
    cores = []
    for index, row in enumerate(now.each):
        earlier = before.each[index] if len(before.each) == len(now.each) else (0.0,) * len(_FIELDS)
        cores.append(_busy(_shares(row, earlier)))
    cpu = Cpu(
        percent=_busy(shares),
        user=round(user + nice, 2),
        system=round(system + irq + softirq, 2),
        idle=round(idle, 2),
        iowait=round(iowait, 2),
        cores=cores,
        count=len(now.each),
        model=platform.cpu_model(),
    )
    return cpu, now


def _row(times: Any) -> tuple[float, ...]:
    return tuple(float(getattr(times, name, 0.0)) for name in _FIELDS)


def _shares(now: tuple[float, ...], before: tuple[float, ...]) -> tuple[float, ...]:
    """Percent of each field. Single fields may fall a little (the kernel's idle and iowait do): they count as 0."""
    if sum(now) < sum(before):
        before = (0.0,) * len(now)
    deltas = tuple(max(0.0, new - old) for new, old in zip(now, before, strict=True))
    whole = sum(deltas)
    if whole <= 0:  # two readings within one tick: nothing is known to have been busy
        return tuple(100.0 if name == "idle" else 0.0 for name in _FIELDS)
    return tuple(100.0 * delta / whole for delta in deltas)


def _busy(shares: tuple[float, ...]) -> float:
    idle = shares[_FIELDS.index("idle")] + shares[_FIELDS.index("iowait")]
    return round(min(100.0, max(0.0, 100.0 - idle)), 2)
