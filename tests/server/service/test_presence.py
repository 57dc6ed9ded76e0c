"""Who is there, in simulated time, on every database."""

from __future__ import annotations

import pytest

from server.errors import Unavailable
from server.service.presence import Presence
from tests.conftest import Manager


async def state(manager: Manager, node_id: str) -> str:
    return str((await manager.services.nodes.get(node_id))["state"])


async def test_a_held_poll_keeps_a_node_online_for_hours(manager: Manager) -> None:
    node = await manager.enrol()
    presence = manager.services.presence
    with presence.hold(node.id, manager.time()):
        for _ in range(0, 3600, 15):
            manager.time.now += 15_000
            await presence.write(manager.time())
    assert await state(manager, node.id) == "online"


async def test_a_silent_node_is_offline_within_45_seconds_and_not_before(manager: Manager) -> None:
    node = await manager.enrol()
    presence = manager.services.presence
    manager.time.now += 120_000
    with presence.hold(node.id, manager.time()):
        await presence.write(manager.time())
    manager.time.now += 44_000
    await presence.write(manager.time())
    assert await state(manager, node.id) == "online"
    manager.time.now += 2_000
    await presence.write(manager.time())
    assert await state(manager, node.id) == "offline"


async def test_a_poll_that_breaks_off_is_noticed_within_seconds(manager: Manager) -> None:
    node = await manager.enrol()
    presence = manager.services.presence
    with presence.hold(node.id, manager.time()):
        await presence.write(manager.time())
        manager.time.now += 1
    presence.broke_off(node.id, manager.time())
    manager.time.now += 4_000
    await presence.write(manager.time())
    assert await state(manager, node.id) == "offline"


async def test_a_poll_that_is_back_at_once_stays_online(manager: Manager) -> None:
    node = await manager.enrol()
    presence = manager.services.presence
    presence.broke_off(node.id, manager.time())
    manager.time.now += 1_000
    with presence.hold(node.id, manager.time()):
        manager.time.now += 4_000
        await presence.write(manager.time())
    assert await state(manager, node.id) == "online"


async def test_a_manager_that_has_just_started_calls_nobody_offline_but_unknown(manager: Manager) -> None:
    node, back = await manager.enrol(), await manager.enrol("web-2")
    manager.time.now += 3600_000
    fresh = Presence(manager.db, 45.0, manager.time())
    await fresh.write(manager.time())
    assert await state(manager, node.id) == "unknown"
    page = await manager.services.nodes.page(q="", state="unknown", limit=10, offset=0)
    assert [row["name"] for row in page.rows] == ["web-1", "web-2"]
    assert (await manager.services.selections.preview("unknown", "en")).total == 2
    manager.time.now += 40_000
    with fresh.hold(back.id, manager.time()):
        await manager.db.transaction(lambda session: manager.services.nodes.move(session, back.id, "online", manager.time()))
        await fresh.write(manager.time())
        assert [await state(manager, one.id) for one in (node, back)] == ["unknown", "online"]
        manager.time.now += 10_000
        await fresh.write(manager.time())
    assert [await state(manager, one.id) for one in (node, back)] == ["offline", "online"]


async def test_a_restart_of_seconds_changes_nothing(manager: Manager) -> None:
    node = await manager.enrol()
    manager.time.now += 5_000
    fresh = Presence(manager.db, 45.0, manager.time())
    await fresh.write(manager.time())
    assert await state(manager, node.id) == "online"


async def test_a_database_that_was_away_makes_nobody_offline(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    node, presence = await manager.enrol(), manager.services.presence
    for _ in range(60):
        manager.time.now += 1_000
        with presence.hold(node.id, manager.time()):
            await presence.write(manager.time())

    async def away(*_: object) -> None:
        raise Unavailable("the database did not answer; nothing was changed")

    with monkeypatch.context() as broken:
        for name in ("transaction", "rows"):
            broken.setattr(manager.db, name, away)
        for _ in range(50):
            manager.time.now += 1_000
            with pytest.raises(Unavailable):
                await presence.write(manager.time())
    await presence.write(manager.time())
    assert await state(manager, node.id) == "unknown"
    manager.time.now += 44_000
    await presence.write(manager.time())
    assert await state(manager, node.id) == "unknown"
    manager.time.now += 2_000
    await presence.write(manager.time())
    assert await state(manager, node.id) == "offline"


async def test_who_was_seen_while_the_database_was_away_is_written_when_it_is_back(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    node, presence = await manager.enrol(), manager.services.presence

    async def away(*_: object) -> None:
        raise Unavailable("the database did not answer; nothing was changed")

    manager.time.now += 30_000
    with presence.hold(node.id, manager.time()), monkeypatch.context() as broken:
        broken.setattr(manager.db, "transaction", away)
        with pytest.raises(Unavailable):
            await presence.write(manager.time())
    seen = manager.time()
    manager.time.now += 3_000
    await presence.write(manager.time())
    assert (await manager.services.nodes.get(node.id))["last_seen"] == seen


async def test_what_another_manager_saw_counts(manager: Manager) -> None:
    node = await manager.enrol()
    here = manager.services.presence
    there = Presence(manager.db, 45.0, manager.time())
    manager.time.now += 1_000
    here.broke_off(node.id, manager.time())
    manager.time.now += 500
    with there.hold(node.id, manager.time()):
        await there.write(manager.time())
        manager.time.now += 4_000
        await here.write(manager.time())
    assert await state(manager, node.id) == "online"
