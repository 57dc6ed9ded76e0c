"""Many nodes out of service and back: what became of each, in one transaction, on every database."""

from __future__ import annotations

import json

import pytest

from host.wire.messages import EnrollRequest, Facts
from server.db import Session
from server.errors import BadInput, Conflict, NodeUnknown
from tests.conftest import DAY, Manager, make_csr
from tests.server.service.test_organising import make

SCRIPT = {"script": "true"}


async def waits(manager: Manager) -> str:
    """A host that waits for approval; its node's id."""
    request = EnrollRequest(1, "", make_csr(), Facts("new"), {"board_id": "b", "macs": "02:00:00:00:00:01"})
    await manager.services.approvals.ask(request, "192.0.2.7", manager.time())
    return str((await manager.services.approvals.waiting())[-1]["node_id"])


async def states(manager: Manager, *ids: str) -> list[str]:
    return [(await manager.services.nodes.get(one))["state"] for one in ids]


async def certificates(manager: Manager, node_id: str) -> list[bool]:
    """Of each, whether it is good."""

    async def work(session: Session) -> list[bool]:
        rows = await session.raw_rows(f"SELECT revoked_at FROM node_certificates WHERE node_id = '{node_id}'")
        return [row["revoked_at"] is None for row in rows]

    return await manager.db.transaction(work)


async def test_each_is_told_apart_and_one_that_cannot_holds_up_no_other(manager: Manager) -> None:
    nodes, time = manager.services.nodes, manager.time
    first, second, third = [(await manager.enrol(f"web-{number}")).id for number in range(3)]
    pending = await waits(manager)
    commands = (await manager.services.commands.run(manager.admin, [first, second], "script", SCRIPT, "", time())).commands
    await manager.services.commands.mailbox(second, [], time())
    await nodes.retire(manager.admin, third, time())
    time.now += 1_000
    assert await nodes.waiting([first, second]) == 1
    done = await nodes.retire_all(manager.admin, [first, second, third, pending, "nobody", first], time())
    assert [(one.ok, one.message) for one in done] == [
        (True, ""),
        (True, ""),
        (True, ""),
        (False, "the node new waits for approval; reject it instead"),
        (False, "there is no node 'nobody'"),
    ]
    assert await states(manager, first, second, third, pending) == ["retired", "retired", "retired", "pending"]
    assert await certificates(manager, first) == await certificates(manager, third) == [False]
    found = {one: await manager.services.commands.get(commands[one]) for one in (first, second)}
    assert (found[first]["state"], found[first]["reason"]) == ("canceled", "the node was retired")
    assert found[second]["state"] == "queued", "the host has it: only its word ends it"
    [entry] = [row for row in (await manager.services.audit.page(1, 0)).rows if row["action"] == "node.retire"]
    assert (entry["resource"], json.loads(entry["detail"])) == ("nodes", {"nodes": [first, second], "count": 2})
    for one in (first, second, third):
        names = [item.name for item in (await manager.services.timelines.page(manager.admin, one, time())).entries]
        assert names.count("node.retire") == names.count("retired") == 1


async def test_those_that_are_taken_back_get_the_certificates_of_their_own_retirement(manager: Manager) -> None:
    nodes, time = manager.services.nodes, manager.time
    first, second, third = [(await manager.enrol(f"web-{number}")).id for number in range(3)]
    await nodes.retire(manager.admin, first, time())
    time.now += 5_000
    await nodes.retire_all(manager.admin, [second], time())
    time.now += 5_000
    done = await nodes.restore_all(manager.admin, [first, second, third], time())
    assert [(one.ok, one.message) for one in done] == [(True, ""), (True, ""), (False, "the node web-2 is online and not retired")]
    assert await states(manager, first, second, third) == ["offline", "offline", "online"]
    assert await certificates(manager, first) == await certificates(manager, second) == [True]
    await nodes.retire_all(manager.admin, [first], time())
    time.now += 91 * DAY
    await nodes.restore_all(manager.admin, [first], time())
    assert await certificates(manager, first) == [False], "it has ended meanwhile"


async def test_a_single_one_is_an_error_where_it_cannot_be_done(manager: Manager) -> None:
    nodes, pending = manager.services.nodes, await waits(manager)
    with pytest.raises(Conflict, match="reject it instead"):
        await nodes.retire(manager.admin, pending, manager.time())
    with pytest.raises(NodeUnknown):
        await nodes.retire(manager.admin, "nobody", manager.time())
    with pytest.raises(NodeUnknown):
        await nodes.restore(manager.admin, "nobody", manager.time())
    for deed in (nodes.retire_all, nodes.restore_all):
        with pytest.raises(BadInput, match="name 1 to 5000 nodes"):
            await deed(manager.admin, [], manager.time())


async def test_who_is_long_gone_is_retired_by_the_setting_also_in_a_protected_group(manager: Manager) -> None:
    node = await manager.enrol()
    group = await make(manager, "Core", protected=True)
    await manager.services.groups.put(manager.admin, group, [node.id], manager.time())
    with pytest.raises(Conflict, match="the protected group Core"):
        await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, node.id, "offline", manager.time()))
    manager.time.now += 31 * DAY
    assert await manager.services.nodes.retire_long_gone(30, manager.time()) == 1
    assert await states(manager, node.id) == ["retired"]
    [entry] = (await manager.services.audit.page(1, 0)).rows
    assert (entry["actor"], json.loads(entry["detail"])["offline_days"]) == ("manager", 30)
