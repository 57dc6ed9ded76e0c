"""What a service is, whoever manages it, and what a manager can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

RUNNING, STOPPED, FAILED, UNKNOWN = "running", "stopped", "failed", "unknown"


@dataclass(frozen=True)
class Status:
    """`settling`: on its way to another state. `since`: UTC ms of when it came into its state, None where nobody knows.
    `enabled`: starts with the host, None where that makes no sense. `once`: runs to its end and is stopped then, rightly."""

    state: str
    enabled: bool | None = None
    pid: int | None = None
    since: int | None = None
    detail: str = ""
    settling: bool = False
    once: bool = False


class Manager(Protocol):
    """Each method raises TaskProblem A50xx."""

    name: str

    def status(self, service: str) -> Status:
        """Raises A5001 where there is no such service."""
        ...

    def act(self, action: str, service: str) -> None:
        """start, stop, restart, reload, enable, disable. Raises A5003 when the manager refuses."""
        ...

    def check(self, action: str, service: str, status: Status) -> None:
        """Raises A5004 where this can never be done with it."""
        ...

    def last_words(self, service: str) -> list[str]:
        """The end of its log; empty where nobody keeps one."""
        ...
