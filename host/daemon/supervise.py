"""When the agent is to be started, stopped, restarted: one pure function (D6, D7).

    process gone                                             → restart
    no heartbeat for 3 × 30 s                                → stop, restart
    CPU > 50 % or memory > 500 MB for longer than 60 s       → stop, restart

    restart       1st        2nd, 3rd     4th, 5th     later
    wait          none       10 s         30 s         60 s, and an alert

The count starts again after 5 minutes without a restart, and with every stop on purpose: an agent that is not meant
to run is stopped where it runs, left alone where it does not, and started at once when it is meant to run again.
Time comes in as an argument, in monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from host.daemon.config import HealthCheck, Restart

NONE, START, STOP = "none", "start", "stop"

SETTLE = 0.5
"""Seconds after which a start or a stop is looked at again."""


@dataclass(frozen=True)
class Seen:
    """The agent at the moment `at`. `alive` is None when nobody knows (supervisord does not answer);
    `changing`: it is just being started or stopped. `heartbeat` is the moment of the last one.
    `unwanted`: why it is not meant to run now, in words; "" when it is."""

    at: float
    alive: bool | None
    changing: bool = False
    heartbeat: float | None = None
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    unwanted: str = ""


@dataclass(frozen=True)
class Memory:
    """What one decision leaves for the next. `watching_since`: when this run of the agent began, as far as known here;
    `due`: when the start that was decided is to happen."""

    watching_since: float | None = None
    over_since: float | None = None
    due: float | None = None
    restarts: int = 0
    last_restart: float | None = None
    started_before: bool = False


@dataclass(frozen=True)
class Decision:
    """`action` is to be done now; `state` is one of `wire.states.AGENT`; `again` is when to look again, in seconds."""

    memory: Memory
    action: str
    state: str
    reason: str
    again: float
    alert: bool = False


def wait_before(restart: int, waits: Restart) -> float:
    """Seconds before the `restart`-th restart in a row (1, 2, …)."""
    if restart <= 1:
        return 0.0
    if restart <= 3:
        return waits.second
    return waits.fourth if restart <= 5 else waits.later


def decide(memory: Memory, seen: Seen, check: HealthCheck, waits: Restart) -> Decision:
    """What to do about the agent as it is `seen` now."""
    if memory.last_restart is not None and memory.due is None and seen.at - memory.last_restart >= waits.quiet:
        memory = replace(memory, restarts=0, last_restart=None)
    if seen.alive is None:
        return Decision(memory, NONE, "unknown", "supervisord does not answer", min(check.interval, 5.0))
    if seen.unwanted:
        return _unwanted(seen, check)
    if memory.due is not None:
        return _pending(memory, seen, check)
    if seen.changing:
        return Decision(memory, NONE, "running" if seen.alive else "stopped", "", SETTLE)
    if not seen.alive:
        if not memory.started_before:
            return _pending(replace(memory, due=seen.at), seen, check)
        return _fail(memory, seen, check, waits, "its process is gone")
    return _judge(memory, seen, check, waits)


def _unwanted(seen: Seen, check: HealthCheck) -> Decision:
    """Stopped on purpose: nothing of what was counted before matters afterwards."""
    if seen.changing:
        return Decision(Memory(), NONE, "running" if seen.alive else "stopped", seen.unwanted, SETTLE)
    if seen.alive:
        return Decision(Memory(), STOP, "running", seen.unwanted, SETTLE)
    return Decision(Memory(), NONE, "stopped", seen.unwanted, check.interval)


def _judge(memory: Memory, seen: Seen, check: HealthCheck, waits: Restart) -> Decision:
    """The agent's process lives: is it well?"""
    since = memory.watching_since if memory.watching_since is not None else seen.at
    memory = replace(memory, watching_since=since, started_before=True)
    # A heartbeat from before this run is none; a fresh run has as long as a silent one.
    silent = seen.at - max(since, seen.heartbeat if seen.heartbeat is not None else since)
    if silent >= check.heartbeat_timeout:
        return _fail(memory, seen, check, waits, f"no heartbeat for {silent:.0f} s")
    over = _over(seen, check)
    if not over:
        # A look that came too soon to measure a share says nothing; only a measured one ends a row.
        memory = replace(memory, over_since=None if seen.cpu_percent is not None else memory.over_since)
        return Decision(memory, NONE, "running", "", min(check.interval, check.heartbeat_timeout - silent))
    began = memory.over_since if memory.over_since is not None else seen.at
    memory = replace(memory, over_since=began)
    if seen.at - began > check.threshold_duration:
        return _fail(memory, seen, check, waits, f"{over} for {seen.at - began:.0f} s")
    again = min(check.interval, began + check.threshold_duration - seen.at + SETTLE)
    return Decision(memory, NONE, "running", over, again)


def _over(seen: Seen, check: HealthCheck) -> str:
    """Which limit is passed, in words; "" for none."""
    if seen.cpu_percent is not None and seen.cpu_percent > check.cpu_threshold:
        return f"it uses {seen.cpu_percent:.0f} % CPU (limit {check.cpu_threshold:g} %)"
    if seen.memory_bytes is not None and seen.memory_bytes > check.memory_threshold:
        return f"it uses {seen.memory_bytes // 1048576} MiB of memory (limit {check.memory_threshold // 1048576} MiB)"
    return ""


def _fail(memory: Memory, seen: Seen, check: HealthCheck, waits: Restart, reason: str) -> Decision:
    count = memory.restarts + 1
    wait = wait_before(count, waits)
    memory = replace(memory, restarts=count, last_restart=seen.at, due=seen.at + wait, over_since=None, watching_since=None)
    told = f"{reason}; restart {count} " + (f"in {wait:g} s" if wait else "now")
    if seen.alive:
        return Decision(memory, STOP, "failed", told, SETTLE, alert=count > 5)
    return replace(_pending(memory, seen, check), state="failed", reason=told, alert=count > 5)


def _pending(memory: Memory, seen: Seen, check: HealthCheck) -> Decision:
    """A start was decided: is it time, and is the old process gone?"""
    due = memory.due if memory.due is not None else seen.at
    if seen.alive or seen.changing:
        if memory.restarts and seen.alive and not seen.changing:
            return Decision(memory, STOP, "failed", "it is being stopped", SETTLE)
        return Decision(memory, NONE, "stopped", "it is being stopped", SETTLE)
    if seen.at < due:
        return Decision(memory, NONE, "failed" if memory.restarts else "stopped", f"restart {memory.restarts} waits", due - seen.at)
    restarted = seen.at if memory.restarts else memory.last_restart
    memory = replace(memory, due=None, started_before=True, watching_since=seen.at, over_since=None, last_restart=restarted)
    return Decision(memory, START, "stopped", "it is being started", SETTLE)
