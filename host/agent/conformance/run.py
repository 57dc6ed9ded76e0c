"""Runs every check, one line for each: `ok NAME`, `FAILED NAME: what was seen`, `skipped NAME: why`; then the count."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from host.agent.conformance import door, ledger, presence, restart, tasks
from host.agent.conformance.caller import Stage
from host.agent.conformance.daemon import Daemon
from host.agent.conformance.verdict import Failed, Skipped

GROUPS = (presence, door, tasks, ledger, restart)


def run(url: str, socket: Path, identity: Path, restart_command: str, tell: Callable[[str], None]) -> int:
    """0 when nothing failed, else 1. Raises HostError where it cannot begin."""
    daemon = Daemon(socket)
    stage = Stage(url, daemon, identity, restart_command)
    daemon.start()
    passed = failed = 0
    try:
        for group in GROUPS:
            for name, check in group.CHECKS:
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
