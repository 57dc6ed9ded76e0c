"""The manager as a process: what it says when it cannot start, and who gets through its two doors."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from host.wire.protocol import CA_PATH, POLL_PATH
from server.keys import open_keys
from tests.conftest import make_csr
from tests.databases import free_port
from tests.stack import BIN

NOW = time.time_ns() // 1_000_000
POLL = json.dumps({"protocol": 1, "daemon_version": "0.1.0"})


def run(folder: Path, text: str, *verb: str) -> subprocess.CompletedProcess[str]:
    config = folder / "manager.yaml"
    config.write_text(text)
    command = [BIN / "ops-manager", "--config", config, *(verb or ("run",))]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("data_dirr: /tmp", "manager.yaml:1: unknown key data_dirr"),
        ("poll_wait: long", "poll_wait"),
        ("web_listen: 0.0.0.0:9443\nweb_tls: false", "loopback only"),
        ("data_dir: {folder}\ndatabase_url: mysql://ops:hunter2@127.0.0.1:9/ops", "check database_url"),
        ("data_dir: {folder}\ndatabase_url: postgres://a/b", "neither sqlite"),
        ("data_dir: {folder}\nnode_listen: 127.0.0.1:{taken}", "free the port or change node_listen"),
        ("data_dir: {folder}\nnode_listen: 127.0.0.1:0\nweb_listen: 127.0.0.1:{taken}", "free the port or change web_listen"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line_with_the_mend(tmp_path: Path, text: str, says: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        filled = text.replace("{folder}", str(tmp_path)).replace("{taken}", str(taken.getsockname()[1]))
        done = run(tmp_path, filled)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert done.returncode == 2
    assert len(lines) == 1
    assert lines[0].startswith("ops-manager: ")
    assert says in lines[0]
    assert "hunter2" not in done.stderr


def test_verbs_work_without_a_running_manager(tmp_path: Path) -> None:
    text = f"data_dir: {tmp_path}/data\n"
    assert "applied 0001_nodes" in run(tmp_path, text, "db", "migrate").stdout
    assert "missing" not in run(tmp_path, text, "db", "status").stdout
    assert run(tmp_path, text, "enrol-token").stdout.startswith("ops1.")
    assert json.loads(run(tmp_path, text, "audit", "verify").stdout) == {"intact": True, "first_broken": None}
    assert run(tmp_path, text, "user", "reset-password", "nobody").returncode == 1


class Running:
    def __init__(self, folder: Path) -> None:
        self.folder, self.node_port, self.web_port = folder, free_port(), free_port()
        (folder / "manager.yaml").write_text(
            f"data_dir: {folder}/data\nnode_listen: 127.0.0.1:{self.node_port}\nweb_listen: 127.0.0.1:{self.web_port}\n"
        )
        self.process = subprocess.Popen(
            [BIN / "ops-manager", "--config", folder / "manager.yaml", "run"], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.password = self.process.stdout.readline().rpartition(" ")[2].strip()
        self.ca = folder / "data/keys/ca.crt"
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.web_port), 1).close()
                requests.get(f"https://127.0.0.1:{self.web_port}/healthz", verify=str(self.ca), timeout=5)
                return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def link(self, method: str, path: str, body: str | None = None, context: ssl.SSLContext | None = None) -> tuple[int, str]:
        context = context or self.tls()
        connection = http.client.HTTPSConnection("127.0.0.1", self.node_port, context=context, timeout=10)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    manager = Running(tmp_path_factory.mktemp("manager"))
    yield manager
    manager.process.terminate()
    assert manager.process.wait(15) == 0
    assert manager.process.stdout is not None
    manager.process.stdout.close()


def test_pages_and_api_speak_tls_with_the_managers_certificate(running: Running) -> None:
    url = f"https://127.0.0.1:{running.web_port}"
    answer = requests.get(f"{url}/sign-in", verify=str(running.ca), timeout=10)
    assert answer.status_code == 200
    assert "max-age" in answer.headers["Strict-Transport-Security"]
    body = {"name": "admin", "password": running.password}
    assert requests.post(f"{url}/api/v1/login", json=body, verify=str(running.ca), timeout=10).json()["code"] == 0


def test_nothing_it_wrote_is_open_to_others_even_under_umask_000(running: Running) -> None:
    written = [running.folder / "data", *(running.folder / "data").rglob("*")]
    assert any(path.name == "manager.db" for path in written)
    assert [path for path in written if path.stat().st_mode & 0o077] == []


@pytest.mark.parametrize("door", ["web_port", "node_port"])
def test_old_tls_is_refused(running: Running, door: str) -> None:
    context = running.tls()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", getattr(running, door)), 10) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain)


def test_without_a_certificate_only_the_ca_and_enrolment_answer(running: Running) -> None:
    assert running.link("GET", CA_PATH)[0] == 200
    status, text = running.link("POST", POLL_PATH, POLL)
    assert (status, json.loads(text)["code"]) == (401, 1002)


def test_a_certificate_of_another_ca_is_refused(running: Running, tmp_path: Path) -> None:
    other = open_keys(tmp_path / "other", ["localhost"], NOW)
    certificate, key = other.server_files
    context = running.tls()
    context.load_cert_chain(certificate, key)
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        running.link("POST", POLL_PATH, POLL, context)


def test_the_managers_own_certificate_is_no_nodes(running: Running) -> None:
    context = running.tls()
    context.load_cert_chain(running.folder / "data/keys/server.crt", running.folder / "data/keys/server.key")
    with pytest.raises((ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)):
        running.link("POST", POLL_PATH, POLL, context)


def test_a_nodes_certificate_cannot_serve_as_the_managers(tmp_path: Path) -> None:
    """What a host that checks the manager would say to a node that plays it (Puppet CVE-2016-2786)."""
    keys = open_keys(tmp_path / "keys", ["localhost"], NOW)
    issued = keys.issue(make_csr(), "01NODE00000000000000000000", 90, NOW)
    usage = issued.public_bytes(serialization.Encoding.PEM)
    assert b"BEGIN CERTIFICATE" in usage
    purposes = subprocess.run(["openssl", "x509", "-noout", "-purpose"], input=usage, capture_output=True, check=True).stdout.decode()
    assert "SSL server : No" in purposes
    assert "SSL client : Yes" in purposes
