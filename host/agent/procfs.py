"""What the agent asks the kernel about processes: the one place that knows Linux's /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
COMMAND_VARIABLE = "OPS_COMMAND_ID"
"""Set in the environment of every task, so that its processes can be told from all others."""


@dataclass(frozen=True)
class Usage:
    """Processor time used so far in seconds, and resident memory in bytes."""

    cpu_seconds: float
    memory_bytes: int


def boot_id() -> str:
    """Changes with every boot: a pid noted before it means nothing after it."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int | str) -> list[str]:
    # The name in parentheses may itself hold spaces and parentheses: fields count from the last one.
    return (PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()


def start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None when it is gone."""
    try:
        return int(_stat(pid)[19])
    except (OSError, IndexError, ValueError):
        return None


def own_usage() -> Usage:
    fields = _stat("self")
    ticks = int(fields[11]) + int(fields[12])
    pages = int((PROC / "self/statm").read_text().split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE"))


def leftovers(command_id: str, pid: int | None, ticks: int | None) -> list[int]:
    """Pids of what an earlier agent's task still runs on this boot, the dead excepted.

    Its processes carry its id in their environment and stand in its session, which is its first
    process' pid. So a process that got the same number later is never taken for it, and a service
    that the task started properly (in a session of its own) is left alone. Where the agent died
    before it could note the pid, the first process is the one that carries the id and leads a session.
    """
    marked: list[tuple[int, int]] = []
    wanted = f"{COMMAND_VARIABLE}={command_id}".encode()
    for entry in os.listdir(PROC):
        if not entry.isdigit():
            continue
        try:
            fields = _stat(entry)
            if fields[0] not in "ZX" and wanted in (PROC / entry / "environ").read_bytes().split(b"\0"):
                marked.append((int(entry), int(fields[3])))
        except (OSError, IndexError):
            continue  # it ended meanwhile, or it is somebody else's and so not ours to look at
    if pid is None:
        sessions = {number for number, session in marked if number == session}
    else:
        now = start_ticks(pid)
        sessions = {pid} if now is None or now == ticks else set()
    return sorted(number for number, session in marked if session in sessions)
