"""A real agent in a folder of its own: settings, identity, process, and calls as the manager signs them."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from host.wire import signing
from tests.host.agent.fake_daemon import FakeDaemon

ROOT = Path(__file__).resolve().parents[3]
NODE = "node-under-test"
KEY = bytes(range(32))


def make_certificate(folder: Path) -> None:
    """agent.key and agent.crt as the enrolment makes them."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ops-agent")])
    now = datetime.datetime.now(datetime.timezone.utc)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=30)).add_extension(x509.SubjectAlternativeName(names), False)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    text = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "agent.key").write_bytes(text)
    (folder / "agent.crt").write_bytes(certificate.public_bytes(pem))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Agent:
    """`settings` are further lines of the section `tasks`."""

    def __init__(self, folder: Path, tasks: dict[str, Any] | None = None, more: str = "") -> None:
        self.folder, self.port = folder, free_port()
        self.work, identity, run = folder / "var", folder / "var/identity", folder / "run"
        identity.mkdir(parents=True)
        run.mkdir()
        make_certificate(identity)
        (identity / "node.json").write_text(json.dumps({"node_id": NODE, "name": "here"}))
        (identity / "dispatch.key").write_text(KEY.hex())
        (identity / "dispatch.key").chmod(0o600)
        tasks = {"stop_grace": "300ms", "drain": "300ms", **(tasks or {})}
        lines = [f"work_dir: {self.work}", f"run_dir: {run}", f"listen: 127.0.0.1:{self.port}", more, "tasks:"]
        self.config = folder / "agent.yaml"
        self.config.write_text("\n".join(lines + [f"  {name}: {value}" for name, value in tasks.items()]) + "\n")
        self.daemon = FakeDaemon(run / "daemon.sock")
        self.process: subprocess.Popen[bytes] | None = None
        self._context = ssl.create_default_context(cafile=str(identity / "agent.crt"))
        self._log = (folder / "agent.log").open("ab")

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "host.agent", *arguments]

    def start(self) -> None:
        """Returns when it answers."""
        self.process = subprocess.Popen(self.command("run", "--config", str(self.config)), cwd=ROOT, stderr=self._log)
        deadline = time.monotonic() + 15
        while True:
            try:
                assert self.call("GET", "/api/v1/health")[0] == 200
                return
            except (ConnectionRefusedError, ConnectionResetError):
                assert self.process.poll() is None, self.log()
                assert time.monotonic() < deadline, self.log()
                time.sleep(0.02)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, give the exit code."""
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(15)

    def keeper(self, command_id: str) -> dict[str, int]:
        """What a task's keeper wrote down: `pid` and `ticks` of the task's process, `keeper` and `keeper_ticks` of its own."""
        found: dict[str, int] = json.loads((self.work / "spool" / command_id / "process.json").read_text())
        return found

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.end(signal.SIGKILL)
        for place in (self.work / "spool").glob("*/process.json"):
            # Tasks outlive their agent; those of a test end with it.
            facts = json.loads(place.read_text())
            for number in (facts["keeper"], -facts["pid"]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
        self.daemon.stop()
        self._log.close()

    def log(self) -> str:
        return (self.folder / "agent.log").read_text()

    def call(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=self._context, timeout=10)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def headers(
        self, method: str, path: str, body: bytes = b"", nonce: str = "", life_ms: int = 60_000, /, **change: Any
    ) -> dict[str, str]:
        """Signed headers; `change` replaces what is signed (`key`, `key_id`, `path`, `body`, …)."""
        items: dict[str, Any] = {"key_id": NODE, "method": method, "path": path, "body": body, "now": now_ms()} | change
        key = items.pop("key", KEY)
        signed = signing.sign(key, nonce=nonce or uuid.uuid4().hex, expires=items["now"] + life_ms, **items)
        return signed | {"Content-Type": "application/json"}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        return self.call("GET", path, headers=self.headers("GET", path))

    def post(self, path: str, body: Any, command_id: str = "", life_ms: int = 60_000) -> tuple[int, dict[str, Any]]:
        raw = json.dumps(body).encode()
        return self.call("POST", path, raw, self.headers("POST", path, raw, command_id, life_ms))

    def run(self, script: str, command_id: str = "", life_ms: int = 60_000, **content: Any) -> str:
        """Have a script accepted; its command id."""
        command_id = command_id or uuid.uuid4().hex
        body = {"node_id": NODE, "kind": "script", "content": {"script": script, **content}}
        status, answer = self.post("/api/v1/task/execute", body, command_id, life_ms)
        assert status == 200, answer
        return command_id

    def cancel(self, target: str) -> str:
        command_id = uuid.uuid4().hex
        status, answer = self.post(f"/api/v1/task/{target}/cancel", {"node_id": NODE}, command_id)
        assert status == 200, answer
        return command_id


def alive(pid: int) -> bool:
    """Whether a process runs; a dead one that nobody has reaped does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def gone(pid: int, seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)
