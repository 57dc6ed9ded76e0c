"""The main job on the whole stack: a host joins, tells how it is, runs what it is told, and says how that ended."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
import requests

from tests.stack import Stack, StackError


def test_the_host_is_online_and_its_first_sample_has_every_section(stack: Stack) -> None:
    stack.wait_first_sample()
    node = stack.node()
    assert node["facts"]["hostname"] == os.uname().nodename
    assert node["agent"]["state"] == "running"
    metrics = node["metrics"]
    assert metrics["memory"]["total"] > 0
    assert {"cpu", "memory", "disks", "nics", "load", "processes", "uptime"} <= set(metrics)
    assert metrics["failed"] == {}


def test_nothing_on_the_host_is_open_to_others(stack: Stack) -> None:
    folder = stack.folder / "host"
    files = [path for part in ("var", "run", "log") for path in (folder / part).rglob("*")]
    assert len(files) > 10
    public = {"supervisord.out", *(path.name for path in files if path.suffix == ".crt")}
    assert [str(path) for path in files if path.lstat().st_mode & 0o007 and path.name not in public] == []


def test_a_script_runs_with_its_arguments_environment_and_exit_code(stack: Stack) -> None:
    script = 'printf "%s|%s|%s" "$1" "$2" "$GREETING"; echo oops >&2; exit 3'
    arguments = ["a b", "$(touch /tmp/never); `x`\n'\""]
    command, text = stack.finish(stack.run(script, arguments=arguments, environment={"GREETING": "hello"}))
    assert (command["state"], command["exit_code"]) == ("failed", 3)
    assert "oops" in text
    assert f"{arguments[0]}|{arguments[1]}|hello" in text


def test_python_runs_too(stack: Stack) -> None:
    command, text = stack.finish(stack.run("import sys; print(sys.version_info[0])", interpreter="python"))
    assert (command["state"], text) == ("succeeded", "3\n")


def test_output_arrives_while_the_command_runs(stack: Stack) -> None:
    command_id = stack.run("echo first; while [ ! -e $GATE ]; do sleep 0.05; done; echo last", environment={"GATE": _gate(stack)})
    part = stack.output(command_id)
    while not part["chunks"]:
        part = stack.output(command_id)
    assert part["state"] == "started"
    assert part["chunks"][0]["text"] == "first\n"
    open(_gate(stack), "w").close()
    command, text = stack.finish(command_id)
    assert (command["state"], text) == ("succeeded", "first\nlast\n")
    os.unlink(_gate(stack))


def test_a_flood_is_cut_at_its_limit_and_said_to_be(stack: Stack) -> None:
    command, text = stack.finish(stack.run("yes | head -c 3000000", output_limit=100_000))
    assert (command["state"], command["truncated"], command["stdout_bytes"]) == ("succeeded", True, 3_000_000)
    assert len(text) == 100_000


def test_bytes_that_are_no_text_come_back_as_they_were(stack: Stack) -> None:
    command_id = stack.run(r"printf '\377\000\376ok'")
    stack.finish(command_id)
    url = f"{stack.url}/api/v1/commands/{command_id}/output/raw?stream=stdout"
    answer = requests.get(url, headers={"Authorization": f"Bearer {stack.token}"}, timeout=10)
    assert answer.content == b"\xff\x00\xfeok"


def test_a_hanging_script_is_ended_with_everything_it_started(stack: Stack) -> None:
    begun = time.monotonic()
    command, text = stack.finish(stack.run("sleep 600 & echo $!; wait", timeout=1))
    assert command["state"] == "timed_out"
    assert time.monotonic() - begun < 10
    # Its parent is gone too: whoever is process 1 reaps it, now or a little later.
    assert not psutil.pid_exists(int(text)) or psutil.Process(int(text)).status() == psutil.STATUS_ZOMBIE


def test_a_running_command_can_be_canceled(stack: Stack) -> None:
    command_id = stack.run("echo on; sleep 600")
    while not stack.output(command_id)["chunks"]:
        pass
    stack.api("POST", f"/commands/{command_id}/cancel")
    command, _ = stack.finish(command_id)
    assert command["state"] == "canceled"


def test_what_cannot_be_run_fails_with_one_clear_reason(stack: Stack) -> None:
    command, _ = stack.finish(stack.run("true", working_folder="/no/such/folder"))
    assert command["state"] == "failed"
    assert "/no/such/folder" in command["reason"]
    assert "Traceback" not in command["reason"]


@pytest.mark.parametrize(("content", "field"), [({"script": " "}, "script"), ({"script": "x", "timeout": 0}, "timeout")])
def test_bad_content_is_refused_before_anything_is_queued(stack: Stack, content: dict[str, object], field: str) -> None:
    with pytest.raises(StackError, match=field):
        stack.api("POST", "/commands", {"nodes": [stack.node_id], "type": "script", "content": content})


def test_the_id_of_a_request_is_with_its_command_and_in_the_logs_of_manager_and_host(stack: Stack) -> None:
    body = {"nodes": [stack.node()["id"]], "content": {"script": "true"}}
    headers = {"Authorization": f"Bearer {stack.token}", "X-Request-Id": "change-4711"}
    answer = requests.post(f"{stack.url}/api/v1/commands", json=body, headers=headers, timeout=10)
    assert answer.headers["X-Request-Id"] == "change-4711"
    assert answer.status_code == 201, answer.text
    command_id = answer.json()["data"]["commands"][body["nodes"][0]]
    command, _ = stack.finish(command_id)
    assert command["request_id"] == "change-4711"
    logs = {log: (stack.folder / "host/log" / log).read_text() for log in ("daemon.log", "agent.log")}
    assert f"command {command_id} (request change-4711) was handed over" in logs["daemon.log"]
    assert f"command {command_id} was taken (request change-4711)" in logs["agent.log"]


def test_a_stopped_manager_answers_held_polls_and_the_host_comes_back(stack: Stack) -> None:
    stack.kill("manager", signal.SIGTERM)
    until = time.monotonic() + 10
    while not stack.manager_ended() and time.monotonic() < until:
        time.sleep(0.02)
    assert stack.manager_ended()
    stack.start_manager()
    command, text = stack.finish(stack.run("echo back"))
    assert (command["state"], text) == ("succeeded", "back\n")


def test_a_retired_node_is_refused_from_then_on(stack: Stack) -> None:
    """Last in this module: the host does not come back."""
    stack.api("DELETE", f"/nodes/{stack.node_id}")
    with pytest.raises(StackError, match="retired"):
        stack.run("true")
    until = time.monotonic() + 15
    while "retired" not in stack.host_log() and time.monotonic() < until:
        time.sleep(0.1)
    assert "retired" in stack.host_log()


def _gate(stack: Stack) -> str:
    return str(stack.folder / "gate")
