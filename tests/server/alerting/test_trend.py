"""When a disk is full: a line through noise, outliers and steps."""

from __future__ import annotations

import random

import pytest

from server.alerting.trend import NEVER_HOURS, hours_until_full

HOUR = 3_600_000
STEP = HOUR // 4


def rising(level: float, an_hour: float, count: int = 24) -> list[tuple[int, float]]:
    return [(turn * STEP, level + an_hour * turn / 4) for turn in range(count)]


def test_a_disk_that_fills_steadily_is_full_when_the_line_says() -> None:
    points = rising(50.0, 2.0)
    assert hours_until_full(points) == pytest.approx((100 - points[-1][1]) / 2.0)


def test_noise_and_outliers_do_not_bend_the_line() -> None:
    dice = random.Random(1)
    points = [(at, value + dice.gauss(0, 0.2)) for at, value in rising(50.0, 2.0)]
    for place in (3, 9, 17):
        points[place] = (points[place][0], 5.0)
    assert hours_until_full(points) == pytest.approx((100 - 61.5) / 2.0, rel=0.1)


def test_a_disk_that_does_not_fill_never_is() -> None:
    assert hours_until_full(rising(97.0, 0.0)) == NEVER_HOURS
    assert hours_until_full(rising(90.0, -1.0)) == NEVER_HOURS
    dice = random.Random(2)
    assert hours_until_full([(at, 80 + dice.gauss(0, 0.01)) for at, _ in rising(0, 0)]) == NEVER_HOURS


def test_too_few_points_say_nothing() -> None:
    assert hours_until_full([]) is None
    assert hours_until_full(rising(50.0, 30.0, 7)) is None
    assert hours_until_full([(turn * 60_000, 50.0 + turn) for turn in range(20)]) is None, "twenty minutes are no trend"


def test_a_full_disk_is_full_now() -> None:
    assert hours_until_full([*rising(50.0, 1.0), (30 * STEP, 100.0)]) == 0.0
