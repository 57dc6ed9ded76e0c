"""Figures of each mount, device, interface, core and GPU over time, from the details that are stored with each sample (M2, D1).

Details are kept as long as samples and are not rolled up. A range is read by READS samples at most, one for each slot of time, so a day
of a host that measures every minute is read whole. A point is the mean of what was read in its time, and the highest of it. Rates are
what counters grew by from one read sample to the next: exact, however many samples lie between; a counter that went backwards, or one
after a long silence, counts by the rate that the host told.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from server.config import Config
from server.db import Db, Row
from server.errors import NotFound
from server.service.alert_details import Gpu, cards, memory_share
from server.service.ranges import kept_since, step_of

READS = 1_440
"""Samples that are read for a range at most."""

MOST_NAMES = 6
"""Of those that nobody chose from; more lines in a chart cannot be told apart."""

MOST_CHOSEN = 64
SILENCE_MS = 900_000
"""After a longer one a counter says nothing about when it grew; collectors may have periods of 5 minutes."""

Values = tuple["float | Counted | None", ...]


@dataclass(frozen=True)
class Counted:
    """A counter, and the rate that the host made of it."""

    count: int
    rate: float | None


@dataclass(frozen=True)
class Figure:
    """`unit`: `%`, `bytes/s` or `°C`."""

    name: str
    unit: str


class _Mount(msgspec.Struct):
    mount: str
    percent: float


class _Device(msgspec.Struct):
    device: str
    read_bytes: int
    write_bytes: int
    read_rate: float | None = None
    write_rate: float | None = None


class _Nic(msgspec.Struct):
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


@dataclass(frozen=True)
class Kind:
    """`where`: which samples have its section, as the statement wants it. `read`: name and values, in the order of `figures`."""

    figures: tuple[Figure, ...]
    where: dict[str, int | str]
    shape: type
    read: Callable[[Any], Iterator[tuple[str, Values]]]


def _mounts(sample: _Mounts) -> Iterator[tuple[str, Values]]:
    return ((one.mount, (one.percent,)) for one in sample.disks or ())


def _devices(sample: _Devices) -> Iterator[tuple[str, Values]]:
    return (
        (one.device, (Counted(one.read_bytes, one.read_rate), Counted(one.write_bytes, one.write_rate))) for one in sample.disk_io or ()
    )


def _nics(sample: _Nics) -> Iterator[tuple[str, Values]]:
    return ((one.name, (Counted(one.rx_bytes, one.rx_rate), Counted(one.tx_bytes, one.tx_rate))) for one in sample.nics or ())


def _cores(sample: _Cpu) -> Iterator[tuple[str, Values]]:
    return ((str(number), (share,)) for number, share in enumerate(sample.cpu.cores if sample.cpu else ()))


def _gpus(sample: _Gpus) -> Iterator[tuple[str, Values]]:
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


@dataclass
class Point:
    """The mean of `count` values, and the highest of them."""

    at: int
    value: float
    most: float
    count: int = 1

    def add(self, value: float) -> None:
        self.value += (value - self.value) / (self.count + 1)
        self.most = max(self.most, value)
        self.count += 1


@dataclass
class Line:
    """One figure of one name over time; points ascend by `at`, UTC ms."""

    name: str
    figure: str
    unit: str
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """`since` is later than what was asked for where details are no longer kept. Of each `slot` ms one sample was read. `names`: all that
    were seen; `lines`: of the chosen, those of one name together."""

    since: int
    until: int
    step: int
    slot: int
    kept_since: int
    names: list[str]
    lines: list[Line]


class Details:
    def __init__(self, db: Db, config: Config) -> None:
        self._db, self._config = db, config

    async def series(
        self, node_id: str, kind: str, since: int, until: int, now: int, names: Sequence[str] = (), step: int | None = None
    ) -> Found:
        """`kind` is one of KINDS; `names`: which of them, by default the MOST_NAMES that stand out most. Times and `step` in ms.

        Raises NotFound for another kind.
        """
        if kind not in KINDS:
            raise NotFound(f"there are no details of {kind[:40]!r}; there are {', '.join(KINDS)}")
        what, kept = KINDS[kind], kept_since(now, self._config, 1)
        since = max(since, kept)
        if since >= until:
            return Found(since, until, step or 1, 1, kept, [], [])
        step = step or step_of(since, until, now, self._config)
        slot = max(-(-(until - since) // READS), 1)
        wanted = {"node_id": node_id, "since": since, "until": until, "slot": slot, "limit": READS * 2}
        rows = await self._db.rows(self._db.q.metrics.details, wanted | what.where)
        # Beside the event loop: a month of samples takes longer to read than others should wait.
        gathered = await asyncio.to_thread(_gather, what, rows, step, max(3 * slot, SILENCE_MS))
        every = gathered.names()
        chosen = [name for name in every if name in set(names)] if names else gathered.foremost(kind)
        return Found(since, until, step, slot, kept, every, [line for name in chosen for line in gathered.lines[name]])


def _gather(what: Kind, rows: Sequence[Row], step: int, silence: int) -> _Gathered:
    decode: Callable[[str], Any] = msgspec.json.Decoder(what.shape).decode
    gathered = _Gathered(what, step, silence)
    for row in rows:
        gathered.add(row["at"], what.read(decode(row["detail"])))
    return gathered


class _Gathered:
    """Lines by name, as samples are added in the order of their time."""

    def __init__(self, kind: Kind, step: int, silence: int) -> None:
        self._kind, self._step, self._silence = kind, step, silence
        self._before: dict[str, tuple[int, Values]] = {}
        self.lines: dict[str, list[Line]] = {}

    def add(self, at: int, found: Iterator[tuple[str, Values]]) -> None:
        spot = at if self._step == 1 else at - at % self._step
        for name, values in found:
            lines = self.lines.get(name)
            if lines is None:
                lines = self.lines[name] = [Line(name, figure.name, figure.unit) for figure in self._kind.figures]
            before = self._before.get(name)
            for number, (line, value) in enumerate(zip(lines, values, strict=True)):
                if isinstance(value, Counted):
                    value = self._rate(at, value, before, number)
                if value is None:
                    continue
                points = line.points
                if points and points[-1].at == spot:
                    points[-1].add(value)
                else:
                    points.append(Point(spot, value, value))
            self._before[name] = (at, values)

    def _rate(self, at: int, now: Counted, before: tuple[int, Values] | None, number: int) -> float | None:
        if before is not None and 0 < at - before[0] <= self._silence:
            last = before[1][number]
            if isinstance(last, Counted) and now.count >= last.count:
                return (now.count - last.count) * 1000 / (at - before[0])
        return now.rate

    def names(self) -> list[str]:
        """Cores and GPUs by number, others by name."""
        return sorted(self.lines, key=lambda name: (int(name.split()[0]) if name.split()[:1] and name.split()[0].isdecimal() else -1, name))

    def foremost(self, kind: str) -> list[str]:
        """Mounts by how full they are now, others by their mean: as many as a chart can show, in the order of `names`."""

        def weight(name: str) -> float:
            if kind == "mounts":
                return self.lines[name][0].points[-1].value
            return sum(sum(point.value for point in line.points) / len(line.points) for line in self.lines[name] if line.points)

        ranked = sorted((name for name in self.lines if any(line.points for line in self.lines[name])), key=weight, reverse=True)
        chosen = set(ranked[:MOST_NAMES])
        return [name for name in self.names() if name in chosen]
