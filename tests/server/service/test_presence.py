"""Who is there, in simulated time, on every database."""

from __future__ import annotations

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


async def test_a_manager_that_has_just_started_calls_nobody_offline(manager: Manager) -> None:
    node = await manager.enrol()
    manager.time.now += 3600_000
    fresh = Presence(manager.db, 45.0, manager.time())
    manager.time.now += 40_000
    await fresh.write(manager.time())
    assert await state(manager, node.id) == "online"
    manager.time.now += 10_000
    await fresh.write(manager.time())
    assert await state(manager, node.id) == "offline"


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
