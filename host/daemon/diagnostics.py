"""`ops-daemon diagnose`: one tar.gz with what somebody needs who helps from afar, without secrets. A short-lived process.

    configuration/daemon.yaml, agent.yaml, policy.yaml    secrets masked
    versions.json status.json files.json                  what runs, how it stands, what lies in the work folder
    outbox.json ledger.json                               counts by kind and by state, never contents
    log/daemon.log, log/agent.log                         their last part, secrets masked
    system/…                                              a few files of /proc, disks, processes of this program

A part that cannot be had is a line in problems.txt, never a reason for no bundle.
"""

from __future__ import annotations

import io
import json
import os
import platform
import sqlite3
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon import VERSION, secrets, status, supervisord
from host.daemon.config import Config
from host.daemon.supervisord import Supervisord
from host.lib.errors import HostError
from host.lib.files import write_atomically
from host.wire.masking import mask

MAX_BYTES = 8 * 1024 * 1024
LOG_BYTES = 512 * 1024
"""Of each log, before packing: also random bytes stay below MAX_BYTES in all."""
PART_BYTES = 512 * 1024
PROC = ("loadavg", "meminfo", "uptime", "version", "mounts", "net/dev", "self/limits", "pressure/cpu", "pressure/memory", "pressure/io")
OWN_PROGRAM = "SUPERVISOR_PROCESS_NAME"


class Bundle:
    def __init__(self, now: float) -> None:
        self._buffer, self._now, self._problems = io.BytesIO(), now, list[str]()
        self._tar = tarfile.open(fileobj=self._buffer, mode="w:gz", compresslevel=6)  # noqa: SIM115 - closed by bytes()

    def part(self, name: str, make: Callable[[], str]) -> None:
        """Adds what `make` gives; what it raises becomes a line of problems.txt."""
        try:
            self._add(name, make().encode("utf-8", "replace")[:PART_BYTES])
        except (OSError, HostError, sqlite3.Error, ValueError, supervisord.Unreachable) as problem:
            self._problems.append(f"{name}: {problem}")

    def _add(self, name: str, data: bytes) -> None:
        entry = tarfile.TarInfo(f"diagnostics/{name}")
        entry.size, entry.mtime, entry.mode = len(data), int(self._now), 0o600
        self._tar.addfile(entry, io.BytesIO(data))

    def bytes(self) -> bytes:
        self._add("problems.txt", "".join(f"{line}\n" for line in self._problems).encode())
        self._tar.close()
        return self._buffer.getvalue()


def gather(config: Config, path: Path, target: Path) -> int:
    """Writes the bundle to `target`, mode 0600; its size in bytes. Raises OSError."""
    bundle, work = Bundle(time.time()), config.daemon.work_dir
    files = {"daemon.yaml": path, "agent.yaml": path.with_name("agent.yaml"), "policy.yaml": config.daemon.policy_file}
    for name, file in files.items():
        bundle.part(f"configuration/{name}", lambda file=file: secrets.masked(file.read_text("utf-8")))  # type: ignore[misc]
    bundle.part("versions.json", lambda: _json({"daemon": VERSION, "python": sys.version, "system": list(platform.uname())}))
    bundle.part("status.json", lambda: mask(_json(status.ask(config.daemon_socket))))
    bundle.part("files.json", lambda: _json(_files(work)))
    bundle.part("outbox.json", lambda: _json(_outbox(work / "outbox.db")))
    bundle.part("ledger.json", lambda: _json(_ledger(work / "ledger.db")))
    for name, program in (("daemon", os.environ.get(OWN_PROGRAM, "ops-daemon")), ("agent", config.supervisor.program)):
        bundle.part(f"log/{name}.log", lambda program=program: _log(config, program))  # type: ignore[misc]
    for name in PROC:
        bundle.part(f"system/{name.replace('/', '-')}", lambda name=name: Path("/proc", name).read_text())  # type: ignore[misc]
    bundle.part("system/os-release", lambda: Path("/etc/os-release").read_text())
    bundle.part("system/disks.json", lambda: _json(_disks([work, config.daemon.run_dir, Path("/")])))
    bundle.part("system/processes.json", lambda: _json(_processes(work)))
    data = bundle.bytes()
    if len(data) > MAX_BYTES:
        raise OSError(27, f"the bundle has {len(data)} bytes", str(target))
    write_atomically(target, data)
    return len(data)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _files(folder: Path) -> list[dict[str, Any]]:
    """Names, sizes and modes below the work folder; contents stay."""
    found = []
    for path in sorted(folder.rglob("*"))[:2000]:
        about = path.lstat()
        found.append(
            {"path": str(path), "size": about.st_size, "mode": oct(about.st_mode), "owner": about.st_uid, "changed": about.st_mtime}
        )
    return found


def _rows(path: Path, **queries: str) -> dict[str, Any]:
    """The answers of queries on a database that another process writes."""
    if not path.exists():
        raise FileNotFoundError(2, "there is no such file", str(path))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)
    try:
        return {name: [list(row) for row in connection.execute(sql)] for name, sql in queries.items()}
    finally:
        connection.close()


def _outbox(path: Path) -> dict[str, Any]:
    return _rows(
        path,
        lanes="SELECT lane, last FROM lanes",
        waiting_by_lane_kind_number_bytes_oldest="SELECT lane, kind, count(*), sum(size), min(at) FROM records GROUP BY lane, kind",
        orders_by_verb_state_number="SELECT verb, state, count(*) FROM orders GROUP BY verb, state",
        last_orders="SELECT id, verb, state, at FROM orders ORDER BY rowid DESC LIMIT 20",
    )


def _ledger(path: Path) -> dict[str, Any]:
    return _rows(
        path,
        tasks_by_kind_state_number="SELECT kind, state, count(*) FROM tasks GROUP BY kind, state",
        last_tasks="SELECT id, kind, state, reason, accepted_at, started_at, ended_at, exit_code, signal FROM tasks "
        "ORDER BY rowid DESC LIMIT 50",
    )


def _log(config: Config, program: str) -> str:
    path = Path(Supervisord(config.supervisor_socket, program).log_file())
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - LOG_BYTES))
        return mask(stream.read(LOG_BYTES).decode("utf-8", "replace"))


def _disks(folders: list[Path]) -> list[dict[str, Any]]:
    found = []
    for folder in folders:
        about = os.statvfs(folder)
        size = about.f_frsize
        found.append({"folder": str(folder), "bytes": about.f_blocks * size, "free": about.f_bavail * size, "free_inodes": about.f_favail})
    return found


def _processes(work: Path) -> list[dict[str, Any]]:
    """This program's processes: by the locks that they hold."""
    import psutil

    found = []
    for name in ("daemon", "agent"):
        try:
            process = psutil.Process(int((work / f"{name}.lock").read_text()))
            with process.oneshot():
                about = process.as_dict(["pid", "ppid", "status", "create_time", "num_threads", "num_fds", "username"])
                found.append({"name": name, **about, "memory": process.memory_info().rss, "cpu": list(process.cpu_times()[:2])})
        except (OSError, ValueError, psutil.Error) as problem:
            found.append({"name": name, "problem": str(problem)})
    return found
