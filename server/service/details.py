"""Figures of each mount, device, interface, core and GPU over time (M2, D1).

Up to a day they are read from the details that are stored with each sample, READS of them at most, one for each slot of time, so a day of
a host that measures every minute is read whole. A longer range, and one that begins before samples are kept, is made of the roll-ups
(detail_rollups.py), ROWS of them at most, and of samples where nothing is rolled up yet. A point is the mean of what was read in its
time, and the highest of it. Rates are what counters grew by from one sample to the next, or as the host told them (detail_kinds.py).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from server.config import Config
from server.db import Db, Row
from server.errors import NotFound
from server.service.detail_kinds import KINDS, SILENCE_MS, Kind, Values, rate
from server.service.detail_rollups import DAY_MS, DETAIL_TIERS, DetailRollups
from server.service.detail_spans import Numbers, fours, read
from server.service.ranges import kept_since, step_of

log = logging.getLogger("server.details")

READS = 1_440
"""Samples that are read for a range at most."""

ROWS = 1_500
"""Roll-ups that are read for a range at most, as far as the longest of them allow: four years of days."""

MOST_KNOWN = 1_000
"""Names in all: a host may invent others without end, and a page lists them."""

MOST_NAMES = 6
"""Of those that nobody chose from; more lines in a chart cannot be told apart."""

MOST_CHOSEN = 64


@dataclass
class Point:
    """The mean of `count` values, and the highest of them."""

    at: int
    value: float
    most: float
    count: int = 1

    def add(self, value: float, most: float, count: int) -> None:
        self.count += count
        self.value += (value - self.value) * count / self.count
        if most > self.most:
            self.most = most


@dataclass
class Line:
    """One figure of one name over time; points ascend by `at`, UTC ms."""

    name: str
    figure: str
    unit: str
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """`since` is later than what was asked for where details are no longer kept. Of each `slot` ms of what is not rolled up one sample was
    read. `names`: all that were seen; `lines`: of the chosen, those of one name together."""

    since: int
    until: int
    step: int
    slot: int
    kept_since: int
    names: list[str]
    lines: list[Line]


class Details:
    def __init__(self, db: Db, config: Config, rolled: DetailRollups) -> None:
        self._db, self._config, self._rolled = db, config, rolled

    async def series(
        self, node_id: str, kind: str, since: int, until: int, now: int, names: Sequence[str] = (), step: int | None = None
    ) -> Found:
        """`kind` is one of KINDS; `names`: which of them, by default the MOST_NAMES that stand out most. Times and `step` in ms.

        Of a range that is made of roll-ups the step is a whole number of those that are read. Raises NotFound for another kind.
        """
        if kind not in KINDS:
            raise NotFound(f"there are no details of {kind[:40]!r}; there are {', '.join(KINDS)}")
        state = await self._rolled.state()
        kept = max(kept_since(now, self._config), state["details_since"])
        since = max(since, kept)
        if since >= until:
            return Found(since, until, step or 1, 1, kept, [], [])
        step = step or step_of(since, until, now, self._config)
        spans: list[Row] = []
        rest = since
        if until - since > DAY_MS or since < kept_since(now, self._config, 1):
            step, tier = _tier(step, until - since)
            spans, rest = await self._spans(node_id, tier, since, until, state["details_until"])
        slot = max(-(-(until - rest) // READS), 1)
        samples: list[Row] = []
        if rest <= until:
            wanted = {"node_id": node_id, "since": rest, "until": until, "slot": slot, "limit": READS * 2}
            samples = await self._db.rows(self._db.q.metrics.details, wanted | KINDS[kind].where)
        # Beside the event loop: a year takes longer to read than others should wait.
        gathered = await asyncio.to_thread(_gather, kind, spans, samples, step, max(3 * slot, SILENCE_MS))
        every = gathered.names()
        chosen = [name for name in every if name in set(names)] if names else gathered.foremost(kind)
        return Found(since, until, step, slot, kept, every, [line for name in chosen for line in gathered.lines[name]])

    async def _spans(self, node_id: str, tier: int, since: int, until: int, done: int) -> tuple[list[Row], int]:
        """Roll-ups of that tier, then of the finer ones for what it does not reach yet; and from when on there are samples only."""
        rows: list[Row] = []
        begin = since // tier * tier  # whole spans only, as of headline figures
        for one in (one for one in reversed(DETAIL_TIERS) if one <= tier):
            end = min(done // one * one, until + 1)
            if begin < end:
                rows += await self._rolled.series(node_id, one, begin, end, ROWS * 4)
                begin = done // one * one
        return rows, max(begin, since)


def _tier(step: int, span: int) -> tuple[int, int]:
    """The step, or the next longer one that roll-ups of one length fill, so that ROWS are enough; and that length."""
    for tier in DETAIL_TIERS:
        if span <= ROWS * tier or tier == DETAIL_TIERS[-1]:
            step = -(-step // tier) * tier
            break
    return step, next(tier for tier in reversed(DETAIL_TIERS) if step % tier == 0)


def _gather(kind: str, spans: Sequence[Row], samples: Sequence[Row], step: int, silence: int) -> _Gathered:
    what = KINDS[kind]
    decode: Callable[[str], Any] = msgspec.json.Decoder(what.shape).decode
    gathered = _Gathered(what, step, silence)
    damaged = 0
    for row in spans:
        try:
            gathered.add_span(row["at"], read(kind, row["detail"]).items())
        except msgspec.DecodeError:
            damaged += 1
    for row in samples:
        try:
            gathered.add(row["at"], what.read(decode(row["detail"])))
        except msgspec.DecodeError:
            damaged += 1
    if damaged:
        log.warning("details of %s: %d rows cannot be read and are left out", kind, damaged)
    return gathered


class _Gathered:
    """Lines by name, as roll-ups and samples are added in the order of their time."""

    def __init__(self, kind: Kind, step: int, silence: int) -> None:
        self._kind, self._step, self._silence = kind, step, silence
        self._before: dict[str, tuple[int, Values]] = {}
        self.lines: dict[str, list[Line]] = {}

    def add(self, at: int, found: Iterator[tuple[str, Values]]) -> None:
        spot = at if self._step == 1 else at - at % self._step
        for name, values in found:
            lines = self._of(name)
            if not lines:
                continue
            before = self._before.get(name)
            for number, (line, value) in enumerate(zip(lines, values, strict=True)):
                if isinstance(value, tuple):
                    value = rate(value, before[1][number] if before else None, at - before[0] if before else 0, self._silence)
                if value is not None:
                    _point(line, spot, value, value, 1)
            self._before[name] = (at, values)

    def add_span(self, at: int, found: Iterable[tuple[str, Numbers]]) -> None:
        spot = at - at % self._step
        for name, numbers in found:
            for line, (mean, _, most, count) in zip(self._of(name), fours(numbers), strict=False):
                if count:
                    _point(line, spot, mean, most, count)

    def _of(self, name: str) -> list[Line]:
        lines = self.lines.get(name)
        if lines is None:
            if len(self.lines) >= MOST_KNOWN:
                return []
            lines = self.lines[name] = [Line(name, figure.name, figure.unit) for figure in self._kind.figures]
        return lines

    def names(self) -> list[str]:
        """Cores and GPUs by number, others by name."""
        return sorted(self.lines, key=_place)

    def foremost(self, kind: str) -> list[str]:
        """Mounts by how full they are now, others by their mean: as many as a chart can show, in the order of `names`."""

        def weight(name: str) -> float:
            if kind == "mounts":
                return self.lines[name][0].points[-1].value
            return sum(sum(point.value for point in line.points) / len(line.points) for line in self.lines[name] if line.points)

        ranked = sorted((name for name in self.lines if any(line.points for line in self.lines[name])), key=weight, reverse=True)
        chosen = set(ranked[:MOST_NAMES])
        return [name for name in self.names() if name in chosen]


def _place(name: str) -> tuple[int, str]:
    """Its number, if it has one that can be counted to, then the name."""
    first = name.split(maxsplit=1)[:1]
    return (int(first[0]) if first and first[0].isdecimal() and len(first[0]) < 16 else -1, name)


def _point(line: Line, spot: int, value: float, most: float, count: int) -> None:
    points = line.points
    if points and points[-1].at == spot:
        points[-1].add(value, most, count)
    else:
        points.append(Point(spot, value, most, count))
