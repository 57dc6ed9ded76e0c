"""The same kinds on real parts: a supervisord, SysV scripts, HTTP and HTTPS servers, and apt where this is a Debian of root's."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from host.agent.tasks import http, package, service
from host.agent.tasks.base import TaskProblem, Work
from host.agent.tasks.http.guard import Seen, link_local
from host.wire.schema import build
from host.wire.tasks import KINDS
from tests.host.agent.harness import NODE, Agent, make_certificate

RUNS = {"service": service.run, "package": package.run, "http": http.run}


def run(kind: str, folder: Path, settings: dict[str, Any] | None = None, /, **content: Any) -> dict[str, Any]:
    do: Callable[[Any, Work], dict[str, Any]] = RUNS[kind]  # type: ignore[assignment]
    return do(build(KINDS[kind], content), Work("c", folder, settings or {}))


def fails(code: str, kind: str, folder: Path, settings: dict[str, Any] | None = None, /, **content: Any) -> str:
    with pytest.raises(TaskProblem) as caught:
        run(kind, folder, settings, **content)
    assert caught.value.code == code
    return str(caught.value)


@pytest.fixture(scope="module")
def supervised(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("s")
    sock = folder / "s.sock"
    common = f"autostart=false\nstartsecs=1\nstartretries=0\nstdout_logfile={folder}/%(program_name)s.log\nstderr_logfile=NONE\n"
    (folder / "s.conf").write_text(
        f"[unix_http_server]\nfile={sock}\n[supervisord]\nlogfile={folder}/d.log\npidfile={folder}/d.pid\nnodaemon=true\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n"
        f"[program:web]\ncommand=/bin/sleep 1000\n{common}[program:bad]\ncommand=/bin/sh -c 'echo dying; exit 3'\n{common}"
    )
    program = Path(sys.executable).parent / "supervisord"
    process = subprocess.Popen([program, "-n", "-c", folder / "s.conf"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 15
    while not sock.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield {"supervisors": [str(sock)], "init_folder": str(folder)}
    process.terminate()
    process.wait(15)


def test_a_program_of_a_real_supervisord(supervised: dict[str, Any], tmp_path: Path) -> None:
    def act(action: str, name: str = "web", **more: Any) -> dict[str, Any]:
        return run("service", tmp_path, supervised, action=action, name=name, manager="supervisord", **more)

    assert (act("status")["state"], act("start", dry_run=True)["changed"], act("status")["state"]) == ("stopped", True, "stopped")
    started = act("start")
    assert (started["state"], started["changed"], started["manager"]) == ("running", True, "supervisord")
    assert os.readlink(f"/proc/{started['pid']}/exe").endswith("sleep") or os.path.exists(f"/proc/{started['pid']}")
    assert abs(started["since"] - time.time() * 1000) < 60_000
    assert act("start") == {**act("status"), "changed": False}
    again = act("restart")
    assert (again["state"], again["pid"] != started["pid"]) == ("running", True)
    assert (act("stop")["state"], act("stop")["changed"]) == ("stopped", False)


def test_what_dies_under_supervisord_is_told_with_its_last_words(
    supervised: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fails("A5003", "service", tmp_path, supervised, action="start", name="bad", manager="supervisord")
    assert "| dying" in capsys.readouterr().out
    fails("A5001", "service", tmp_path, supervised, action="start", name="nosuch", manager="supervisord")
    fails("A5004", "service", tmp_path, supervised, action="enable", name="web", manager="supervisord")
    gone = {"supervisors": [str(tmp_path / "none.sock")]}
    fails("A5005", "service", tmp_path, gone, action="status", name="web", manager="supervisord")


@pytest.fixture
def scripts(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "init.d"
    folder.mkdir()
    script = folder / "web"
    script.write_text(
        f"#!/bin/sh\nmark={tmp_path}/mark\ncase $1 in\nstart) touch $mark;;\nstop) rm -f $mark;;\nrestart) touch $mark;;\n"
        "status) [ -e $mark ] || exit 3;;\n*) exit 2;;\nesac\n"
    )
    script.chmod(0o755)
    return {"init_folder": str(folder)}


def test_a_real_sysv_script(scripts: dict[str, Any], tmp_path: Path) -> None:
    def act(action: str) -> tuple[str, bool]:
        told = run("service", tmp_path, scripts, action=action, name="web", manager="sysv")
        return told["state"], told["changed"]

    assert [act(one) for one in ("status", "start", "start")] == [("stopped", False), ("running", True), ("running", False)]
    assert [act(one) for one in ("restart", "stop", "stop")] == [("running", True), ("stopped", True), ("stopped", False)]
    fails("A5001", "service", tmp_path, scripts, action="start", name="nosuch", manager="sysv")
    levels = tmp_path / "rc2.d"
    levels.mkdir()
    (levels / "S01web").symlink_to("../init.d/web")
    assert run("service", tmp_path, scripts, action="status", name="web", manager="sysv")["enabled"] is True


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[tuple[str, str, str]]

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, self.headers.get("X-Secret", "")))  # type: ignore[attr-defined]
        body, status, target = b'{"state": "up"}', 200, ""
        if self.path.startswith("/to?"):
            status, target = 302, self.path[4:]
        if self.path == "/503":
            status = 503
        if self.path == "/long":
            body = b"x" * (9 * 1024 * 1024)
        self.send_response(status)
        if target:
            self.send_header("Location", target)
        if self.path == "/slow":
            self.end_headers()
            for _ in range(200):
                self.wfile.write(b"x")
                time.sleep(0.05)
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *arguments: Any) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a check that has seen enough hangs up


@pytest.fixture
def serve() -> Iterator[Callable[..., Any]]:
    made: list[Quiet] = []

    def start(certificate: Path | None = None) -> Any:
        server = Quiet(("127.0.0.1", 0), Answers)
        server.seen = []  # type: ignore[attr-defined]
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate / "agent.crt", certificate / "agent.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        made.append(server)
        return server

    yield start
    for one in made:
        one.shutdown()
        one.server_close()


def test_a_check_of_a_real_server(serve: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{serve().server_port}"
    told = run("http", tmp_path, url=f"{url}/", json_path="$.state", json_equals="up", show_bytes=7)
    assert (told["status"], told["size"], told["matched"], told["tls_not_after"]) == (200, 15, True, None)
    assert capsys.readouterr().out.splitlines()[-1] == '{"state'
    assert "503" in fails("A7004", "http", tmp_path, url=f"{url}/503")
    assert run("http", tmp_path, url=f"{url}/long", show_bytes=0)["complete"] is False
    start = time.monotonic()
    fails("A7003", "http", tmp_path, url=f"{url}/slow", max_time=0.3)
    assert time.monotonic() - start < 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        fails("A7001", "http", tmp_path, url=f"http://127.0.0.1:{free.getsockname()[1]}/")


def test_a_pattern_that_never_ends_is_ended(serve: Callable[..., Any], tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{serve().server_port}/long"
    fails("A7003", "http", tmp_path, url=url, expect_pattern="(x+x+)+y", max_time=1.0, show_bytes=0)


def test_redirects_are_bounded_and_carry_no_secret_to_another_host(serve: Callable[..., Any], tmp_path: Path) -> None:
    one, other = serve(), serve()
    here, there = (f"http://127.0.0.1:{server.server_port}" for server in (one, other))
    told = run("http", tmp_path, url=f"{here}/to?{there}/x", headers={"X-Secret": "s"})
    assert told["redirects"] == [f"{there}/x"]
    assert (one.seen[0][2], other.seen) == ("s", [("GET", "/x", "")])
    run("http", tmp_path, url=f"{here}/to?/x", headers={"X-Secret": "s"})
    assert one.seen[-1] == ("GET", "/x", "s")
    fails("A7006", "http", tmp_path, url=f"{here}/to?/to?/to?/x", follow_redirects=2)
    assert run("http", tmp_path, url=f"{here}/to?/x", follow_redirects=0, expect_status=["302"])["status"] == 302
    assert "file:" in fails("A7006", "http", tmp_path, url=f"{here}/to?file:///etc/passwd")
    fails("A7007", "http", tmp_path, url=f"{here}/to?http://169.254.169.254/latest/meta-data")


def test_tls_is_verified_and_its_end_told(serve: Callable[..., Any], tmp_path: Path) -> None:
    make_certificate(tmp_path)
    url, ca = f"https://127.0.0.1:{serve(tmp_path).server_port}/", str(tmp_path / "agent.crt")
    ends = x509.load_pem_x509_certificate((tmp_path / "agent.crt").read_bytes()).not_valid_after_utc
    assert "self-signed" in fails("A7002", "http", tmp_path, url=url)
    for more in ({"ca_file": ca}, {"verify_tls": False}):
        told = run("http", tmp_path, url=url, certificate_days=20, **more)
        assert told["tls_not_after"] == int(ends.timestamp() * 1000)
    assert ends - datetime.datetime.now(datetime.timezone.utc) < datetime.timedelta(days=40)
    fails("A7008", "http", tmp_path, url=url, ca_file=ca, certificate_days=40)
    fails("A7002", "http", tmp_path, url=url, ca_file=str(tmp_path / "none.pem"))


@pytest.mark.parametrize(
    "url",
    ["http://169.254.169.254/", "http://2852039166/", "http://0xa9fea9fe/", "http://[::ffff:169.254.169.254]/", "http://[fd00:ec2::254]/"],
)
def test_addresses_that_give_out_credentials_are_refused_however_they_are_written(url: str, tmp_path: Path) -> None:
    assert "allow_link_local" in fails("A7007", "http", tmp_path, url=url)


def test_a_name_that_leads_to_such_an_address_is_refused_and_the_setting_allows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: [(2, 1, 6, "", ("169.254.169.254", 80))])
    with pytest.raises(TaskProblem, match="A7007"):
        Seen(False).look_up("innocent.example", 80, 1.0)
    assert Seen(True).look_up("innocent.example", 80, 1.0) == ["169.254.169.254"]
    assert [link_local(one) for one in ("64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "fe80::1%lo", "10.0.0.1", "::1")] == [True] * 3 + [
        False
    ] * 2


debian = pytest.mark.skipif(not shutil.which("apt-get") or os.geteuid() != 0, reason="needs apt-get and root")


@debian
def test_real_apt_lists_and_simulates(tmp_path: Path) -> None:
    told = run("package", tmp_path, action="list", manager="apt", filter="bas?")
    assert [one["name"] for one in told["packages"]] == ["bash"]
    told = run("package", tmp_path, action="list")
    assert len(json.dumps(told)) < 64 * 1024
    assert told["complete"] == (told["count"] == len(told["packages"]))
    assert "nosuch-package" in fails("A6001", "package", tmp_path, action="install", names=["nosuch-package"])


@debian
def test_real_apt_installs_and_removes(tmp_path: Path) -> None:
    known = subprocess.run(["apt-cache", "policy", "hello"], capture_output=True, text=True, check=False).stdout
    if "Installed: (none)" not in known or "Candidate: (none)" in known:
        pytest.skip("hello is installed here already, or apt has no lists")
    planned = run("package", tmp_path, action="install", names=["hello"], dry_run=True)["changed"]
    assert run("package", tmp_path, action="install", names=["hello"])["changed"] == planned
    assert os.access("/usr/bin/hello", os.X_OK)
    assert [one["action"] for one in run("package", tmp_path, action="remove", names=["hello"])["changed"]] == ["remove"]
    assert not os.path.exists("/usr/bin/hello")


def test_the_agent_runs_them_with_its_settings(
    make_agent: Callable[..., Agent], serve: Callable[..., Any], scripts: dict[str, Any]
) -> None:
    agent = make_agent(more=f"services: {{init_folder: {scripts['init_folder']}}}")
    agent.daemon.start()
    agent.start()

    def end(kind: str, **content: Any) -> dict[str, Any]:
        command = f"{kind}-{len(json.dumps(content))}-{time.monotonic_ns()}"
        status, answer = agent.post("/api/v1/task/execute", {"node_id": NODE, "kind": kind, "content": content}, command)
        assert status == 200, answer
        found: dict[str, Any] = agent.daemon.ended(command)
        return found

    done = end("service", action="start", name="web", manager="sysv")
    assert (done["state"], done["result"]["state"], done["result"]["changed"]) == ("succeeded", "running", True)
    done = end("http", url=f"http://127.0.0.1:{serve().server_port}/503")
    assert (done["state"], done["reason"].split()[0]) == ("failed", "A7004")
    status, answer = agent.post("/api/v1/task/execute", {"node_id": NODE, "kind": "service", "content": {"action": "stop", "name": "-x"}})
    assert (status, answer["message"].split(":")[0]) == (400, "name")
