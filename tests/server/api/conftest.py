from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.api.harness import Api, Manager, running


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manager")


@pytest.fixture(scope="session")
def database_url(folder: Path) -> str:
    """Where the manager's database is; override it to run the same tests on another engine."""
    return f"sqlite:///{folder / 'manager.db'}"


@pytest.fixture(scope="session")
def manager(folder: Path, database_url: str) -> Iterator[Manager]:
    with running(folder, database_url) as manager:
        yield manager


@pytest.fixture(scope="session")
def admin(manager: Manager) -> Api:
    return manager.user("ada", "admin")


@pytest.fixture(scope="session")
def viewer(manager: Manager) -> Api:
    return manager.user("vic", "viewer")


@pytest.fixture(scope="session")
def nobody(manager: Manager) -> Api:
    return Api(manager.url, routes=manager.routes)
