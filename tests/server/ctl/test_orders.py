"""Orders for a node's daemon from the command line, and what came of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from host.wire.records import Configuration, Execution
from tests.server.api.harness import Host, Manager
from tests.server.ctl.opsctl import Opsctl

Act = Callable[[Host, Callable[[Host, str], None]], None]
TEXT = 'manager:\n  address: a:1\n  enrolment_token: "********"\n'
HASH = hashlib.sha256(b"the file on the host").hexdigest()


def configured(manager: Manager, name: str) -> Host:
    host = manager.host(name)
    host.tells("configuration", Configuration(TEXT, HASH, "at start"))
    return host


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("agent", "start"), "agent-start"),
        (("agent", "stop"), "agent-stop"),
        (("agent", "restart"), "agent-restart"),
        (("collect",), "collect"),
    ],
)
def test_an_order_is_given_and_its_end_told(manager: Manager, ada: Opsctl, act: Act, words: tuple[str, ...], kind: str) -> None:
    host = manager.host(f"order-{kind}")
    act(host, lambda host, command: (host.starts(command), host.ends(command, reason="as you said")))
    done = ada.here(*words, host.name)
    assert (done.code, done.out) == (0, b"")
    assert f"{host.name}: as you said" in done.err
    listed = ada.here("commands", "--node", host.name).out.decode()
    assert kind in listed


def test_a_failed_order_is_exit_code_1_with_its_reason(manager: Manager, ada: Opsctl, act: Act) -> None:
    host = manager.host("order-fails")
    act(host, lambda host, command: (host.starts(command), host.ends(command, "failed", None, "the agent did not stop")))
    done = ada.here("agent", "stop", host.name)
    assert done.code == 1
    assert "failed: the agent did not stop" in done.err


def test_without_waiting_the_id_is_printed(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("order-later")
    command = ada.here("log-level", host.name, "debug", "--no-wait").out.decode().strip()
    assert [one.id for one in host.waiting()] == [command]
    assert host.waiting()[0].path == "/daemon/v1/log-level"
    assert ada.here("collect", host.name, "--no-wait", "--json").data["command_id"]
    assert ada.here("log-level", host.name, "loud").code == 2


def test_a_viewer_may_look_but_not_order(manager: Manager, vic: Opsctl) -> None:
    host = configured(manager, "order-viewer")
    assert vic.here("config", "show", host.name).out.decode() == TEXT
    assert vic.here("agent", "stop", host.name).code == 4


def test_a_configuration_is_shown_edited_and_pushed(manager: Manager, ada: Opsctl, act: Act, tmp_path: Path) -> None:
    host = configured(manager, "pushed")
    file = tmp_path / "new.yaml"
    file.write_text(TEXT + "  timeout: 5s\n")
    asked = ada.here("config", "push", host.name, "--file", str(file))
    assert asked.code == 2
    assert "+  timeout: 5s" in asked.err
    assert "--yes" in asked.err
    assert host.waiting() == []

    def take(host: Host, command: str) -> None:
        host.starts(command)
        host.writes(command, 0, b"+  timeout: 5s\n")
        host.ends(command, reason="in force: the manager was reached under it")

    act(host, take)
    done = ada.here("config", "push", host.name, "--file", str(file), "--yes")
    assert done.code == 0, done.err
    assert "in force: the manager was reached under it" in done.err


def test_a_push_over_another_persons_change_is_refused(manager: Manager, ada: Opsctl, tmp_path: Path) -> None:
    host = configured(manager, "raced")
    file = tmp_path / "new.yaml"
    file.write_text(TEXT)
    done = ada.here("config", "push", host.name, "--file", str(file), "--yes", "--base", "0" * 64)
    assert done.code == 1
    assert "another one by now" in done.err
    assert ada.here("config", "show", manager.host("silent").name).code == 1


def test_a_bundle_lands_in_the_file_byte_for_byte(manager: Manager, ada: Opsctl, act: Act, tmp_path: Path) -> None:
    host = manager.host("diagnosed")
    data = bytes(range(256)) * 300

    def send(host: Host, command: str) -> None:
        host.starts(command)
        host.writes(command, 0, data[:40_000])
        host.writes(command, 1, data[40_000:], offset=40_000)
        host.tells("execution", Execution(command, "succeeded", "a tar.gz", 0, stdout_bytes=len(data)))

    act(host, send)
    target = tmp_path / "bundle.tar.gz"
    assert ada.here("diagnose", host.name, "--to", str(target)).code == 0
    assert target.read_bytes() == data
    assert list(tmp_path.iterdir()) == [target]
    assert ada.here("diagnose", host.name, "--to", str(tmp_path / "none" / "x")).code == 1
