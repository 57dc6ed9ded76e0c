"""`./ops bench files`: one large file to the host and back by the whole chain, and whether memory stays flat meanwhile.

1 GiB (`--quick`: 64 MiB) is put into the store, brought to the host by a task, and sent back by another. Measured are the times and
the highest RSS of manager, daemon and agent from before the first byte to after the last. Limits, whatever the size: the daemon grows by
less than 4 MB, the manager by less than 64 MB, and the agent stays below 50 MB.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
import requests

from tests.bench.report import stack, table, verdict
from tests.stack import Stack

MB = 1_000_000
CHUNK = 1 << 20
GROWTH_MB, DAEMON_GROWTH_MB = 64.0, 4.0


class Watch:
    """The highest RSS of each process, in MB, and what it was before."""

    def __init__(self, pids: dict[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.before = self._now()
        self.most = dict(self.before)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _now(self) -> dict[str, float]:
        return {name: process.memory_info().rss / MB for name, process in self._processes.items()}

    def _run(self) -> None:
        while not self._end.wait(0.2):
            for name, rss in self._now().items():
                self.most[name] = max(self.most[name], rss)


def block(number: int) -> bytes:
    """1 MiB that no compression makes smaller, another for each number."""
    return hashlib.shake_256(number.to_bytes(8, "big")).digest(CHUNK)


def put(running: Stack, size: int) -> tuple[str, str]:
    """The file's id and its SHA-256."""
    item = running.api("POST", "/files", {"name": "bench.bin", "size": size})
    digest, session = hashlib.sha256(), requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"Bearer {running.token}"
    for number in range(size // CHUNK):
        data = block(number)
        digest.update(data)
        url = f"{running.url}/api/v1/files/{item['id']}/content?offset={number * CHUNK}"
        session.put(url, data=data, timeout=60).raise_for_status()
    running.api("POST", f"/files/{item['id']}/finish", {"sha256": digest.hexdigest()})
    return str(item["id"]), digest.hexdigest()


def task(running: Stack, **content: Any) -> dict[str, Any]:
    body = {"nodes": [running.node_id], "type": "file", "content": {"timeout": 3600, **content}}
    command, text = running.finish(running.api("POST", "/commands", body)["commands"][running.node_id], 3600)
    if command["state"] != "succeeded":
        raise SystemExit(f"bench files: {command['state']}: {command['reason']} {text}")
    return command


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.monotonic()
    result = work()
    return time.monotonic() - begun, result


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench files", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="64 MiB instead of 1 GiB")
    size = (64 if parser.parse_args().quick else 1024) * CHUNK
    with stack() as running:
        running.wait_first_sample()
        path = str(running.folder / "bench.bin")
        with Watch({name: running.pids()[name] for name in ("manager", "daemon", "agent")}) as watch:
            put_s, (file_id, sha256) = timed(lambda: put(running, size))
            up_s, up = timed(lambda: task(running, action="upload", path=path, file=file_id))
            down_s, down = timed(lambda: task(running, action="download", path=path))
    identical = up["result"]["sha256"] == down["result"]["sha256"] == sha256
    rows = [[name, f"{watch.before[name]:.1f}", f"{watch.most[name]:.1f}"] for name in watch.most]
    table([["process", "RSS MB before", "highest"], *rows])
    rates = {name: round(size / MB / seconds, 1) for name, seconds in (("put", put_s), ("upload", up_s), ("download", down_s))}
    print(f"{size // CHUNK} MiB: put {put_s:.1f} s, to the host {up_s:.1f} s, back {down_s:.1f} s; identical: {identical}")
    growth, daemon_growth = (watch.most[name] - watch.before[name] for name in ("manager", "daemon"))
    detail: dict[str, Any] = {"mib": size // CHUNK, "mb_per_s": rates, "identical": identical, "manager_growth_mb": round(growth, 1)}
    detail |= {f"{name}_mb": round(value, 1) for name, value in watch.most.items()}
    within = identical and growth < GROWTH_MB and watch.most["agent"] < 50
    return verdict("files", daemon_growth, "MB", DAEMON_GROWTH_MB, detail) or (0 if within else 1)


if __name__ == "__main__":
    sys.exit(main())
