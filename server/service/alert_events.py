"""What happens to alerts, as others are told of it: a row of `alert_events` each, in the transaction that changes the alert."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from server.db import Row, Session

OPENED, ACKNOWLEDGED, RESOLVED, REMINDED, GROUPED = "opened", "acknowledged", "resolved", "reminded", "grouped"
KINDS = (OPENED, ACKNOWLEDGED, RESOLVED, REMINDED, GROUPED)


@dataclass(frozen=True)
class AlertEvent:
    """`at`, `opened_at`, `resolved_at` (0: not yet) in UTC ms. `subject`: what on the node, such as a mount; else empty.

    `summary`: one English sentence with the figure and the threshold, in which names are other people's text. `group_id` is the
    storm's id for one that speaks of many alerts at once, and `count` how many those are; empty and 1 else.
    """

    id: str
    alert_id: str
    kind: str
    at: int
    rule_id: str
    rule_name: str
    rule_kind: str
    severity: str
    node_id: str
    node_name: str
    subject: str
    summary: str
    value: float | None
    threshold: float | None
    opened_at: int
    resolved_at: int
    group_id: str
    count: int


Enqueue = Callable[[Session, Sequence[AlertEvent]], Awaitable[None]]
"""Writes what is to be delivered, in the running transaction."""

Windows = Callable[[Collection[str], int], Awaitable[Mapping[str, Any]]]
"""Node ids and a time → node id → the maintenance window that silences it then."""


async def deliver_nothing(session: Session, events: Sequence[AlertEvent]) -> None:
    """For a manager that tells nobody."""


async def no_windows(node_ids: Collection[str], now: int) -> Mapping[str, Any]:
    """For a manager without maintenance windows."""
    return {}


def row_of(event: AlertEvent, told: bool, who: str = "", note: str = "") -> Row:
    """The event as a row. `told`: it is also for others; `who` did it, and said `note`."""
    row: Row = {field.name: getattr(event, field.name) for field in fields(AlertEvent)}
    return row | {"told": int(told), "who": who, "note": note}
