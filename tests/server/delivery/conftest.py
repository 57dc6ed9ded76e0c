"""The manager's services with receivers on this machine allowed, and what tests say about alerts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.outbound import http, smtp
from server.service.alert_events import AlertEvent
from server.service.receivers import Change
from server.services import build
from tests.conftest import QUICK_HASHER, Manager, Time, _empty
from tests.server.delivery.http_receiver import Receiver, receiver

CONFIG = {"receiver_networks": ["127.0.0.0/8"], "public_url": "https://ops.example.com", "public_names": ["ops.example.com"]}


@pytest.fixture
async def manager(empty_database: str, tmp_path: Path) -> AsyncIterator[Manager]:
    time = Time()
    keys = open_keys(tmp_path / "keys", ["localhost"], time())
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        await _empty(db)
        services = build(db, Config(data_dir=tmp_path, **CONFIG), keys, time, QUICK_HASHER)
        password = await services.people.ensure_first_admin(time())
        assert password is not None
        session = await services.people.sign_in("admin", password, "192.0.2.8", time())
        admin = await services.people.by_session(session.secret, "192.0.2.8", time())
        yield Manager(services, db, time, admin, password)
        await services.delivery_turns.stop()


@pytest.fixture
async def hook() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a test of a limit does not wait for the product's."""
    monkeypatch.setattr(http, "TOTAL_S", 0.5)
    monkeypatch.setattr(http, "BODY_S", 0.3)
    monkeypatch.setattr(smtp, "TOTAL_S", 1.0)


EVENT = AlertEvent(
    "", "01ALERT0000000000000000000", "opened", 0, "01RULE", "Disk full", "threshold", "critical", "", "web-1", "/var",
    "/var on web-1 is 97 % full, more than 90 %", 97.0, 90.0, 0, 0, "", 1,
)  # fmt: skip


def event(manager: Manager, kind: str = "opened", alert: str = EVENT.alert_id, **more: Any) -> AlertEvent:
    now = manager.time()
    one = replace(EVENT, id=f"01EVENT{now}"[:26], alert_id=alert, kind=kind, at=now, opened_at=now)
    return replace(one, resolved_at=now if kind == "resolved" else 0, **more)


async def tell(manager: Manager, *events: AlertEvent) -> None:
    await manager.db.transaction(lambda session: manager.services.deliveries.enqueue(session, list(events)))


async def make(manager: Manager, hook: Receiver, name: str = "hook", kind: str = "webhook", **more: Any) -> str:
    settings = {"url": hook.url.removesuffix("/hook") if kind == "alertmanager" else hook.url, **more.pop("settings", {})}
    wanted = Change(name=name, settings=settings, **more)
    return (await manager.services.receivers.make(manager.admin, kind, wanted, manager.time()))[0]


async def go(manager: Manager, after_s: float = 0) -> None:
    """Time goes on, and what the loop does then is done."""
    manager.time.now += round(after_s * 1000)
    await manager.services.deliveries.end_overdue(manager.time())
    await manager.services.delivery_turns.start(manager.time())
    await manager.services.delivery_turns.settle()


async def states(manager: Manager, receiver_id: str = "") -> list[tuple[str, str, int]]:
    """Kind, state and attempts of each delivery, the oldest first."""
    page = await manager.services.deliveries.page(receiver_id, "", 5000, 0)
    return [(row["event_kind"], row["state"], row["attempts"]) for row in reversed(page.rows)]
