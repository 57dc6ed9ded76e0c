"""Running something and watching it."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.api.harness import Host, Manager
from tests.server.ctl.opsctl import Opsctl

Act = Callable[[Host, Callable[[Host, str], None]], None]


def succeed(host: Host, command_id: str) -> None:
    host.starts(command_id)
    host.writes(command_id, 0, f"hello from {host.name}\nno end".encode())
    host.ends(command_id)


def fail(host: Host, command_id: str) -> None:
    host.starts(command_id)
    host.writes(command_id, 0, b"no such file\n", "stderr")
    host.ends(command_id, "failed", 3)


def sent(manager: Manager, ada: Opsctl, command_id: str) -> dict[str, object]:
    row = manager.run(manager.services.commands.get(command_id))
    content: dict[str, object] = json.loads(row["task_content"])
    return content


def test_one_nodes_streams_stay_apart_and_every_byte_arrives(manager: Manager, ada: Opsctl, act: Act) -> None:
    data = bytes(range(256)) * 3

    def work(host: Host, command_id: str) -> None:
        host.starts(command_id)
        host.writes(command_id, 0, data)
        host.writes(command_id, 1, "错误\n".encode(), "stderr")
        host.writes(command_id, 2, b"\r\nend", offset=len(data))
        host.ends(command_id)

    host = manager.host("bytes-1")
    act(host, work)
    result = ada("run", "bytes-1", "--", "dump")
    assert (result.code, result.out) == (0, data + b"\r\nend")
    assert "错误\n" in result.err


def test_output_is_there_before_the_command_has_ended(manager: Manager, ada: Opsctl, act: Act) -> None:
    go_on = threading.Event()

    def work(host: Host, command_id: str) -> None:
        host.starts(command_id)
        host.writes(command_id, 0, b"first\n")
        go_on.wait(20)
        host.ends(command_id)

    act(manager.host("live-1"), work)
    process = ada.start("run", "live-1", "--", "slow")
    assert process.stdout is not None
    assert process.stdout.readline() == b"first\n"
    assert process.poll() is None
    go_on.set()
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_the_exit_code_tells_all_some_or_none(manager: Manager, ada: Opsctl, act: Act) -> None:
    for name, work in (("good-1", succeed), ("good-2", succeed), ("bad-1", fail)):
        act(manager.host(name), work)
    both = ada("run", "good-1", "good-2", "--", "greet")
    assert both.code == 0
    assert sorted(both.out.decode().splitlines()) == [
        "good-1: hello from good-1",
        "good-1: no end",
        "good-2: hello from good-2",
        "good-2: no end",
    ]
    assert "2 of 2 succeeded" in both.err
    some = ada("run", "good-1", "bad-1", "--", "greet")
    assert some.code == 3
    assert "bad-1: no such file\n" in some.err
    assert "bad-1: failed, exit code 3\n" in some.err
    assert "1 of 2 succeeded" in some.err
    assert ada("run", "bad-1", "--", "greet").code == 1
    data = ada("run", "bad-1", "good-1", "--json", "--", "greet")
    assert data.code == 3
    assert {item["node_name"]: (item["state"], item["exit_code"]) for item in data.data["results"]} == {
        "bad-1": ("failed", 3),
        "good-1": ("succeeded", 0),
    }
    assert {len(item["chunks"]) for item in data.data["results"]} == {1}


def test_many_nodes_are_watched_together(manager: Manager, ada: Opsctl, act: Act) -> None:
    names = [f"many-{number}" for number in range(18)]

    def work(host: Host, command_id: str) -> None:
        (fail if host.name == "many-7" else succeed)(host, command_id)

    for name in names:
        act(manager.host(name), work)
    result = ada("run", *names, "--", "greet")
    assert result.code == 3
    assert result.out.decode().count("hello from") == 17
    assert "17 of 18 succeeded" in result.err


def test_words_scripts_and_python_arrive_as_they_were_meant(manager: Manager, ada: Opsctl, tmp_path: Path) -> None:
    manager.host("meant-1")
    file = tmp_path / "script.sh"
    file.write_text("#!/bin/sh\necho 你好\n")

    def content(*arguments: str, stdin: bytes = b"") -> dict[str, object]:
        result = ada("run", "meant-1", "--no-wait", *arguments, stdin=stdin)
        assert result.code == 0, result.err
        return sent(manager, ada, result.out.decode().split()[0])

    assert content("--", "df -h | tail -1")["script"] == "df -h | tail -1"
    assert content("--", "ls", "--", "-l", "a b")["script"] == "ls -- -l 'a b'"
    assert content("--file", str(file))["script"] == file.read_text()
    assert content("--file", "-", stdin=b"id\n")["script"] == "id\n"
    python = content("--python", "--timeout", "2m", "--", "import sys; print(sys.argv)", "a b")
    assert (python["interpreter"], python["script"], python["arguments"]) == ("python", "import sys; print(sys.argv)", ["a b"])
    assert python["timeout"] == 120


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("wrong-1",), 2, "--file"),
        (("wrong-1", "--"), 2, "--file"),
        (("wrong-1", "--file", "/etc/hostname", "--", "ls"), 2, "--file"),
        (("wrong-1", "--file", "/nowhere.sh"), 2, "/nowhere.sh"),
        (("wrong-1", "--file", "/dev/null"), 2, "empty"),
        (("wrong-1", "--timeout", "soon", "--", "ls"), 2, "duration"),
        (("wrong-1", "--timeout", "0", "--", "ls"), 2, "timeout"),
        (("wrong-1", "--timeout", "99d", "--", "ls"), 2, "timeout"),
        (("wrong-1", "--", " "), 2, "script"),
        (("wrong-1", "nobody-here", "--", "ls"), 1, "nobody-here"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_starts(
    manager: Manager, ada: Opsctl, arguments: tuple[str, ...], code: int, word: str
) -> None:
    if not ada.here("nodes", "--q", "wrong-1", "--json").data["items"]:
        manager.host("wrong-1")
    result = ada.here("run", *arguments)
    assert (result.code, result.out) == (code, b"")
    assert word in result.err
    assert ada.here("commands", "--node", "wrong-1", "--json").data["total"] == 0


def test_a_file_that_is_no_text_is_refused(ada: Opsctl, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\x7fELF\xff")
    result = ada("run", "any", "--file", str(tmp_path / "binary"))
    assert result.code == 2
    assert "not UTF-8" in result.err
    (tmp_path / "large").write_bytes(b"x" * (512 * 1024 + 1))
    assert "at most" in ada.here("run", "any", "--file", str(tmp_path / "large")).err


def test_a_viewer_may_not_run(manager: Manager, vic: Opsctl) -> None:
    manager.host("seen-1")
    assert vic("run", "seen-1", "--", "reboot").code == 4


def test_following_goes_on_where_it_was_after_the_manager_was_away(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("away-1")
    [command_id] = ada.here("run", "away-1", "--no-wait", "--json", "--", "long").data["commands"].values()
    host.starts(command_id)
    host.writes(command_id, 0, b"before\n")
    process = ada.start("output", "--follow", command_id)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == b"before\n"
    manager.hang_up()
    try:
        assert b"trying again" in process.stderr.readline()
        host.writes(command_id, 1, b"while away\n", offset=7)
        host.ends(command_id)
    finally:
        manager.listen()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, b"while away\n")
    assert b"connected again" in err


def test_ctrl_c_leaves_it_running_and_says_how_to_go_on(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("left-1")
    process = ada.start("run", "left-1", "--", "sleep 1000")
    until = time.monotonic() + 20
    while not host.waiting():
        assert time.monotonic() < until
        time.sleep(0.01)
    [command] = host.waiting()
    host.starts(command.id)
    host.writes(command.id, 0, b"on it\n")
    assert process.stdout is not None
    assert process.stdout.readline() == b"on it\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert f"opsctl output --follow {command.id}" in err.decode()
    assert b"Traceback" not in err
    assert manager.run(manager.services.commands.get(command.id))["state"] == "started"
    host.ends(command.id, "failed", 9)
    assert ada("output", "--follow", command.id).code == 1


SWALLOWS = """
import queue
lasting = queue.Queue.get
def get(self, *more, **named):
    if more or named:
        return lasting(self, *more, **named)
    print("watching", flush=True)
    while True:
        try:
            return lasting(self)
        except KeyboardInterrupt:
            pass
queue.Queue.get = get
"""
"""What a library may do to a KeyboardInterrupt."""


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_ends_it_also_when_something_swallows_it(manager: Manager, ada: Opsctl, presses: int) -> None:
    manager.host(f"stuck-{presses}")
    process = ada.start("run", f"stuck-{presses}", "--", "sleep 1000", before=SWALLOWS)
    assert process.stdout is not None
    assert process.stdout.readline() == b"watching\n"
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_ctrl_c_while_the_command_is_given_says_where_to_look(manager: Manager, ada: Opsctl) -> None:
    manager.host("giving-1")
    slow = "from server.ctl.client import Client\nimport time\n"
    slow += "def create(self, *_):\n    print('giving', flush=True)\n    time.sleep(1000)\nClient.create = create"
    for verb in (
        ("run", "giving-1", "--", "true"),
        ("task", "service", "giving-1", "--action", "status", "--name", "x"),
        ("collect", "giving-1"),
    ):
        process = ada.start(*verb, before=slow)
        assert process.stdout is not None
        assert process.stdout.readline() == b"giving\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err.decode().strip()) == (
            130,
            "the manager may have taken it already; see: opsctl commands --limit 5",
        ), verb


def test_a_reader_that_goes_away_ends_it_quietly(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("pipe-1")
    [command_id] = ada.here("run", "pipe-1", "--no-wait", "--json", "--", "yes").data["commands"].values()
    host.starts(command_id)
    for chunk in range(8):
        host.writes(command_id, chunk, b"y\n" * 20_000, offset=chunk * 40_000)
    with ada.start("output", "--follow", command_id) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"y\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1
