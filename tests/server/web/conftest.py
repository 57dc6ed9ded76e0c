"""The pages without a browser: real services over SQLite, requests straight into the application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from server.app import web_app
from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.migrate import migrate
from server.services import Services, build
from tests.conftest import QUICK_HASHER, Manager, Time

PASSWORD = "a long enough password"
SAME = {"Sec-Fetch-Site": "same-origin"}


@dataclass
class Visitor:
    """A browser's worth of cookies and headers against the pages. `base` tells http from https."""

    http: httpx2.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.http.get(path, headers=headers)

    async def post(self, path: str, fields: dict[str, str | list[str]], **headers: str) -> httpx2.Response:
        return await self.http.post(path, data=fields, headers=headers or SAME)

    async def sign_in(self, name: str) -> httpx2.Response:
        return await self.post("/sign-in", {"name": name, "password": PASSWORD})


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[Manager]:
    time = Time()
    keys = open_keys(tmp_path / "keys", ["localhost"], time())
    async with Db(f"sqlite:///{tmp_path}/manager.db") as db:
        await migrate(db, time())
        services: Services = build(db, Config(data_dir=tmp_path), keys, time, QUICK_HASHER)
        first = await services.people.ensure_first_admin(time())
        assert first is not None
        granted = await services.people.sign_in("admin", first, "192.0.2.8", time())
        admin = await services.people.by_session(granted.secret, "192.0.2.8", time())
        await services.people.change_password(admin, first, PASSWORD, time())
        await services.people.create(admin, "vera", PASSWORD, "viewer", time())
        yield Manager(services, db, time, admin, PASSWORD)


@pytest.fixture
async def visit(manager: Manager) -> AsyncIterator[Visitor]:
    async with client(manager, "http://ops.example.com") as http:
        yield Visitor(http)


@pytest.fixture
async def visit_https(manager: Manager) -> AsyncIterator[Visitor]:
    async with client(manager, "https://ops.example.com") as http:
        yield Visitor(http)


def client(manager: Manager, base: str) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=web_app(manager.services)), base_url=base)
