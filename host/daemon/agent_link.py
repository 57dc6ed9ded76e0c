"""Handing a command to the agent: the daemon passes the signed request on as it is, and says how it went.

The agent's ledger refuses what it knows, so that passing a command on twice is safe.
"""

from __future__ import annotations

from dataclasses import dataclass

from host.daemon.link import Link
from host.daemon.link_errors import LinkFailure, Rejected
from host.wire.messages import Command

ACCEPTED = "accepted"
REFUSED = "refused"
UNREACHABLE = "unreachable"

_FINAL = (400, 401, 403, 404, 405, 413, 415)
"""Statuses after which asking again would change nothing; all others may pass."""


@dataclass(frozen=True)
class Outcome:
    """`verdict` is one of the three above; `reason` a sentence for the two that are no success."""

    verdict: str
    reason: str = ""


class AgentLink:
    def __init__(self, link: Link) -> None:
        self._link = link

    def relay(self, command: Command) -> Outcome:
        """One attempt to bring `command` into the agent's ledger."""
        try:
            self._link.call(command.method, command.path, command.body.encode(), headers=command.headers, repeatable=True)
        except Rejected as problem:
            if problem.status in _FINAL:
                return Outcome(REFUSED, problem.reason or problem.what)
            return Outcome(UNREACHABLE, problem.what)
        except LinkFailure as problem:
            return Outcome(UNREACHABLE, problem.what)
        return Outcome(ACCEPTED)

    def close(self) -> None:
        self._link.close()
