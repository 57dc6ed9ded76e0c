"""Which collectors there are: each a name, an interval and a step that gives fields of a `Sample`."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from host.daemon import config
from host.daemon.collectors import cpu, disk, memory, network, system
from host.daemon.collectors.patience import Patience
from host.daemon.collectors.platform import Platform

Fields = dict[str, Any]

ON_CALL = math.inf
"""The interval of a collector that is due when `Schedule.hasten` says so, and never else."""


@dataclass(frozen=True)
class Collector:
    """`collect(at)` gives fields of `host.wire.records.Sample`, and under "problems" sentences about the
    parts that could not be read; it raises when nothing could. `at` in monotonic seconds."""

    name: str
    interval: float
    collect: Callable[[float], Fields]


def collectors(settings: config.Collectors, platform: Platform, delivered: Mapping[str, Callable[[float], Fields]] = {}) -> list[Collector]:
    """Those that the configuration enables, and `delivered`: what other threads measured, taken along when they call for it."""
    every: list[tuple[str, bool, float, Callable[[float], Fields]]] = [
        ("cpu", settings.cpu.enabled, settings.cpu.interval, _cpu(platform)),
        ("memory", settings.memory.enabled, settings.memory.interval, lambda at: {"memory": memory.collect(platform)}),
        ("disk", settings.disk.enabled, settings.disk.interval, _disk(platform, settings.disk.mount_points)),
        ("network", settings.network.enabled, settings.network.interval, _network(platform, settings.network.interfaces)),
        (
            "load",
            settings.load.enabled,
            settings.load.interval,
            lambda at: {"load": system.load(platform), "uptime": system.uptime(platform)},
        ),
        ("process", settings.process.enabled, settings.process.interval, lambda at: system.processes(platform)),
    ]
    found = [Collector(name, interval, collect) for name, enabled, interval, collect in every if enabled]
    return found + [Collector(name, ON_CALL, collect) for name, collect in delivered.items()]


def _cpu(platform: Platform) -> Callable[[float], Fields]:
    # Read once now, so that the first sample tells of these moments and not of all the time since the boot.
    previous: cpu.CpuCounters | None
    try:
        previous = cpu.read(platform)
    except (OSError, RuntimeError):
        previous = None  # the first sample will meet the same failure and report it

    def collect(at: float) -> Fields:
        nonlocal previous
        section, previous = cpu.collect(platform, previous)
        return {"cpu": section}

    return collect


def _disk(platform: Platform, mount_points: list[str]) -> Callable[[float], Fields]:
    previous: disk.DiskCounters | None = None
    patience = Patience(platform.disk_usage, time.monotonic)

    def collect(at: float) -> Fields:
        nonlocal previous
        patience.begin()
        disks, problems = disk.usage(platform, mount_points, patience.size)
        patience.end()
        fields: Fields = {"disks": disks}
        try:
            fields["disk_io"], previous = disk.traffic(platform, previous, at)
        except (OSError, RuntimeError, NotImplementedError) as problem:
            problems.append(f"traffic: {problem}")
        fields["problems"] = problems
        return fields

    return collect


def _network(platform: Platform, interfaces: list[str]) -> Callable[[float], Fields]:
    previous: network.NicCounters | None = None

    def collect(at: float) -> Fields:
        nonlocal previous
        nics, previous = network.collect(platform, interfaces, previous, at)
        return {"nics": nics}

    return collect
