"""One action on one service, whoever manages it: look, act where it is needed, look until the wanted state is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import Clock
from host.agent.tasks.service.model import FAILED, RUNNING, STOPPED, UNKNOWN, Manager, Status
from host.wire.tasks import Service

LOOK_S = 0.2
STEADY_S = 1.0
"""A service that dies as soon as it was started is "running" for a moment: it has to be so again after this long."""


def carry_out(content: Service, manager: Manager, clock: Clock, say: Callable[[str], None]) -> dict[str, Any]:
    """The result. Raises TaskProblem A50xx, after having said the end of the service's log."""
    action, name = content.action, content.name
    before = manager.status(name)
    if action == "status":
        return _told(manager, name, before, False, say, looked=True)
    manager.check(action, name, before)
    if action == "reload" and before.state in (STOPPED, FAILED):
        raise TaskProblem("A5004", f"{name} does not run ({before.detail}), so it cannot reload", "start it")
    needed = _needed(action, before)
    if content.dry_run:
        say(f"would {action} {name} by {manager.name}" if needed else f"would do nothing: {name} is as wanted")
        return {**_result(manager, name, before, needed), "dry_run": True}
    if not needed:
        return _told(manager, name, before, False, say)
    try:
        manager.act(action, name)
        after = _reached(action, name, manager, clock)
    except TaskProblem:
        for line in manager.last_words(name):
            say(f"| {line}")
        raise
    return _told(manager, name, after, True, say)


def _needed(action: str, before: Status) -> bool:
    if action == "start":
        return before.state != RUNNING or before.settling
    if action == "stop":
        return before.state not in (STOPPED, FAILED) or before.settling
    if action in ("enable", "disable"):
        return before.enabled is not (action == "enable")
    return True  # restart, reload


def _reached(action: str, name: str, manager: Manager, clock: Clock) -> Status:
    """Looks until the state is the wanted one, and stays so. Raises A5002, A5003."""
    good_since: float | None = None
    while True:
        status = manager.status(name)
        now = clock.monotonic()
        if not _wanted(action, status):
            if status.state == FAILED and action in ("start", "restart", "reload"):
                raise TaskProblem("A5003", f"{name} failed: {status.detail}", "see its log, then try again")
            good_since = None
        else:
            good_since = now if good_since is None else good_since
            if now - good_since >= STEADY_S or action not in ("start", "restart") or status.state != RUNNING:
                return status
        if not clock.left():
            raise TaskProblem("A5002", f"{name} is {status.state} ({status.detail}) after {action}", "raise timeout, or see its log")
        clock.sleep(LOOK_S)


def _wanted(action: str, status: Status) -> bool:
    if action in ("enable", "disable"):
        return status.enabled is (action == "enable")
    if status.settling:
        return False
    if action == "stop":
        return status.state in (STOPPED, FAILED, UNKNOWN)
    return status.state in (RUNNING, UNKNOWN) or (status.once and status.state == STOPPED)


def _told(manager: Manager, name: str, status: Status, changed: bool, say: Callable[[str], None], looked: bool = False) -> dict[str, Any]:
    starts = {True: ", starts with the host", False: ", does not start with the host", None: ""}[status.enabled]
    pid = f", pid {status.pid}" if status.pid else ""
    say(f"{name}: {status.state} ({status.detail}{pid}){starts}" + ("" if changed or looked else "; nothing was changed"))
    return _result(manager, name, status, changed)


def _result(manager: Manager, name: str, status: Status, changed: bool) -> dict[str, Any]:
    return {
        "manager": manager.name,
        "name": name,
        "state": status.state,
        "enabled": status.enabled,
        "pid": status.pid,
        "since": status.since,
        "changed": changed,
        "detail": status.detail,
    }
