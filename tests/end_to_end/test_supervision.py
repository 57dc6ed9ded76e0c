"""Supervision in real time, on the real stack: whatever happens to the agent is found and mended by the table, and
whatever happens to the daemon leaves the agent and its tasks alone (D6–D9).

The agent of these tests is the real one with handles: files that make it burn, grow or leave.
"""

from __future__ import annotations

import hashlib
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.stack import BIN, Stack

KILLS = 200 if os.environ.get("OPS_FULL") else 16
"""How often the daemon is killed while tasks run; `OPS_FULL=1` for the long form."""

CONFIG = """  health_check: {interval: 1s, heartbeat_timeout: 3s, cpu_threshold: 25, memory_threshold: 150000000, threshold_duration: 2s}
  restart: {second: 0.3s, fourth: 0.5s, later: 1s, quiet: 10s}
"""

AGENT = '''#!{python}
"""The agent, with handles for tests: it burns, grows or leaves when a file says so."""
import os, sys, threading, time
sys.path.insert(0, {root!r})
from host.agent.__main__ import main

folder = {folder!r}

def handles():
    grown = []
    while True:
        if os.path.exists(folder + "/burn"):
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                pass
            continue
        if os.path.exists(folder + "/grow"):
            if not grown:
                grown.append(bytearray(os.urandom(1)) * 200_000_000)
        if os.path.exists(folder + "/leave"):
            os.unlink(folder + "/leave")
            os._exit(0)
        time.sleep(0.05)

threading.Thread(target=handles, daemon=True).start()
sys.exit(main())
'''


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="ops-sup-") as name:
        folder = Path(name)
        programs = folder / "bin"
        programs.mkdir()
        for program in ("ops-daemon", "supervisord"):
            (programs / program).symlink_to(BIN / program)
        agent = programs / "ops-agent"
        agent.write_text(AGENT.format(python=BIN / "python", root=str(Path(__file__).parents[2]), folder=str(folder)))
        agent.chmod(0o755)
        one = Stack(folder, daemon=CONFIG, agent="heartbeat_interval: 0.5s\n")
        one.bin_dir, one.stop_wait = programs, 3
        try:
            one.start_manager()
            one.sign_in()
            one.start_host()
            one.wait_online()
            yield one
        finally:
            one.stop()


def until(ready: Callable[[], bool], seconds: float, what: str) -> float:
    """Seconds until it was so."""
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds, what
        time.sleep(0.03)
    return time.monotonic() - began


def restarted(stack: Stack, old: int) -> Callable[[], bool]:
    return lambda: stack.pids().get("agent", old) != old


def works(stack: Stack) -> None:
    command, text = stack.finish(stack.run("echo still here"), 30)
    assert (command["state"], text) == ("succeeded", "still here\n")


def why(stack: Stack) -> str:
    """The daemon's own words on the last failure."""
    lines = [line for line in (stack.folder / "host/log/daemon.log").read_text().splitlines() if "D3003" in line]
    return lines[-1] if lines else ""


def calm(stack: Stack) -> int:
    """The agent's pid, when it runs and nobody is about to restart it."""
    until(lambda: stack.node()["agent"]["state"] == "running" and "agent" in stack.pids(), 20, "the agent does not come to rest")
    return stack.pids()["agent"]


def test_a_killed_agent_is_back(stack: Stack) -> None:
    old = calm(stack)
    stack.kill("agent")
    assert until(restarted(stack, old), 15, "not restarted") < 15
    assert "its process is gone" in why(stack)
    works(stack)


def test_one_that_exits_0_is_back(stack: Stack) -> None:
    old = calm(stack)
    (stack.folder / "leave").touch()
    until(restarted(stack, old), 15, "not restarted")
    assert "its process is gone" in why(stack)
    works(stack)


def test_one_that_hangs_is_found_by_its_heartbeat(stack: Stack) -> None:
    old = calm(stack)
    os.kill(old, signal.SIGSTOP)
    until(restarted(stack, old), 20, "not restarted")
    assert "no heartbeat for" in why(stack)
    works(stack)


@pytest.mark.parametrize(("handle", "words"), [("burn", "% CPU"), ("grow", "MiB of memory")])
def test_one_that_eats_is_found_and_restarted(stack: Stack, handle: str, words: str) -> None:
    old = calm(stack)
    file = stack.folder / handle
    file.touch()
    try:
        until(lambda: words in why(stack), 15, f"not found: {why(stack)}")
    finally:
        file.unlink()
    until(restarted(stack, old), 20, "not restarted")
    works(stack)


def test_a_task_that_eats_is_none_of_the_agents_doing(stack: Stack) -> None:
    old, before = calm(stack), why(stack)
    command, _ = stack.finish(stack.run("i=0; end=$(($(date +%s) + 5)); while [ $(date +%s) -lt $end ]; do i=$((i+1)); done"), 30)
    assert command["state"] == "succeeded"
    assert (stack.pids()["agent"], why(stack)) == (old, before)


def test_a_daemon_killed_again_and_again_touches_neither_the_agent_nor_its_tasks(stack: Stack) -> None:
    agent = calm(stack)
    tasks = 3
    script = "i=0; while [ $i -lt 4000 ]; do echo line $i; i=$((i+1)); [ -e $STOP ] || sleep 0.01; done"
    stop = stack.folder / "finish"
    running = [stack.run(script, environment={"STOP": str(stop)}, output_limit=1024 * 1024) for _ in range(tasks)]
    for _ in range(KILLS):
        # As soon as supervisord has made the next one: many die before they have begun.
        until(lambda: "daemon" in stack.pids(), 15, "the daemon does not come back")
        stack.kill("daemon")
    stop.touch()
    expected = "".join(f"line {number}\n" for number in range(4000))
    for command_id in running:
        command, text = stack.finish(command_id, 60)
        assert command["state"] == "succeeded"
        assert hashlib.sha256(text.encode()).hexdigest() == hashlib.sha256(expected.encode()).hexdigest()
    assert stack.pids()["agent"] == agent
