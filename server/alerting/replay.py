"""What a rule would have done with what was seen: the live core (states.py), fed with stored figures. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from server.alerting.rules import ABOVE, Rule
from server.alerting.states import OPENED, RESOLVED, Limits, Seen, Watch, step
from server.alerting.trend import hours_until_full


@dataclass(frozen=True)
class Spell:
    """An alert that would have been open from `opened_at` to `resolved_at` (UTC ms; 0: it still would be). `value` opened it."""

    opened_at: int
    resolved_at: int
    value: float


@dataclass(frozen=True)
class Point:
    """What a roll-up holds of a span that begins at `at`."""

    at: int
    mean: float
    least: float
    most: float


def replay(rule: Rule, seen: Iterable[Seen], limits: Limits) -> list[Spell]:
    """The alerts of one subject, in order."""
    watch, spells = Watch(), list[Spell]()
    for one in seen:
        watch, came = step(rule, watch, one, one.at, limits)
        if OPENED in came:
            spells.append(Spell(one.at, 0, one.value))
        if RESOLVED in came:
            spells[-1] = Spell(spells[-1].opened_at, one.at, spells[-1].value)
    return spells


def figures(rule: Rule, points: Iterable[Point]) -> Iterator[Seen]:
    """Of each span its worst figure where a moment is enough for the rule, else its mean."""
    for point in points:
        worst = point.most if rule.comparison == ABOVE else point.least
        yield Seen(point.at, point.mean if rule.hold_ms else worst)


def changes(points: Sequence[Point], span_ms: int) -> Iterator[Seen]:
    """Each span's mean less the mean of the span `span_ms` before."""
    means = {point.at: point.mean for point in points}
    for point in points:
        if point.at - span_ms in means:
            yield Seen(point.at, point.mean - means[point.at - span_ms])


def moments(points: Iterable[tuple[int, float]]) -> Iterator[Seen]:
    """Single figures (UTC ms, value) as they were seen."""
    return (Seen(at, value) for at, value in points)


def trends(points: Sequence[tuple[int, float]], every_ms: int, window_ms: int) -> Iterator[Seen]:
    """Hours until the mount is full, as its `points` (UTC ms, percent) looked every `every_ms` from the `window_ms` before."""
    first, due = 0, points[0][0] if points else 0
    for last, (at, _) in enumerate(points):
        if at < due:
            continue
        due = at + every_ms
        while points[first][0] < at - window_ms:
            first += 1
        hours = hours_until_full(points[first : last + 1])
        if hours is not None:
            yield Seen(at, hours)


def absences(rule: Rule, states: Sequence[tuple[int, str]], offline: str, online: str, until: int) -> Iterator[Seen]:
    """Seconds offline, at those moments at which the rule has something to say; `states` are changes, in order.

    What is neither offline nor online says nothing, as it does to the live watch.
    """
    for number, (at, state) in enumerate(states):
        end = states[number + 1][0] if number + 1 < len(states) else until
        if state == offline:
            bad = at + int(rule.threshold * 1000) + 1
            if bad < end:
                yield Seen(bad, (bad - at) / 1000)
        elif state == online:
            yield Seen(at, 0.0)
            if rule.clear_ms and at + rule.clear_ms < end:
                yield Seen(at + rule.clear_ms, 0.0)
