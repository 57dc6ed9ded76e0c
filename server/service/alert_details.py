"""The figures of a sample's detail that rules can watch, as metric name → subject → value (server/alerting/metrics.py). No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec


class _Cpu(msgspec.Struct):
    user: float
    system: float
    iowait: float = 0.0
    cores: list[float] = []


class _Memory(msgspec.Struct):
    available: float
    swap_total: float = 0
    swap_used: float = 0


class _Disk(msgspec.Struct):
    mount: str
    used: float
    free: float
    percent: float


class _Io(msgspec.Struct):
    device: str
    read_rate: float | None = None
    write_rate: float | None = None


class _Nic(msgspec.Struct):
    name: str
    rx_rate: float | None = None
    tx_rate: float | None = None


class Gpu(msgspec.Struct):
    name: str
    percent: float
    memory_used: float = 0
    memory_total: float = 0
    temperature: float | None = None


class Detail(msgspec.Struct):
    """A stored sample; a section that no collector brought is None."""

    cpu: _Cpu | None = None
    memory: _Memory | None = None
    load: list[float] | None = None
    processes: float | None = None
    uptime: float | None = None
    disks: list[_Disk] | None = None
    disk_io: list[_Io] | None = None
    nics: list[_Nic] | None = None
    gpus: list[Gpu] | None = None


SECTIONS = ("cpu", "memory", "load", "processes", "uptime", "disks", "disk_io", "nics", "gpus")
decode: Callable[[str], Detail] = msgspec.json.Decoder(Detail).decode
Pairs = Iterable[tuple[str, float | None]]
MOST_SUBJECT = 190


def cards(gpus: Iterable[Gpu]) -> Iterator[tuple[str, Gpu]]:
    """What each is called: two of one name are told apart by their number."""
    return ((f"{number} {gpu.name}", gpu) for number, gpu in enumerate(gpus))


def memory_share(gpu: Gpu) -> float | None:
    """Percent."""
    return 100 * gpu.memory_used / gpu.memory_total if gpu.memory_total else None


def _gpus(gpus: list[Gpu], value: Callable[[Gpu], float | None]) -> Pairs:
    return ((name, value(gpu)) for name, gpu in cards(gpus))


_READ: dict[str, tuple[str, Callable[[Any], Pairs]]] = {
    "cpu.iowait": ("cpu", lambda cpu: [("", cpu.iowait)]),
    "cpu.user": ("cpu", lambda cpu: [("", cpu.user)]),
    "cpu.system": ("cpu", lambda cpu: [("", cpu.system)]),
    "core.percent": ("cpu", lambda cpu: ((str(number), value) for number, value in enumerate(cpu.cores))),
    "memory.available": ("memory", lambda memory: [("", memory.available)]),
    "memory.swap": ("memory", lambda memory: [("", 100 * memory.swap_used / memory.swap_total if memory.swap_total else 0.0)]),
    "load.5": ("load", lambda load: [("", load[1] if len(load) > 1 else None)]),
    "load.15": ("load", lambda load: [("", load[2] if len(load) > 2 else None)]),
    "processes": ("processes", lambda count: [("", count)]),
    "uptime": ("uptime", lambda seconds: [("", seconds)]),
    "mount.percent": ("disks", lambda disks: ((disk.mount, disk.percent) for disk in disks)),
    "mount.free": ("disks", lambda disks: ((disk.mount, disk.free) for disk in disks)),
    "mount.used": ("disks", lambda disks: ((disk.mount, disk.used) for disk in disks)),
    "disk.read": ("disk_io", lambda devices: ((one.device, one.read_rate) for one in devices)),
    "disk.write": ("disk_io", lambda devices: ((one.device, one.write_rate) for one in devices)),
    "nic.rx": ("nics", lambda nics: ((nic.name, nic.rx_rate) for nic in nics)),
    "nic.tx": ("nics", lambda nics: ((nic.name, nic.tx_rate) for nic in nics)),
    "gpu.percent": ("gpus", lambda gpus: _gpus(gpus, lambda gpu: gpu.percent)),
    "gpu.memory": ("gpus", lambda gpus: _gpus(gpus, memory_share)),
    "gpu.temperature": ("gpus", lambda gpus: _gpus(gpus, lambda gpu: gpu.temperature)),
}


def section_of(metric: str) -> str:
    """Which section of a sample holds a detail metric."""
    return _READ[metric][0]


def figures(metric: str, section: Any) -> dict[str, float]:
    """Subject → value; the subject of a figure of the whole node is empty."""
    pairs = _READ[metric][1](section)
    return {subject[:MOST_SUBJECT].rstrip(): value for subject, value in pairs if value is not None}
