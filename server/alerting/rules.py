"""A rule: which figure of which nodes, from when on it is bad, and when it is good again."""

from __future__ import annotations

from dataclasses import dataclass

from server.alerting.metrics import DAYS, HOURS, NUMBER, SECONDS, Metric

METRIC, CHANGE, DISK_FULL, OFFLINE = "metric", "change", "disk-full", "offline"
AGENT_FAILED, AGENT_RESTARTS, UPDATE = "agent-failed", "agent-restarts", "update-failed"
CERTIFICATE, OUTBOX, CLOCK = "certificate", "outbox", "clock"
KINDS = (METRIC, CHANGE, DISK_FULL, OFFLINE, AGENT_FAILED, AGENT_RESTARTS, UPDATE, CERTIFICATE, OUTBOX, CLOCK)

ABOVE, BELOW = "above", "below"
SEVERITIES = ("info", "warning", "critical")
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MOST_HOLD_MS = 7 * DAY_MS
SPANS = {CHANGE: (5 * MINUTE_MS, DAY_MS), AGENT_RESTARTS: (MINUTE_MS, 7 * DAY_MS), OUTBOX: (MINUTE_MS, 7 * DAY_MS)}
"""Kinds that look at a span of time → its shortest and longest, in ms."""

BY_METRIC = (METRIC, CHANGE)
COUNTERS = (AGENT_RESTARTS, OUTBOX)
"""Kinds whose figure is how much a counter has grown over the rule's span."""

FIXED: dict[str, tuple[str, Metric]] = {
    DISK_FULL: (BELOW, Metric("disk-full", "", HOURS, "", "mount", low=1, high=24 * 90)),
    OFFLINE: (ABOVE, Metric("offline", "", SECONDS, "", low=0, high=30 * 86400)),
    AGENT_FAILED: (ABOVE, Metric("agent-failed", "", NUMBER, "", low=0, high=0)),
    AGENT_RESTARTS: (ABOVE, Metric("agent-restarts", "", NUMBER, "", low=0, high=10_000)),
    UPDATE: (ABOVE, Metric("update-failed", "", NUMBER, "", low=0, high=0)),
    CERTIFICATE: (BELOW, Metric("certificate", "", DAYS, "", low=1, high=365)),
    OUTBOX: (ABOVE, Metric("outbox", "", NUMBER, "", low=0, high=1e9)),
    CLOCK: (ABOVE, Metric("clock", "", SECONDS, "", low=1, high=30 * 86400)),
}
"""Kinds that are no matter of a metric → on which side of the threshold it is bad, and what the threshold counts."""


@dataclass(frozen=True)
class Rule:
    """What the evaluation needs of a rule. Times in ms, thresholds in the metric's unit.

    Bad: beyond `threshold` for `hold_ms`. Good again: not beyond `clear_threshold` for `clear_ms`.
    """

    kind: str
    comparison: str
    threshold: float
    clear_threshold: float
    hold_ms: int = 0
    clear_ms: int = 0
    span_ms: int = 0

    def bad(self, value: float) -> bool:
        return value > self.threshold if self.comparison == ABOVE else value < self.threshold

    def good(self, value: float) -> bool:
        return value <= self.clear_threshold if self.comparison == ABOVE else value >= self.clear_threshold


def check_clear(comparison: str, threshold: float, clear: float) -> None:
    """Raises ValueError when the clear threshold is on the bad side of the other one."""
    if (comparison == ABOVE and clear > threshold) or (comparison == BELOW and clear < threshold):
        side = "at or below" if comparison == ABOVE else "at or above"
        raise ValueError(f"an alert {comparison} {threshold:g} is good again {side} {threshold:g}, not at {clear:g}")
