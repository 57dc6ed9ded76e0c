"""Timelines of every kind of rule, with passed-in time: each line is minutes → what is seen, and what must have come of it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from server.alerting import rules
from server.alerting.rules import ABOVE, BELOW, FIXED, Rule
from server.alerting.states import FIRING, FOUND, GAP_MS, LOST, OK, OPENED, PENDING, RESOLVED, Limits, Seen, Watch, growth, step

MIN = 60_000
LIMITS = Limits(opens=3, span_ms=60 * MIN)
FRESH = Watch()
Timeline = Sequence[tuple[float, float | None]]


def rule(
    kind: str = rules.METRIC, threshold: float = 90, clear: float | None = None, hold: float = 0, clear_after: float = 0, span: int = 60
) -> Rule:
    comparison = FIXED[kind][0] if kind in FIXED else ABOVE
    return Rule(kind, comparison, threshold, threshold if clear is None else clear, int(hold * MIN), int(clear_after * MIN), span * MIN)


def run(one: Rule, timeline: Timeline, watch: Watch = FRESH) -> tuple[list[tuple[float, str]], Watch]:
    """(minute, what came) of a timeline, and the watch in the end. None: nothing fresh is seen."""
    found: list[tuple[float, str]] = []
    for minute, value in timeline:
        at = int(minute * MIN) + MIN
        watch, came = step(one, watch, None if value is None else Seen(at, value), at, LIMITS)
        found += [(minute, what) for what in came]
    return found, watch


@pytest.mark.parametrize(
    ("one", "timeline", "came"),
    [
        # a metric over its threshold for a time
        (rule(hold=5), [(0, 95), (4, 96)], []),
        (rule(hold=5), [(0, 95), (3, 91), (5, 92)], [(5, OPENED)]),
        (rule(hold=5), [(0, 95), (3, 10), (5, 92), (9, 92), (10, 92)], [(10, OPENED)]),
        (rule(), [(0, 90), (1, 90.1), (2, 95), (3, 90)], [(1, OPENED), (3, RESOLVED)]),
        # hysteresis: between the thresholds it is neither bad nor good
        (rule(clear=80), [(0, 95), (1, 85), (9, 81), (10, 80)], [(0, OPENED), (10, RESOLVED)]),
        (rule(clear=80, clear_after=5), [(0, 95), (1, 70), (5, 70), (6, 70)], [(0, OPENED), (6, RESOLVED)]),
        (rule(clear=80, clear_after=5), [(0, 95), (1, 70), (4, 85), (5, 70), (9, 70), (10, 70)], [(0, OPENED), (10, RESOLVED)]),
        (rule(clear=80, clear_after=5), [(0, 95), (1, 70), (4, 95), (8, 70), (12, 70), (13, 70)], [(0, OPENED), (13, RESOLVED)]),
        # below a threshold
        (Rule(rules.METRIC, BELOW, 10, 20), [(0, 11), (1, 9), (2, 15), (3, 20)], [(1, OPENED), (3, RESOLVED)]),
        # rate of change: the figure is the difference
        (rule(rules.CHANGE, 20), [(0, 5), (1, 25), (2, 3)], [(1, OPENED), (2, RESOLVED)]),
        # a disk that is full in so many hours
        (rule(rules.DISK_FULL, 24, 36), [(0, 1e6), (5, 23), (10, 30), (15, 40)], [(5, OPENED), (15, RESOLVED)]),
        # offline for longer than its grace: seconds
        (rule(rules.OFFLINE, 300), [(0, 0), (1, 60), (5, 300), (5.25, 315), (6, 0)], [(5.25, OPENED), (6, RESOLVED)]),
        # the agent has failed
        (rule(rules.AGENT_FAILED, 0, hold=1), [(0, 1), (0.5, 0), (1, 1), (2, 1), (3, 0)], [(2, OPENED), (3, RESOLVED)]),
        # more restarts than three in an hour: the counter itself is seen
        (rule(rules.AGENT_RESTARTS, 3), [(0, 7), (10, 8), (20, 10), (30, 11), (75, 11)], [(30, OPENED), (75, RESOLVED)]),
        (rule(rules.AGENT_RESTARTS, 3), [(0, 7), (40, 9), (80, 10), (120, 12)], []),
        # a counter that began anew counts from nothing
        (rule(rules.OUTBOX, 0), [(0, 500), (1, 0), (2, 0), (3, 4), (62, 4), (64, 4)], [(3, OPENED), (64, RESOLVED)]),
        (rule(rules.UPDATE, 0), [(0, 0), (1, 1), (2, 1), (3, 0)], [(1, OPENED), (3, RESOLVED)]),
        (rule(rules.CERTIFICATE, 14), [(0, 14), (1, 13.9), (2, 90)], [(1, OPENED), (2, RESOLVED)]),
        (rule(rules.CLOCK, 30, 10, hold=2), [(0, 40), (2, 40), (3, 20), (4, 5)], [(2, OPENED), (4, RESOLVED)]),
    ],
)
def test_a_rule_fires_holds_and_clears(one: Rule, timeline: Timeline, came: list[tuple[float, str]]) -> None:
    assert run(one, timeline)[0] == came


@pytest.mark.parametrize("kind", [kind for kind in rules.KINDS if kind not in rules.COUNTERS])
def test_a_silent_node_neither_opens_nor_resolves_an_alert_of_any_kind(kind: str) -> None:
    one = rule(kind, 0 if kind in (rules.AGENT_FAILED, rules.UPDATE) else 50)
    bad, good = (10, 90) if one.comparison == BELOW else (90, 0)
    came, watch = run(one, [(0, None), (1, bad), (2, None), (3, None), (9, None), (10, bad), (11, None), (12, good)])
    assert came == [(1, OPENED), (2, LOST), (10, FOUND), (11, LOST), (12, FOUND), (12, RESOLVED)]
    assert watch.state == OK


def test_what_was_pending_begins_anew_after_silence() -> None:
    one = rule(hold=5)
    assert run(one, [(0, 95), (3, None), (4, 95), (8, 95)])[0] == []
    assert run(one, [(0, 95), (3, None), (4, 95), (8, 95), (9, 95)])[0] == [(9, OPENED)]


def test_what_nobody_saw_is_no_stretch() -> None:
    """A manager that was down: two bad figures with a long gap between them are not one bad time, nor two good ones a good one."""
    gap = GAP_MS / MIN + 1
    came, watch = run(rule(hold=5), [(0, 95), (gap, 95)])
    assert (came, watch.state) == ([], PENDING)
    came, watch = run(rule(clear_after=5), [(0, 95), (1, 10), (1 + gap, 10)])
    assert (came, watch.open) == ([(0, OPENED)], True)


def test_the_same_observation_twice_changes_nothing() -> None:
    one = rule()
    watch, came = step(one, Watch(), Seen(MIN, 95), MIN, LIMITS)
    assert came == (OPENED,)
    again, came = step(one, watch, Seen(MIN, 95), 2 * MIN, LIMITS)
    assert (again, came) == (watch, ())
    older, came = step(one, watch, Seen(MIN - 1, 5), 2 * MIN, LIMITS)
    assert (older, came) == (watch, ())


def test_one_that_opens_too_often_stays_open_until_it_calms() -> None:
    bounce = [(minute, 95.0 if minute % 2 == 0 else 5.0) for minute in range(20)]
    came, watch = run(rule(), bounce)
    assert [what for _, what in came] == [OPENED, RESOLVED] * 3 + [OPENED]
    assert watch.flapping
    assert watch.open
    more, watch = run(rule(), [(30, 5), (40, 95), (50, 5), *((50 + n * 10, 5) for n in range(1, 7))], watch)
    assert more == [(110, RESOLVED)], "good for the whole hour since it was bad the last time"
    assert not watch.flapping
    came, watch = run(rule(), [(111, 95)], watch)
    assert [what for _, what in came] == [OPENED]
    assert not watch.flapping


def test_openings_far_apart_are_no_flapping() -> None:
    hourly = [(minute * 30.0, 95.0 if minute % 2 == 0 else 5.0) for minute in range(20)]
    _, watch = run(rule(), hourly)
    assert not watch.flapping


def test_a_flapping_alert_on_a_node_that_falls_silent_is_kept() -> None:
    bounce = [(minute, 95.0 if minute % 2 == 0 else 5.0) for minute in range(8)]
    _, watch = run(rule(), bounce)
    came, watch = run(rule(), [(9, None), (100, None)], watch)
    assert came == [(9, LOST)]
    assert (watch.state, watch.flapping, watch.silent) == (FIRING, True, True)


def test_a_counter_grows_by_what_came_and_never_backwards() -> None:
    assert growth([(0, 5.0), (1, 7.0), (2, 1.0), (3, 3.0)]) == 5.0
    assert growth([(0, 5.0)]) == 0.0


def test_what_a_counter_showed_stays_bounded() -> None:
    watch = Watch()
    for turn in range(2_000):
        watch, _ = step(rule(rules.OUTBOX, 1e6, span=7 * 1440), watch, Seen(turn * 15_000 + 1, float(turn)), turn * 15_000 + 1, LIMITS)
    assert len(watch.marks) <= 201
    assert watch.value == 1_999.0


def test_a_watch_in_which_nothing_is_left_need_not_be_kept() -> None:
    _, watch = run(rule(), [(0, 95), (1, 5), (30, 5)])
    assert not watch.empty, "that it opened lately counts for flapping"
    _, watch = run(rule(), [(62, 5)], watch)
    assert watch.empty
