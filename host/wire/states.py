"""The states of everything that has states: which there are, and which may follow which.

A state is changed only by compare-and-set from a state that allows it, so two managers, a late
report or a repeated one can never move a thing backwards.
"""

from __future__ import annotations

from collections.abc import Mapping

QUEUED = "queued"
ACCEPTED = "accepted"
STARTED = "started"
SUCCEEDED = "succeeded"
FAILED = "failed"
TIMED_OUT = "timed_out"
CANCELED = "canceled"
EXPIRED = "expired"
REFUSED = "refused"
INTERRUPTED = "interrupted"

COMMAND: Mapping[str, frozenset[str]] = {
    QUEUED: frozenset({ACCEPTED, STARTED, EXPIRED, CANCELED, REFUSED, INTERRUPTED}),
    ACCEPTED: frozenset({STARTED, REFUSED, CANCELED, INTERRUPTED}),
    STARTED: frozenset({SUCCEEDED, FAILED, TIMED_OUT, CANCELED, INTERRUPTED}),
    SUCCEEDED: frozenset(),
    FAILED: frozenset(),
    TIMED_OUT: frozenset(),
    CANCELED: frozenset(),
    EXPIRED: frozenset(),
    REFUSED: frozenset(),
    INTERRUPTED: frozenset(),
}
"""State → the states that may follow. `queued → started` is there because the report of a start
may overtake the poll that would have said `accepted`; `queued → interrupted` for one that the host fetched and never spoke of."""

COMMAND_FINAL = frozenset(state for state, following in COMMAND.items() if not following)

COMMAND_REASON: Mapping[str, str] = {
    QUEUED: "waiting for the host to fetch it",
    ACCEPTED: "in the host's ledger, waiting for a free slot",
    STARTED: "running on the host",
    SUCCEEDED: "ended with exit code 0",
    FAILED: "ended with another exit code, or could not be run",
    TIMED_OUT: "stopped by the host: it ran longer than allowed",
    CANCELED: "stopped because somebody asked for it",
    EXPIRED: "the host did not fetch it in time; it was never run",
    REFUSED: "the host would not run it",
    INTERRUPTED: "cut off while it ran; it is never run again by itself",
}

PENDING = "pending"
ONLINE = "online"
OFFLINE = "offline"
UNKNOWN = "unknown"
QUARANTINED = "quarantined"
RETIRED = "retired"

NODE: Mapping[str, frozenset[str]] = {
    PENDING: frozenset({ONLINE, OFFLINE, QUARANTINED, RETIRED}),
    ONLINE: frozenset({OFFLINE, UNKNOWN, QUARANTINED, RETIRED}),
    OFFLINE: frozenset({ONLINE, QUARANTINED, RETIRED}),
    UNKNOWN: frozenset({ONLINE, OFFLINE, QUARANTINED, RETIRED}),
    QUARANTINED: frozenset({OFFLINE, RETIRED}),
    RETIRED: frozenset({OFFLINE}),
}
"""`unknown`: the manager itself was away, so whether the host is there nobody can say yet."""

AGENT = ("running", "stopped", "failed", "unknown")


def may_follow(machine: Mapping[str, frozenset[str]], new: str) -> tuple[str, ...]:
    """The states from which `new` may be entered, sorted; for `WHERE state IN (…)`."""
    return tuple(sorted(old for old, following in machine.items() if new in following))
