"""A copy of a stack's host, as somebody makes one who copies a disk: all its files, on other hardware.

The hardware is another one in a mount namespace of its own, which needs root; both run on this machine. `Copied.stop` ends it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.databases import free_port
from tests.stack import BIN, Stack

FILES = ("etc/daemon.yaml", "etc/agent.yaml", "etc/supervisord.conf")
START = """set -e
mount --bind "$1/machine-id" /etc/machine-id
mount --bind "$1/net" /sys/class/net
[ ! -e /sys/class/dmi/id/product_uuid ] || mount --bind "$1/board" /sys/class/dmi/id/product_uuid
shift
exec "$@"
"""


def possible() -> bool:
    """Whether this machine lets us give a process hardware of its own."""
    if not Path("/etc/machine-id").exists() or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


class Copied:
    """`take` copies, `start` boots it."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self.folder, self._process = stack, stack.folder / "copy", None  # type: ignore[var-annotated]

    def take(self) -> None:
        """All of the host's files at one moment, as a snapshot of its disk has them."""
        stack, pids = self._stack, self._stack.pids()
        held = [pids[name] for name in ("daemon", "agent")]
        for pid in held:
            os.kill(pid, signal.SIGSTOP)
        try:
            ignore = shutil.ignore_patterns("*.sock", "*.pid")
            shutil.copytree(stack.folder / "host", self.folder, ignore=ignore)
        finally:
            for pid in held:
                os.kill(pid, signal.SIGCONT)
        for name in FILES:
            file = self.folder / name
            text = file.read_text().replace(f"{stack.folder}/host", str(self.folder))
            file.write_text(text.replace(f":{stack.agent_port}", f":{free_port() if name == FILES[0] else ''}"))
        port = (self.folder / FILES[0]).read_text().partition("https://127.0.0.1:")[2].split()[0]
        agent = self.folder / FILES[1]
        agent.write_text(agent.read_text().replace("listen: 127.0.0.1:", f"listen: 127.0.0.1:{port}"))
        for log in (self.folder / "log").iterdir():
            log.unlink()
        hardware = self.folder / "hardware"
        (hardware / "net/eth0").mkdir(parents=True)
        (hardware / "net/eth0/address").write_text("02:00:00:00:00:99\n")
        (hardware / "machine-id").write_text(Path("/etc/machine-id").read_text())
        (hardware / "board").write_text("5c0f1e5e-0000-4000-8000-00000000c0c0\n")

    def start(self) -> None:
        with (self.folder / "log/supervisord.out").open("ab") as out:
            command = ["unshare", "--mount", "sh", "-c", START, "sh", self.folder / "hardware"]
            command += [BIN / "supervisord", "-n", "-c", self.folder / "etc/supervisord.conf"]
            options: dict[str, Any] = {"stdout": out, "stderr": out, "cwd": self.folder, "umask": 0o027}
            environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
            self._process = subprocess.Popen(command, start_new_session=True, env=environment, **options)

    def stop(self) -> None:
        """The agent too: as supervisord ends, it ends its children."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)

    @property
    def node_id(self) -> str:
        """The node that it takes itself for; "" for none."""
        try:
            return str(json.loads((self.folder / "var/identity/node.json").read_text())["node_id"])
        except FileNotFoundError:
            return ""

    def log(self) -> str:
        return "".join(file.read_text(errors="replace") for file in sorted((self.folder / "log").iterdir()))

    def status(self) -> dict[str, Any]:
        return status_of(self.folder)


def status_of(host: Path) -> dict[str, Any]:
    """What `ops-daemon status` says there."""
    command = [sys.executable, "-m", "host.daemon", "status", "--json", "--config", host / "etc/daemon.yaml"]
    return dict(json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
