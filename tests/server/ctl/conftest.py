from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.api.harness import Host, Manager, running
from tests.server.ctl.opsctl import Opsctl

Script = Callable[[Host, str], None]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manager")


@pytest.fixture(scope="session")
def database_url(folder: Path) -> str:
    """Where the manager's database is; override it to run the same tests on another engine."""
    return f"sqlite:///{folder / 'manager.db'}"


@pytest.fixture(scope="session")
def manager(folder: Path, database_url: str) -> Iterator[Manager]:
    with running(folder, database_url, tls=True) as manager:
        manager.user("ada", "admin")
        manager.user("vic", "viewer")
        yield manager


@pytest.fixture(scope="session")
def ada(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Opsctl:
    """opsctl, signed in as an administrator."""
    return Opsctl(manager, tmp_path_factory.mktemp("ada"), manager.token("ada").secret)


@pytest.fixture(scope="session")
def vic(manager: Manager, tmp_path_factory: pytest.TempPathFactory) -> Opsctl:
    """opsctl, signed in as a viewer."""
    return Opsctl(manager, tmp_path_factory.mktemp("vic"), manager.token("vic").secret)


@pytest.fixture
def stranger(manager: Manager, tmp_path: Path) -> Opsctl:
    """opsctl that nobody has signed in with."""
    return Opsctl(manager, tmp_path)


@pytest.fixture
def act(manager: Manager) -> Iterator[Callable[[Host, Script], None]]:
    """`act(host, script)`: from now on the host does `script(host, command_id)` with every command it gets."""
    stop, threads = threading.Event(), []

    def start(host: Host, script: Script) -> None:
        def live() -> None:
            done: set[str] = set()
            while not stop.wait(0.01):
                for command in host.waiting():
                    if command.id not in done:
                        done.add(command.id)
                        host.accepts(command.id)
                        script(host, command.id)

        threads.append(threading.Thread(target=live))
        threads[-1].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)
