"""The agent's door: who may call, what is refused and with which words."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.host.agent.harness import NODE, Agent, now_ms

EXECUTE = "/api/v1/task/execute"


def body(script: str, **change: Any) -> bytes:
    return json.dumps({"node_id": NODE, "kind": "script", "content": {"script": script}, **change}).encode()


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    """A file that only a script that really ran would make."""
    return tmp_path / "ran"


@pytest.mark.parametrize(
    ("change", "status", "code", "words"),
    [
        ({"key": bytes(32)}, 401, 1002, "signature does not fit"),
        ({"path": "/api/v1/task/other"}, 401, 1002, "signature does not fit"),
        ({"method": "GET"}, 401, 1002, "signature does not fit"),
        ({"body": b"{}"}, 401, 1002, "signature does not fit"),
        ({"query": "a=1"}, 401, 1002, "signature does not fit"),
        ({"now": now_ms() - 120_000}, 401, 1002, "expired"),
        ({"key_id": "another-node"}, 403, 1003, "another node"),
    ],
)
def test_a_request_that_is_not_genuine_is_refused(
    agent: Agent, mark: Path, change: dict[str, Any], status: int, code: int, words: str
) -> None:
    raw = body(f"touch {mark}")
    answer = agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw, **change))
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert words in answer[1]["message"]
    assert set(answer[1]) == {"code", "message", "data", "timestamp"}
    assert not mark.exists()


@pytest.mark.parametrize("name", ["X-Ops-Signature", "X-Ops-Nonce", "X-Ops-Expires", "X-Ops-Key"])
def test_a_header_left_out_is_named(agent: Agent, name: str) -> None:
    raw = body("true")
    headers = agent.headers("POST", EXECUTE, raw)
    del headers[name]
    status, answer = agent.call("POST", EXECUTE, raw, headers)
    assert status == 401
    assert name in answer["message"]


def test_a_changed_expiry_breaks_the_signature(agent: Agent) -> None:
    raw = body("true")
    headers = agent.headers("POST", EXECUTE, raw) | {"X-Ops-Expires": str(now_ms() + 10**9)}
    assert agent.call("POST", EXECUTE, raw, headers)[0] == 401


def test_a_command_for_another_node_is_refused_even_when_signed(agent: Agent) -> None:
    raw = body("true", node_id="somebody-else")
    status, answer = agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw))
    assert (status, answer["code"]) == (403, 1003)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "not JSON"),
        (b"[1]", "must be a JSON object"),
        (b"\xff\xfe", "not valid UTF-8"),
        (b'{"a": "\\ud800"}', "not valid UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{}", "node_id: is missing"),
        (body("true", kind="dance"), "kind: 'dance' is unknown to this agent; it runs "),
        (body("true", kind=5), "kind: has the wrong type"),
        (body("true", content=[]), "content: has the wrong type"),
        (body("   "), "script: it is empty"),
        (body("a\0b"), "NUL byte"),
        (body("x", content={"script": "x", "timeout": True}), "timeout: has the wrong type"),
        (body("x", content={"script": "x", "timeout": 0}), "timeout: 0 is not between"),
        (body("x", content={"script": "x", "arguments": ["a", 1]}), "arguments: has the wrong type"),
        (body("x", content={"script": "x", "environment": {"A=B": "c"}}), "environment: 'A=B' cannot be"),
        (body("x", content={"script": "x", "interpreter": "ruby"}), "interpreter: 'ruby' is unknown"),
        (body("x", content={"script": "x", "working_folder": "here"}), "not an absolute path"),
    ],
)
def test_a_signed_body_that_makes_no_sense_is_refused_in_words(agent: Agent, raw: bytes, words: str) -> None:
    status, answer = agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw))
    assert (status, answer["code"]) == (400, 1001)
    assert words in answer["message"]


def test_unknown_fields_are_ignored_so_that_the_manager_may_be_newer(agent: Agent) -> None:
    raw = body("true", new_thing=1)
    assert agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw))[0] == 200


@pytest.mark.parametrize("nonce", ["../../etc/passwd", "a b", "x" * 200])
def test_an_id_that_cannot_be_one_is_refused(agent: Agent, nonce: str) -> None:
    raw = body("true")
    assert agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw, nonce))[0] == 400


def test_a_body_past_a_mebibyte_is_refused(agent: Agent) -> None:
    raw = b" " * (1024 * 1024 + 1)
    status, answer = agent.call("POST", EXECUTE, raw, agent.headers("POST", EXECUTE, raw))
    assert (status, answer["code"]) == (413, 1001)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_that_a_web_page_could_send_is_refused(agent: Agent, kind: str) -> None:
    raw = body("true")
    headers = agent.headers("POST", EXECUTE, raw) | {"Content-Type": kind}
    assert agent.call("POST", EXECUTE, raw, headers)[0] == 415


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Host": "evil.example:9445"}, {"Origin": "https://evil.example"}])
@pytest.mark.parametrize("path", ["/api/v1/health", "/api/v1/status", EXECUTE])
def test_a_web_page_cannot_reach_the_agent(agent: Agent, path: str, headers: dict[str, str], mark: Path) -> None:
    method, raw = ("POST", body(f"touch {mark}")) if path == EXECUTE else ("GET", b"")
    status, answer = agent.call(method, path, raw, agent.headers(method, path, raw) | headers)
    assert (status, answer["code"]) == (403, 1003)
    assert not mark.exists()


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/", 404), ("GET", "/api/v1/health/", 404), ("DELETE", EXECUTE, 405)])
def test_unknown_addresses_and_methods_get_an_envelope(agent: Agent, method: str, path: str, status: int) -> None:
    answer = agent.call(method, path)
    assert answer[0] == status
    assert answer[1]["code"] == 1001
    assert answer[1]["data"] is None


@pytest.mark.parametrize("path", ["/api/v1/status", "/api/v1/task/x/status"])
def test_figures_are_for_signed_requests_only(agent: Agent, path: str) -> None:
    assert agent.call("GET", path)[0] == 401
    late = agent.headers("GET", path, now=now_ms() - 120_000)
    assert agent.call("GET", path, headers=late)[0] == 401


def test_health_and_status_answer(agent: Agent) -> None:
    assert agent.call("GET", "/api/v1/health")[1]["data"] == {"status": "ok", "version": "0.1.0"}
    data = agent.get("/api/v1/status")[1]["data"]
    assert data["node_id"] == NODE
    assert data["state"] == "running"
    assert data["memory_bytes"] > 10_000_000
    status, answer = agent.get(f"/api/v1/task/{uuid.uuid4().hex}/status")
    assert (status, answer["code"]) == (404, 1001)


def test_a_command_delivered_again_runs_once(agent: Agent, mark: Path) -> None:
    script = f"echo x >>{mark}"
    command = agent.run(script)
    assert agent.daemon.ended(command)["state"] == "succeeded"
    raw = body(script)
    for age in (0, 120_000):
        # Even after its time: the answer to the first delivery may be what was lost.
        headers = agent.headers("POST", EXECUTE, raw, command, now=now_ms() - age)
        status, answer = agent.call("POST", EXECUTE, raw, headers)
        assert status == 200
        assert answer["data"] == {"id": command, "state": "succeeded", "known": True}
    assert agent.daemon.ended(agent.run("true"))["state"] == "succeeded"
    assert mark.read_text() == "x\n"
    assert agent.daemon.states(command) == ["started", "succeeded"]


def test_nothing_below_tls_1_2_is_spoken(agent: Agent) -> None:
    context = ssl.create_default_context(cafile=str(agent.work / "identity/agent.crt"))
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLS"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", agent.port), 5) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_plain_http_and_rubbish_do_no_harm(agent: Agent) -> None:
    for rubbish in (b"GET / HTTP/1.1\r\n\r\n", b"\0" * 500):
        with socket.create_connection(("127.0.0.1", agent.port), 5) as plain:
            plain.sendall(rubbish)
            try:
                assert b"200" not in plain.recv(100)
            except ConnectionResetError:
                continue
    assert agent.call("GET", "/api/v1/health")[0] == 200
    assert "Traceback" not in agent.log()


def test_a_hundred_idle_connections_of_strangers_do_not_keep_the_daemon_out(agent: Agent) -> None:
    context = ssl.create_default_context(cafile=str(agent.folder / "var/identity/agent.crt"))

    def connect() -> http.client.HTTPSConnection:
        made = http.client.HTTPSConnection("127.0.0.1", agent.port, context=context, timeout=10)
        made.connect()
        return made

    def ask(connection: http.client.HTTPSConnection) -> int:
        connection.request("GET", "/api/v1/status", headers=agent.headers("GET", "/api/v1/status"))
        answer = connection.getresponse()
        answer.read()
        return answer.status

    daemon = connect()
    assert ask(daemon) == 200
    strangers = [connect() for _ in range(100)]
    assert ask(daemon) == 200, "its own connection was cut"
    newcomer = connect()
    assert ask(newcomer) == 200, "a new one was refused"
    for connection in [daemon, newcomer, *strangers]:
        connection.close()


def test_this_hosts_policy_has_the_last_word(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("refuse: {interpreters: [python], paths: [/etc]}\n")
    policy.chmod(0o600)
    tmp_path.chmod(0o700)
    agent = Agent(tmp_path / "host", more=f"policy_file: {policy}")

    def task(script: str, **content: str) -> tuple[int, dict[str, Any]]:
        return agent.post(EXECUTE, {"node_id": NODE, "kind": "script", "content": {"script": script, **content}})

    try:
        agent.start()
        status, answer = task("import os", interpreter="python")
        assert (status, answer["code"]) == (403, 1003)
        assert answer["message"] == "this host's policy refuses the interpreter python"
        assert "working folder /usr/../etc" in task("true", working_folder="/usr/../etc")[1]["message"]
        assert task("true")[0] == 200
        policy.write_text("nonsense")
        assert "everything is refused" in task("true")[1]["message"]
    finally:
        agent.close()
