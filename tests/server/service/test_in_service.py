"""A node is retired or deleted while its host reports, polls, prints or sends files: refused with the reason, nothing half stored."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable

import pytest

from host.wire.codec import plain
from host.wire.messages import Facts, FileWrite, PollAnswer, PollRequest, Refusal
from host.wire.records import Execution, Output
from server.auth import Caller
from server.db import Row, Session
from server.errors import Conflict, NodeUnknown, NotAllowed, NotAuthenticated, OpsError
from server.service.in_service import refusals
from tests.conftest import Manager, make_csr
from tests.server.service.test_files import command as file_command

SCRIPT = {"script": "true", "interpreter": "shell"}
LINE = {"component": "agent", "level": "WARNING", "logger": "x", "message": "still here"}
ROWS = ("node_lanes", "node_logs", "node_events", "command_output", "commands", "node_certificates", "node_drops", "audit_nodes")


async def rows(manager: Manager, table: str, where: str = "1 = 1") -> list[Row]:
    return await manager.db.transaction(lambda session: session.raw_rows(f"SELECT * FROM {table} WHERE {where}"))


async def run(manager: Manager, node: Caller) -> str:
    done = await manager.services.commands.run(manager.admin, [node.id], "script", SCRIPT, "", manager.time())
    return done.commands[node.id]


async def retire(manager: Manager, node: Caller) -> None:
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())


async def delete(manager: Manager, node: Caller) -> None:
    await retire(manager, node)
    await manager.services.nodes.delete(manager.admin, node.id, node.name, manager.time())


async def refused(work: Awaitable[object]) -> OpsError:
    with pytest.raises(OpsError) as problem:
        await work
    return problem.value


async def held(manager: Manager, node: Caller, request: PollRequest | None = None) -> asyncio.Task[PollAnswer | None]:
    """Its poll, when the manager holds it."""
    wanted = request or PollRequest(1, "0.1.0", "running", "0.1.0")
    task = asyncio.create_task(manager.services.polls.poll(node, wanted, asyncio.Event()))
    for _ in range(1000):
        if f"node:{node.id}" in manager.services.wakeups.topics():
            return task
        await asyncio.sleep(0.002)
    raise AssertionError("the poll is not held")


@pytest.mark.parametrize(("goes", "said"), [(retire, "was retired"), (delete, "was deleted")])
async def test_a_report_that_is_under_way_is_refused_whole_and_others_are_stored(manager: Manager, goes: object, said: str) -> None:
    node, other = await manager.enrol("web-1"), await manager.enrol("web-2")
    command = await run(manager, node)
    await manager.report(node, "urgent", (1, "execution", plain(Execution(command, "started"))))
    before = await rows(manager, "commands")
    await goes(manager, node)  # type: ignore[operator]
    told = [
        (2, "output", plain(Output(command, 0, "stdout", 0, base64.b64encode(b"late").decode()))),
        (3, "execution", plain(Execution(command, "succeeded", exit_code=0))),
        (4, "event", {"name": "x", "detail": "y"}),
    ]
    found = await asyncio.gather(
        manager.report(other, "urgent", (1, "event", {"name": "first", "detail": ""})),
        manager.report(node, "urgent", *told),
        manager.report(other, "urgent", (2, "event", {"name": "second", "detail": ""})),
        return_exceptions=True,
    )
    assert isinstance(found[1], NotAuthenticated)
    assert said in found[1].message
    assert [one.stored for one in (found[0], found[2])] == [1, 2]  # type: ignore[union-attr]
    assert [row["stored_seq"] for row in await rows(manager, "node_lanes", f"node_id = '{node.id}'")] == ([] if goes is delete else [1])
    assert await rows(manager, "command_output") == []
    assert await rows(manager, "node_events", f"node_id = '{node.id}'") == []
    assert [row["state"] for row in await rows(manager, "commands")] == ([] if goes is delete else [row["state"] for row in before])


async def test_a_node_that_is_taken_back_goes_on_where_its_report_was_refused(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "bulk", (1, "log", LINE))
    await retire(manager, node)
    assert isinstance(await refused(manager.report(node, "bulk", (2, "log", LINE))), NotAuthenticated)
    await manager.services.nodes.restore(manager.admin, node.id, manager.time())
    assert (await manager.report(node, "bulk", (2, "log", LINE), (3, "log", LINE))).stored == 3
    assert len(await rows(manager, "node_logs")) == 3


async def test_a_deletion_waits_for_the_report_that_is_being_stored_and_takes_it_along(manager: Manager) -> None:
    node = await manager.enrol()
    command = await run(manager, node)
    await manager.report(node, "urgent", (1, "execution", plain(Execution(command, "started"))))
    await retire(manager, node)
    await manager.services.nodes.restore(manager.admin, node.id, manager.time())
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def store(session: Session) -> None:
        """As Reports does it, slowly."""
        assert await refusals(session, manager.db.q, [node.id]) == {}
        reached.set()
        await go_on.wait()
        lane = {"node_id": node.id, "lane": "bulk", "epoch": 1, "stored": 1, "now": manager.time()}
        await session.insert_rows(manager.db.q.reports.new_lane, [lane])
        event = {"node_id": node.id, "at": 1, "lane": "bulk", "epoch": 1, "seq": 1, "name": "x", "detail": "y"}
        await session.insert_rows(manager.db.q.reports.event, [event])

    storing = asyncio.create_task(manager.db.transaction(store))
    await reached.wait()
    deleting = asyncio.create_task(delete(manager, node))
    await asyncio.sleep(0.1)
    waits = not deleting.done()
    go_on.set()
    await storing
    await deleting
    assert waits
    for table in ROWS:
        assert await rows(manager, table, "1 = 1" if table == "command_output" else f"node_id = '{node.id}'") == [], table


async def test_a_report_waits_for_the_deletion_that_is_under_way_and_leaves_nothing(manager: Manager) -> None:
    node = await manager.enrol()
    await retire(manager, node)
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def erase(session: Session) -> None:
        await manager.services.nodes.erase(session, node.id, "retired")
        reached.set()
        await go_on.wait()

    erasing = asyncio.create_task(manager.db.transaction(erase))
    await reached.wait()
    report = asyncio.create_task(manager.report(node, "bulk", (1, "log", LINE)))
    await asyncio.sleep(0.1)
    waits = not report.done()
    go_on.set()
    await erasing
    assert waits
    assert "was deleted" in (await refused(report)).message
    assert await rows(manager, "node_lanes") == await rows(manager, "node_logs") == []


@pytest.mark.parametrize("goes", [retire, delete])
async def test_a_poll_that_is_held_ends_at_once_with_the_reason(manager: Manager, goes: object) -> None:
    node = await manager.enrol()
    poll = await held(manager, node)
    await goes(manager, node)  # type: ignore[operator]
    problem = await refused(asyncio.wait_for(poll, 5))
    assert isinstance(problem, NotAuthenticated)
    assert "was retired" in problem.message or "was deleted" in problem.message


@pytest.mark.parametrize(("goes", "said"), [(retire, "was retired"), (delete, "was deleted")])
async def test_news_of_a_poll_from_a_node_that_has_just_gone_is_not_stored(manager: Manager, goes: object, said: str) -> None:
    node = await manager.enrol()
    commands = [await run(manager, node) for _ in range(2)]
    await manager.services.commands.mailbox(node.id, [], manager.time())
    await goes(manager, node)  # type: ignore[operator]
    before = await rows(manager, "nodes")
    facts = Facts("another-name", ["192.0.2.99"])
    news = PollRequest(1, "9.9.9", "running", "0.1.0", commands[:1], [Refusal(commands[1], "no")], [], facts)
    problem = await refused(manager.services.polls.poll(node, news, asyncio.Event()))
    assert said in problem.message
    assert await rows(manager, "nodes") == before
    assert {row["state"] for row in await rows(manager, "commands")} <= {"queued"}


async def test_a_poll_without_news_from_a_node_that_has_just_gone_is_not_held(manager: Manager) -> None:
    node = await manager.enrol()
    await delete(manager, node)
    poll = manager.services.polls.poll(node, PollRequest(1, "0.1.0", "running", "0.1.0"), asyncio.Event())
    assert "was deleted" in (await refused(asyncio.wait_for(poll, 5))).message


@pytest.mark.parametrize("goes", [retire, delete])
async def test_a_file_that_is_being_sent_is_refused_and_its_bytes_go_with_the_node(manager: Manager, goes: object) -> None:
    node = await manager.enrol()
    _, prepared = await file_command(manager, node, {"action": "download", "path": "/etc/hosts"})
    [file_id] = prepared.files
    files = manager.services.command_files
    part = base64.b64encode(b"half").decode()
    assert (await files.write(node, file_id, FileWrite(0, 8, part, ""), manager.time())).stored == 4
    await goes(manager, node)  # type: ignore[operator]
    problem = await refused(files.write(node, file_id, FileWrite(4, 8, part, ""), manager.time()))
    assert isinstance(problem, (NotAuthenticated, NotAllowed))
    if goes is delete:
        assert await manager.services.files.sweep() == 1
        assert await rows(manager, "files") == await rows(manager, "file_chunks") == []
    else:
        [row] = await rows(manager, "files")
        assert (row["state"], row["received"]) == ("receiving", 4)


async def test_a_renewal_of_a_node_that_has_just_gone_leaves_no_certificate(manager: Manager) -> None:
    node = await manager.enrol()
    await delete(manager, node)
    caller = Caller("node", node.id, node.name, credential="f" * 64)
    assert "was deleted" in (await refused(manager.services.enrolment.renew(caller, make_csr(), manager.time()))).message
    assert await rows(manager, "node_certificates") == []


async def test_no_command_stays_behind_of_a_node_that_is_deleted_while_it_is_given(manager: Manager) -> None:
    node = await manager.enrol()
    await retire(manager, node)
    assert isinstance(await refused(run(manager, node)), Conflict)
    await delete_retired(manager, node)
    assert isinstance(await refused(run(manager, node)), NodeUnknown)
    assert await rows(manager, "commands") == []


async def delete_retired(manager: Manager, node: Caller) -> None:
    await manager.services.nodes.delete(manager.admin, node.id, node.name, manager.time())
