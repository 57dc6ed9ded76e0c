"""`package`: list, install, remove, upgrade; apt, dnf, yum, zypper, one class each.

Every change is simulated first, and the result is what has really changed: the installed versions before and after.

A6001 not found; A6002 held back; A6003 another is at work; A6004 no network; A6005 no such manager; A6006 it failed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.agent.tasks import commands
from host.agent.tasks.base import TaskProblem, Work
from host.agent.tasks.commands import Clock, Run
from host.agent.tasks.package.apt import Apt
from host.agent.tasks.package.model import Manager
from host.agent.tasks.package.rpm import Dnf, Zypper
from host.agent.tasks.package.steps import carry_out
from host.wire.tasks import Package

PROGRAMS = {"apt": "apt-get", "dnf": "dnf", "yum": "yum", "zypper": "zypper"}
"""In the order in which they are looked for: where dnf is, yum is a link to it."""


def run(content: Package, work: Work) -> dict[str, Any]:
    """manager, and changed: [{name, from, to, action}] or packages: [{name, version, available}]. Raises TaskProblem A60xx."""
    clock = commands.until(content.timeout)
    return carry_out(content, choose(content.manager, commands.run, clock, commands.has), clock, work.say)


def choose(wanted: str, execute: Run, clock: Clock, has: Callable[[str], bool]) -> Manager:
    """The manager that is named, or the first that is there. Raises A6005."""
    found = wanted if wanted != "auto" else next((name for name, program in PROGRAMS.items() if has(program)), "")
    if not found or not has(PROGRAMS[found]):
        raise TaskProblem("A6005", f"this host has no {PROGRAMS.get(found, 'package manager that is known here')}", "name another manager")
    if found == "apt":
        return Apt(execute, clock)
    return Zypper(execute, clock) if found == "zypper" else Dnf(execute, clock, found)
