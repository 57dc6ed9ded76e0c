"""The whole daemon as a process: it enrols, reports, survives kill -9 and bad neighbours, stops cleanly, stays small."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from host.lib import jsonrpc
from tests.host.daemon.conftest import Pki
from tests.host.daemon.fake_manager import FakeManager, free_port
from tests.host.daemon.managers import GoodManager

ROOT = Path(__file__).parents[3]


@dataclass
class Host:
    """A daemon's folders and the processes that a test started."""

    folder: Path
    config: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    def run(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "host.daemon", "run", "--config", str(self.config)]
        with (self.folder / "daemon.log").open("a") as log:
            self.processes.append(subprocess.Popen(command, cwd=ROOT, stderr=log, text=True))
        return self.processes[-1]

    def verb(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "host.daemon", *arguments, "--config", str(self.config)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Callable[[int, str], Host]]:
    hosts: list[Host] = []

    def make(port: int, token: str) -> Host:
        config = tmp_path / "daemon.yaml"
        config.write_text(
            f"manager: {{address: '127.0.0.1:{port}', enrolment_token: '{token}', timeout: 5s,\n"
            "  reconnect_interval: 0.2s, reconnect_max: 1s}\n"
            f"daemon: {{work_dir: {tmp_path}/var, run_dir: {tmp_path}/run}}\n"
            f"agent: {{url: 'https://127.0.0.1:{free_port()}'}}\n"
        )
        hosts.append(Host(tmp_path, config))
        return hosts[-1]

    yield make
    for one in hosts:
        for process in one.processes:
            process.kill()
            process.wait()


@pytest.fixture
def good(manager: FakeManager, pki: Pki) -> GoodManager:
    one = GoodManager(pki.authority)
    manager.answer = one.answer
    return one


def test_a_new_host_enrols_reports_and_stops_cleanly(host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager) -> None:
    machine = host(manager.port, good.token)
    process = machine.run()
    assert good.wait(lambda: good.of_kind("sample") and good.of_kind("state")), machine.log()
    sample = good.of_kind("sample")[0]["body"]
    assert sample["failed"] == {}
    assert sample["memory"]["total"] > 0
    assert 0 <= sample["cpu"]["percent"] <= 100
    first = good.polls[0]
    assert first["facts"]["hostname"] == socket.gethostname()
    assert first["protocol"] == 1
    assert all("facts" not in poll for poll in good.polls[1:]), "facts go once"
    request = good.enrolments[0]
    assert "PRIVATE" not in json.dumps(request)
    assert request["fingerprint"]
    identity = machine.folder / "var/identity"
    assert {path.name for path in identity.iterdir()} == {
        "node.json",
        "node.key",
        "node.crt",
        "ca.crt",
        "dispatch.key",
        "agent.key",
        "agent.crt",
    }
    assert identity.stat().st_mode & 0o077 == 0
    assert (identity / "node.key").stat().st_mode & 0o077 == 0

    for name in ("daemon", "transfer"):
        assert (machine.folder / f"run/{name}.sock").stat().st_mode & 0o777 == 0o660
    status = machine.verb("status")
    assert status.returncode == 0
    assert "test-node (N1)" in status.stdout
    assert "connected" in status.stdout
    assert json.loads(machine.verb("status", "--json").stdout)["manager"]["connected"] is True

    rss = next(int(line.split()[1]) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    heavy = [name for name in ("cryptography", "requests", "_asyncio", "tenacity") if name in Path(f"/proc/{process.pid}/maps").read_text()]
    assert heavy == []
    assert rss * 1024 < 30_000_000, f"{rss} KiB resident"

    good.hold = 20.0
    polls = len(good.polls)
    assert good.wait(lambda: len(good.polls) > polls)
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0, "a poll that is held does not hold up the end"
    assert not list((machine.folder / "run").glob("*.sock"))
    assert "Traceback" not in machine.log()
    assert "WARNING" not in machine.log()
    stats = [line for line in machine.log().splitlines() if "ERROR" in line and "D3001" not in line]
    assert stats == []


def test_the_running_daemon_imports_nothing_heavy() -> None:
    libraries = [folder for folder in sys.path if folder.endswith("site-packages")]
    code = f"import sys; sys.path += {libraries!r}; import host.daemon.steady, host.daemon.service; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())
    heavy = {
        "requests",
        "urllib3",
        "tenacity",
        "cryptography",
        "asyncio",
        "yaml",
        "argparse",
        "xmlrpc",
        "hashlib",
        "concurrent",
        "encodings.idna",
        *(("inspect", "ast", "dis") if sys.version_info < (3, 13) else ()),
    }
    assert loaded & heavy == set()
    assert "host.daemon.outbox" in loaded


def test_what_the_agent_delivered_reaches_the_manager_once_although_the_daemon_is_killed(
    host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager
) -> None:
    machine = host(manager.port, good.token)
    process = machine.run()
    assert good.wait(lambda: len(good.polls) > 0), machine.log()
    records = [{"seq": n, "kind": "event", "at": n, "body": {"name": "agent", "detail": str(n)}} for n in range(1, 41)]

    def deliver(upto: int) -> int:
        with socket.socket(socket.AF_UNIX) as agent:
            agent.settimeout(10)
            agent.connect(str(machine.folder / "run/daemon.sock"))
            agent.sendall(jsonrpc.request(1, "deliver", {"epoch": 9, "records": records[:upto]}))
            with agent.makefile() as answers:
                return int(json.loads(answers.readline())["result"]["stored"])

    assert deliver(25) == 25
    process.kill()
    process.wait()
    polls = len(good.polls)
    machine.run()
    assert good.wait(lambda: len(good.polls) > polls), machine.log()
    assert deliver(40) == 40
    assert good.wait(lambda: len([r for r in good.of_kind("event") if r["body"]["name"] == "agent"]) >= 40)
    assert [r["body"]["detail"] for r in good.of_kind("event") if r["body"]["name"] == "agent"] == [str(n) for n in range(1, 41)]


def test_a_wrong_token_is_one_clear_line_and_the_daemon_stays(
    host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager
) -> None:
    machine = host(manager.port, good.token.replace("a-secret", "another"))
    process = machine.run()
    assert good.wait(lambda: len(good.enrolments) > 0), machine.log()
    while "D2002" not in machine.log():
        assert process.poll() is None
        os.sched_yield()
    assert "refused the enrolment: the enrolment token is unknown" in machine.log()
    assert "next try in 60 s" in machine.log()
    assert "not enrolled" in machine.verb("status").stdout
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Traceback" not in machine.log()


def test_a_second_daemon_stands_by_and_takes_over(host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager) -> None:
    machine = host(manager.port, good.token)
    first = machine.run()
    assert good.wait(lambda: len(good.polls) > 0), machine.log()
    second = machine.run()
    while "stands by" not in machine.log():
        assert second.poll() is None
        os.sched_yield()
    assert f"pid {first.pid}" in machine.log()
    first.kill()
    first.wait()
    polls = len(good.polls)
    assert good.wait(lambda: len(good.polls) > polls), machine.log()
    second.send_signal(signal.SIGTERM)
    assert second.wait(15) == 0


def test_wrong_usage_and_wrong_configuration_are_exit_code_2(host: Callable[[int, str], Host]) -> None:
    machine = host(1, "x")
    assert machine.verb("check-config").returncode == 0
    machine.config.write_text("manager: {address: 'a:1'}\ncollectors:\n  cpu: {interval: 5s}\n")
    wrong = machine.verb("run")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("D1002")
    assert "daemon.yaml:3" in wrong.stderr
    assert wrong.stderr.count("\n") == 1
    assert machine.verb("frobnicate").returncode == 2
    version = subprocess.run([sys.executable, "-m", "host.daemon", "--version"], cwd=ROOT, capture_output=True, text=True)
    assert version.stdout == "ops-daemon 0.1.0\n"
    machine.config.write_text(f"manager: {{address: 'a:1'}}\ndaemon: {{run_dir: {machine.folder}/none}}\n")
    nobody = machine.verb("status")
    assert nobody.returncode == 1
    assert "no daemon answers" in nobody.stderr


def test_of_two_daemons_started_at_once_one_works(host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager) -> None:
    machine = host(manager.port, good.token)
    both = [machine.run(), machine.run()]
    assert good.wait(lambda: len(good.polls) > 3), machine.log()
    while "stands by" not in machine.log():
        assert all(process.poll() is None for process in both), machine.log()
        os.sched_yield()
    assert len(good.enrolments) == 1
    assert machine.log().count("stands by") == 1


def test_stopping_takes_no_time_at_whatever_moment(host: Callable[[int, str], Host], manager: FakeManager, good: GoodManager) -> None:
    machine = host(manager.port, good.token)
    good.hold = 20.0
    slowest = 0.0
    for number in range(20):
        polls = len(good.polls)
        process = machine.run()
        assert good.wait(lambda polls=polls: len(good.polls) > polls), machine.log()  # type: ignore[misc]
        good.wait(lambda: False, random.Random(number).random() * 0.1)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 2, f"{slowest:.1f} s"
    assert "did not end in time" not in machine.log()
