"""Which of the waiting deliveries of a receiver comes next. Pure: rows in, a choice out.

Rows have `id`, `alert_id`, `place`, `message_id`, `attempts`, `next_at`. Of one alert nothing goes before what came before it;
what was attempted keeps its message, for the other side may have it under that id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.db import Row
from server.service.receiver_settings import CHAT

MOST = 1000
"""Rows that are looked at, and so the most of one digest."""

MOST_OF_CHAT = 100
"""Chats cut long messages off."""


@dataclass(frozen=True)
class Pick:
    """All deliveries of one message, in order. `fresh`: never attempted."""

    rows: list[Row]
    fresh: bool


def pick(rows: Sequence[Row], now: int) -> Pick | None:
    """The message that has been due for longest, and may go."""
    messages: dict[str, list[Row]] = {}
    for row in rows:
        messages.setdefault(row["message_id"], []).append(row)
    first = _first(rows)
    able = [
        held
        for message_id, held in messages.items()
        if held[0]["next_at"] <= now and all(first[row["alert_id"]] == message_id for row in held)
    ]
    chosen = min(able, key=lambda held: (held[0]["next_at"], held[0]["place"]), default=None)
    return Pick(chosen, chosen[0]["attempts"] == 0) if chosen else None


def folded(rows: Sequence[Row], now: int, kind: str) -> list[Row]:
    """What can go together in one new message: never attempted, due, and behind nothing of its alert that is another message's."""
    most = MOST_OF_CHAT if kind == CHAT else MOST
    stopped: set[str] = set()
    found: list[Row] = []
    for row in sorted(rows, key=lambda one: one["place"]):
        if row["attempts"] or row["message_id"] != row["id"] or row["next_at"] > now:
            stopped.add(row["alert_id"])
        elif row["alert_id"] not in stopped:
            found.append(row)
    order = {row["id"]: number for number, row in enumerate(rows)}
    return sorted(found, key=lambda row: order[row["id"]])[:most]


def _first(rows: Sequence[Row]) -> dict[str, str]:
    """Alert → the message that holds the first of what waits of it."""
    found: dict[str, Row] = {}
    for row in rows:
        known = found.get(row["alert_id"])
        if known is None or row["place"] < known["place"]:
            found[row["alert_id"]] = row
    return {alert: row["message_id"] for alert, row in found.items()}
