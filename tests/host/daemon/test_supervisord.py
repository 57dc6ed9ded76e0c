"""A real supervisord runs a tiny agent: started, watched, restarted, and left alone when the daemon goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.daemon import supervisord
from host.daemon.config import HealthCheck, Restart
from host.daemon.handlers import Handlers
from host.daemon.outbox import Outbox
from host.daemon.processes import SystemProcesses
from host.daemon.rpc import RpcServer
from host.daemon.supervisord import Supervisord, Unreachable
from host.daemon.watch import Watch
from host.lib.clock import SystemClock
from host.lib.errors import AgentError
from host.wire.records import AgentState

ROOT = Path(__file__).parents[3]

AGENT = """
import json, os, socket, sys, time
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
beat = {"jsonrpc": "2.0", "id": 1, "method": "heartbeat", "params": {"pid": os.getpid(), "version": "9.9"}}
while True:
    connection.sendall(json.dumps(beat).encode() + b"\\n")
    if b'"stop"' in connection.recv(1000):
        open(sys.argv[1] + ".asked", "w").close()
        sys.exit()
    time.sleep(0.2)
"""


class Stage:
    """supervisord from the packaged template, with the agent's command replaced by the tiny one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, SystemClock()
        (folder / "agent.py").write_text(AGENT)
        text = (ROOT / "packaging/host/supervisord.conf").read_text()
        text = text.format(run_dir=folder, log_dir=folder, config_dir=folder, bin_dir=folder)
        command = f"{sys.executable} {folder}/agent.py {folder}/daemon.sock"
        text = text.replace(f"command={folder}/ops-agent run --config {folder}/agent.yaml", f"command={command}")
        text = text.replace("autostart=true", "autostart=false")  # no second daemon here
        (folder / "supervisord.conf").write_text(text)
        self.process = self.start_supervisord()
        self.api = Supervisord(folder / "supervisor.sock", "ops-agent")
        self.records: list[tuple[str, Any]] = []
        self.outbox = Outbox(folder / "o.db", 1 << 28)
        check = HealthCheck(interval=5)
        self.watch = Watch(
            self.api,
            SystemProcesses(),
            self.clock,
            check,
            Restart(),
            60,
            lambda kind, body: self.records.append((kind, body)),
            ask=lambda: self.rpc.notify("agent", "stop"),
        )
        handlers = Handlers(self.outbox, self.watch, self.clock, dict, lambda: None, lambda: None)
        self.rpc = RpcServer(folder / "daemon.sock", handlers.table(), handlers.gone)
        self.until(lambda: self.reachable())

    def start_supervisord(self) -> subprocess.Popen[bytes]:
        executable = Path(sys.executable).with_name("supervisord")
        arguments = [str(executable), "-c", str(self.folder / "supervisord.conf")]
        return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def reachable(self) -> bool:
        try:
            self.api.info()
        except Unreachable:
            return False
        return True

    def until(self, condition: Any, seconds: float = 10.0) -> None:
        end = self.clock.monotonic() + seconds
        while not condition():
            assert self.clock.monotonic() < end, "it did not happen in time"
            self.rpc.step(0.02)

    def watching(self, condition: Any) -> None:
        """Looks as often as the watch wants to, until the condition holds."""
        due = 0.0

        def look() -> bool:
            nonlocal due
            if self.clock.monotonic() >= due:
                due = self.clock.monotonic() + min(self.watch.step(), 0.3)
            return bool(condition())

        self.until(look, 15)

    @property
    def state(self) -> AgentState:
        return self.watch.state

    def end(self) -> None:
        pid = self.state.pid
        self.process.terminate()
        self.process.wait(15)
        self.rpc.close()
        if pid and SystemProcesses().alive(pid):
            os.kill(pid, signal.SIGKILL)
        self.outbox.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    one = Stage(tmp_path)
    yield one
    one.end()


def test_the_agent_is_started_and_restarted_at_once_after_kill_9(stage: Stage) -> None:
    stage.watching(lambda: stage.state.state == "running" and stage.state.version == "9.9" and stage.state.memory_bytes)
    first = stage.state.pid
    assert first
    assert stage.api.info().state in (supervisord.STARTING, supervisord.RUNNING)
    os.kill(first, signal.SIGKILL)
    stage.watching(lambda: stage.state.state == "running" and stage.state.pid not in (None, first))
    assert stage.state.restarts == 1
    told = [body.state for kind, body in stage.records if kind == "state"]
    assert told[0] in ("stopped", "running")
    assert "failed" in told
    assert told[-1] == "running"


def test_the_agent_is_asked_over_its_connection_before_it_is_made_to_end(stage: Stage) -> None:
    stage.watching(lambda: stage.state.state == "running" and stage.state.version == "9.9")
    first = stage.state.pid
    stage.watch.restart()
    stage.watching(lambda: stage.state.state == "running" and stage.state.pid not in (None, first))
    assert (stage.folder / "daemon.sock.asked").exists()
    assert stage.state.restarts == 0


def test_an_agent_that_lost_its_supervisord_is_kept_and_not_doubled(stage: Stage) -> None:
    stage.watching(lambda: stage.state.state == "running" and stage.state.version == "9.9")
    pid = stage.state.pid
    stage.process.kill()
    stage.process.wait()
    (stage.folder / "supervisor.sock").unlink(missing_ok=True)
    stage.process = stage.start_supervisord()
    stage.until(stage.reachable)
    stage.watching(lambda: stage.api.info().state == supervisord.STOPPED)
    assert stage.watch.step() > 0
    assert stage.state.pid == pid
    assert stage.state.state == "running"
    assert stage.api.info().pid is None, "no second agent was started"


def test_what_supervisord_cannot_do_is_one_line_with_its_code(stage: Stage, tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="D3001 supervisord has no program nobody"):
        Supervisord(tmp_path / "supervisor.sock", "nobody").info()
    with pytest.raises(AgentError, match="D3002"):
        Supervisord(tmp_path / "supervisor.sock", "nobody").stop()
    stage.api.stop()
    stage.api.start()
    stage.api.start()
    stage.api.stop()
    with pytest.raises(Unreachable, match="does not answer"):
        Supervisord(tmp_path / "none.sock", "x").info()
