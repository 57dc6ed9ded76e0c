"""What the daemon's tests share: certificates, a manager that answers as told, a clock that tests turn."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from host.daemon.dial import tls_context
from host.daemon.identity import Identity
from host.daemon.link import Link
from host.daemon.route import Fixed, ManagerRoute
from host.lib.clock import SystemClock
from tests.host.daemon.fake_manager import Call, FakeManager, Reply
from tests.host.daemon.pki import Authority, Pair


@dataclass
class FakeClock:
    """Milliseconds of wall time and monotonic seconds; `pass_` moves both."""

    wall: int = 1_800_000_000_000
    mono: float = 1000.0

    def now(self) -> int:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def pass_(self, seconds: float) -> None:
        self.mono += seconds
        self.wall += int(seconds * 1000)


@dataclass(frozen=True)
class Pki:
    authority: Authority
    server: Pair
    node: Pair
    stranger: Authority
    other_name: Pair


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder: Path = tmp_path_factory.mktemp("pki")
    authority, stranger = Authority(folder / "ours", "Test CA"), Authority(folder / "theirs", "Another CA")
    other = authority.pair("other", dns=("manager.example.com",), addresses=("192.0.2.1",))
    return Pki(authority, authority.pair("server"), authority.pair("node"), stranger, other)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def manager(pki: Pki) -> Iterator[FakeManager]:
    """A manager on a free port; a test sets its `answer`."""
    one = FakeManager(pki.authority, pki.server, lambda call: Reply(204))
    yield one
    one.close()


@pytest.fixture
def link_to(pki: Pki) -> Iterator[Callable[..., Link]]:
    """Makes links with the node's certificate; closes them in the end."""
    links: list[Link] = []

    def make(port: int, timeout: float = 5.0, host: str = "127.0.0.1", ca: Path | None = None) -> Link:
        context = tls_context(ca or pki.authority.ca, pki.node.certificate, pki.node.key)
        links.append(Link(Fixed("manager", host, port, context), timeout, SystemClock()))
        return links[-1]

    yield make
    for link in links:
        link.close()


@pytest.fixture
def identity_of(pki: Pki, tmp_path: Path) -> Callable[..., Identity]:
    """An enrolled host's folder; `days`: from when until when its certificate is good."""

    def make(days: tuple[float, float] = (-1, 30)) -> Identity:
        folder = tmp_path / "var/identity"
        folder.mkdir(parents=True, exist_ok=True)
        node = pki.authority.pair(f"node-{uuid.uuid4().hex}", days=days)
        for name, source in (("node.crt", node.certificate), ("node.key", node.key), ("ca.crt", pki.authority.ca)):
            (folder / name).write_bytes(source.read_bytes())
        (folder / "node.json").write_text('{"node_id":"N1","name":"test-node"}')
        return Identity(folder, "N1", "test-node")

    return make


@pytest.fixture
def by_route() -> Iterator[Callable[..., Link]]:
    """Makes links along a ManagerRoute; closes them in the end."""
    links: list[Link] = []

    def make(route: ManagerRoute, timeout: float = 2.0) -> Link:
        links.append(Link(route, timeout, SystemClock()))
        return links[-1]

    yield make
    for link in links:
        link.close()


Answering = Callable[[Call], Reply]
