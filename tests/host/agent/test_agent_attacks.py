"""How an agent's API would be attacked, and what must happen: no second run, nobody kept out, no fault of the agent's own."""

from __future__ import annotations

import datetime
import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from host.agent import config, nonces, openapi
from host.agent.door import Callers
from host.agent.nonces import Nonces
from host.agent.rates import Bucket, Rates
from host.agent.server import bind
from host.lib.errors import AgentError, ConfigError
from host.wire.schema import of
from host.wire.tasks import KINDS
from tests.host.agent.harness import NODE, Agent

HEALTH, STATUS, EXECUTE = "/api/v1/health", "/api/v1/status", "/api/v1/task/execute"
ROOT = Path(__file__).resolve().parents[3]


def context_of(agent: Agent) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(agent.work / "identity/agent.crt"))
    context.check_hostname = False
    return context


def raw(agent: Agent, data: bytes, seconds: float = 10.0) -> bytes:
    """Everything that is answered to these bytes until the agent closes, or says nothing for a second after an answer."""
    with socket.create_connection(("127.0.0.1", agent.port), seconds) as plain, context_of(agent).wrap_socket(plain) as connection:
        answer = b""
        try:
            connection.sendall(data)
            while part := connection.recv(65536):
                answer += part
                connection.settimeout(1.0)
        except (TimeoutError, ConnectionError, ssl.SSLError):
            return answer
        return answer


def call(agent: Agent, host: str, headers: dict[str, str], path: str = HEALTH, context: ssl.SSLContext | None = None) -> tuple[int, Any]:
    connection = http.client.HTTPSConnection(host, agent.port, context=context or context_of(agent), timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


# -- replay -----------------------------------------------------------------------------------------------------------


def test_a_signed_request_is_good_once_and_not_after_a_restart_either(make_agent: Callable[..., Agent]) -> None:
    it = make_agent()
    it.start()
    used, unused = it.headers("GET", STATUS), it.headers("GET", STATUS)
    assert it.call("GET", STATUS, headers=used)[0] == 200
    for _ in range(2):
        status, answer = it.call("GET", STATUS, headers=used)
        assert (status, answer["code"], answer["data"]) == (401, 1002, None)
        assert "nonce is used up" in answer["message"]
        it.end(signal.SIGKILL)
        it.start()
    assert it.call("GET", STATUS, headers=unused)[0] == 200


@pytest.mark.parametrize("path", [f"{STATUS}?a=1", "/api/v1/task/a/status", "/api/v1/task/a/output?stream=stderr", "/api/v1//status"])
def test_a_signature_is_good_for_its_own_path_and_query_only(agent: Agent, path: str) -> None:
    status, answer = agent.call("GET", path, headers=agent.headers("GET", STATUS))
    assert status in (401, 404)
    assert answer["data"] is None


def test_a_command_captured_cannot_be_sent_to_another_route(agent: Agent) -> None:
    body = json.dumps({"node_id": NODE, "kind": "script", "content": {"script": "true"}}).encode()
    headers = agent.headers("POST", EXECUTE, body)
    assert agent.call("POST", "/api/v1/task/x/cancel", body, headers)[0] == 401
    assert agent.call("POST", EXECUTE, body + b" ", headers)[0] == 401
    assert agent.call("POST", EXECUTE, body, headers)[0] == 200


def test_after_the_hosts_restart_what_may_have_been_lost_is_refused_and_newer_is_not(tmp_path: Path) -> None:
    store = Nonces(tmp_path / "nonces.db", "first boot")
    assert store.refusal("a", 1_000_000, 2_000_000, 1_000_000) == ""
    store.close()
    (tmp_path / "nonces.db-wal").unlink(missing_ok=True)
    store = Nonces(tmp_path / "nonces.db", "second boot")
    assert "sign it anew" in store.refusal("never seen", 1_000_001, 2_000_000, 1_000_001)
    assert store.refusal("later", 1_000_001 + nonces.AHEAD_MS, 2_000_000, 1_010_000) == ""
    store.close()
    again = Nonces(tmp_path / "nonces.db", "second boot")
    assert "sign it anew" in again.refusal("never seen", 1_000_001, 2_000_000, 1_000_001), "an agent's restart must not forget that"
    assert "used up" in again.refusal("later", 1_000_001 + nonces.AHEAD_MS, 2_000_000, 1_010_000)
    again.close()


def test_nonces_are_bounded_and_make_room_when_they_have_expired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nonces, "MOST", 3)
    store = Nonces(tmp_path / "nonces.db", "boot")
    assert [store.refusal(str(n), n, 1000, 0) for n in range(1, 4)] == ["", "", ""]
    assert "too many" in store.refusal("4", 4, 1000, 0)
    assert "used up" in store.refusal("2", 2, 1000, 1000) or "too many" in store.refusal("2", 2, 1000, 1000)
    assert store.refusal("5", 5, 10**9, 1001 + nonces.GRACE_MS) == ""
    store.close()


def test_a_damaged_file_of_nonces_stops_the_start_with_its_name(make_agent: Callable[..., Agent]) -> None:
    it = make_agent()
    (it.work / "nonces.db").write_bytes(b"nonsense" * 1000)
    done = subprocess.run(it.command("run", "--config", str(it.config)), cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 1
    assert re.search(r"ops-agent: D3001 .*nonces\.db: the nonces cannot be remembered", done.stderr)
    assert "Traceback" not in done.stderr


# -- floods -----------------------------------------------------------------------------------------------------------


def test_strangers_are_slowed_down_and_the_daemon_is_not(make_agent: Callable[..., Agent]) -> None:
    it = make_agent(more="api: {unsigned_rate: 2}")
    it.start()
    daemon = http.client.HTTPSConnection("127.0.0.1", it.port, context=context_of(it), timeout=10)
    statuses = [it.call("GET", HEALTH)[0] for _ in range(6)]
    assert statuses[0] == 200
    assert statuses[-1] == 429
    for _ in range(20):
        daemon.request("GET", STATUS, headers=it.headers("GET", STATUS))
        answer = daemon.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (200, 0)
        assert it.get(STATUS)[0] == 200, "a new connection of the daemon's"
    daemon.close()
    stranger = http.client.HTTPSConnection("127.0.0.1", it.port, context=context_of(it), timeout=10)
    for _ in range(3):
        stranger.request("GET", HEALTH)
        answer = stranger.getresponse()
        answer.read()
    assert answer.status == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 2
    stranger.close()


def test_forged_signatures_are_counted_as_strangers(make_agent: Callable[..., Agent]) -> None:
    it = make_agent(more="api: {unsigned_rate: 2}")
    it.start()
    statuses = [it.call("GET", STATUS, headers=it.headers("GET", STATUS, key=bytes(32)))[0] for _ in range(6)]
    assert (statuses[0], statuses[-1]) == (401, 429)
    assert it.get(STATUS)[0] == 200


def test_genuine_requests_are_bounded_for_each_connection(make_agent: Callable[..., Agent]) -> None:
    it = make_agent(more="api: {signed_rate: 1}")
    it.start()
    connection = http.client.HTTPSConnection("127.0.0.1", it.port, context=context_of(it), timeout=10)
    statuses = []
    for _ in range(4):
        connection.request("GET", STATUS, headers=it.headers("GET", STATUS))
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses[:2] == [200, 200]
    assert statuses[-1] == 429
    assert it.get(STATUS)[0] == 200


def test_a_bucket_fills_with_time_and_addresses_are_bounded() -> None:
    now = [0.0]
    bucket = Bucket(2.0, 2.0, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.5]
    now[0] = 0.5
    assert bucket.take() == 0.0
    rates = Rates(1_000_000, 1, lambda: now[0])
    for number in range(2000):
        rates.stranger(str(number))
    assert len(rates._of_address) == 1000


# -- slow and large ---------------------------------------------------------------------------------------------------


def test_slow_senders_are_cut_and_everybody_else_is_served(agent: Agent) -> None:
    body_headers = "".join(f"{name}: {value}\r\n" for name, value in agent.headers("POST", EXECUTE, b"x" * 100).items())
    host = f"Host: 127.0.0.1:{agent.port}\r\n"
    cases = {
        "nothing at all": b"",
        "half a head": b"GET /api/v1/health HTTP/1.1\r\nHo",
        "half a body": f"POST {EXECUTE} HTTP/1.1\r\n{host}{body_headers}Content-Length: 100\r\n\r\n".encode() + b"x",
    }
    answers: dict[str, tuple[bytes, float]] = {}

    def send(name: str) -> None:
        began = time.monotonic()
        answers[name] = raw(agent, cases[name], 30.0), time.monotonic() - began

    threads = [threading.Thread(target=send, args=(name,)) for name in cases]
    handshake = socket.create_connection(("127.0.0.1", agent.port), 30)
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert agent.get(STATUS)[0] == 200
        threads[0].join(0.5)
    assert handshake.recv(1) == b"", "a handshake that never comes is given up"
    handshake.close()
    assert all(seconds < 20 for _, seconds in answers.values()), answers
    assert answers["nothing at all"][0] == answers["half a head"][0] == b""
    assert b" 408 " in answers["half a body"][0]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /api/v1/health HTTP/1.1\r\nX: " + b"a" * 10_000_000 + b"\r\n\r\n",
        b"GET /api/v1/health HTTP/1.1\r\n" + b"X: a\r\n" * 1_000_000 + b"\r\n",
        b"GET /" + b"a" * 10_000_000 + b" HTTP/1.1\r\n\r\n",
        b"G" * 10_000_000,
    ],
)
def test_a_huge_head_is_refused_and_costs_no_memory(agent: Agent, head: bytes) -> None:
    before = agent.get(STATUS)[1]["data"]["memory_bytes"]
    answer = raw(agent, head)
    assert not answer or answer[9:12] in (b"431", b"400"), answer[:200]
    assert agent.get(STATUS)[1]["data"]["memory_bytes"] < before + 20_000_000


# -- oddities of HTTP -------------------------------------------------------------------------------------------------

SIGNED = "X-Ops-Key: {0}\r\nX-Ops-Nonce: {0}\r\nX-Ops-Timestamp: {1}\r\nX-Ops-Expires: {1}\r\nX-Ops-Signature: {0}\r\n"
ODD = [
    "POST {e} HTTP/1.1\r\n{h}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /api/v1/status HTTP/1.1\r\n{h}\r\n",
    "POST {e} HTTP/1.1\r\n{h}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "POST {e} HTTP/1.1\r\n{h}Content-Length: -1\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Content-Length: 99999999999999999999999\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Content-Length: 5, 5\r\n\r\nabcde",
    "POST {e} HTTP/1.1\r\n{h}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nabcde\r\n0\r\nX: y\r\n\r\n",
    "POST {e} HTTP/1.1\r\n{h}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\nHost: evil.example\r\n{h}\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}{h}\r\n",
    "GET /api/v1/health HTTP/1.1\r\n\r\n",
    "GET /api/v1/health HTTP/1.0\r\n\r\n",
    "GET /api/v1/health\r\n\r\n",
    "GET /api/v1/health HTTP/9.9\r\n{h}\r\n",
    "GET https://evil.example/api/v1/health HTTP/1.1\r\n{h}\r\n",
    "GET //evil.example/api/v1/health HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/%68ealth HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/health%00 HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/../v1/health HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/health;x HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/task/%2e%2e%2f%2e%2e/status HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/task/\xff\xfe/status HTTP/1.1\r\n{h}\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}X: a\0b\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}X: a\r\n continued\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}: nothing\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\n{h}\n",
    "CONNECT evil.example:443 HTTP/1.1\r\n{h}\r\n",
    "OPTIONS * HTTP/1.1\r\n{h}\r\n",
    "TRACE /api/v1/health HTTP/1.1\r\n{h}\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}Expect: 100-continue\r\n\r\n",
    "POST /api/v1/health HTTP/1.1\r\n{h}X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n",
    "GET /api/v1/health HTTP/1.1\r\n{h}Content-Length: 1000000\r\n\r\n",
    "GET /api/v1/status HTTP/1.1\r\n{h}{s}\r\n".replace("{s}", SIGNED.format("\xff", "1")),
    "GET /api/v1/status HTTP/1.1\r\n{h}{s}\r\n".replace("{s}", SIGNED.format("a", "9" * 5000)),
]


@pytest.mark.parametrize("number", range(len(ODD)))
def test_an_odd_request_is_answered_without_a_fault_and_smuggles_nothing(odd_agent: Agent, number: int) -> None:
    text = ODD[number].replace("{e}", EXECUTE).replace("{h}", f"Host: 127.0.0.1:{odd_agent.port}\r\n")
    answer = raw(odd_agent, text.encode("latin-1"), 3.0)
    statuses = [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3})", answer)]
    assert all(status < 500 for status in statuses), answer
    assert b'"pid"' not in answer, "what needs a signature was answered"
    assert odd_agent.call("GET", HEALTH)[0] == 200
    assert "Traceback" not in odd_agent.log()


@pytest.fixture(scope="module")
def odd_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    it = Agent(tmp_path_factory.mktemp("odd"), more="api: {unsigned_rate: 10000}")
    it.start()
    yield it
    it.close()


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "X-Forwarded-Host", "True-Client-IP"])
def test_headers_of_a_proxy_change_nothing(odd_agent: Agent, name: str) -> None:
    headers = {name: "127.0.0.1", "Host": "evil.example"}
    assert odd_agent.call("GET", HEALTH, headers=headers)[0] == 403


# -- beyond this host -------------------------------------------------------------------------------------------------


def own_address() -> str:
    """An address of this machine that is not loopback; no packet is sent for it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("198.51.100.1", 9))
        except OSError:
            pytest.skip("this machine has no other address than loopback")
        return str(probe.getsockname()[0])


def beyond(make_agent: Callable[..., Agent], address: str, api: str) -> Agent:
    it = make_agent()
    text = it.config.read_text().replace("listen: 127.0.0.1:", "listen: 0.0.0.0:")
    it.config.write_text(text + f"api: {{hosts: ['{address}', 'agent.example'], {api}}}\n")
    it.start()
    return it


def test_only_allowed_addresses_may_call_and_no_header_makes_one_of_them(make_agent: Callable[..., Agent]) -> None:
    address = own_address()
    it = beyond(make_agent, address, "allow: [203.0.113.0/24]")
    status, answer = call(it, address, {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"})
    assert (status, answer["message"]) == (403, "this address may not call")
    signed = it.headers("GET", STATUS)
    assert call(it, address, signed, STATUS)[0] == 403
    assert it.call("GET", STATUS, headers=signed)[0] == 200, "this host itself may call, and the nonce was not used up"
    text = it.config.read_text().replace("203.0.113.0/24", address)
    it.end()
    it.config.write_text(text)
    it.start()
    assert call(it, address, {})[0] == 200
    assert call(it, address, {"Host": "other.example"})[0] == 403
    assert call(it, address, {"Host": f"AGENT.example:{it.port}"})[0] == 200
    assert call(it, address, {}, "/api/v1/openapi.json")[0] == 401, "the description is public on this host only"


def test_a_client_certificate_opens_the_door_and_no_other_does(make_agent: Callable[..., Agent], tmp_path: Path) -> None:
    address = own_address()
    for name in ("good", "other"):
        make_ca(tmp_path, name)
    it = beyond(make_agent, address, f"client_ca: {tmp_path}/good-ca.crt")
    assert it.call("GET", HEALTH)[0] == 200, "the daemon has no such certificate"
    status, answer = call(it, address, {})
    assert (status, answer["message"]) == (403, "a client certificate is needed from beyond this host")
    context = context_of(it)
    context.load_cert_chain(tmp_path / "good.crt", tmp_path / "good.key")
    assert call(it, address, {}, context=context)[0] == 200
    context = context_of(it)
    context.load_cert_chain(tmp_path / "other.crt", tmp_path / "other.key")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        call(it, address, {}, context=context)


def make_ca(folder: Path, name: str) -> None:
    now = datetime.datetime.now(datetime.timezone.utc)

    def build(subject: str, key: Any, issuer: str, signer: Any, ca: bool) -> x509.Certificate:
        names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (subject, issuer)]
        builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=1)).add_extension(x509.BasicConstraints(ca, None), True)
        return builder.sign(signer, hashes.SHA256())

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    pem = serialization.Encoding.PEM
    (folder / f"{name}-ca.crt").write_bytes(build(f"{name} CA", ca_key, f"{name} CA", ca_key, True).public_bytes(pem))
    (folder / f"{name}.crt").write_bytes(build("client", key, f"{name} CA", ca_key, False).public_bytes(pem))
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(secret)


@pytest.mark.parametrize(
    ("allow", "certified", "address", "shown", "words"),
    [
        ([], False, "127.0.0.1", False, ""),
        ([], False, "::ffff:127.0.0.1", False, ""),
        ([], False, "10.0.0.1", False, "only this host"),
        (["10.0.0.0/8"], False, "10.1.2.3", False, ""),
        (["10.0.0.0/8"], False, "::ffff:10.1.2.3", False, ""),
        (["10.0.0.0/8"], False, "11.0.0.1", False, "may not call"),
        (["10.0.0.0/8"], True, "10.0.0.1", False, "certificate is needed"),
        (["10.0.0.0/8"], True, "11.0.0.1", True, "may not call"),
        ([], True, "11.0.0.1", True, ""),
        ([], True, "", True, "no address"),
    ],
)
def test_who_may_come_in(allow: list[str], certified: bool, address: str, shown: bool, words: str) -> None:
    problem = Callers(frozenset(), allow, certified).problem(address, shown)
    assert words in problem
    assert bool(words) == bool(problem)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("listen: 10.0.0.1:9445", "nothing says who may call"),
        ("listen: 0.0.0.0:9445\napi: {allow: [10.0.0.0/8]}", "set api.hosts"),
        ("listen: here:9445", "begins with no address"),
        ("listen: 127.0.0.1:0", "no port"),
        ("api: {allow: [10.0.0.1/8]}", "'10.0.0.1/8' is no network"),
        ("api: {client_ca: ca.crt}", "not an absolute path"),
        ("plugins: {folder: tasks}", "not an absolute path"),
    ],
)
def test_settings_that_would_open_the_agent_by_mistake_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "agent.yaml").write_text(text)
    with pytest.raises(ConfigError, match="D1002") as caught:
        config.read(tmp_path / "agent.yaml")
    assert words in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:9445", "localhost:9445", "[::1]:9445"])
def test_loopback_needs_no_rule(tmp_path: Path, listen: str) -> None:
    (tmp_path / "agent.yaml").write_text(f"listen: '{listen}'")
    assert "localhost:9445" in config.read(tmp_path / "agent.yaml").host_headers


def test_an_address_of_ipv6_can_be_listened_on() -> None:
    try:
        bound = bind(("::1", 0))
    except AgentError:
        pytest.skip("this machine has no IPv6")
    assert bound.getsockname()[0] == "::1"
    bound.close()


# -- the description --------------------------------------------------------------------------------------------------


def test_the_description_in_docs_is_that_of_the_code() -> None:
    told = json.loads((ROOT / "docs/agent-openapi.json").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(openapi.document([of(cls) for cls in KINDS.values()])))
    assert told == made, "run python -m host.agent.openapi >docs/agent-openapi.json"


def test_the_agent_describes_itself_to_this_host_without_a_signature(agent: Agent) -> None:
    connection = http.client.HTTPSConnection("127.0.0.1", agent.port, context=context_of(agent), timeout=10)
    connection.request("GET", "/api/v1/openapi.json")
    found = json.loads(connection.getresponse().read())
    connection.close()
    assert found["openapi"] == "3.1.0"
    assert "interpreter" in found["components"]["schemas"]["task.script"]["properties"]
    references = set(re.findall(r"#/components/schemas/([\w.]+)", json.dumps(found)))
    assert references <= set(found["components"]["schemas"])


def test_answers_have_the_fields_that_the_description_promises(agent: Agent) -> None:
    parts = openapi.document([])["components"]["schemas"]
    command = agent.run("echo x")
    agent.daemon.ended(command)
    for path, name in ((STATUS, "Status"), (f"/api/v1/task/{command}/status", "TaskStatus")):
        data = agent.get(path)[1]["data"]
        assert set(data) == set(parts[name]["properties"])
        for field, value in data.items():
            shapes = parts[name]["properties"][field].get("anyOf", [parts[name]["properties"][field]])
            kinds = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "null": type(None)}
            assert any(isinstance(value, kinds[one["type"]]) for one in shapes), (field, value)  # type: ignore[arg-type]


def test_handshakes_that_are_never_finished_take_no_descriptors_and_keep_nobody_out(make_agent: Callable[..., Agent]) -> None:
    it = make_agent()
    it.start()
    assert it.process
    open_before = len(os.listdir(f"/proc/{it.process.pid}/fd"))
    idle = [socket.create_connection(("127.0.0.1", it.port)) for _ in range(300)]
    try:
        assert it.get("/api/v1/status")[0] == 200
        assert len(os.listdir(f"/proc/{it.process.pid}/fd")) < open_before + 100
    finally:
        for one in idle:
            one.close()
