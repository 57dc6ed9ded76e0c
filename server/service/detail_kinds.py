"""What details a sample holds: of each mount, device, interface, core and GPU the figures that charts show (M2, D1). No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from server.service.alert_details import Gpu, cards, memory_share

SILENCE_MS = 900_000
"""After a longer one a counter says nothing about when it grew; collectors may have periods of 5 minutes."""

Counted = tuple[int, "float | None"]
"""A counter, and the rate that the host made of it."""

Values = tuple["float | Counted | None", ...]


@dataclass(frozen=True)
class Figure:
    """`unit`: `%`, `bytes/s` or `°C`."""

    name: str
    unit: str


class _Mount(msgspec.Struct, gc=False):
    mount: str
    percent: float


class _Device(msgspec.Struct, gc=False):
    device: str
    read_bytes: int
    write_bytes: int
    read_rate: float | None = None
    write_rate: float | None = None


class _Nic(msgspec.Struct, gc=False):
    name: str
    rx_bytes: int
    tx_bytes: int
    rx_rate: float | None = None
    tx_rate: float | None = None


class _Cores(msgspec.Struct):
    cores: list[float] = msgspec.field(default_factory=list)


class _Mounts(msgspec.Struct):
    disks: list[_Mount] | None = None


class _Devices(msgspec.Struct):
    disk_io: list[_Device] | None = None


class _Nics(msgspec.Struct):
    nics: list[_Nic] | None = None


class _Gpus(msgspec.Struct):
    gpus: list[Gpu] | None = None


class _Cpu(msgspec.Struct):
    cpu: _Cores | None = None


class Whole(msgspec.Struct):
    """A stored sample with the sections of all kinds: what `Kind.read` of each takes."""

    cpu: _Cores | None = None
    disks: list[_Mount] | None = None
    disk_io: list[_Device] | None = None
    nics: list[_Nic] | None = None
    gpus: list[Gpu] | None = None


@dataclass(frozen=True)
class Kind:
    """`where`: which samples have its section, as the statement wants it. `read`: name and values, in the order of `figures`."""

    figures: tuple[Figure, ...]
    where: dict[str, int | str]
    shape: type
    read: Callable[[Any], Iterator[tuple[str, Values]]]


def _mounts(sample: _Mounts | Whole) -> Iterator[tuple[str, Values]]:
    return ((one.mount, (one.percent,)) for one in sample.disks or ())


def _devices(sample: _Devices | Whole) -> Iterator[tuple[str, Values]]:
    return ((one.device, ((one.read_bytes, one.read_rate), (one.write_bytes, one.write_rate))) for one in sample.disk_io or ())


def _nics(sample: _Nics | Whole) -> Iterator[tuple[str, Values]]:
    return ((one.name, ((one.rx_bytes, one.rx_rate), (one.tx_bytes, one.tx_rate))) for one in sample.nics or ())


def _cores(sample: _Cpu | Whole) -> Iterator[tuple[str, Values]]:
    return ((str(number), (share,)) for number, share in enumerate(sample.cpu.cores if sample.cpu else ()))


def _gpus(sample: _Gpus | Whole) -> Iterator[tuple[str, Values]]:
    return ((name, (one.percent, memory_share(one), one.temperature)) for name, one in cards(sample.gpus or ()))


_RATES = "bytes/s"
_ANY: dict[str, int | str] = {"cpu": 0, "disk": 0, "network": 0, "word": ""}
KINDS = {
    "mounts": Kind((Figure("used", "%"),), _ANY | {"disk": 1}, _Mounts, _mounts),
    "devices": Kind((Figure("read", _RATES), Figure("written", _RATES)), _ANY | {"word": '"disk_io"'}, _Devices, _devices),
    "nics": Kind((Figure("received", _RATES), Figure("sent", _RATES)), _ANY | {"network": 1}, _Nics, _nics),
    "cores": Kind((Figure("busy", "%"),), _ANY | {"cpu": 1}, _Cpu, _cores),
    "gpus": Kind((Figure("busy", "%"), Figure("memory", "%"), Figure("temperature", "°C")), _ANY | {"word": '"gpus"'}, _Gpus, _gpus),
}
"""What details there are: by mount, by block device, by interface, by core, by GPU (its number and name)."""


def rate(now: Counted, before: float | Counted | None, apart: int, silence: int) -> float | None:
    """What a counter grew by since the value before it, `apart` ms ago, a second; the host's own rate where that cannot tell."""
    if isinstance(before, tuple) and 0 < apart <= silence and now[0] >= before[0]:
        return (now[0] - before[0]) * 1000 / apart
    return now[1]
