"""How a command ends of which nobody speaks any more: in which state, and why."""

from __future__ import annotations

from host.wire.states import EXPIRED, INTERRUPTED, QUEUED, RETIRED
from server.db import Row

GRACE_MS = 600_000
"""How long past its own timeout a command may stay unheard of while its host is online."""

FORGET_MS = 7 * 86_400_000
"""How long past that a silent host is waited for."""


def end_of(row: Row) -> tuple[str, str]:
    """State and reason of an overdue command."""
    if row["state"] == QUEUED and row["handed_at"] is None:
        if row["waits"] == 1:
            return EXPIRED, "no maintenance window let it out within the time it was given; it was never run"
        return EXPIRED, "the host did not fetch it in time; it was never run"
    if row["node_state"] == RETIRED:
        return INTERRUPTED, "the node was retired before it told how this ended"
    if row["node_state"] == "online":
        return INTERRUPTED, "the host is online but told no end within 10 minutes after the timeout"
    return INTERRUPTED, "the host has been silent for 7 days after the timeout"
