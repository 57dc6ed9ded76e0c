"""The API over real services on a real database and a real socket, and a host that enrols and reports in-process."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import requests
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from host.wire.codec import plain
from host.wire.messages import EnrollRequest, Facts, Record, ReportRequest
from host.wire.protocol import LANES, PROTOCOL
from host.wire.records import LANE_OF, AgentState, Cpu, Execution, Log, Output, Sample
from server import api
from server.auth import Caller
from server.config import Config
from server.db import Db
from server.door import check
from server.errors import NotAllowed, Unavailable
from server.keys import open_keys
from server.limits import Limits
from server.migrate import migrate
from server.services import Services, build
from tests.conftest import QUICK_HASHER
from tests.server.api.described import hold

T = TypeVar("T")
START = 1_795_000_000_000
ROOT = Caller("admin", name="test")
PASSWORD = "correct horse battery"


class Clock:
    """UTC milliseconds, moved by the test only."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


class Host:
    """What a daemon would send for one node."""

    def __init__(self, manager: Manager, name: str, tags: dict[str, str]) -> None:
        self._manager, self._told = manager, dict.fromkeys(LANES, 0)
        now, services = manager.clock(), manager.services
        token = manager.run(services.enrolment.create_token(ROOT, 1, 1.0, "", tags, now))
        facts = Facts(name, ["10.0.0.1"], "Debian 12", "6.1", "x86_64", "A CPU", 2, 2**30, daemon_version="0.1.0")
        answer = manager.run(services.enrolment.enroll(EnrollRequest(PROTOCOL, token.token, _csr(), facts), "127.0.0.1", now))
        self.id, self.name, self.dispatch_key = answer.node_id, answer.name, bytes.fromhex(answer.dispatch_key)

    def tells(self, kind: str, body: Any) -> None:
        """One record in its lane, stored as the node link would."""
        lane = LANE_OF[kind]
        self._told[lane] += 1
        record = Record(self._told[lane], kind, self._manager.clock(), plain(body))
        stored = self._manager.run(self._manager.services.reports.store(self.id, ReportRequest(lane, 1, [record]), self._manager.clock()))
        assert stored.stored == self._told[lane]

    def accepts(self, *command_ids: str) -> None:
        services, now = self._manager.services, self._manager.clock()

        async def work() -> None:
            await self._manager.db.transaction(lambda s: services.commands.acknowledge(s, self.id, command_ids, [], now))

        self._manager.run(work())

    def starts(self, command_id: str) -> None:
        self.tells("execution", Execution(command_id, "started"))

    def writes(self, command_id: str, chunk: int, data: bytes, stream: str = "stdout", offset: int = 0) -> None:
        self.tells("output", Output(command_id, chunk, stream, offset, base64.b64encode(data).decode()))

    def ends(self, command_id: str, state: str = "succeeded", exit_code: int | None = 0, reason: str = "") -> None:
        self.tells("execution", Execution(command_id, state, reason, exit_code))

    def measures(self, percent: float = 12.5) -> None:
        self.tells("sample", Sample(1.5, Cpu(percent, 10.0, 2.5, 87.5), load=[0.5, 0.4, 0.3]))

    def speaks_of_its_agent(self) -> None:
        self.tells("state", AgentState("running", 4711, "0.1.0", 0.5, 20_000_000))

    def logs(self, message: str) -> None:
        self.tells("log", Log("agent", "warning", "agent.engine", message))

    def is_copied(self) -> tuple[str, str]:
        """A copy of it runs beside it, so that it comes into quarantine; the marks of both."""
        marks = ("i=00000001;b=0000000a;m=00000001", "i=00000001;b=0000000b;m=00000002")
        met, clock = self._manager.services.quarantine.met, self._manager.clock
        for mark, ip, seconds in ((marks[0], "10.0.0.1", 0), (marks[1], "10.0.0.2", 1), (marks[0], "10.0.0.1", 20)):
            clock.now += seconds * 1000
            with suppress(Unavailable, NotAllowed):
                self._manager.run(met(self.id, mark, ip, clock()))
        return marks

    def waiting(self) -> list[Any]:
        """Commands in its mailbox."""
        services = self._manager.services
        return self._manager.run(services.commands.mailbox(self.id, [], self._manager.clock()))


class Manager:
    """A running API. Its services live on a loop in a thread; `run()` calls them from a test."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, tls: bool) -> None:
        self._loop, self.clock, self.tls = loop, clock, tls
        self.db: Db
        self.services: Services
        self.url = ""
        self.port = 0
        self.routes: list[BaseRoute] = []
        self._listener: uvicorn.Server | None = None
        self._served: Any = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def listen(self) -> None:
        """Serve the API, on the port it had before if there was one."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        sock.listen(128)
        self.port = sock.getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"
        self.routes = routes = api.routes(self.services)
        check(routes)
        certificate, key = self.services.keys.server_files if self.tls else (None, None)
        config = uvicorn.Config(
            Limits(Starlette(routes=routes), 2 * 1024 * 1024),
            log_config=None,
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=0,
            ssl_certfile=certificate,
            ssl_keyfile=key,
        )
        self._listener = uvicorn.Server(config)
        self._served = asyncio.run_coroutine_threadsafe(self._listener.serve([sock]), self._loop)

    def hang_up(self) -> None:
        """Cut every connection and take no new ones, as a dying manager does."""
        if self._listener is not None:
            self._listener.force_exit = self._listener.should_exit = True
            self._served.result(15)
            self._listener = None

    def host(self, name: str, tags: dict[str, str] | None = None) -> Host:
        return Host(self, name, tags or {})

    def user(self, name: str, role: str) -> Api:
        """A new account's own way to the API."""
        self.run(self.services.people.create(ROOT, name, PASSWORD, role, self.clock()))
        return self.token(name)

    def token(self, name: str) -> Api:
        return Api(
            self.url, self.run(self.services.people.issue_token(name, PASSWORD, "test", "127.0.0.1", self.clock())).secret, self.routes
        )


class Api:
    """The API as one caller sees it."""

    def __init__(self, url: str, token: str = "", routes: Sequence[BaseRoute] = ()) -> None:
        self.url, self.secret, self._routes = url, token, list(routes)
        self._session = requests.Session()
        self._session.trust_env = False
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, **more: Any) -> requests.Response:
        response = self._session.request(method, self.url + path, timeout=30, **more)
        hold(self._routes, response)
        return response

    def data(self, method: str, path: str, **more: Any) -> Any:
        """The data of a good answer."""
        response = self.send(method, path, **more)
        body = response.json()
        assert body["code"] == 0, body
        return body["data"]

    def refusal(self, method: str, path: str, **more: Any) -> tuple[int, int, str, str]:
        """(status, code, field, message) of a bad one."""
        response = self.send(method, path, **more)
        body = response.json()
        assert body["code"] != 0, body
        return response.status_code, body["code"], (body["data"] or {}).get("field", ""), body["message"]


@contextmanager
def running(folder: Path, database_url: str, tls: bool = False, **settings: Any) -> Iterator[Manager]:
    """A manager's API until the block ends, with these settings."""
    settings = {"rate_user": 0, "rate_stranger": 0} | settings
    clock, ready, problems = Clock(), threading.Event(), []
    loop = asyncio.new_event_loop()
    manager, stop = Manager(loop, clock, tls), asyncio.Event()

    async def live() -> None:
        async with _services(folder, database_url, manager, clock, settings):
            manager.listen()
            ready.set()
            await stop.wait()
            manager.services.wakeups.stop()
            listener = manager._listener
            if listener is not None:
                listener.force_exit = listener.should_exit = True
                await asyncio.wrap_future(manager._served)

    def thread() -> None:
        try:
            loop.run_until_complete(live())
        except Exception as problem:  # noqa: BLE001 - raised again where the test sees it
            problems.append(problem)
        finally:
            ready.set()
            loop.close()

    worker = threading.Thread(target=thread, name="manager")
    worker.start()
    ready.wait(30)
    if problems:
        raise problems[0]
    try:
        yield manager
    finally:
        loop.call_soon_threadsafe(stop.set)
        worker.join(30)
    if problems:
        raise problems[0]


@asynccontextmanager
async def _services(folder: Path, database_url: str, manager: Manager, clock: Clock, settings: dict[str, Any]) -> Any:
    config = Config(data_dir=folder, database_url=database_url, web_tls=False, **settings)
    async with Db(config.url, pool_size=10, pool_idle=2) as db:
        await migrate(db, clock())
        manager.db = db
        manager.services = build(db, config, open_keys(folder / "keys", config.public_names, clock()), clock, QUICK_HASHER)
        yield


def _csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()
