"""Fixtures that every test may use: the three databases, and the manager's services over each of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from host.wire.messages import EnrollRequest, Facts, Record, ReportAnswer, ReportRequest
from server import partitions
from server.auth import Caller
from server.config import Config
from server.db import Db, Session
from server.keys import open_keys
from server.migrate import migrate
from server.service.partitions import Partitions
from server.services import Services, build
from tests.databases import fresh, servers

LONG = ("end_to_end", "test_agent_conformance", "browser", "test_agent_many", "test_supervis", "test_outbox", "server/ctl")
"""Files with these words in their path take longest: they come first, so that no processor waits for the other in the end."""
DAY = 86_400_000
START = 1_800_000_000_000
QUICK_HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
TABLES = [
    "nodes",
    "node_certificates",
    "enrolment_tokens",
    "node_lanes",
    "node_drops",
    "node_metrics",
    "node_logs",
    "node_events",
    "agents",
    "tasks",
    "commands",
    "command_output",
    "users",
    "sessions",
    "api_tokens",
    "sign_in_failures",
    "audit_logs",
    "audit_nodes",
    "daemons",
    "node_kinds",
    "node_plugin_metrics",
    "node_rollups",
    "node_plugin_rollups",
    "node_detail_rollups",
    "node_rollups_due",
    "fleet_metrics",
    "versions",
    "update_records",
    "files",
    "file_chunks",
    "command_files",
    "node_facts",
    "node_addresses",
    "node_tags",
    "node_groups",
    "node_group_members",
    "node_fields",
    "node_field_values",
    "node_notes",
    "saved_filters",
    "node_requests",
    "node_machines",
    "node_states",
    "answers",
    "receivers",
    "receiver_health",
    "deliveries",
    "delivery_attempts",
    "receiver_firing",
    "alert_rules",
    "alert_watches",
    "alerts",
    "alert_events",
    "alert_storms",
    "maintenance_windows",
    "manager_loops",
]


@pytest.fixture(scope="session")
def database_servers() -> Iterator[dict[str, str]]:
    with servers() as urls:
        yield urls


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database on each engine that this machine has."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/manager.db"
        return
    urls: dict[str, str] = request.getfixturevalue("database_servers")
    if request.param not in urls:
        pytest.skip(f"no {request.param} on this machine")
    with fresh(urls[request.param]) as url:
        yield url


@pytest.fixture(scope="session")
def migrated_servers(database_servers: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Kind → a database of this test process, with its schema: making that anew for each test costs a second."""
    with ExitStack() as stack:
        urls = {kind: stack.enter_context(fresh(url)) for kind, url in database_servers.items()}
        urls["sqlite"] = f"sqlite:///{tmp_path_factory.mktemp('database')}/manager.db"
        for url in urls.values():
            asyncio.run(_migrate(url))
        yield urls


async def _migrate(url: str) -> None:
    async with Db(url) as db:
        await migrate(db, START)


@pytest.fixture(params=["sqlite", "mariadb", "mysql"])
def empty_database(request: pytest.FixtureRequest, migrated_servers: dict[str, str]) -> str:
    """A migrated database without a row, on each engine that this machine has."""
    if request.param not in migrated_servers:
        pytest.skip(f"no {request.param} on this machine")
    return migrated_servers[request.param]


async def _empty(db: Db) -> None:
    async def work(session: Session) -> None:
        for table in TABLES:
            await session.raw_statement(f"DELETE FROM {table}")
        await session.raw_statement("UPDATE rollup_state SET done_until = 0, fleet_until = 0, leased_until = 0")
        await session.raw_statement("UPDATE rollup_state SET details_until = 0, details_node = '', details_since = 0")
        await session.raw_statement("UPDATE alert_state SET leased_until = 0, done_at = 0, seeded = 0")
        await session.raw_statement("UPDATE audit_head SET entries = 0, hash = ''")

    await db.transaction(work)
    await as_migrated(db)


async def as_migrated(db: Db) -> None:
    """On MySQL: the day partitions that the migration made, where a test whose time went on has changed them."""
    if db.dialect != "mysql":
        return
    days = partitions.made_by_migration(START)
    wanted = re.findall(r"PARTITION (\w+)", days)
    for table, names in (await db.transaction(Partitions(db).names)).items():
        if sorted(names) != sorted(wanted):
            statement = f"ALTER TABLE {table} PARTITION BY RANGE (at) ({days})"
            await db.transaction(lambda session, one=statement: session.raw_statement(one))  # type: ignore[misc]


@dataclass
class Time:
    """A clock that stands until a test moves it."""

    now: int = START

    def __call__(self) -> int:
        return self.now


def make_csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return csr.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Manager:
    """Services over a fresh database, with an admin, a viewer, and what a test needs to play a host."""

    services: Services
    db: Db
    time: Time
    admin: Caller
    password: str
    viewer: Caller = field(default_factory=lambda: Caller("viewer", "01VIEWER0000000000000000AB", "vera", "192.0.2.9"))

    async def enrol(self, hostname: str = "web-1") -> Caller:
        """A node's caller, as its certificate would give it, taken online."""
        token = await self.services.enrolment.create_token(self.admin, 1, 1, "", {}, self.time())
        request = EnrollRequest(1, token.token, make_csr(), Facts(hostname, ["192.0.2.1"]))
        answer = await self.services.enrolment.enroll(request, "192.0.2.1", self.time())
        await self.db.transaction(lambda session: self.services.nodes.move(session, answer.node_id, "online", self.time()))
        return Caller("node", answer.node_id, answer.name, "192.0.2.1", node_state="online")

    async def report(self, node: Caller, lane: str, *records: tuple[int, str, dict[str, object]], epoch: int = 1) -> ReportAnswer:
        made = [Record(seq, kind, self.time(), body) for seq, kind, body in records]
        return await self.services.reports.store(node.id, ReportRequest(lane, epoch, made), self.time())


@pytest.fixture
async def manager(empty_database: str, tmp_path: Path) -> AsyncIterator[Manager]:
    """The manager's services on each database, at a time that the test moves."""
    time = Time()
    keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], time())
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        await _empty(db)
        services = build(db, Config(data_dir=tmp_path), keys, time, QUICK_HASHER)
        password = await services.people.ensure_first_admin(time())
        assert password is not None
        session = await services.people.sign_in("admin", password, "192.0.2.8", time())
        admin = await services.people.by_session(session.secret, "192.0.2.8", time())
        yield Manager(services, db, time, admin, password)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not any(word in item.path.as_posix() for word in LONG))
