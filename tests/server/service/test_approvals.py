"""Hosts that ask without a token, machines installed anew, and nodes that leave, on every database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from host.wire.messages import EnrollAnswer, EnrollRequest, Facts
from server.errors import BadInput, Conflict, NodeUnknown, NotAllowed, NotAuthenticated, TooMany
from server.service import waiting_list
from server.service.approvals import Approvals
from server.service.machines import read_fingerprint, same_machine
from server.service.reimage import Reimage
from tests.conftest import DAY, Manager, make_csr

HARDWARE = {"machine_id": "m1", "board_id": "b1", "macs": "02:00:00:00:00:01,02:00:00:00:00:02"}


def request(hostname: str = "web-1", fingerprint: dict[str, str] | None = None) -> EnrollRequest:
    return EnrollRequest(1, "", make_csr(), Facts(hostname, ["10.0.0.7"], "Debian 12"), fingerprint or {})


async def ask(manager: Manager, wanted: EnrollRequest) -> EnrollAnswer | None:
    return await manager.services.approvals.ask(wanted, "192.0.2.5", manager.time())


async def test_a_host_without_a_token_waits_and_gets_its_certificate_when_approved(manager: Manager) -> None:
    wanted = request()
    assert await ask(manager, wanted) is None
    assert await ask(manager, wanted) is None
    [row] = await manager.services.approvals.waiting()
    assert (row["hostname"], row["ip"], row["facts"].os) == ("web-1", "192.0.2.5", "Debian 12")
    assert (await manager.services.nodes.get(row["node_id"]))["state"] == "pending"
    assert (await manager.services.selections.preview("pending", "en")).names == ["web-1"]
    assert await manager.services.approvals.approve(manager.admin, row["node_id"], manager.time()) == row["node_id"]
    answer = await ask(manager, wanted)
    assert answer is not None
    assert (answer.node_id, answer.name) == (row["node_id"], "web-1")
    assert (await manager.services.nodes.get(row["node_id"]))["state"] == "offline"
    assert await manager.services.approvals.waiting() == []
    with pytest.raises(Conflict):
        await manager.services.approvals.approve(manager.admin, row["node_id"], manager.time())


async def test_a_pending_host_takes_no_commands(manager: Manager) -> None:
    await ask(manager, request())
    [row] = await manager.services.approvals.waiting()
    with pytest.raises(Conflict, match="pending"):
        await manager.db.transaction(lambda session: manager.services.commands.check_nodes(session, [row["node_id"]]))
    with pytest.raises(Conflict, match="reject it instead"):
        await manager.services.nodes.retire(manager.admin, row["node_id"], manager.time())


async def test_a_rejected_key_is_remembered_and_another_may_ask(manager: Manager) -> None:
    wanted = request()
    await ask(manager, wanted)
    [row] = await manager.services.approvals.waiting()
    await manager.services.approvals.reject(manager.admin, row["node_id"], manager.time())
    with pytest.raises(NotAllowed, match="rejected"):
        await ask(manager, wanted)
    with pytest.raises(NodeUnknown):
        await manager.services.nodes.get(row["node_id"])
    assert await ask(manager, request()) is None


async def test_where_approval_is_off_only_a_token_helps(manager: Manager) -> None:
    services = manager.services
    strict = Approvals(
        manager.db,
        services.audit,
        services.enrolment,
        services.nodes,
        services.quarantine,
        Reimage(manager.db, services.nodes, services.quarantine),
        allowed=False,
    )
    with pytest.raises(NotAuthenticated, match="token only"):
        await strict.ask(request(), "192.0.2.5", manager.time())
    with pytest.raises(BadInput, match="protocol"):
        await ask(manager, replace(request(), protocol=99))


async def test_no_more_than_so_many_may_wait(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_list, "MAX_WAITING", 2)
    await ask(manager, request("a"))
    await ask(manager, request("b"))
    with pytest.raises(TooMany):
        await ask(manager, request("c"))
    assert await manager.services.approvals.forget(manager.time() + 8 * DAY) == 2
    assert await manager.services.approvals.waiting() == []


async def test_a_machine_installed_anew_goes_on_as_the_node_that_it_was(manager: Manager) -> None:
    services = manager.services
    token = await services.enrolment.create_token(manager.admin, 1, 1, "", {"env": "prod"}, manager.time())
    old = await services.enrolment.enroll(replace(request(fingerprint=HARDWARE), token=token.token), "192.0.2.5", manager.time())
    wanted = request("fresh", HARDWARE | {"machine_id": "m2"})
    await ask(manager, wanted)
    [row] = await services.approvals.waiting()
    assert (row["same_as"], row["same_name"]) == (old.node_id, "web-1")
    assert await services.approvals.approve(manager.admin, row["node_id"], manager.time(), old.node_id) == old.node_id
    answer = await ask(manager, wanted)
    assert answer is not None
    assert (answer.node_id, answer.name) == (old.node_id, "web-1")
    node = await services.nodes.get(old.node_id)
    assert (node["tags"], node["hostname"], "m2" in node["fingerprint"]) == ({"env": "prod"}, "fresh", True)
    with pytest.raises(NodeUnknown):
        await services.nodes.get(row["node_id"])
    certificates = [await manager.db.row(manager.db.q.enrolment.certificate_by_key, {"public_key": row["public_key"]})]
    assert certificates[0] is not None
    assert certificates[0]["revoked_at"] is None
    for wrong in ("nope", row["node_id"]):
        with pytest.raises((NodeUnknown, Conflict)):
            await services.approvals.approve(manager.admin, row["node_id"], manager.time(), wrong)


@pytest.mark.parametrize("text", ["", '{"macs": "02', "[]", '"x"', '{"macs": 7}'])
def test_a_fingerprint_that_cannot_be_read_is_like_no_other(text: str) -> None:
    assert read_fingerprint(text) == {}
    assert not same_machine(read_fingerprint(text), HARDWARE)


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"machine_id": "m2"}, True),
        ({"macs": "02:00:00:00:00:02"}, True),
        ({"board_id": ""}, True),
        ({"board_id": "b2"}, False),
        ({"macs": "02:00:00:00:00:09"}, False),
        ({"macs": ""}, False),
    ],
)
def test_a_machine_is_known_by_a_card_and_no_other_board(change: dict[str, str], same: bool) -> None:
    assert same_machine(HARDWARE, HARDWARE | change) is same


async def test_a_retired_node_comes_back_with_its_certificate_or_goes_with_its_data(manager: Manager) -> None:
    services, node = manager.services, await manager.enrol()
    await services.edits.note(manager.admin, node.id, "x", manager.time())
    with pytest.raises(Conflict, match="not retired"):
        await services.nodes.restore(manager.admin, node.id, manager.time())
    with pytest.raises(Conflict, match="retire it first"):
        await services.nodes.delete(manager.admin, node.id, "web-1", manager.time())
    await services.nodes.retire(manager.admin, node.id, manager.time())
    manager.time.now += 1000
    await services.nodes.restore(manager.admin, node.id, manager.time())
    rows = await manager.db.rows(manager.db.q.enrolment.newest, {"node_id": node.id})
    assert rows
    assert (await services.nodes.get(node.id))["state"] == "offline"
    await services.nodes.retire(manager.admin, node.id, manager.time())
    with pytest.raises(BadInput, match="type the node's name"):
        await services.nodes.delete(manager.admin, node.id, "web", manager.time())
    await services.nodes.delete(manager.admin, node.id, "web-1", manager.time())
    with pytest.raises(NodeUnknown):
        await services.nodes.get(node.id)
    assert await services.edits.notes(node.id) == []
    assert (await services.audit.page(1, 0)).rows[0]["action"] == "node.delete"


async def test_a_node_long_offline_retires_only_where_that_is_set(manager: Manager) -> None:
    nodes, node = manager.services.nodes, await manager.enrol()
    await manager.db.transaction(lambda session: nodes.move(session, node.id, "offline", manager.time()))
    later = manager.time() + 31 * DAY
    assert await nodes.retire_long_gone(0, later) == 0
    assert await nodes.retire_long_gone(40, later) == 0
    assert await nodes.retire_long_gone(30, later) == 1
    assert (await nodes.get(node.id))["state"] == "retired"


async def test_a_token_for_one_name_gives_that_name(manager: Manager) -> None:
    enrolment = manager.services.enrolment
    token = await enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time(), "db-main")
    answer = await enrolment.enroll(replace(request("whatever"), token=token.token), "192.0.2.5", manager.time())
    assert answer.name == "db-main"
    with pytest.raises(Conflict, match="db-main already"):
        await enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time(), "db-main")
    for uses, name in ((2, "db-2"), (1, "a b"), (1, "x" * 181)):
        with pytest.raises(BadInput, match="name: "):
            await enrolment.create_token(manager.admin, uses, 1, "", {}, manager.time(), name)
