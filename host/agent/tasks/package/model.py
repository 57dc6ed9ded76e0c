"""What package managers have in common: installed versions, planned changes, and the reasons for which they refuse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Protocol

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import LATE, MISSING, Ran
from host.wire.tasks import Package

Versions = dict[str, str]
"""Name (with `:arch` where it is not the host's own) → version; several, as of kernels, joined by ", "."""


@dataclass(frozen=True)
class Change:
    """`action`: install, upgrade, downgrade, remove or replace; `before` and `after` are versions, "" for none."""

    name: str
    before: str
    after: str
    action: str

    def told(self) -> dict[str, str]:
        return {"name": self.name, "from": self.before, "to": self.after, "action": self.action}


@dataclass(frozen=True)
class Plan:
    """What a change would do, and the command that does it."""

    changes: list[Change]
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)


class Locked(Exception):
    """Another package manager is at work."""


class Manager(Protocol):
    """Methods raise TaskProblem A60xx, and Locked."""

    name: str

    def refresh(self) -> None: ...
    def installed(self) -> Versions: ...
    def upgradable(self) -> Versions: ...

    def plan(self, content: Package) -> Plan:
        """By the manager's own simulation; nothing is changed. No `changes`: it is as wanted already."""
        ...

    def carry_out(self, plan: Plan) -> None: ...


def differences(before: Versions, after: Versions) -> list[Change]:
    """What has really changed."""
    found = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, ""), after.get(name, "")
        if old != new:
            found.append(Change(name, old, new, "replace" if old and new else "install" if new else "remove"))
    return found


_REASONS = [
    (r"could not get lock|unable to (?:acquire|lock)|currently holding|system management is locked|is locked by", "lock"),
    (
        r"(?:temporary failure|could not|cannot|can't|failed to) resol|could not connect|network is unreachable|no route to host"
        r"|connection (?:timed out|refused|failed)|failed to (?:fetch|download)|find a valid baseurl|no enabled repositories"
        r"|curl error|download \(curl\)",
        "network",
    ),
    (
        r"unable to locate package|no match for argument|unable to find a match|no package .* available|not found in package names"
        r"|version '.*' for '.*' was not found|no provider of|has no installation candidate",
        "unknown",
    ),
    (r"held packages were changed|held broken packages|versionlock|excluded|is locked", "held"),
    (r"dpkg was interrupted", "interrupted"),
    (r"no space left|not enough free|needs .* more space|need.* on the .* filesystem", "space"),
]


def failure(done: Ran, doing: str) -> Exception:
    """Why the manager failed, by its words: Locked, or a TaskProblem with the fitting code."""
    text = (done.err + "\n" + done.out).lower()
    if done.code == MISSING:
        return TaskProblem("A6005", f"{done.words}", "name the manager that this host has")
    if done.code == LATE:
        return TaskProblem("A6006", f"not done within the task's time limit: {doing}", "raise timeout; look at the host before you go on")
    reason = next((name for pattern, name in _REASONS if re.search(pattern, text)), "")
    words = _line(done, reason)
    if reason == "lock":
        return Locked(words)
    if reason == "network":
        return TaskProblem(
            "A6004", f"the packages cannot be fetched ({doing}): {words}", "check the host's network and its package sources"
        )
    if reason == "unknown":
        return TaskProblem("A6001", f"not found: {words}", "correct the name or version, or set refresh")
    if reason == "held":
        return TaskProblem("A6002", f"held back on this host: {words}", "release the hold if it may change")
    if reason == "interrupted":
        return TaskProblem("A6006", "an earlier change was interrupted", "run dpkg --configure -a on the host")
    if reason == "space":
        return TaskProblem("A6006", f"no room on the disk ({doing}): {words}", "make room")
    return TaskProblem("A6006", f"{doing} failed: {words}", "see the output above")


def _line(done: Ran, reason: str) -> str:
    """The line that gave the reason; the manager's last words where none did."""
    patterns = [pattern for pattern, name in _REASONS if name == reason]
    lines = [line.strip() for line in (done.err + "\n" + done.out).splitlines()]
    found = next((line for line in lines if patterns and re.search(patterns[0], line.lower())), "")
    return re.sub(r"^(E:|Error:|ERROR:)\s*", "", found or done.words)[:300]
