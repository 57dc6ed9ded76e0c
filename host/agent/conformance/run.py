"""Runs every check, or those named, one line for each: `ok NAME`, `FAILED NAME: what was seen`, `skipped NAME: why`; then the count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from host.agent.conformance import door, ledger, presence, restart, tasks
from host.agent.conformance.caller import Stage
from host.agent.conformance.daemon import Daemon
from host.agent.conformance.verdict import Failed, Skipped
from host.lib.errors import ConfigError

GROUPS = (presence, door, tasks, ledger, restart)


def run(url: str, socket: Path, identity: Path, restart_command: str, only: str, tell: Callable[[str], None]) -> int:
    """0 when nothing failed, else 1. `only`: words in the names of the checks to run. Raises HostError where it cannot begin."""
    checks = [(name, check) for group in GROUPS for name, check in group.CHECKS if only in name]
    if not checks:
        raise ConfigError("D1001", f"no check has {only!r} in its name", "without --only all are run, and their names printed")
    daemon = Daemon(socket)
    stage = Stage(url, daemon, identity, restart_command)
    daemon.start()
    passed = failed = 0
    try:
        for name, check in checks:
            try:
                check(stage)
            except Skipped as reason:
                tell(f"skipped {name}: {reason}")
            except (Failed, OSError) as problem:
                failed += 1
                tell(f"FAILED {name}: {problem}")
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
                # Whatever a strange agent answers is its failure, not this program's.
                failed += 1
                tell(f"FAILED {name}: it answered or told what the contract does not have ({type(problem).__name__}: {problem})")
            else:
                passed += 1
                tell(f"ok {name}")
    finally:
        daemon.stop()
    tell(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
