"""What mails and chats say, in English and Chinese: a receiver's language is its own, not that of who looks at a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from server.service.alert_events import ACKNOWLEDGED, GROUPED, OPENED, REMINDED, RESOLVED, AlertEvent

LANGUAGES = ("en", "zh")


@dataclass(frozen=True)
class Words:
    kinds: Mapping[str, str]
    severities: Mapping[str, str]
    line: str
    digest: str
    digest_first: str
    rule: str
    node: str
    subject: str
    value: str
    threshold: str
    opened: str
    resolved: str
    count: str
    page: str
    test: str
    footer: str


_EN = Words(
    kinds={
        OPENED: "Opened",
        ACKNOWLEDGED: "Acknowledged",
        RESOLVED: "Resolved",
        REMINDED: "Still open",
        GROUPED: "Many at once",
        "test": "Test",
    },
    severities={"info": "info", "warning": "warning", "critical": "critical"},
    line="[{severity}] {kind}: {what} – {summary}",
    digest="{count} messages about alerts in one, because they came faster than this receiver takes them",
    digest_first="Each of them is named below.",
    rule="Rule",
    node="Node",
    subject="On",
    value="Value",
    threshold="Threshold",
    opened="Opened",
    resolved="Resolved",
    count="Alerts",
    page="Page",
    test="This is a test of Ops Scaffold. Nothing is wrong, and nothing needs to be done.",
    footer="Sent by Ops Scaffold to the receiver {receiver}.",
)

_ZH = Words(
    kinds={
        OPENED: "已触发",
        ACKNOWLEDGED: "已确认",
        RESOLVED: "已恢复",
        REMINDED: "仍未恢复",
        GROUPED: "批量告警",
        "test": "测试",
    },
    severities={"info": "提示", "warning": "警告", "critical": "严重"},
    line="[{severity}] {kind}：{what} – {summary}",
    digest="{count} 条告警消息合并发送，因为其产生速度超过了此接收方的限制",
    digest_first="以下逐条列出。",
    rule="规则",
    node="节点",
    subject="对象",
    value="当前值",
    threshold="阈值",
    opened="触发时间",
    resolved="恢复时间",
    count="告警数",
    page="页面",
    test="这是 Ops Scaffold 的测试消息。一切正常，无需处理。",
    footer="由 Ops Scaffold 发送至接收方 {receiver}。",
)


def words_of(language: str) -> Words:
    return _ZH if language == "zh" else _EN


def what_of(event: AlertEvent) -> str:
    """Where, and which rule: `web-1 /var: Disk full`."""
    where = " ".join(part for part in (event.node_name, event.subject) if part)
    return f"{where}: {event.rule_name}" if where else event.rule_name


def line_of(event: AlertEvent, language: str) -> str:
    words = words_of(language)
    summary = words.test if event.kind == "test" else event.summary
    parts = {"severity": words.severities.get(event.severity, event.severity), "kind": words.kinds.get(event.kind, event.kind)}
    return " ".join(words.line.format(what=what_of(event), summary=summary, **parts).split())


def facts_of(event: AlertEvent, language: str) -> list[tuple[str, str]]:
    """Name and value of what is known, in the order in which it is read."""
    words = words_of(language)
    found = [
        (words.node, event.node_name),
        (words.subject, event.subject),
        (words.rule, event.rule_name),
        (words.value, "" if event.value is None else f"{event.value:g}"),
        (words.threshold, "" if event.threshold is None else f"{event.threshold:g}"),
        (words.opened, moment(event.opened_at)),
        (words.resolved, moment(event.resolved_at)),
        (words.count, str(event.count) if event.count > 1 else ""),
    ]
    return [(name, value) for name, value in found if value]


def moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC") if ms else ""
