"""Scripts on a real agent over its real API: what a user sees of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent.harness import Agent, alive, gone


def test_a_script_that_succeeds_is_told_with_its_output(agent: Agent) -> None:
    command = agent.run("echo hello; echo oops >&2; echo bye")
    end = agent.daemon.ended(command)
    assert (end["state"], end["exit_code"]) == ("succeeded", 0)
    assert agent.daemon.output(command) == b"hello\nbye\n"
    assert agent.daemon.output(command, "stderr") == b"oops\n"
    assert (end["stdout_bytes"], end["stderr_bytes"], end["truncated"]) == (10, 5, False)
    assert agent.daemon.states(command) == ["started", "succeeded"]


def test_an_exit_code_is_kept(agent: Agent) -> None:
    end = agent.daemon.ended(agent.run("exit 3"))
    assert (end["state"], end["exit_code"], end["reason"]) == ("failed", 3, "exit code 3")


def test_the_end_by_a_signal_is_told_by_name(agent: Agent) -> None:
    end = agent.daemon.ended(agent.run("kill -SEGV $$"))
    assert (end["state"], end["signal"], end["reason"]) == ("failed", 11, "ended by signal 11 (SIGSEGV)")


def test_arguments_and_variables_arrive_as_they_are(agent: Agent) -> None:
    arguments = ["a b", "$(id)", "-x", "", "中文"]
    command = agent.run('printf "%s|" "$@" "$GREETING"', arguments=arguments, environment={"GREETING": "hé; exit 9"})
    assert agent.daemon.ended(command)["exit_code"] == 0
    assert agent.daemon.output(command).decode() == "a b|$(id)|-x||中文|hé; exit 9|"


def test_the_environment_is_clean_and_the_folder_is_root(agent: Agent) -> None:
    command = agent.run("env; pwd")
    agent.daemon.ended(command)
    lines = agent.daemon.output(command).decode().splitlines()
    names = {line.partition("=")[0] for line in lines if "=" in line}
    assert names <= {"PATH", "HOME", "LANG", "OPS_COMMAND_ID", "OPS_RESULT", "PWD", "OLDPWD", "SHLVL", "_"}
    assert f"OPS_COMMAND_ID={command}" in lines
    assert lines[-1] == "/"


def test_a_python_script_runs_in_the_given_folder(agent: Agent, tmp_path: Path) -> None:
    script = "import os, sys; print(os.getcwd(), sys.argv[1])"
    command = agent.run(script, interpreter="python", arguments=["x"], working_folder=str(tmp_path))
    assert agent.daemon.ended(command)["state"] == "succeeded"
    assert agent.daemon.output(command).decode() == f"{tmp_path} x\n"


def test_bytes_that_are_no_text_pass_unchanged(agent: Agent) -> None:
    command = agent.run(r"printf '\377\000\200ok\303'")
    assert agent.daemon.ended(command)["state"] == "succeeded"
    assert agent.daemon.output(command) == b"\xff\x00\x80ok\xc3"


def test_output_arrives_while_the_script_runs(agent: Agent, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    command = agent.run(f"echo first; while [ ! -e {gate} ]; do sleep 0.02; done; echo second")
    agent.daemon.wait(lambda: agent.daemon.output(command) == b"first\n")
    assert agent.daemon.states(command) == ["started"]
    gate.touch()
    agent.daemon.ended(command)
    assert agent.daemon.output(command) == b"first\nsecond\n"


def test_output_past_the_limit_is_counted_but_not_kept(agent: Agent) -> None:
    command = agent.run("head -c 300000 /dev/zero; echo x >&2", output_limit=100_000)
    end = agent.daemon.ended(command)
    assert (end["state"], end["stdout_bytes"], end["stderr_bytes"], end["truncated"]) == ("succeeded", 300_000, 2, True)
    assert len(agent.daemon.output(command)) + len(agent.daemon.output(command, "stderr")) <= 100_000
    assert len(agent.daemon.output(command)) >= 34_464


def test_a_flood_neither_fills_the_agent_nor_stops_it(agent: Agent) -> None:
    before = agent.get("/api/v1/status")[1]["data"]["memory_bytes"]
    command = agent.run("yes", timeout=1, output_limit=200_000)
    agent.daemon.started(command)
    assert agent.daemon.ended(agent.run("echo meanwhile"))["state"] == "succeeded"
    end = agent.daemon.ended(command)
    assert (end["state"], end["truncated"]) == ("timed_out", True)
    assert end["stdout_bytes"] > 2_000_000
    assert len(agent.daemon.output(command)) == 200_000
    after = agent.get("/api/v1/status")[1]["data"]["memory_bytes"]
    assert after - before < 12_000_000


def test_a_script_that_hangs_is_stopped_with_its_grandchildren(agent: Agent, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = agent.run(f"(sleep 600 & echo $! >>{pids}; wait) & echo $! >>{pids}; echo $$ >>{pids}; wait", timeout=1)
    end = agent.daemon.ended(command)
    assert end["state"] == "timed_out"
    assert "1 s" in end["reason"]
    numbers = [int(line) for line in pids.read_text().split()]
    assert len(numbers) == 3
    assert all(gone(pid) for pid in numbers)


def test_a_script_that_ignores_sigterm_is_killed(agent: Agent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"trap '' TERM; echo $$ >{pid}; while :; do sleep 0.1; done"
    command = agent.run(script, timeout=1)
    end = agent.daemon.ended(command)
    assert (end["state"], end["signal"]) == ("timed_out", 9)
    assert gone(int(pid.read_text()))


def test_a_stopped_script_can_still_be_ended(agent: Agent) -> None:
    command = agent.run("kill -STOP $$", timeout=1)
    assert agent.daemon.ended(command)["state"] == "timed_out"


def test_a_child_that_holds_the_output_open_does_not_hang_the_task(agent: Agent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = agent.run(f"sleep 600 & echo $! >{pid}; echo done")
    end = agent.daemon.ended(command, 5)
    assert (end["state"], end["exit_code"]) == ("succeeded", 0)
    assert agent.daemon.output(command) == b"done\n"
    assert gone(int(pid.read_text()))


def test_a_service_in_a_session_of_its_own_stays(agent: Agent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"setsid sh -c 'echo $$ >{pid}; exec sleep 20' >/dev/null 2>&1 & while [ ! -s {pid} ]; do sleep 0.02; done"
    assert agent.daemon.ended(agent.run(script))["state"] == "succeeded"
    service = int(pid.read_text())
    try:
        assert alive(service)
    finally:
        os.kill(service, signal.SIGKILL)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"working_folder": "/no/such/folder"}, "the working folder /no/such/folder does not exist on this host"),
        ({"arguments": ["x" * 200_000]}, "could not be started: Argument list too long"),
    ],
)
def test_what_cannot_be_started_fails_with_one_clear_reason(agent: Agent, content: dict[str, Any], reason: str) -> None:
    command = agent.run("echo never", **content)
    end = agent.daemon.ended(command)
    assert end["state"] == "failed"
    assert reason in end["reason"]
    assert "Traceback" not in agent.log()
    assert agent.daemon.states(command) == ["started", "failed"]
    assert agent.daemon.output(command) == b""


def test_a_missing_interpreter_fails_with_its_name(make_agent: Callable[..., Agent]) -> None:
    it = make_agent(more="interpreters:\n  shell: /opt/none/sh")
    it.daemon.start()
    it.start()
    end = it.daemon.ended(it.run("echo never"))
    assert end["state"] == "failed"
    assert end["reason"] == "A2001 the interpreter /opt/none/sh is missing on this host or cannot be run — install it"


def test_nothing_of_a_script_stays_on_the_disk(agent: Agent) -> None:
    command = agent.run('echo secret-in-script >/dev/null; ls -ld "$0"; ls -ld "$(dirname "$0")"')
    agent.daemon.ended(command)
    modes = [line[:10] for line in agent.daemon.output(command).decode().splitlines()]
    assert modes == ["-rw-------", "drwx------"]
    deadline = time.monotonic() + 5
    while list((agent.work / "spool").iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not list((agent.work / "spool").iterdir())
    status, answer = agent.get(f"/api/v1/task/{command}/status")
    assert status == 200
    assert answer["data"]["state"] == "succeeded"
    assert "content" not in answer["data"]


def test_ten_scripts_run_at_once(agent: Agent, tmp_path: Path) -> None:
    script = f"touch {tmp_path}/$1; while [ $(ls {tmp_path} | wc -l) -lt 10 ]; do sleep 0.02; done"
    commands = [agent.run(script, arguments=[str(number)], timeout=10) for number in range(10)]
    assert [agent.daemon.ended(command)["state"] for command in commands] == ["succeeded"] * 10
