"""The Unix socket: closed to strangers, one owner, an answer to everything that comes."""

from __future__ import annotations

import json
import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.daemon.config import HealthCheck, Restart
from host.daemon.handlers import Handlers
from host.daemon.outbox import Outbox
from host.daemon.rpc import RpcServer
from host.daemon.watch import Watch
from host.lib import jsonrpc
from host.lib.errors import ConfigError
from tests.host.daemon.conftest import FakeClock


class Nothing:
    """A supervisor and a process table with nothing in them."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} is not used here")


class Desk:
    def __init__(self, folder: Path) -> None:
        self.clock, self.events = FakeClock(), []  # type: tuple[FakeClock, list[str]]
        self.outbox = Outbox(folder / "o.db", 1 << 20)
        self.watch = Watch(Nothing(), Nothing(), self.clock, HealthCheck(), Restart(), 60, lambda kind, body: None)
        arrived, left = (lambda: self.events.append("arrived")), (lambda: self.events.append("left"))
        handlers = Handlers(self.outbox, self.watch, self.clock, lambda: {"fine": True}, arrived, left)
        self.path = folder / "daemon.sock"
        self.server = RpcServer(self.path, handlers.table(), handlers.gone)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._end.is_set():
            self.server.step()

    def close(self) -> None:
        self._end.set()
        self.server.interrupt()
        self._thread.join()
        self.server.close()
        self.outbox.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    yield one
    one.close()


def talk(desk: Desk, *lines: bytes) -> list[dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(desk.path))
        client.sendall(b"".join(lines))
        with client.makefile("rb") as answers:
            return [json.loads(answers.readline()) for _ in lines]


def test_the_socket_is_for_owner_and_group_only(desk: Desk) -> None:
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o660


def test_calls_are_answered_in_order_on_one_connection(desk: Desk) -> None:
    status, beat = talk(desk, jsonrpc.request(1, "status", {}), jsonrpc.request(2, "heartbeat", {"pid": 1, "version": "1.0"}))
    assert (status["id"], status["result"]) == (1, {"fine": True})
    assert (beat["id"], beat["result"]) == (2, {"ok": True})
    talk(desk, jsonrpc.request(1, "status", {}))
    assert desk.events == ["arrived", "left"], "only the agent's connection counts as the agent's"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"this is not json\n", jsonrpc.PARSE_ERROR),
        (b"[" * 100_000 + b"\n", jsonrpc.PARSE_ERROR),
        (b"[]\n", jsonrpc.INVALID_REQUEST),
        (b'{"jsonrpc":"2.0","id":1,"method":"reboot"}\n', jsonrpc.METHOD_NOT_FOUND),
        (b'{"jsonrpc":"2.0","id":1,"method":"status","params":[1]}\n', jsonrpc.INVALID_PARAMS),
        (jsonrpc.request(1, "heartbeat", {"version": 5}), jsonrpc.INVALID_PARAMS),
        (jsonrpc.request(1, "deliver", {"epoch": "x", "records": []}), jsonrpc.INVALID_PARAMS),
        (jsonrpc.request(1, "deliver", {"epoch": 1, "records": [{"seq": 1}]}), jsonrpc.INVALID_PARAMS),
        (
            jsonrpc.request(1, "deliver", {"epoch": 1, "records": [{"seq": 1, "kind": "dropped", "at": 1, "body": {}}]}),
            jsonrpc.INVALID_PARAMS,
        ),
    ],
)
def test_nonsense_is_answered_and_harms_nobody(desk: Desk, line: bytes, code: int) -> None:
    wrong, good = talk(desk, line, jsonrpc.request(7, "status", {}))
    assert wrong["error"]["code"] == code
    assert good["result"] == {"fine": True}
    assert desk.outbox.stats().urgent == 0


def test_a_line_without_end_is_cut_off(desk: Desk) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(desk.path))
        try:
            client.sendall(b"x" * (jsonrpc.MAX_LINE + 100_000))
        except (BrokenPipeError, ConnectionResetError):
            return
        received = client.recv(1000)
        assert received == b"" or b"bytes" in received


def test_delivered_records_are_stored_before_the_answer_and_only_once(desk: Desk) -> None:
    records = [{"seq": n, "kind": "log", "at": desk.clock.now(), "body": {"component": "agent"}} for n in (1, 2)]
    answers = [talk(desk, jsonrpc.request(1, "deliver", {"epoch": 5, "records": records}))[0] for _ in range(2)]
    assert [answer["result"] for answer in answers] == [{"stored": 2}, {"stored": 2}]
    assert desk.outbox.stats().bulk == 2


def test_a_second_daemon_is_refused_and_a_dead_ones_socket_is_replaced(desk: Desk, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"another program .pid {os.getpid()}, user {os.getuid()}. answers"):
        RpcServer(desk.path, {})
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    RpcServer(stale, {}).close()
    assert not stale.exists()
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match="is no socket"):
        RpcServer(tmp_path / "file", {})
    assert (tmp_path / "file").read_text() == "precious"


def test_whatever_a_stranger_put_in_the_sockets_place_is_left_alone_and_named(desk: Desk, tmp_path: Path) -> None:
    link = tmp_path / "link.sock"
    link.symlink_to(desk.path)
    with pytest.raises(ConfigError, match="symbolic link"):
        RpcServer(link, {})
    assert link.is_symlink()
    dangling = tmp_path / "dangling.sock"
    dangling.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="symbolic link"):
        RpcServer(dangling, {})
    assert not (tmp_path / "nowhere").exists()
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigError, match=r"everybody on this host may write in .*chmod o-w"):
        RpcServer(folder / "daemon.sock", {})
    assert list(folder.iterdir()) == []


def test_the_agent_and_nobody_else_is_asked_to_end(desk: Desk) -> None:
    with socket.socket(socket.AF_UNIX) as agent, socket.socket(socket.AF_UNIX) as other:
        for one, method in ((agent, "heartbeat"), (other, "status")):
            one.settimeout(5)
            one.connect(str(desk.path))
            one.sendall(jsonrpc.request(1, method, {}))
        with agent.makefile("rb") as from_agent, other.makefile("rb") as from_other:
            assert json.loads(from_agent.readline())["id"] == json.loads(from_other.readline())["id"] == 1
            desk.server.notify("agent", "stop")
            assert json.loads(from_agent.readline()) == {"jsonrpc": "2.0", "method": "stop", "params": {}}
            other.sendall(jsonrpc.request(2, "status", {}))
            assert json.loads(from_other.readline())["id"] == 2
