"""One action, whatever the package manager: refresh where wanted, simulate, change, and look at what has really changed."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable
from typing import Any, TypeVar

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import Clock
from host.agent.tasks.package.model import Change, Locked, Manager, Versions, differences
from host.wire.tasks import Package

T = TypeVar("T")
LOOK_S = 2.0
MAX_RESULT = 48 * 1024
"""Bytes of rows in a result, which may have 64 KiB in all; the output has them all."""


def carry_out(content: Package, manager: Manager, clock: Clock, say: Callable[[str], None]) -> dict[str, Any]:
    """The result. Raises TaskProblem A60xx."""
    give_up = clock.monotonic() + content.lock_wait
    if content.refresh:
        _patiently(manager.refresh, clock, give_up, say)
    if content.action == "list":
        return _list(content, manager, clock, give_up, say)
    before = manager.installed()
    plan = _patiently(lambda: manager.plan(content), clock, give_up, say)
    if content.dry_run or not plan.changes:
        _say_changes(plan.changes, "would" if content.dry_run else "", say)
        told = _result(manager, "changed", [one.told() for one in plan.changes])
        return {**told, "dry_run": True} if content.dry_run else told
    try:
        _patiently(lambda: manager.carry_out(plan), clock, give_up, say)
    except TaskProblem:
        # Half of a change may be done: the operator has to see which half.
        _say_changes(differences(before, manager.installed()), "changed before it failed:", say)
        raise
    changed = [_named(one, plan.changes) for one in differences(before, manager.installed())]
    _say_changes(changed, "", say)
    return _result(manager, "changed", [one.told() for one in changed])


def _patiently(do: Callable[[], T], clock: Clock, give_up: float, say: Callable[[str], None]) -> T:
    """Tries again while another package manager is at work. Raises A6003."""
    told = False
    while True:
        try:
            return do()
        except Locked as problem:
            if clock.monotonic() >= give_up or not clock.left():
                raise TaskProblem(
                    "A6003", f"another package manager is at work: {problem}", "try again later, or raise lock_wait"
                ) from None
            if not told:
                say("waiting: another package manager is at work")
                told = True
            clock.sleep(LOOK_S)


def _list(content: Package, manager: Manager, clock: Clock, give_up: float, say: Callable[[str], None]) -> dict[str, Any]:
    installed = manager.installed()
    newer: Versions = _patiently(manager.upgradable, clock, give_up, say) if content.upgradable else {}
    rows = []
    for name in sorted(newer if content.upgradable else installed):
        if content.filter and not fnmatch.fnmatchcase(name, content.filter) and not fnmatch.fnmatchcase(_bare(name), content.filter):
            continue
        row = {"name": name, "version": installed.get(name, "")}
        rows.append({**row, "available": newer[name]} if content.upgradable else row)
        say(" ".join(rows[-1].values()))
    return _result(manager, "packages", rows)


def _result(manager: Manager, name: str, rows: list[dict[str, str]]) -> dict[str, Any]:
    """`count` is of all rows; what is past the bound is in the output only, and `complete` says so."""
    kept, size = 0, 0
    for row in rows:
        size += len(json.dumps(row, ensure_ascii=False).encode()) + 2
        if size > MAX_RESULT:
            break
        kept += 1
    return {"manager": manager.name, "count": len(rows), "complete": kept == len(rows), name: rows[:kept]}


def _bare(name: str) -> str:
    """Without the architecture, in apt's manner or rpm's."""
    return name.partition(":")[0] if ":" in name else name.rpartition(".")[0] or name


def _named(change: Change, planned: list[Change]) -> Change:
    """The difference of two lists does not say which version is the newer; the manager's plan does."""
    action = next((one.action for one in planned if one.name == change.name and one.after == change.after), change.action)
    return Change(change.name, change.before, change.after, action)


def _say_changes(changes: list[Change], prefix: str, say: Callable[[str], None]) -> None:
    for one in changes:
        versions = " → ".join(version for version in (one.before, one.after) if version)
        say(" ".join(word for word in (prefix, one.action, one.name, versions) if word))
    if not changes:
        say("nothing to change" if prefix in ("", "would") else f"{prefix} nothing")
