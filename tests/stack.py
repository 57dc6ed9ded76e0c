"""The whole product on this machine: manager, supervisord, daemon, agent, with real TLS and real processes.

What the demo, the end-to-end tests and the benchmarks stand on. Everything lies under one folder, listens on
free loopback ports and needs no root. Every process started here is ended by its pid.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.databases import free_port

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
ADMIN_LINE = "one-time password "


class StackError(Exception):
    """Something did not come up. One line, and where to look."""


class Stack:
    """`folder` must be on a path short enough for Unix sockets (< 80 characters)."""

    def __init__(self, folder: Path, database_url: str = "", daemon: str = "", manager: str = "", agent: str = "", link: str = "") -> None:
        self.bin_dir, self.stop_wait = BIN, 30  # where supervisord finds the programs, and how long it waits before it kills
        self.manager_program: list[str | Path] = [BIN / "ops-manager"]
        self.folder, self.database_url = folder, database_url
        self.node_port, self.web_port, self.agent_port = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.web_port}"
        self.password = self.token = self.node_id = self.node_name = ""
        self._manager: subprocess.Popen[bytes] | None = None
        self._supervisord: subprocess.Popen[bytes] | None = None
        self._extra = {"daemon": daemon, "manager": manager, "agent": agent, "link": link}
        self._http = requests.Session()
        self._http.trust_env = False

    # the manager

    def start_manager(self) -> None:
        """Start it and wait until it answers; the first time, remember the admin's password."""
        config = self.folder / "manager.yaml"
        if not config.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            config.write_text(
                f"data_dir: {self.folder}/manager\nnode_listen: 127.0.0.1:{self.node_port}\n"
                f"web_listen: 127.0.0.1:{self.web_port}\nweb_tls: false\npublic_names: [127.0.0.1, localhost]\n" + self._extra["manager"]
            )
        out, log = self.folder / "manager.out", self.folder / "manager.log"
        environment = self._environment()
        if self.database_url:
            environment["OPS_DATABASE_URL"] = self.database_url
        with out.open("ab") as stdout, log.open("ab") as stderr:
            command = [*self.manager_program, "--config", config, "run"]
            self._manager = subprocess.Popen(command, stdout=stdout, stderr=stderr, env=environment, start_new_session=True)
        self._until(self._manager_answers, 90, f"the manager did not start; see {log}", lambda: self._last_line(log))
        lines = [line for line in out.read_text().splitlines() if ADMIN_LINE in line]
        if lines:
            self.password = lines[0].partition(ADMIN_LINE)[2].strip()

    def stop_manager(self) -> None:
        """End it as systemd would; what hosts tell waits with them meanwhile. Raises StackError when it does not end."""
        assert self._manager is not None
        self._manager.terminate()
        try:
            self._manager.wait(40)
        except subprocess.TimeoutExpired as problem:
            raise StackError(f"the manager did not end within 40 s; see {self.folder}/manager.log") from problem

    def _manager_answers(self) -> bool:
        assert self._manager is not None
        if self._manager.poll() is not None:
            raise StackError(f"the manager ended: {self._last_line(self.folder / 'manager.log')}")
        try:
            return self._http.get(f"{self.url}/healthz", timeout=2).status_code == 200
        except (requests.ConnectionError, requests.Timeout):
            return False

    def sign_in(self) -> None:
        """An API token for the admin; with a new password where the database knew an admin before us."""
        if not self.password:
            command = [BIN / "ops-manager", "--config", self.folder / "manager.yaml", "user", "reset-password", "admin"]
            environment = {**self._environment(), "OPS_DATABASE_URL": self.database_url}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise StackError(done.stderr.strip())
            self.password = done.stdout.strip().splitlines()[-1]
        self.token = self.api("POST", "/login", {"name": "admin", "password": self.password, "label": "stack"})["token"]

    # the host

    def start_host(self) -> None:
        """Enrol with a one-use token and start supervisord, which starts the daemon, which starts the agent."""
        host = self.folder / "host"
        for name in ("etc", "var", "run", "log"):
            (host / name).mkdir(parents=True, exist_ok=True)
        token = self.api("POST", "/enrolment-tokens", {"uses": 1, "hours": 1, "note": "this machine"})["token"]
        token_file = host / "etc/enrolment-token"
        token_file.touch(0o600)
        token_file.write_text(token)
        (host / "etc/daemon.yaml").write_text(
            f"daemon:\n  work_dir: {host}/var\n  run_dir: {host}/run\n  policy_file: {host}/etc/policy.yaml\n"
            f"plugins:\n  folder: {host}/etc/plugins\n"
            f"manager:\n  address: 127.0.0.1:{self.node_port}\n  enrolment_token_file: {token_file}\n"
            f"{self._extra['link']}agent:\n  url: https://127.0.0.1:{self.agent_port}\n" + self._extra["daemon"]
        )
        agent = f"work_dir: {host}/var\nrun_dir: {host}/run\nlisten: 127.0.0.1:{self.agent_port}\n"
        agent += f"policy_file: {host}/etc/policy.yaml\n"
        (host / "etc/agent.yaml").write_text(agent + self._extra["agent"])
        template = (ROOT / "packaging/host/supervisord.conf").read_text()
        folders = {"run_dir": f"{host}/run", "log_dir": f"{host}/log", "config_dir": f"{host}/etc", "bin_dir": str(self.bin_dir)}
        for key, value in folders.items():
            template = template.replace(f"{{{key}}}", value)
        template = template.replace("stopwaitsecs=30", f"stopwaitsecs={self.stop_wait}")
        (host / "etc/supervisord.conf").write_text(template)
        self.start_supervisord()

    def start_supervisord(self) -> None:
        host = self.folder / "host"
        with (host / "log/supervisord.out").open("ab") as out:
            command = [BIN / "supervisord", "-n", "-c", host / "etc/supervisord.conf"]
            options: dict[str, Any] = {"stdout": out, "stderr": out, "env": self._environment(), "cwd": host, "umask": 0o027}
            self._supervisord = subprocess.Popen(command, start_new_session=True, **options)

    def wait_online(self, seconds: float = 60) -> dict[str, Any]:
        """Until our node is online and its agent runs; the node. The database may know others."""
        identity = self.folder / "host/var/identity/node.json"

        def ready() -> bool:
            if not identity.exists():
                return False
            self.node_id = json.loads(identity.read_text())["node_id"]
            node = self.node()
            self.node_name = node["name"]
            return node["state"] == "online" and node["agent"]["state"] == "running"

        self._until(ready, seconds, f"the host did not come online; see {self.folder}/host/log", self.host_log)
        return self.node()

    def wait_agent(self, seconds: float = 60) -> None:
        self._until(lambda: "agent" in self.pids(), seconds, "the agent did not start", self.host_log)

    def wait_first_sample(self, seconds: float = 60) -> None:
        self._until(lambda: bool(self.samples()), seconds, "no sample arrived", self.host_log)

    def node(self) -> dict[str, Any]:
        return self.api("GET", f"/nodes/{self.node_id}")

    def samples(self) -> list[dict[str, Any]]:
        return list(self.api("GET", f"/nodes/{self.node_id}/metrics")["points"])

    # commands

    def run(self, script: str, **content: Any) -> str:
        """Queue a shell script on the node; the command's id."""
        body = {"nodes": [self.node_id], "type": "script", "content": {"script": script, **content}}
        return str(self.api("POST", "/commands", body)["commands"][self.node_id])

    def output(self, command_id: str, after: int = 0, wait: float = 10) -> dict[str, Any]:
        return self.api("GET", f"/commands/{command_id}/output?after={after}&wait={wait}")

    def finish(self, command_id: str, seconds: float = 60) -> tuple[dict[str, Any], str]:
        """Until it has ended: the command, and all its output as text."""
        text, after, until = "", 0, time.monotonic() + seconds
        while time.monotonic() < until:
            part = self.output(command_id, after)
            text += "".join(chunk.get("text", "") for chunk in part["chunks"])
            after = part["next"]
            if part["done"]:
                return self.api("GET", f"/commands/{command_id}"), text
        raise StackError(f"the command {command_id} did not end within {seconds} s: {self.api('GET', f'/commands/{command_id}')}")

    def api(self, method: str, path: str, body: Any = None, version: int | None = None) -> Any:
        """`data` of an answer of the REST API; `version`: of what is changed. Raises StackError with its message."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        answer = self._http.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers, timeout=60)
        envelope = answer.json()
        if envelope["code"] != 0:
            raise StackError(f"{method} {path}: {envelope['code']} {envelope['message']}")
        return envelope["data"]

    # processes

    def pids(self) -> dict[str, int]:
        """Name → pid of what runs now."""
        found = {name: p.pid for name, p in (("manager", self._manager), ("supervisord", self._supervisord)) if p and p.poll() is None}
        for name in ("daemon", "agent"):
            try:
                pid = int((self.folder / f"host/var/{name}.lock").read_text())
                # A killed process is a zombie until supervisord looks, and the lock still names it.
                if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                    found[name] = pid
            except (OSError, ValueError, psutil.NoSuchProcess):
                continue
        return found

    def kill(self, name: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to one of our processes; its pid."""
        pid = self.pids()[name]
        os.kill(pid, number)
        if number == signal.SIGKILL:
            self._until(lambda: self.pids().get(name) != pid, 10, f"{name} survived SIGKILL", lambda: str(pid))
        return pid

    def manager_ended(self) -> bool:
        return self._manager is not None and self._manager.poll() is not None

    def stop(self) -> None:
        """End everything: the host first, so that it can say goodbye."""
        left = self.pids()
        for process in (self._supervisord, self._manager):
            if process is not None and process.poll() is None:
                process.terminate()
                try:
                    process.wait(40)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(10)
        for name in ("daemon", "agent"):
            # Orphans of a supervisord that was killed.
            if name in left and self._is_ours(left[name]):
                os.kill(left[name], signal.SIGKILL)

    def host_log(self) -> str:
        parts = [self._last_line(file) for file in sorted((self.folder / "host/log").glob("*"))]
        return " | ".join(part for part in parts if part)

    def _is_ours(self, pid: int) -> bool:
        try:
            return str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            return False

    def _environment(self) -> dict[str, str]:
        keep = ("PATH", "HOME", "LANG", "TZ", "TMPDIR")
        return {name: os.environ[name] for name in keep if name in os.environ}

    @staticmethod
    def _last_line(file: Path) -> str:
        lines = file.read_text(errors="replace").strip().splitlines() if file.is_file() else []
        return lines[-1] if lines else ""

    @staticmethod
    def _until(ready: Any, seconds: float, what: str, detail: Any) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if ready():
                return
            time.sleep(0.05)
        raise StackError(f"{what}: {detail()}")


@contextmanager
def whole(folder: Path, prepare: Callable[[Stack], None] = lambda it: None, **options: str) -> Iterator[Stack]:
    """A stack that is online, ended with the block. `prepare` may lay out files before the host starts."""
    stack = Stack(folder, **options)
    try:
        stack.start_manager()
        prepare(stack)
        stack.sign_in()
        stack.start_host()
        stack.wait_online()
        yield stack
    finally:
        stack.stop()


def save(stack: Stack, file: Path) -> None:
    """What other programs need to use a running stack."""
    facts = {
        "url": stack.url,
        "api_token": stack.token,
        "ca": str(stack.folder / "manager/keys/ca.crt"),
        "node_id": stack.node_id,
        "database_url": stack.database_url or f"sqlite:///{stack.folder}/manager/manager.db",
        "pids": stack.pids(),
    }
    file.touch(0o600)
    file.chmod(0o600)
    file.write_text(json.dumps(facts, indent=2) + "\n")
