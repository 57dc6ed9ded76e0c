"""Where a rule stands on one subject of one node, moved on by what is seen there.

    ok → pending → firing → clearing → ok
          (bad for hold_ms)  (good for clear_ms)

Nothing to see (the node is down, or has told nothing fresh) is `silent`: what fires goes on firing and is marked so, what was
pending begins anew, nothing opens and nothing is called good. Opened too often it is `flapping`: it then stays open until it has
been good for as long as it was watched for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from server.alerting.rules import COUNTERS, Rule

OK, PENDING, FIRING, CLEARING = "ok", "pending", "firing", "clearing"
OPEN_STATES = (FIRING, CLEARING)

OPENED, RESOLVED, LOST, FOUND = "opened", "resolved", "lost", "found"
"""What can come of a step: it opened, it is good again, nothing is seen of it any more, something is seen again."""

GAP_MS = 900_000
"""Two observations further apart are not one stretch: what lay between nobody saw."""

MOST_MARKS = 200


@dataclass(frozen=True)
class Limits:
    """Flapping: opened more than `opens` times within `span_ms`."""

    opens: int = 5
    span_ms: int = 3_600_000


@dataclass(frozen=True)
class Seen:
    """One observation. For a counter's kind `value` is the counter itself."""

    at: int
    value: float


@dataclass(frozen=True)
class Watch:
    """`since`: when `state` began, or the bad or good stretch in it. `opens`: when it opened lately. `marks`: what a counter showed."""

    state: str = OK
    since: int = 0
    seen_at: int = 0
    value: float | None = None
    silent: bool = False
    flapping: bool = False
    opens: tuple[int, ...] = ()
    marks: tuple[tuple[int, float], ...] = ()

    @property
    def open(self) -> bool:
        return self.state in OPEN_STATES

    @property
    def empty(self) -> bool:
        """Nothing in it needs to be remembered."""
        return self.state == OK and not self.opens and not self.marks


def step(rule: Rule, watch: Watch, seen: Seen | None, now: int, limits: Limits = Limits()) -> tuple[Watch, tuple[str, ...]]:
    """The watch after `seen`, and what came of it; the same observation twice changes nothing. None: nothing fresh is seen."""
    watch = _forget(watch, now - limits.span_ms)
    if seen is None:
        return _silent(watch)
    found = (FOUND,) if watch.silent and watch.open else ()
    if seen.at <= watch.seen_at:
        # Already taken in; it may only have become fresh again in the eyes of who looks.
        return replace(watch, silent=False), found
    value, marks = _figure(rule, watch, seen)
    gap = bool(watch.seen_at) and seen.at - watch.seen_at > GAP_MS
    watch = replace(watch, seen_at=seen.at, value=value, marks=marks, silent=False)
    watch, more = _bad(rule, watch, seen.at, gap, limits) if rule.bad(value) else _better(rule, watch, value, seen.at, gap, limits)
    return watch, found + more


def _bad(rule: Rule, watch: Watch, at: int, gap: bool, limits: Limits) -> tuple[Watch, tuple[str, ...]]:
    if watch.open:
        return replace(watch, state=FIRING, since=watch.since if watch.state == FIRING else at), ()
    if watch.state == OK or gap:
        watch = replace(watch, state=PENDING, since=at)
    if at - watch.since < rule.hold_ms:
        return watch, ()
    opens = (*watch.opens, at)
    return replace(watch, state=FIRING, since=at, opens=opens, flapping=len(opens) > limits.opens), (OPENED,)


def _better(rule: Rule, watch: Watch, value: float, at: int, gap: bool, limits: Limits) -> tuple[Watch, tuple[str, ...]]:
    """Not bad; yet between the two thresholds it is not good either."""
    if not watch.open:
        return replace(watch, state=OK, since=at), ()
    if not rule.good(value):
        return replace(watch, state=FIRING, since=watch.since if watch.state == FIRING else at), ()
    if watch.state == FIRING or gap:
        watch = replace(watch, state=CLEARING, since=at)
    wanted = max(rule.clear_ms, limits.span_ms) if watch.flapping else rule.clear_ms
    if at - watch.since < wanted:
        return watch, ()
    return replace(watch, state=OK, since=at, flapping=False), (RESOLVED,)


def _silent(watch: Watch) -> tuple[Watch, tuple[str, ...]]:
    if not watch.open:
        return replace(watch, state=OK, silent=True), ()
    lost = () if watch.silent else (LOST,)
    return replace(watch, state=FIRING, silent=True), lost


def _figure(rule: Rule, watch: Watch, seen: Seen) -> tuple[float, tuple[tuple[int, float], ...]]:
    """What is compared. Of a counter: by how much it grew within the span; one that went backwards began anew."""
    if rule.kind not in COUNTERS:
        return seen.value, ()
    marks = list(watch.marks)
    if not marks or marks[-1][1] != seen.value:
        marks.append((seen.at, seen.value))
    before = seen.at - rule.span_ms
    while len(marks) > 1 and marks[1][0] <= before:
        marks.pop(0)
    if len(marks) > MOST_MARKS:
        # The oldest stays as what it is measured from; of the rest every second one.
        marks = [marks[0], *marks[1:-1:2], marks[-1]]
    return growth(marks), tuple(marks)


def growth(marks: Sequence[tuple[int, float]]) -> float:
    """How much a counter grew over these marks."""
    total = 0.0
    for (_, old), (_, new) in pairwise(marks):
        total += new - old if new >= old else new
    return total


def _forget(watch: Watch, before: int) -> Watch:
    if watch.flapping or not watch.opens or watch.opens[0] > before:
        return watch
    return replace(watch, opens=tuple(at for at in watch.opens if at > before))
