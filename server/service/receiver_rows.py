"""A receiver's row as it can be read. To one that was damaged outside the manager all is written and nothing sent, until it is mended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.service.alert_events import KINDS as EVENT_KINDS
from server.service.receiver_settings import DEFAULTS, KINDS, WEBHOOK

SEVERITIES = ("info", "warning", "critical")
DAMAGED = "its {what} was damaged outside the manager and cannot be read: enter it anew and save, or delete the receiver"


@dataclass(frozen=True)
class Readable:
    """`settings`: those that can be read, the defaults for the others. `damaged`: what is wrong, with the mend; empty for a sound row."""

    kind: str
    settings: dict[str, Any]
    events: list[str]
    min_severity: str
    damaged: str


def readable(row: Mapping[str, Any]) -> Readable:
    """Of a row with `kind`, `event_kinds`, `min_severity`, and `settings` if those are asked for. Never raises."""
    wrong: list[str] = []
    kind = row["kind"] if row["kind"] in KINDS else WEBHOOK
    if kind != row["kind"]:
        wrong.append("kind")
    settings = dict(DEFAULTS[kind])
    if "settings" in row:
        told = settings_stored(row)
        settings |= {name: value for name, value in told.items() if name not in settings or _same(value, settings[name])}
        if not told or any(name in settings and not _same(value, settings[name]) for name, value in told.items()):
            wrong.append("settings")
    events = _json(row["event_kinds"])
    if not (isinstance(events, list) and events and all(one in EVENT_KINDS for one in events)):
        wrong.append("list of events")
        events = list(EVENT_KINDS)
    severity = row["min_severity"]
    if severity not in SEVERITIES:
        wrong.append("least severity")
        severity = SEVERITIES[0]
    return Readable(kind, settings, events, severity, DAMAGED.format(what=wrong[0]) if wrong else "")


def settings_stored(row: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as they are stored; none that cannot be read."""
    told = _json(row["settings"])
    return told if isinstance(told, dict) else {}


def _same(value: Any, usual: Any) -> bool:
    """Whether it is of the kind of value that this setting has."""
    return type(value) is type(usual) and not (isinstance(value, list) and not all(isinstance(one, str) for one in value))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
