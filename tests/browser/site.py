"""The manager's pages on a free loopback port over the real services, and a host that a test plays.

The services run in a thread with a loop of their own; `Site.do` runs one of their coroutines there.
"""

from __future__ import annotations

import asyncio
import base64
import math
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from host.wire.messages import EnrollRequest, Facts, Record, ReportRequest
from server.app import opened, web_app
from server.auth import Caller
from server.config import Config
from server.db import Db
from server.listen import bind, listener
from server.services import Services
from tests.conftest import QUICK_HASHER, make_csr

T = TypeVar("T")
PASSWORD = "a long enough password"
GIB = 1024**3


def now() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Site:
    url: str
    services: Services
    db: Db
    loop: asyncio.AbstractEventLoop
    admin: Caller
    sequence: dict[tuple[str, str], int] = field(default_factory=dict)

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def enrol(self, hostname: str, tags: dict[str, str] = {}, online: bool = True, token: str = "") -> str:
        """A host comes in, with a token of its own unless one is given; its node's id."""

        async def work() -> str:
            given = token or (await self.services.enrolment.create_token(self.admin, 1, 1, "", tags, now())).token
            facts = Facts(
                hostname,
                ["192.0.2.17", "2001:db8::17"],
                "Debian GNU/Linux 12 (bookworm)",
                "6.1.0-28-amd64",
                "x86_64",
                "AMD EPYC 7543 32-Core Processor",
                8,
                16 * GIB,
                now() - 40 * 86_400_000,
                "Asia/Shanghai",
                "0.1.0",
                "0.1.0",
            )
            answer = await self.services.enrolment.enroll(EnrollRequest(1, given, make_csr(), facts), "192.0.2.17", now())
            if online:
                await self.db.transaction(lambda session: self.services.nodes.move(session, answer.node_id, "online", now()))
            return answer.node_id

        return self.do(work())

    def move(self, node: str, state: str) -> None:
        self.do(self.db.transaction(lambda session: self.services.nodes.move(session, node, state, now())))

    def report(self, node: str, lane: str, *records: tuple[str, int, dict[str, Any]]) -> None:
        """Records of kind, time and body, as the node's daemon would deliver them."""
        made = []
        for kind, at, body in records:
            seq = self.sequence[(node, lane)] = self.sequence.get((node, lane), 0) + 1
            made.append(Record(seq, kind, at, body))
        for start in range(0, len(made), 500):
            self.do(self.services.reports.store(node, ReportRequest(lane, 1, made[start : start + 500]), now()))

    def samples(self, node: str, minutes: int, gap: tuple[int, int] = (0, 0)) -> None:
        """One sample a minute until now, but for those between `gap` minutes ago."""
        moments = [m for m in range(minutes, -1, -1) if not gap[0] < m < gap[1]]
        self.report(node, "bulk", *(("sample", now() - m * 60_000, sample(m)) for m in moments))

    def accept(self, command: str, node: str) -> None:
        self.do(self.db.transaction(lambda session: self.services.commands.acknowledge(session, node, [command], [], now())))
        self.services.wakeups.wake(f"execution:{command}")

    def start(self, command: str, node: str) -> None:
        self.accept(command, node)
        self.report(node, "urgent", ("execution", now(), {"command_id": command, "state": "started"}))

    def prints(self, command: str, node: str, chunk: int, text: bytes, stream: str = "stdout", offset: int = 0) -> None:
        body = {"command_id": command, "chunk": chunk, "stream": stream, "offset": offset, "data": base64.b64encode(text).decode()}
        self.report(node, "urgent", ("output", now(), body))

    def ends(self, command: str, node: str, state: str = "succeeded", **result: Any) -> None:
        self.report(node, "urgent", ("execution", now(), {"command_id": command, "state": state, **result}))

    def newest_command(self, node: str) -> str:
        page = self.do(self.services.commands.page(node_id=node, task_id="", state="", limit=1, offset=0))
        return str(page.rows[0]["id"])


def sample(minute: int) -> dict[str, Any]:
    wave = math.sin(minute / 17)
    cpu = max(1.0, 22 + 14 * wave + (55 if minute % 53 == 0 else 0) + minute % 7)
    return {
        "took_ms": 12.5,
        "cpu": {
            "percent": cpu,
            "user": cpu * 0.7,
            "system": cpu * 0.3,
            "idle": 100 - cpu,
            "cores": [min(100, cpu * (1 + i / 8)) for i in range(8)],
        },
        "memory": {
            "total": 16 * GIB,
            "used": 9 * GIB,
            "available": 7 * GIB,
            "percent": 55 + 4 * wave,
            "swap_total": 2 * GIB,
            "swap_used": 0,
        },
        "disks": [
            {
                "mount": "/",
                "device": "/dev/nvme0n1p2",
                "fstype": "ext4",
                "total": 98 * GIB,
                "used": 61 * GIB,
                "free": 37 * GIB,
                "percent": 62.2,
            },
            {
                "mount": "/var/lib/postgresql/data",
                "device": "/dev/mapper/vg0-data",
                "fstype": "xfs",
                "total": 500 * GIB,
                "used": 462 * GIB,
                "free": 38 * GIB,
                "percent": 92.4,
            },
        ],
        "nics": [
            {
                "name": "eth0",
                "rx_bytes": 812 * GIB,
                "tx_bytes": 97 * GIB,
                "rx_rate": 220_000 + 180_000 * wave,
                "tx_rate": 60_000 + 30_000 * wave,
            },
            {"name": "wg0", "rx_bytes": 3 * GIB, "tx_bytes": GIB, "rx_rate": 900.0, "tx_rate": 1200.0, "rx_drops": 3},
        ],
        "load": [1.42, 1.1, 0.93],
        "processes": 214,
        "uptime": 40 * 86_400,
    }


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Site]:
    """The site, with an administrator `admin` and a viewer `vera`, both with PASSWORD."""
    ready: list[Site] = []
    problem: list[BaseException] = []
    started, stop = threading.Event(), threading.Event()

    async def main() -> None:
        config = Config(data_dir=folder, web_tls=False, public_names=["ops.example.com", "127.0.0.1"], **settings)
        async with opened(config, now, QUICK_HASHER) as (services, db):
            first = await services.people.ensure_first_admin(now())
            assert first is not None
            granted = await services.people.sign_in("admin", first, "127.0.0.1", now())
            admin = await services.people.by_session(granted.secret, "127.0.0.1", now())
            await services.people.change_password(admin, first, PASSWORD, now())
            await services.people.create(admin, "vera", PASSWORD, "viewer", now())
            socket = bind("127.0.0.1", 0, "web_listen")
            server = listener(web_app(services), None)
            serving = asyncio.create_task(server.serve([socket]))
            ready.append(Site(f"http://127.0.0.1:{socket.getsockname()[1]}", services, db, asyncio.get_running_loop(), admin))
            started.set()
            while not stop.is_set():
                await asyncio.sleep(0.05)
            services.wakeups.stop()
            server.should_exit = True
            await serving

    def work() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - handed to the test, which raises it
            problem.append(error)
        finally:
            started.set()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    started.wait(30)
    if problem:
        raise problem[0]
    try:
        yield ready[0]
    finally:
        stop.set()
        thread.join(20)
    if problem:
        raise problem[0]
