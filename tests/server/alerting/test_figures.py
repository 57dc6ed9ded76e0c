"""Thresholds as people write them, and sentences as they read them."""

from __future__ import annotations

import pytest

from server.alerting import rules
from server.alerting.metrics import (
    BYTES,
    DAYS,
    HOURS,
    METRICS,
    NUMBER,
    PERCENT,
    RATE,
    SECONDS,
    figure,
    metric_of,
    plugin_metric,
    read_figure,
)
from server.alerting.rules import FIXED, Rule, check_clear
from server.alerting.sentences import opened
from server.alerting.storms import SPAN_MS, Storm, joins, over


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("90", PERCENT, 90),
        (" 90.5 % ", PERCENT, 90.5),
        ("10GiB", BYTES, 10 * 2**30),
        ("10 gb", BYTES, 10**10),
        ("512", BYTES, 512),
        ("1.5 MiB/s", RATE, 1.5 * 2**20),
        ("1MB", RATE, 10**6),
        ("5m", SECONDS, 300),
        ("2h", SECONDS, 7200),
        ("14 days", DAYS, 14),
        ("8", NUMBER, 8),
        ("1e3", NUMBER, 1000),
    ],
)
def test_a_threshold_is_read_with_its_unit(text: str, unit: str, value: float) -> None:
    assert read_figure(text, unit, 0, 1e15 if unit != PERCENT else 100) == value


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("90GB", PERCENT, "wrong unit; write a number from 0 to 100"),
        ("90%", BYTES, "wrong unit; write bytes, such as 10GiB"),
        ("10MB/s", BYTES, "wrong unit"),
        ("5m", NUMBER, "wrong unit"),
        ("900", PERCENT, r"out of range \(0 to 100\)"),
        ("-1", PERCENT, "out of range"),
        ("much", PERCENT, "is no figure"),
        ("", PERCENT, "is no figure"),
        ("nan", NUMBER, "is no figure"),
        ("1e99", NUMBER, "out of range"),
        ("10 G B", BYTES, "is no figure"),
    ],
)
def test_a_threshold_of_the_wrong_unit_or_size_is_refused_with_the_mend(text: str, unit: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_figure(text, unit, 0, 1e15 if unit != PERCENT else 100)


def test_an_unknown_metric_is_refused_with_what_comes_closest() -> None:
    with pytest.raises(ValueError, match=r"did you mean mount\.percent"):
        metric_of("mount.percnt", {})
    with pytest.raises(ValueError, match="plugin:PLUGIN/NAME"):
        metric_of("plugin:queue", {})
    assert metric_of("plugin:queue/held", {}) == plugin_metric("queue", "held")
    assert metric_of("plugin:queue/share", {"plugin:queue/share": "%"}).unit == PERCENT


def test_good_again_lies_on_the_good_side() -> None:
    check_clear(rules.ABOVE, 90, 80)
    check_clear(rules.BELOW, 10, 20)
    with pytest.raises(ValueError, match="at or below 90"):
        check_clear(rules.ABOVE, 90, 95)
    with pytest.raises(ValueError, match="at or above 10"):
        check_clear(rules.BELOW, 10, 5)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (93.42, PERCENT, "93.42 %"),
        (2**31, BYTES, "2 GiB"),
        (90, SECONDS, "90 s"),
        (7200, SECONDS, "2 h"),
        (2.4113, HOURS, "2 h 25 min"),
        (13.4, DAYS, "13 d 10 h"),
    ],
)
def test_figures_are_said_for_people(value: float, unit: str, text: str) -> None:
    assert figure(value, unit) == text


@pytest.mark.parametrize("kind", rules.KINDS)
def test_every_kind_says_what_is_wrong_in_one_sentence(kind: str) -> None:
    metric = FIXED[kind][1] if kind in FIXED else METRICS["cpu_usage"]
    one = Rule(kind, FIXED[kind][0] if kind in FIXED else rules.ABOVE, 5, 5, 300_000, 0, 3_600_000)
    text = opened(one, metric, "web-1", "", 7.5)
    assert "web-1" in text
    assert len(text) < 200


def test_more_nodes_than_the_bound_are_a_storm_and_those_that_follow_join_it() -> None:
    ten = {f"n{number}" for number in range(10)}
    assert not joins(None, ten, set(), 0, 10)
    assert joins(None, ten | {"n10"}, set(), 0, 10)
    assert joins(None, {"n99"}, ten, 0, 10), "those of the last minute count too"
    assert not joins(None, {"n1"}, ten, 0, 10), "the same node again is no further one"
    storm = Storm("s", 1_000, 11, 11)
    assert joins(storm, {"n99"}, set(), 1_000 + SPAN_MS, 10)
    assert not joins(storm, {"n99"}, set(), 1_001 + SPAN_MS, 10)
    assert over(storm, 1_001 + SPAN_MS)
