"""An alert in one English sentence, with the figure and the threshold. Names in it are other people's text: escape where shown."""

from __future__ import annotations

from server.alerting import rules
from server.alerting.metrics import DAYS, HOURS, Metric, figure, time
from server.alerting.rules import Rule
from server.alerting.trend import NEVER_HOURS


def opened(rule: Rule, metric: Metric, node: str, subject: str, value: float) -> str:
    """What is wrong."""
    return _SENTENCES.get(rule.kind, _by_metric)(rule, metric, f"{node} {subject}".strip(), value)[:500]


def storm(rule_name: str, count: int) -> str:
    return f"{rule_name}: {count} alerts on different nodes within a minute"[:500]


def storm_over(rule_name: str, count: int) -> str:
    return f"{rule_name}: all {count} alerts of this storm are resolved"[:500]


def span(ms: int) -> str:
    """`5 min`, `24 h`."""
    return time(ms / 1000)


def _by_metric(rule: Rule, metric: Metric, where: str, value: float) -> str:
    held = f" for {span(rule.hold_ms)}" if rule.hold_ms else ""
    threshold = figure(rule.threshold, metric.unit)
    if rule.kind == rules.CHANGE:
        return f"{metric.title} of {where} changed by {figure(value, metric.unit)} in {span(rule.span_ms)}, {rule.comparison} {threshold}"
    return f"{metric.title} of {where} is {figure(value, metric.unit)}, {rule.comparison} {threshold}{held}"


def _disk_full(rule: Rule, metric: Metric, where: str, value: float) -> str:
    when = "is full" if value <= 0 else f"will be full in {figure(min(value, NEVER_HOURS), HOURS)}"
    return f"{where} {when} if it goes on like this, sooner than {figure(rule.threshold, HOURS)}"


def _offline(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"{where} has been offline for {figure(value, 's')}, longer than {figure(rule.threshold, 's')}"


def _agent_failed(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"The agent of {where} has failed and was not brought back"


def _restarts(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"The agent of {where} was restarted {value:.0f} times in {span(rule.span_ms)}, more than {rule.threshold:.0f}"


def _update(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"An update of {where} failed"


def _certificate(rule: Rule, metric: Metric, where: str, value: float) -> str:
    if value < 0:
        return f"The certificate of {where} has ended"
    return f"The certificate of {where} ends in {figure(value, DAYS)}, sooner than {figure(rule.threshold, DAYS)}"


def _outbox(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"{where} let go of {value:.0f} records in {span(rule.span_ms)} because they could not be sent, more than {rule.threshold:.0f}"


def _clock(rule: Rule, metric: Metric, where: str, value: float) -> str:
    return f"The clock of {where} is off by {figure(value, 's')}, more than {figure(rule.threshold, 's')}"


_SENTENCES = {
    rules.DISK_FULL: _disk_full,
    rules.OFFLINE: _offline,
    rules.AGENT_FAILED: _agent_failed,
    rules.AGENT_RESTARTS: _restarts,
    rules.UPDATE: _update,
    rules.CERTIFICATE: _certificate,
    rules.OUTBOX: _outbox,
    rules.CLOCK: _clock,
}
