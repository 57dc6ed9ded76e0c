"""The whole product, really running, once for each module that asks for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import fresh
from tests.stack import Stack, whole


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A short path: Unix sockets may not have long ones."""
    path = Path(tempfile.mkdtemp(prefix="ops-e2e-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module", params=["sqlite", "mariadb", "mysql"])
def stack(request: pytest.FixtureRequest, folder: Path, database_servers: dict[str, str]) -> Iterator[Stack]:
    """Manager, supervisord, daemon and agent on each database; samples every 10 s."""
    collectors = "".join(f"  {name}: {{interval: 10s}}\n" for name in ("cpu", "memory", "disk", "network", "load", "process"))
    options = {"daemon": f"collectors:\n{collectors}"}
    place = folder / request.param
    if request.param == "sqlite":
        with whole(place, **options) as running:
            yield running
        return
    if request.param not in database_servers:
        pytest.skip(f"no {request.param} on this machine")
    with fresh(database_servers[request.param]) as url, whole(place, database_url=url, **options) as running:
        yield running
