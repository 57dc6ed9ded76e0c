"""Orders, configuration and this host's own policy on the real stack: what an operator asks for, and what becomes of it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.stack import BIN, Stack, StackError


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with tempfile.TemporaryDirectory(prefix="ops-obey-") as name:
        one = Stack(Path(name) / "s", daemon="  restart: {quiet: 10s}\n")
        try:
            one.start_manager()
            one.sign_in()
            one.start_host()
            one.wait_online()
            config = one.folder / "host/etc/daemon.yaml"
            config.write_text(config.read_text().replace("daemon:\n", "daemon:\n  probation: 6s\n", 1))
            hup(one, lambda: daemon_of(one)["configuration"]["note"] == "reloaded")
            yield one
        finally:
            one.stop()


def daemon_of(stack: Stack) -> dict[str, Any]:
    return stack.api("GET", f"/nodes/{stack.node_id}/daemon")


def log(stack: Stack) -> str:
    return (stack.folder / "host/log/daemon.log").read_text()


def until(ready: Callable[[], bool], seconds: float = 20) -> None:
    began = time.monotonic()
    while not ready():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)


def hup(stack: Stack, done: Callable[[], bool]) -> None:
    os.kill(stack.pids()["daemon"], signal.SIGHUP)
    until(done)


def order(stack: Stack, verb: str, seconds: float = 60, **more: str) -> tuple[dict[str, Any], str]:
    command = stack.api("POST", f"/nodes/{stack.node_id}/orders", {"verb": verb, **more})["command_id"]
    return stack.finish(command, seconds)


def push(stack: Stack, change: Callable[[str], str]) -> tuple[dict[str, Any], str]:
    until(lambda: daemon_of(stack)["configuration"] is not None)
    told = daemon_of(stack)["configuration"]
    return order(stack, "configure", text=change(told["text"]), base=told["hash"])


def test_an_agent_that_is_stopped_stays_stopped_until_it_is_started(stack: Stack) -> None:
    command, _ = order(stack, "agent-stop")
    assert command["state"] == "succeeded"
    until(lambda: (stack.node()["agent"]["state"], stack.node()["agent"]["reason"]) == ("stopped", "stopped on purpose"))
    waiting = stack.run("echo later")
    daemon = stack.kill("daemon")
    until(lambda: stack.pids().get("daemon", daemon) != daemon)
    command, _ = order(stack, "collect")
    assert command["state"] == "succeeded", "orders do not wait behind a command for an agent that is away"
    assert "agent" not in stack.pids()
    command, _ = order(stack, "agent-start")
    assert command["state"] == "succeeded"
    assert stack.finish(waiting)[1] == "later\n"
    old = stack.pids()["agent"]
    assert order(stack, "agent-restart")[0]["state"] == "succeeded"
    assert stack.pids()["agent"] != old
    assert stack.node()["agent"]["restarts"] == 0


def test_the_log_level_holds_until_the_daemon_starts_anew(stack: Stack) -> None:
    assert order(stack, "log-level", level="debug")[0]["state"] == "succeeded"
    status = subprocess.run(
        [BIN / "ops-daemon", "status", "--config", stack.folder / "host/etc/daemon.yaml"], capture_output=True, text=True, check=True
    ).stdout
    assert "logs at debug" in status
    assert re.search(r"^policy +\S+: there is none; nothing is refused$", status, re.MULTILINE)
    assert re.search(r"^config +\S+daemon.yaml, [0-9a-f]{12}, ", status, re.MULTILINE)


def test_a_good_configuration_is_put_in_force_by_the_same_process(stack: Stack) -> None:
    before = stack.pids()
    command, difference = push(stack, lambda text: text + "collectors: {cpu: {interval: 20s}}\n")
    assert command["state"] == "succeeded", command
    assert "+collectors: {cpu: {interval: 20s}}" in difference
    assert stack.pids() == before
    assert "interval: 20s" in (stack.folder / "host/etc/daemon.yaml").read_text()
    until(lambda: daemon_of(stack)["configuration"]["note"] == f"pushed by {command['id']}")
    until(lambda: daemon_of(stack)["health"]["configuration"] == daemon_of(stack)["configuration"]["hash"])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text + "nonsense: 1\n", r"daemon\.yaml:\d+: unknown key nonsense"),
        (
            lambda text: text.replace("interval: 20s", "interval: 5s"),
            r"daemon\.yaml:\d+: collectors\.cpu\.interval: 5 is not between 10 and 300",
        ),
        (lambda text: re.sub(r"work_dir: \S+", "work_dir: /tmp/x", text), "work_dir may not be changed"),
        (lambda text: re.sub(r"policy_file: \S+", "policy_file: /tmp/x", text), "policy_file may not be changed"),
    ],
)
def test_a_bad_one_is_refused_and_nothing_changes(stack: Stack, change: Callable[[str], str], words: str) -> None:
    file = stack.folder / "host/etc/daemon.yaml"
    before = file.read_bytes()
    command, _ = push(stack, change)
    assert command["state"] == "refused"
    assert re.search(words, command["reason"]), command["reason"]
    assert file.read_bytes() == before


@pytest.mark.parametrize("killed", [False, True])
def test_one_that_keeps_it_from_reporting_is_taken_back(stack: Stack, killed: bool) -> None:
    file, before = stack.folder / "host/etc/daemon.yaml", stack.pids()
    good = file.read_bytes()
    told = daemon_of(stack)["configuration"]
    text = re.sub(r"address: \S+", "address: 127.0.0.1:9", told["text"])
    command = stack.api("POST", f"/nodes/{stack.node_id}/orders", {"verb": "configure", "text": text, "base": told["hash"]})["command_id"]
    if killed:
        until(lambda: b"127.0.0.1:9\n" in file.read_bytes())
        stack.kill("daemon")
    ended, _ = stack.finish(command, 60)
    assert ended["state"] == "failed"
    assert "the configuration before it is in force: the manager was not reached within 6 s" in ended["reason"]
    assert file.read_bytes() == good
    assert stack.pids()["agent"] == before["agent"]
    assert killed or stack.pids()["daemon"] == before["daemon"]


def test_what_somebody_else_changed_meanwhile_is_not_lost(stack: Stack) -> None:
    told = daemon_of(stack)["configuration"]
    file = stack.folder / "host/etc/daemon.yaml"
    file.write_text(file.read_text() + "# edited on the host\n")
    command, _ = order(stack, "configure", text=told["text"] + "# edited by somebody\n", base=told["hash"])
    assert command["state"] == "refused"
    assert file.read_text().endswith("# edited on the host\n")
    hup(stack, lambda: daemon_of(stack)["configuration"]["text"].endswith("# edited on the host\n"))
    with pytest.raises(StackError, match="another one by now"):
        order(stack, "configure", text=told["text"], base=told["hash"])


def test_a_reload_of_a_broken_file_keeps_the_one_before_and_names_the_line(stack: Stack) -> None:
    file, pid = stack.folder / "host/etc/daemon.yaml", stack.pids()["daemon"]
    good = file.read_text()
    file.write_text(good + "oops: 1\n")
    line = good.count("\n") + 1
    hup(stack, lambda: f"daemon.yaml:{line}: unknown key oops" in log(stack))
    assert stack.pids()["daemon"] == pid
    assert stack.finish(stack.run("echo goes on"))[1] == "goes on\n"
    file.write_text(good)


def test_the_bundle_holds_what_helps_and_no_secret(stack: Stack) -> None:
    command, _ = order(stack, "diagnose")
    assert command["state"] == "succeeded", command
    address = f"{stack.url}/api/v1/commands/{command['id']}/output/raw?stream=stdout"
    data = requests.get(address, headers={"Authorization": f"Bearer {stack.token}"}, timeout=30).content
    assert len(data) == command["stdout_bytes"]
    secret = (stack.folder / "host/etc/enrolment-token").read_text().strip().split(".")[1]
    key = (stack.folder / "host/var/identity/dispatch.key").read_text().strip()
    with tarfile.open(fileobj=io.BytesIO(data)) as bundle:
        parts = {one.name.removeprefix("diagnostics/"): (bundle.extractfile(one) or io.BytesIO()).read().decode() for one in bundle}
    for name in ("configuration/daemon.yaml", "status.json", "outbox.json", "ledger.json", "log/daemon.log", "log/agent.log"):
        assert parts[name], name
    assert "ops-daemon 0.1.0 started" in parts["log/daemon.log"]
    for text in parts.values():
        assert secret not in text
        assert key not in text


def test_this_hosts_policy_holds_in_agent_and_daemon_whatever_the_manager_says(stack: Stack) -> None:
    policy = stack.folder / "host/etc/policy.yaml"
    policy.write_text("refuse: {kinds: [collect], interpreters: [python]}\n")
    policy.chmod(0o644)
    command, _ = order(stack, "collect")
    assert (command["state"], command["reason"]) == ("refused", "this host's policy refuses the kind collect")
    command, _ = stack.finish(stack.run("print(1)", interpreter="python"))
    assert (command["state"], command["reason"]) == ("refused", "this host's policy refuses the interpreter python")
    assert stack.finish(stack.run("echo allowed"))[1] == "allowed\n"
    policy.chmod(0o666)
    for ended in (order(stack, "collect")[0], stack.finish(stack.run("echo no"))[0]):
        assert ended["state"] == "refused"
        assert "everything is refused" in ended["reason"]
    policy.unlink()
    assert order(stack, "collect")[0]["state"] == "succeeded"
