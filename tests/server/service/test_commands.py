"""Commands on every database: delivery, states, signatures, deadlines."""

from __future__ import annotations

import asyncio

import pytest

from host.wire import signing
from host.wire.messages import PollRequest, Refusal
from server.errors import BadInput, Conflict, NodeUnknown
from tests.conftest import DAY, Manager


async def queue(manager: Manager, node_id: str, text: str = "echo hi", **content: int) -> str:
    submitted = await manager.services.commands.run(manager.admin, [node_id], "script", {"script": text, **content}, "", manager.time())
    return submitted.commands[node_id]


async def state(manager: Manager, command_id: str) -> str:
    return str((await manager.services.commands.get(command_id))["state"])


def news(command_id: str, new: str, **more: object) -> dict[str, object]:
    return {"command_id": command_id, "state": new, **more}


async def test_a_command_waits_until_its_host_has_it_in_the_ledger(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    commands = manager.services.commands
    first = await commands.mailbox(node.id, [], manager.time())
    again = await commands.mailbox(node.id, [], manager.time())
    assert [c.id for c in first] == [c.id for c in again] == [command_id]
    assert await commands.mailbox(node.id, [command_id], manager.time()) == []
    await manager.db.transaction(lambda s: commands.acknowledge(s, node.id, [command_id], [], manager.time()))
    assert await commands.mailbox(node.id, [], manager.time()) == []
    assert await state(manager, command_id) == "accepted"


async def test_its_signature_is_the_managers_and_fits_nothing_else(manager: Manager) -> None:
    node, other = await manager.enrol("a"), await manager.enrol("b")
    command_id = await queue(manager, node.id)
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    key = manager.services.keys.dispatch_key(node.id)
    now = manager.time()

    def verify(path: str, body: str, key_id: str = node.id, key: bytes = key, at: int = now) -> str:
        return signing.verify(key, command.headers, key_id=key_id, now=at, method="POST", path=path, body=body.encode())

    assert verify(command.path, command.body) == command_id
    for wrong in (
        lambda: verify(command.path + "/x", command.body),
        lambda: verify(command.path, command.body.replace("hi", "ho")),
        lambda: verify(command.path, command.body, key_id=other.id),
        lambda: verify(command.path, command.body, key=manager.services.keys.dispatch_key(other.id)),
        lambda: verify(command.path, command.body, at=now + 2 * DAY),
    ):
        with pytest.raises(signing.SignatureError):
            wrong()


async def test_it_ends_once_and_late_or_repeated_news_changes_nothing(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    await manager.report(node, "urgent", (2, "execution", news(command_id, "failed", exit_code=3)))
    await manager.report(node, "urgent", (3, "execution", news(command_id, "succeeded", exit_code=0)))
    row = await manager.services.commands.get(command_id)
    assert (row["state"], row["exit_code"]) == ("failed", 3)


async def test_another_nodes_news_is_not_believed(manager: Manager) -> None:
    node, other = await manager.enrol("a"), await manager.enrol("b")
    command_id = await queue(manager, node.id)
    await manager.report(other, "urgent", (1, "execution", news(command_id, "started")))
    output = {"command_id": command_id, "chunk": 0, "stream": "stdout", "offset": 0, "data": "aGk="}
    await manager.report(other, "urgent", (2, "output", output))
    await manager.db.transaction(
        lambda s: manager.services.commands.acknowledge(s, other.id, [command_id], [Refusal(command_id, "no")], manager.time())
    )
    assert await state(manager, command_id) == "queued"
    assert await manager.services.output.whole(command_id, "all") == b""


async def test_what_nobody_fetches_expires_and_is_never_delivered_late(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    manager.time.now += 3600_000
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == []
    await manager.services.commands.end_overdue(manager.time())
    row = await manager.services.commands.get(command_id)
    assert (row["state"], row["reason"]) == ("expired", "the host did not fetch it in time; it was never run")


@pytest.mark.parametrize(("minutes", "expected"), [(14, "started"), (16, "interrupted")])
async def test_one_that_an_online_host_never_ends_is_interrupted(manager: Manager, minutes: int, expected: str) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id, timeout=300)
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    manager.time.now += minutes * 60_000
    await manager.services.commands.end_overdue(manager.time())
    assert await state(manager, command_id) == expected


async def test_a_silent_hosts_command_is_waited_for_a_week(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    await manager.db.transaction(lambda s: manager.services.nodes.move(s, node.id, "offline", manager.time()))
    manager.time.now += 6 * DAY
    await manager.services.commands.end_overdue(manager.time())
    assert await state(manager, command_id) == "started"
    manager.time.now += 2 * DAY
    await manager.services.commands.end_overdue(manager.time())
    assert await state(manager, command_id) == "interrupted"


async def test_canceling_before_the_host_had_it_is_done_at_once(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    assert await manager.services.commands.cancel(manager.admin, command_id, manager.time()) == "canceled"
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == []
    with pytest.raises(Conflict, match="ended already"):
        await manager.services.commands.cancel(manager.admin, command_id, manager.time())


async def test_canceling_what_runs_sends_the_agent_a_signed_request(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    assert await manager.services.commands.cancel(manager.admin, command_id, manager.time()) == "started"
    [order] = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert order.path == f"/api/v1/task/{command_id}/cancel"
    key = manager.services.keys.dispatch_key(node.id)
    body = order.body.encode()
    signing.verify(key, order.headers, key_id=node.id, now=manager.time(), method="POST", path=order.path, body=body)


@pytest.mark.parametrize(("nodes", "problem"), [([], BadInput), (["01NOSUCHNODE00000000000000"], NodeUnknown)])
async def test_bad_targets_are_refused_and_nothing_is_queued(manager: Manager, nodes: list[str], problem: type[Exception]) -> None:
    with pytest.raises(problem):
        await manager.services.commands.run(manager.admin, nodes, "script", {"script": "true"}, "", manager.time())
    page = await manager.services.commands.page(node_id="", task_id="", state="", limit=9, offset=0)
    assert page.total == 0


async def test_one_bad_node_among_good_ones_queues_nothing(manager: Manager) -> None:
    node = await manager.enrol()
    with pytest.raises(NodeUnknown):
        await manager.services.commands.run(manager.admin, [node.id, "nobody"], "script", {"script": "true"}, "", manager.time())
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == []


async def test_a_held_poll_is_woken_by_a_command(manager: Manager) -> None:
    node = await manager.enrol()
    poll = asyncio.create_task(manager.services.polls.poll(node, PollRequest(1, "0.1.0"), asyncio.Event()))
    while not manager.services.wakeups.topics():
        await asyncio.sleep(0)
    command_id = await queue(manager, node.id)
    answer = await asyncio.wait_for(poll, 5)
    assert answer is not None
    assert [command.id for command in answer.commands] == [command_id]


async def test_a_stopping_manager_lets_held_polls_go(manager: Manager) -> None:
    node = await manager.enrol()
    poll = asyncio.create_task(manager.services.polls.poll(node, PollRequest(1, "0.1.0"), asyncio.Event()))
    while not manager.services.wakeups.topics():
        await asyncio.sleep(0)
    manager.services.wakeups.stop()
    assert await asyncio.wait_for(poll, 5) is None


async def test_a_retired_nodes_waiting_commands_are_canceled(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    assert await state(manager, command_id) == "canceled"
    with pytest.raises(Conflict, match="retired"):
        await queue(manager, node.id)


async def test_changing_a_command_in_the_database_makes_it_worthless(manager: Manager) -> None:
    """Whoever can write to the database can lose a command but never make one (S3, DESIGN §7)."""
    node = await manager.enrol()
    good, bad = await queue(manager, node.id, "echo good"), await queue(manager, node.id, "rm -rf /")
    swap = f"UPDATE commands SET body = (SELECT body FROM (SELECT body FROM commands WHERE id = '{bad}') other) WHERE id = '{good}'"
    await manager.db.transaction(lambda s: s.raw_statement(swap))
    delivered = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert [command.id for command in delivered] == [bad]
    row = await manager.services.commands.get(good)
    assert (row["state"], row["reason"]) == ("refused", "its row was changed outside the manager; it was not sent")


async def test_a_tasks_secrets_cannot_be_read_in_the_database(manager: Manager) -> None:
    node = await manager.enrol()
    script = {"script": "echo $TOKEN", "environment": {"TOKEN": "canary-4711"}}
    submitted = await manager.services.commands.run(manager.admin, [node.id], "script", script, "", manager.time())
    command_id = submitted.commands[node.id]
    row = await manager.services.commands.get(command_id)
    assert "canary-4711" not in str(row)
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    assert "canary-4711" in command.body
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    await manager.report(node, "urgent", (2, "execution", news(command_id, "succeeded", exit_code=0)))
    assert (await manager.services.commands.get(command_id))["body"] == ""


async def test_what_the_host_fetched_is_never_said_to_have_expired(manager: Manager) -> None:
    """Only the host knows whether it ran: its word counts, however late."""
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.services.commands.mailbox(node.id, [], manager.time())
    manager.time.now += 3_600_000 + 60_000
    await manager.services.commands.end_overdue(manager.time())
    assert await state(manager, command_id) == "queued"
    await manager.report(node, "urgent", (1, "execution", news(command_id, "started")))
    await manager.report(node, "urgent", (2, "execution", news(command_id, "succeeded", exit_code=0)))
    assert await state(manager, command_id) == "succeeded"


async def test_what_the_host_fetched_and_never_spoke_of_ends_as_interrupted(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id, timeout=300)
    await manager.services.commands.mailbox(node.id, [], manager.time())
    manager.time.now += 3_600_000 + 300_000 + 600_000
    await manager.services.commands.end_overdue(manager.time())
    assert await state(manager, command_id) == "interrupted"


async def test_canceling_what_the_host_fetched_waits_for_its_word(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await queue(manager, node.id)
    await manager.services.commands.mailbox(node.id, [], manager.time())
    assert await manager.services.commands.cancel(manager.admin, command_id, manager.time()) == "queued"
    orders = await manager.services.commands.mailbox(node.id, [command_id], manager.time())
    assert [order.path for order in orders] == [f"/api/v1/task/{command_id}/cancel"]
    await manager.report(node, "urgent", (1, "execution", news(command_id, "canceled")))
    assert await state(manager, command_id) == "canceled"
