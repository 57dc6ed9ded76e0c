"""kill -9 of each process in the middle of its work: back within 15 s, nothing lost, nothing run twice (FAULTS F1)."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Stack, StackError

BACK_S = 15


def eventually(check: Any, seconds: float = BACK_S) -> None:
    until = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.05)


def counting(stack: Stack, name: str, middle: str = "") -> tuple[str, Path]:
    """A script that adds a line to a file of its own when it starts: its side effect."""
    file = stack.folder / f"count-{name}"
    return f"echo x >> {file}; {middle} echo done", file


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def watch_manager(stack: Stack, stop: threading.Event) -> None:
    """What systemd does: start the manager again when it ends."""
    while not stop.wait(0.05):
        if stack.manager_ended():
            stack.start_manager()


def no_sample_is_missing(stack: Stack, since: int) -> bool:
    """Every 10 s there is one: no hole longer than a period and a half, and the newest is fresh."""
    times = [sample["at"] for sample in stack.samples() if sample["at"] >= since]
    holes = [b - a for a, b in itertools.pairwise(times)]
    return bool(times) and max(holes, default=0) < 15_000 and time.time() * 1000 - times[-1] < 15_000


def test_the_manager_is_killed_while_commands_run(stack: Stack) -> None:
    script, file = counting(stack, "manager", "sleep 1;")
    since = int(time.time() * 1000)
    stop = threading.Event()
    watcher = threading.Thread(target=watch_manager, args=(stack, stop))
    command_ids = [stack.run(script) for _ in range(3)]
    eventually(lambda: lines(file) == 3)
    stack.kill("manager")
    watcher.start()
    try:
        eventually(lambda: _alive(stack))
        for command_id in command_ids:
            command, text = stack.finish(command_id, BACK_S)
            assert (command["state"], text) == ("succeeded", "done\n")
        assert lines(file) == 3
        eventually(lambda: no_sample_is_missing(stack, since), 30)
    finally:
        stop.set()
        watcher.join()


def test_the_daemon_is_killed_while_commands_run(stack: Stack) -> None:
    script, file = counting(stack, "daemon", "sleep 1;")
    since = int(time.time() * 1000)
    agent = stack.pids()["agent"]
    command_ids = [stack.run(script) for _ in range(3)]
    eventually(lambda: lines(file) == 3)
    old = stack.kill("daemon")
    command_ids.append(stack.run(script))
    eventually(lambda: stack.pids().get("daemon", old) != old)
    for command_id in command_ids:
        command, text = stack.finish(command_id, BACK_S)
        assert (command["state"], text) == ("succeeded", "done\n")
    assert lines(file) == 4
    assert stack.pids()["agent"] == agent
    eventually(lambda: no_sample_is_missing(stack, since), 30)


def test_the_agent_is_killed_while_a_command_runs(stack: Stack) -> None:
    gate = stack.folder / "gate-agent"
    script, file = counting(stack, "agent", f"while [ ! -e {gate} ]; do sleep 0.05; done;")
    running = stack.run(script)
    eventually(lambda: lines(file) == 1)
    old = stack.kill("agent")
    afterwards = stack.run("echo back")
    command, text = stack.finish(afterwards, BACK_S)
    assert (command["state"], text) == ("succeeded", "back\n")
    gate.touch()
    command, text = stack.finish(running, BACK_S)
    assert (command["state"], text) == ("succeeded", "done\n")
    assert stack.pids()["agent"] != old
    assert lines(file) == 1


@pytest.mark.parametrize("victim", ["daemon", "agent", "manager"])
def test_kills_at_any_moment_never_run_a_command_twice(stack: Stack, victim: str) -> None:
    stop = threading.Event()
    watcher = threading.Thread(target=watch_manager, args=(stack, stop))
    watcher.start()
    try:
        sent: dict[str, Path] = {}
        # The agent's third restart in five minutes waits 10 s, its fourth 30 s: it is not killed that often here (D7).
        pause = 6 if victim == "agent" else 4
        for number in range(12):
            script, file = counting(stack, f"{victim}-{number}")
            try:
                sent[stack.run(script)] = file
            except (StackError, OSError):
                continue  # the manager was away: nothing was promised
            if number % pause == 1:
                stack.kill(victim)
                eventually(lambda: victim in stack.pids() and _alive(stack))
        for command_id, file in sent.items():
            command, _ = stack.finish(command_id, 30)
            assert command["state"] in ("succeeded", "interrupted"), command
            assert lines(file) == 1 or (command["state"] == "interrupted" and lines(file) <= 1)
    finally:
        stop.set()
        watcher.join()


def _alive(stack: Stack) -> bool:
    try:
        return bool(stack.api("GET", "/me"))
    except (StackError, OSError, ValueError):
        return False
