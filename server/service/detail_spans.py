"""What details come to over a span of time, as JSON: of an hour from its samples, of a longer span from shorter ones. No I/O.

Kind → name → `mean, least, most, count` of each of the kind's figures, in their order; a figure that nobody told is `null, null, null, 0`.
Numbers have six digits. Rates are made as for charts of samples (detail_kinds.py); the first sample of an hour has none before it, so an
hour is made of its own samples only, and made again it is the same.

A host may invent names without end: each kind has ROOM characters, and who came first has a place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from server.service.detail_kinds import KINDS, SILENCE_MS, Values, Whole, rate
from server.service.samples import MOST_CHARACTERS

ROOM = MOST_CHARACTERS // len(KINDS)
"""All kinds together take no more than a sample may: some 850 cores, or 450 interfaces."""

EACH = 50
"""Characters that a figure takes at most."""

BEYOND = 1e18
"""No figure of a machine is so large: a host that says so would make means that are no numbers."""

NUMBERS = 4
Numbers = list[float | None]
Detail = dict[str, dict[str, Numbers]]
_decode: Callable[[str], Whole] = msgspec.json.Decoder(Whole).decode
_decode_span: Callable[[str], Detail] = msgspec.json.Decoder(Detail).decode
_READERS = {
    name: msgspec.json.Decoder(msgspec.defstruct(name, [(name, dict[str, Numbers], msgspec.field(default_factory=dict))])).decode
    for name in KINDS
}


def read(kind: str, text: str) -> dict[str, Numbers]:
    """Name → numbers of one kind. Raises KeyError for a kind that there is not."""
    found: dict[str, Numbers] = getattr(_READERS[kind](text), kind)
    return found


class _Sum:
    __slots__ = ("count", "least", "most", "total")

    def __init__(self) -> None:
        self.count, self.total, self.least, self.most = 0, 0.0, 0.0, 0.0

    def add(self, total: float, least: float, most: float, count: int) -> None:
        if not self.count or least < self.least:
            self.least = least
        if not self.count or most > self.most:
            self.most = most
        self.count += count
        self.total += total

    def numbers(self) -> Numbers:
        if not self.count:
            return [None, None, None, 0]
        return [_short(self.total / self.count), _short(self.least), _short(self.most), self.count]


class _Named:
    __slots__ = ("at", "sums", "values")

    def __init__(self, figures: int) -> None:
        self.at, self.sums = 0, [_Sum() for _ in range(figures)]
        self.values: Values = ()


class _Names:
    """Of one kind, those that found room."""

    def __init__(self, figures: int) -> None:
        self._figures, self._room, self.left_out = figures, ROOM, 0
        self.held: dict[str, _Named] = {}

    def get(self, name: str) -> _Named | None:
        held = self.held.get(name)
        if held is None:
            size = len(msgspec.json.encode(name)) + EACH * self._figures
            if size > self._room:
                self.left_out += 1
                return None
            self._room -= size
            held = self.held[name] = _Named(self._figures)
        return held


class Span:
    """Adds up. `left_out`: how often a name found no room; `unreadable`: samples or spans that could not be read."""

    def __init__(self) -> None:
        self._kinds = {name: _Names(len(kind.figures)) for name, kind in KINDS.items()}
        self.unreadable = 0

    @property
    def left_out(self) -> int:
        return sum(names.left_out for names in self._kinds.values())

    def add_samples(self, samples: Iterable[tuple[int, str]]) -> None:
        """UTC ms and JSON of stored samples, in order of time."""
        for at, text in samples:
            try:
                sample = _decode(text)
            except msgspec.DecodeError:  # a damaged row stops nobody's hour: it is counted, and told by whoever reads
                self.unreadable += 1
                continue
            for name, kind in KINDS.items():
                _add(self._kinds[name], at, kind.read(sample))

    def add_spans(self, texts: Iterable[str]) -> None:
        """Shorter spans, in order of time."""
        for text in texts:
            try:
                whole = _decode_span(text)
            except msgspec.DecodeError:
                self.unreadable += 1
                continue
            for kind, names in self._kinds.items():
                for name, numbers in whole.get(kind, {}).items():
                    held = names.get(name)
                    for sums, (mean, least, most, count) in zip(held.sums, fours(numbers), strict=False) if held else ():
                        if count:
                            sums.add(mean * count, least, most, count)

    def text(self) -> str | None:
        """JSON; None when nobody told anything."""
        whole: dict[str, Any] = {
            kind: {name: [number for sums in held.sums for number in sums.numbers()] for name, held in names.held.items()}
            for kind, names in self._kinds.items()
            if names.held
        }
        return msgspec.json.encode(whole).decode() if whole else None


def fours(numbers: Numbers) -> Iterator[tuple[float, float, float, int]]:
    """Mean, least, most and count of each figure; the first three say nothing where the count is 0."""
    for at in range(0, len(numbers) - len(numbers) % NUMBERS, NUMBERS):
        mean, least, most, count = numbers[at : at + NUMBERS]
        yield mean or 0.0, least or 0.0, most or 0.0, int(count or 0)


def _add(names: _Names, at: int, found: Iterator[tuple[str, Values]]) -> None:
    for name, values in found:
        held = names.held.get(name) or names.get(name)
        if held is None:
            continue
        for number, value in enumerate(values):
            if isinstance(value, tuple):
                value = rate(value, held.values[number] if held.values else None, at - held.at, SILENCE_MS)
            if value is not None and abs(value) <= BEYOND:
                held.sums[number].add(value, value, value, 1)
        held.at, held.values = at, values


def _short(value: float) -> float:
    return float(f"{value:.6g}")
