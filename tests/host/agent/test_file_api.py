"""The agent's file calls: signed chunks up and down, by the rules of tasks, each signed request once."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from host.wire import signing
from tests.host.agent.harness import KEY, NODE, Agent, now_ms

MB = 1024 * 1024
DATA = os.urandom(2 * MB + 777)
SHA = hashlib.sha256(DATA).hexdigest()


class Caller:
    """One who has the node's key."""

    def __init__(self, agent: Agent) -> None:
        self._agent, self._number = agent, 0

    def headers(self, method: str, path: str, query: str, body: bytes, /, **change: Any) -> dict[str, str]:
        self._number += 1
        items: dict[str, Any] = {"key_id": NODE, "nonce": f"{id(self)}-{self._number}", "now": now_ms(), "expires": now_ms() + 60_000}
        signed = signing.sign(KEY, **(items | {"method": method, "path": path, "query": query, "body": body} | change))
        return signed | {"Content-Type": "application/octet-stream"}

    def send(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPSConnection("127.0.0.1", self._agent.port, context=self._agent._context, timeout=10)
        try:
            connection.request(method, f"{path}?{query}", body or None, headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        finally:
            connection.close()

    def up(self, path: Path | str, offset: int, body: bytes, total: int = len(DATA), sha256: str = SHA, **more: str) -> tuple[int, Any]:
        query = urlencode({"path": str(path), "offset": offset, "total": total, "sha256": sha256, **more})
        headers = self.headers("POST", "/api/v1/file/upload", query, body)
        status, _, answer = self.send("POST", "/api/v1/file/upload", query, body, headers)
        return status, json.loads(answer)

    def down(self, path: Path | str, offset: int, length: int, **more: str) -> tuple[int, dict[str, str], bytes]:
        query = urlencode({"path": str(path), "offset": offset, "length": length, **more})
        return self.send("GET", "/api/v1/file/download", query, b"", self.headers("GET", "/api/v1/file/download", query, b""))


@pytest.fixture(scope="module")
def caller(agent: Agent) -> Caller:
    return Caller(agent)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_file_goes_up_in_chunks_and_comes_down_identical(caller: Caller, folder: Path) -> None:
    target = folder / "x"
    for offset in range(0, len(DATA), MB):
        assert not target.exists(), "it is not there before its last byte"
        status, answer = caller.up(target, offset, DATA[offset : offset + MB], mode="0640")
        assert status == 200, answer
    assert answer["data"]["done"] is True
    assert answer["data"]["sha256"] == SHA
    assert target.read_bytes() == DATA
    assert target.stat().st_mode & 0o777 == 0o640
    got, mark = b"", ""
    while len(got) < len(DATA):
        status, headers, part = caller.down(target, len(got), MB, **({"mark": mark} if mark else {}))
        assert status == 200
        assert headers["x-ops-file-size"] == str(len(DATA))
        got, mark = got + part, headers["x-ops-file-mark"]
    assert got == DATA
    target.write_bytes(DATA + b"!")
    status, _, body = caller.down(target, 0, MB, mark=mark)
    assert (status, b"A3010" in body) == (409, True)


def test_a_gap_is_refused_with_where_to_go_on_and_a_chunk_may_come_again(caller: Caller, folder: Path) -> None:
    assert caller.up(folder / "x", 0, DATA[:1000])[1]["data"] == {"received": 1000, "done": False}
    assert caller.up(folder / "x", 0, DATA[:1000])[1]["data"] == {"received": 1000, "done": False}
    status, answer = caller.up(folder / "x", 2000, DATA[2000:3000])
    assert (status, answer["data"]) == (409, {"received": 1000})
    assert caller.up(folder / "x", 500, DATA[500:2000])[1]["data"]["received"] == 2000


def test_a_wrong_sha256_leaves_the_old_file_and_no_rest(caller: Caller, folder: Path) -> None:
    (folder / "x").write_text("old")
    status, answer = caller.up(folder / "x", 0, b"abc", 3, "0" * 64, overwrite="1")
    assert (status, "A3009" in answer["message"]) == (409, True)
    assert [path.name for path in folder.iterdir()] == ["x"]
    assert (folder / "x").read_text() == "old"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/proc/self/environ", 403),
        ("/dev/zero", 403),
        ("{folder}/../x", 400),
        ("relative", 400),
        ("{folder}/link", 403),
        ("{folder}/link/x", 403),
        ("{folder}/none", 404),
        ("{folder}/fifo", 409),
        ("{folder}", 409),
        ("{work}/identity/dispatch.key", 403),
        ("{folder}/\0", 400),
        ("", 400),
    ],
)
def test_places_that_are_closed_stay_closed(caller: Caller, agent: Agent, folder: Path, path: str, status: int) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "link").symlink_to("/etc")
    name = path.format(folder=folder, work=agent.work)
    got, _, body = caller.down(name, 0, 100)
    assert got == status, body
    if not path.endswith("none"):
        assert caller.up(name, 0, b"abc", 3, hashlib.sha256(b"abc").hexdigest(), overwrite="1")[0] == status
    assert b"root:" not in body


def test_a_replayed_request_is_refused(caller: Caller, folder: Path) -> None:
    query = urlencode({"path": str(folder / "x"), "offset": 0, "total": 3, "sha256": hashlib.sha256(b"abc").hexdigest(), "overwrite": "1"})
    headers = caller.headers("POST", "/api/v1/file/upload", query, b"abc")
    assert caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)[0] == 200
    (folder / "x").write_text("newer")
    status, _, body = caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)
    assert (status, b"nonce is used up" in body) == (401, True)
    assert (folder / "x").read_text() == "newer"


def test_a_replay_after_a_restart_is_refused_as_well(make_agent: Callable[..., Agent], folder: Path) -> None:
    agent = make_agent()
    agent.daemon.start()
    agent.start()
    caller = Caller(agent)
    query = urlencode({"path": str(folder / "x"), "offset": 0, "total": 3, "sha256": hashlib.sha256(b"abc").hexdigest(), "overwrite": "1"})
    headers = caller.headers("POST", "/api/v1/file/upload", query, b"abc")
    assert caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)[0] == 200
    agent.end()
    agent.start()
    status, _, body = caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)
    assert (status, b"nonce is used up" in body) == (401, True)


@pytest.mark.parametrize("change", [{"path": "/api/v1/file/download"}, {"body": b"other"}, {"query": "path=/etc/x"}, {"key_id": "another"}])
def test_a_signature_for_anything_else_is_refused(caller: Caller, folder: Path, change: dict[str, Any]) -> None:
    query = urlencode({"path": str(folder / "x"), "offset": 0, "total": 3, "sha256": "0" * 64})
    headers = caller.headers("POST", "/api/v1/file/upload", query, b"abc", **change)
    assert caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)[0] in (401, 403)
    assert list(folder.iterdir()) == []


def test_unsigned_and_long_lived_requests_are_refused(caller: Caller, folder: Path) -> None:
    query = urlencode({"path": "/etc/passwd", "offset": 0, "length": 10})
    assert caller.send("GET", "/api/v1/file/download", query, b"", {})[0] == 401
    headers = caller.headers("GET", "/api/v1/file/download", query, b"", expires=now_ms() + 3_600_000)
    assert caller.send("GET", "/api/v1/file/download", query, b"", headers)[0] == 400
    headers = caller.headers("GET", "/api/v1/file/download", query, b"", now=now_ms() - 5000, expires=now_ms() - 1000)
    assert caller.send("GET", "/api/v1/file/download", query, b"", headers)[0] == 401


@pytest.mark.parametrize(
    "query", ["offset=x&total=3", "offset=-1&total=3", "total=3", "offset=0&total=2", "offset=0&total=99999999999999999"]
)
def test_numbers_that_make_no_sense_are_refused(caller: Caller, folder: Path, query: str) -> None:
    query = f"path={folder}/x&sha256={'0' * 64}&{query}"
    headers = caller.headers("POST", "/api/v1/file/upload", query, b"abc")
    assert caller.send("POST", "/api/v1/file/upload", query, b"abc", headers)[0] == 400
    assert list(folder.iterdir()) == []


def test_allowed_folders_and_the_hosts_policy_hold_here_too(make_agent: Callable[..., Agent], folder: Path) -> None:
    for name in ("in", "in/secret", "out"):
        (folder / name).mkdir()
        (folder / name / "x").write_text("text")
    policy = folder / "policy.yaml"
    policy.write_text(f"refuse: {{paths: [{folder}/in/secret]}}\n")
    policy.chmod(0o600)
    folder.chmod(0o700)
    agent = make_agent(more=f"policy_file: {policy}\nfiles:\n  roots: [{folder}/in]\n")
    agent.daemon.start()
    agent.start()
    caller = Caller(agent)
    assert caller.down(folder / "in/x", 0, 10)[2] == b"text"
    for path, why in ((folder / "out/x", b"allowed folders"), (folder / "in/secret/x", b"this host's policy refuses the path")):
        status, _, body = caller.down(path, 0, 10)
        assert (status, why in body) == (403, True), body
    status, answer = agent.post(
        "/api/v1/task/execute", {"node_id": NODE, "kind": "file", "content": {"action": "stat", "path": str(folder / "in/secret")}}
    )
    assert (status, "policy refuses the path" in answer["message"]) == (403, True)
