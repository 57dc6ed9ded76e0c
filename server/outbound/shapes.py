"""What is said to whom: events as our own JSON, as Alertmanager takes them, and as a line for a chat.

The same events give the same bytes each time, so that what is sent again is what was sent before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from server.outbound.wording import line_of, words_of
from server.service.alert_events import RESOLVED, AlertEvent

TEST = "test"
FIRING_MS = 600_000
"""How long Alertmanager takes an alert as firing that it does not hear of again: five times as long as the pause between repeats."""

Told = tuple[str, AlertEvent]
"""A delivery's id and its event."""


def stamp(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def webhook(told: Sequence[Told], base: str) -> bytes:
    """One event as `alert.KIND`, more of them as `alert.digest`."""
    if len(told) == 1:
        _, event = told[0]
        name = TEST if event.kind == TEST else f"alert.{event.kind}"
        return _json({"type": name, "timestamp": stamp(event.at), "data": _data(event, base)})
    newest = max(event.at for _, event in told)
    events = [
        {"type": f"alert.{event.kind}", "delivery_id": one, "timestamp": stamp(event.at), "data": _data(event, base)} for one, event in told
    ]
    return _json({"type": "alert.digest", "timestamp": stamp(newest), "data": {"count": len(told), "events": events}})


def _data(event: AlertEvent, base: str) -> dict[str, Any]:
    return {**asdict(event), "url": url_of(event, base)}


def url_of(event: AlertEvent, base: str) -> str:
    return f"{base}/alerts/{event.alert_id}" if event.kind != TEST else f"{base}/receivers"


def alertmanager(events: Sequence[AlertEvent], base: str, now: int) -> bytes:
    """The newest word on each alert, as `POST /api/v2/alerts` takes it.

    What identifies an alert there are its labels: whoever calls this sees to it that names and severity stay as they first were.
    """
    newest = {event.alert_id: event for event in events}
    return _json([_postable(event, base, now) for event in newest.values()])


def _postable(event: AlertEvent, base: str, now: int) -> dict[str, Any]:
    labels = {
        "alertname": event.rule_name,
        "alert_id": event.alert_id,
        "rule_id": event.rule_id,
        "rule_kind": event.rule_kind,
        "severity": event.severity,
        "node": event.node_name,
        "node_id": event.node_id,
        "subject": event.subject,
        "source": "ops-scaffold",
    }
    annotations = {
        "summary": event.summary,
        "value": "" if event.value is None else f"{event.value:g}",
        "threshold": "" if event.threshold is None else f"{event.threshold:g}",
        "count": str(event.count) if event.count > 1 else "",
    }
    ended = event.kind == RESOLVED or event.resolved_at > 0 or event.kind == TEST
    return {
        "labels": _filled(labels),
        "annotations": _filled(annotations),
        "startsAt": stamp(event.opened_at or event.at),
        "endsAt": stamp((event.resolved_at or event.at) if ended and event.kind != TEST else now + (60_000 if ended else FIRING_MS)),
        "generatorURL": url_of(event, base),
    }


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    """Alertmanager takes an empty label as one that is not there."""
    return {name: value for name, value in values.items() if value}


def chat(told: Sequence[Told], base: str, language: str) -> bytes:
    """`{"text": …}`, as Slack, Mattermost and others with such a hook take it."""
    lines = [f"{line_of(event, language)} <{url_of(event, base)}>" for _, event in told]
    head = [words_of(language).digest.format(count=len(told))] if len(told) > 1 else []
    return _json({"text": "\n".join(_plain(line) for line in head + lines)})


def _plain(line: str) -> str:
    """Without what such chats take as markup, but for the link at the line's end: a host's name must call nobody."""
    text, space, link = line.rpartition(" <")
    if not space:
        return line
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") + space + link


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
