"""A rule as a person writes it, checked into the row that is stored: every mistake names its field and the mend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from server.alerting import rules
from server.alerting.metrics import DETAIL, HEADLINE, METRICS, MOST, NUMBER, PERCENT, Metric, metric_of, read_figure, written
from server.alerting.rules import ABOVE, BELOW, FIXED, Rule, check_clear
from server.db import Row
from server.errors import BadInput

MOST_NAME = 100
DAMAGED = "its {what} was damaged outside the manager: write the rule anew, or delete it"
_CHOICES = {"kind": rules.KINDS, "comparison": (ABOVE, BELOW), "severity": rules.SEVERITIES}
_NUMBERS = ("threshold", "clear_threshold", "hold_ms", "clear_ms", "span_ms", "command_limit")
MOST_COMMANDS_AN_HOUR = 100


@dataclass(frozen=True)
class Draft:
    """`threshold` and `clear` may carry a unit (`90%`, `10GiB`, `5m`); an empty `clear` is the threshold. Times in seconds.

    `command`: {"kind", "content"} of a task for the node that raised the alert; None for none; "keep" leaves the one that is there.
    """

    name: str
    kind: str
    selector: str
    metric: str = ""
    subject: str = ""
    comparison: str = ABOVE
    threshold: str = ""
    clear: str = ""
    hold: int = 0
    clear_after: int = 0
    span: int = 3600
    severity: str = "warning"
    enabled: bool = True
    command: Any = None
    command_limit: int = 10


def unit_of(row: Row, plugin_units: dict[str, str]) -> Metric:
    """What a stored rule's threshold counts; a plain number for a metric that there is none."""
    if row["kind"] in FIXED:
        return FIXED[row["kind"]][1]
    try:
        return metric_of(row["metric"], plugin_units)
    except ValueError:
        return Metric(row["metric"], row["metric"], NUMBER, HEADLINE, low=-MOST)


def sound_of(row: Row, plugin_units: dict[str, str]) -> tuple[Row, str]:
    """A stored rule with something that can be shown in each place, and what is wrong with it where it was damaged outside the manager.

    Such a rule evaluates nothing.
    """
    wrong = [name for name, known in _CHOICES.items() if row[name] not in known]
    sound = row | {name: _CHOICES[name][0] for name in wrong}
    for name in _NUMBERS:
        if not isinstance(row[name], (int, float)) and not (name == "clear_threshold" and row[name] is None):
            wrong.append(name)
            sound[name] = 0
    if not wrong and row["kind"] in rules.BY_METRIC:
        try:
            metric_of(row["metric"], plugin_units)
        except ValueError:
            wrong.append("metric")
    return sound, DAMAGED.format(what=wrong[0]) if wrong else ""


def rule_of(row: Row) -> Rule:
    """What the evaluation needs of a stored rule."""
    clear = row["threshold"] if row["clear_threshold"] is None else row["clear_threshold"]
    same = {name: row[name] for name in ("kind", "comparison", "threshold", "hold_ms", "clear_ms", "span_ms")}
    return Rule(clear_threshold=clear, **same)


def draft_of(row: Row, plugin_units: dict[str, str]) -> Draft:
    """A stored rule as it would be written anew; its command is kept."""
    metric = unit_of(row, plugin_units)
    fixed = metric.low == metric.high
    same = {name: row[name] for name in ("name", "kind", "selector", "metric", "subject", "comparison", "severity", "command_limit")}
    return Draft(
        **same,
        threshold="" if fixed else written(row["threshold"], metric.unit),
        clear="" if row["clear_threshold"] is None else written(row["clear_threshold"], metric.unit),
        hold=row["hold_ms"] // 1000,
        clear_after=row["clear_ms"] // 1000,
        span=row["span_ms"] // 1000 or 3600,
        enabled=bool(row["enabled"]),
        command="keep",
    )


def checked(draft: Draft, plugin_units: dict[str, str]) -> Row:
    """The row without selector, command and author. `plugin_units` as for `metric_of`. Raises BadInput."""
    name = " ".join(draft.name.split())
    if not 1 <= len(name) <= MOST_NAME or not name.isprintable():
        raise BadInput(f"name: 1 to {MOST_NAME} characters", field="name")
    _one_of("kind", draft.kind, rules.KINDS)
    _one_of("severity", draft.severity, rules.SEVERITIES)
    comparison, metric = _compared(draft, plugin_units)
    row: Row = {"name": name, "kind": draft.kind, "severity": draft.severity, "enabled": int(draft.enabled), "comparison": comparison}
    row |= {"metric": metric.name if draft.kind in rules.BY_METRIC else "", "subject": _subject(draft, metric)}
    row |= _thresholds(draft, comparison, metric)
    row |= {"hold_ms": _seconds("hold", draft.hold), "clear_ms": _seconds("clear_after", draft.clear_after), "span_ms": _span(draft)}
    if draft.kind == rules.OFFLINE:
        row["hold_ms"] = 0  # the grace is its threshold
    if not 1 <= draft.command_limit <= MOST_COMMANDS_AN_HOUR:
        raise BadInput(f"command_limit: 1 to {MOST_COMMANDS_AN_HOUR} commands an hour", field="command_limit")
    return row | {"command_limit": draft.command_limit}


def _compared(draft: Draft, plugin_units: dict[str, str]) -> tuple[str, Metric]:
    if draft.kind in FIXED:
        return FIXED[draft.kind]
    _one_of("comparison", draft.comparison, (ABOVE, BELOW))
    try:
        metric = metric_of(draft.metric.strip(), plugin_units)
    except ValueError as problem:
        raise BadInput(f"metric: {problem}", field="metric") from problem
    if draft.kind == rules.CHANGE and metric.source == DETAIL:
        able = ", ".join(name for name, one in METRICS.items() if one.source != DETAIL)
        raise BadInput(f"metric: the change of {metric.name} is not kept; take one of {able}, or a plugin's metric", field="metric")
    return draft.comparison, metric


def _subject(draft: Draft, metric: Metric) -> str:
    subject = draft.subject.strip()
    if not subject:
        return ""
    if not metric.subject:
        raise BadInput(f"subject: there is one figure of {metric.name} on a node; leave it empty", field="subject")
    if len(subject) > 190 or not subject.isprintable():
        raise BadInput("subject: at most 190 characters", field="subject")
    return subject


def _thresholds(draft: Draft, comparison: str, metric: Metric) -> Row:
    if metric.low == metric.high:
        return {"threshold": metric.low, "clear_threshold": None}
    low, high = metric.low, metric.high
    if draft.kind == rules.CHANGE:
        low, high = (-100.0, 100.0) if metric.unit == PERCENT else (-high, high)
    values: dict[str, float | None] = {}
    for name, text in (("threshold", draft.threshold), ("clear", draft.clear)):
        if name == "clear" and not text.strip():
            values[name] = None
            continue
        try:
            values[name] = read_figure(text, metric.unit, low, high)
        except ValueError as problem:
            what = "" if draft.kind == rules.CHANGE else f"{metric.name}: "
            raise BadInput(f"{name}: {what}{problem}", field=name) from problem
    if values["clear"] is not None:
        try:
            check_clear(comparison, values["threshold"] or 0.0, values["clear"])
        except ValueError as problem:
            raise BadInput(f"clear: {problem}", field="clear") from problem
    never = (comparison == ABOVE and values["threshold"] == high) or (comparison == BELOW and values["threshold"] == low)
    if never and metric.unit == PERCENT and draft.kind == rules.METRIC:
        raise BadInput(f"threshold: {metric.name} is never {comparison} {values['threshold']:g} %", field="threshold")
    return {"threshold": values["threshold"], "clear_threshold": values["clear"]}


def _span(draft: Draft) -> int:
    if draft.kind not in rules.SPANS:
        return 0
    low, high = rules.SPANS[draft.kind]
    if not low <= draft.span * 1000 <= high:
        raise BadInput(f"span: {low // 1000} to {high // 1000} seconds", field="span")
    return draft.span * 1000


def _seconds(name: str, value: int) -> int:
    if not 0 <= value * 1000 <= rules.MOST_HOLD_MS:
        raise BadInput(f"{name}: 0 to {rules.MOST_HOLD_MS // 1000} seconds", field=name)
    return value * 1000


def _one_of(field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise BadInput(f"{field}: {value[:40]!r} is unknown; use one of {', '.join(known)}", field=field)


DEFAULTS = (
    Draft("Disk above 90 %", rules.METRIC, "all", "mount.percent", threshold="90%", clear="85%", hold=300, clear_after=300),
    Draft("Disk full within a day", rules.DISK_FULL, "all", threshold="24h", clear="36h", hold=600, clear_after=1800, severity="critical"),
    Draft("Node offline", rules.OFFLINE, "all", threshold="5m", severity="critical"),
    Draft("Agent failed", rules.AGENT_FAILED, "all", hold=60, clear_after=60),
    Draft("Certificate ends within two weeks", rules.CERTIFICATE, "all", threshold="14"),
    Draft("Outbox lets go of records", rules.OUTBOX, "all", threshold="0", span=3600),
    Draft("Clock is off", rules.CLOCK, "all", threshold="30s", clear="10s", hold=300, clear_after=60),
)
"""The rules of a new manager."""
