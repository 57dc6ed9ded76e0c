"""The transfer socket: chunks pass through unchanged, a no is final, a manager that is away is asked again within bounds."""

from __future__ import annotations

import base64
import json
import os
import random
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.daemon import transfer
from host.daemon.link import Link
from host.daemon.rpc import RpcServer
from host.daemon.transfer import AWAY, REFUSED, Transfers
from host.lib import jsonrpc
from host.lib.clock import SystemClock
from host.wire.protocol import FILE_CHUNK_BYTES
from tests.host.daemon.fake_manager import Call, FakeManager, Reply, free_port, refusal

CHUNK = base64.b64encode(os.urandom(FILE_CHUNK_BYTES)).decode()


class Desk:
    def __init__(self, folder: Path, link: Link) -> None:
        self.path = folder / "transfer.sock"
        self.transfers = Transfers(link, SystemClock(), random.random)
        self._server = RpcServer(self.path, self.transfers.table())
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while not self._end.is_set():
            self._server.step()

    def close(self) -> None:
        self._end.set()
        self.transfers.stop()
        self._server.interrupt()
        self._thread.join()
        self._server.close()

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(20)
            client.connect(str(self.path))
            client.sendall(jsonrpc.request(1, method, params))
            with client.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer


@pytest.fixture
def desk(tmp_path: Path, manager: FakeManager, link_to: Callable[..., Link], monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(transfer, "RETRY_S", 1.0)
    one = Desk(tmp_path, link_to(manager.port))
    yield one
    one.close()


def test_the_socket_is_for_owner_and_group_only(desk: Desk) -> None:
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o660


def test_chunks_pass_through_as_they_are(desk: Desk, manager: FakeManager) -> None:
    part = {"data": CHUNK, "size": 5, "sha256": "ab"}
    manager.answer = lambda call: Reply(data=part if call.path.endswith("/read") else {"stored": 7, "done": False})
    assert desk.ask("file.read", id="01F", offset=3, length=FILE_CHUNK_BYTES)["result"] == part
    assert desk.ask("file.write", id="01F", offset=3, total=7, data=CHUNK)["result"] == {"stored": 7, "done": False}
    read, write = manager.calls
    assert (read.method, read.path, read.json) == ("POST", "/node/v1/files/01F/read", {"offset": 3, "length": FILE_CHUNK_BYTES})
    assert (write.path, write.json) == ("/node/v1/files/01F/write", {"offset": 3, "total": 7, "data": CHUNK, "sha256": ""})
    assert read.certificate
    assert read.connection == write.connection, "the connection is kept"


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413])
def test_a_no_of_the_manager_is_final_and_told_in_its_words(desk: Desk, manager: FakeManager, status: int) -> None:
    manager.answer = lambda call: refusal(status, 1003, "this file belongs to no command of this node")
    error = desk.ask("file.read", id="01F", offset=0, length=1)["error"]
    assert error == {"code": REFUSED, "message": "this file belongs to no command of this node"}
    assert len(manager.calls) == 1


@pytest.mark.parametrize("fault", [Reply(503), Reply(500), Reply(429), Reply(fault="drop"), Reply(fault="half", data={})])
def test_a_manager_in_trouble_is_asked_again(desk: Desk, manager: FakeManager, fault: Reply) -> None:
    def answer(call: Call) -> Reply:
        return fault if len(manager.calls) < 3 else Reply(data={"data": "", "size": 0, "sha256": ""})

    manager.answer = answer
    assert desk.ask("file.read", id="01F", offset=0, length=1)["result"]["size"] == 0
    assert len(manager.calls) >= 3


def test_a_manager_that_stays_away_is_told_within_the_bound(
    tmp_path: Path, link_to: Callable[..., Link], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "RETRY_S", 0.5)
    desk = Desk(tmp_path, link_to(free_port()))
    try:
        begun = time.monotonic()
        error = desk.ask("file.read", id="01F", offset=0, length=1)["error"]
        assert error["code"] == AWAY
        assert "D2001 nothing listens" in error["message"]
        assert time.monotonic() - begun < 3
    finally:
        desk.close()


def test_the_end_of_the_daemon_ends_a_call_that_hangs(desk: Desk, manager: FakeManager) -> None:
    manager.answer = lambda call: Reply(fault="hang")
    answers: list[dict[str, Any]] = []
    asking = threading.Thread(target=lambda: answers.append(desk.ask("file.read", id="01F", offset=0, length=1)))
    asking.start()
    assert manager.wait_for(lambda calls: len(calls) == 1)
    begun = time.monotonic()
    desk.transfers.stop()
    asking.join(10)
    assert answers[0]["error"]["code"] == AWAY
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("file.read", {"offset": 0, "length": 1}),
        ("file.read", {"id": "../poll", "offset": 0, "length": 1}),
        ("file.read", {"id": "a/b", "offset": 0, "length": 1}),
        ("file.read", {"id": "F", "offset": -1, "length": 1}),
        ("file.read", {"id": "F", "offset": True, "length": 1}),
        ("file.read", {"id": "F", "offset": 1 << 60, "length": 1}),
        ("file.write", {"id": "F", "offset": 0, "total": 1}),
        ("file.write", {"id": "F", "offset": 0, "total": 1, "data": CHUNK + "AAAA"}),
        ("file.write", {"id": "F", "offset": 0, "total": 1, "data": "", "sha256": "a" * 65}),
        ("file.write", {"id": "F", "offset": 0, "total": 1, "data": "", "sha256": 5}),
    ],
)
def test_nonsense_does_not_reach_the_manager(desk: Desk, manager: FakeManager, method: str, params: dict[str, Any]) -> None:
    assert desk.ask(method, **params)["error"]["code"] == jsonrpc.INVALID_PARAMS
    assert manager.calls == []


def test_an_answer_that_is_no_object_counts_as_trouble(desk: Desk, manager: FakeManager) -> None:
    manager.answer = lambda call: Reply(data=[1])
    assert desk.ask("file.read", id="F", offset=0, length=1)["error"]["code"] == AWAY
