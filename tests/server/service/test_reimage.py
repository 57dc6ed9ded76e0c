"""A machine installed anew enrols with a token: its history goes on; and a token alone makes nobody another node. On every database."""

from __future__ import annotations

import json

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from host.wire.messages import EnrollAnswer, EnrollRequest, Facts
from server.auth import Caller
from server.errors import BadInput, Conflict, NodeUnknown, NotAllowed, NotAuthenticated
from tests.conftest import Manager, make_csr

HARDWARE = {"machine_id": "m1", "board_id": "b1", "macs": "02:00:00:00:00:01,02:00:00:00:00:02"}
ANEW = HARDWARE | {"machine_id": "m2"}
OTHER = {"machine_id": "m9", "board_id": "b9", "macs": "02:00:00:00:00:99"}
MINUTE = 60_000


async def token(manager: Manager, uses: int = 1, name: str = "", node: str = "") -> str:
    create = manager.services.enrolment.create_token
    return (await create(manager.admin, uses, 1, "", {"from": "token"}, manager.time(), name, node=node)).token


def request(given: str, fingerprint: dict[str, str], hostname: str = "web-1", csr: str = "") -> EnrollRequest:
    return EnrollRequest(1, given, csr or make_csr(), Facts(hostname, ["10.0.0.7"]), fingerprint)


async def enrol(manager: Manager, wanted: EnrollRequest) -> EnrollAnswer | None:
    return await manager.services.enrolment.enroll(wanted, "192.0.2.5", manager.time())


async def call(manager: Manager, answer: EnrollAnswer, marks: str = "") -> Caller:
    """With the certificate that it was given."""
    der = x509.load_pem_x509_certificate(answer.certificate.encode()).public_bytes(serialization.Encoding.DER)
    return await manager.services.enrolment.caller(der, "192.0.2.5", manager.time(), marks)


async def known(manager: Manager, state: str = "offline") -> EnrollAnswer:
    """A node with a note and a tag of its own, not heard of for an hour."""
    answer = await enrol(manager, request(await token(manager), HARDWARE))
    assert answer is not None
    await manager.services.edits.note(manager.admin, answer.node_id, "its history", manager.time())
    if state != "offline":
        await manager.db.transaction(lambda session: manager.services.nodes.move(session, answer.node_id, state, manager.time()))
    manager.time.now += 60 * MINUTE
    return answer


async def untouched(manager: Manager, old: EnrollAnswer) -> None:
    """The known node is what it was, and its own certificate is good."""
    assert (await call(manager, old)).id == old.node_id
    node = await manager.services.nodes.get(old.node_id)
    assert (node["hostname"], json.loads(node["fingerprint"])["machine_id"]) == ("web-1", "m1")


async def test_a_token_for_the_node_lets_its_machine_go_on_at_once_with_its_history(manager: Manager) -> None:
    old = await known(manager)
    wanted = request(await token(manager, node=old.node_id), ANEW, "fresh")
    new = await enrol(manager, wanted)
    assert new is not None
    assert (new.node_id, new.name) == (old.node_id, "web-1")
    assert (await enrol(manager, wanted)) is not None, "the same key again: its answer was lost"
    assert (await call(manager, new)).id == old.node_id
    with pytest.raises(NotAuthenticated, match="revoked"):
        await call(manager, old)
    node = await manager.services.nodes.get(old.node_id)
    assert (node["hostname"], json.loads(node["fingerprint"])["machine_id"]) == ("fresh", "m2")
    assert [note["text"] for note in await manager.services.edits.notes(old.node_id)] == ["its history"]
    assert (await manager.services.nodes.page(q="", state="", limit=9, offset=0)).total == 1
    entry = (await manager.services.timelines.page(manager.admin, old.node_id, manager.time(), kind="identity")).entries[0]
    assert (entry.name, entry.detail["installed_anew"]) == ("node.enrol", True)
    with pytest.raises(NotAuthenticated, match="used up"):
        await enrol(manager, request(wanted.token, ANEW))


async def test_any_other_token_waits_for_approval_and_then_goes_on_as_the_node_or_as_a_new_one(manager: Manager) -> None:
    old = await known(manager)
    given = await token(manager, 2)
    first, second = request(given, ANEW, "fresh"), request(given, HARDWARE | {"machine_id": "m3"}, "third")
    for wanted in (first, second):
        assert await enrol(manager, wanted) is None
        assert await enrol(manager, wanted) is None, "asking again uses nothing up"
    await untouched(manager, old)
    rows = await manager.services.approvals.waiting()
    assert [(row["same_as"], row["same_name"], row["token_id"] != "") for row in rows] == [(old.node_id, "web-1", True)] * 2
    by_name = {row["hostname"]: row["node_id"] for row in rows}
    assert await manager.services.approvals.approve(manager.admin, by_name["fresh"], manager.time(), old.node_id) == old.node_id
    answer = await enrol(manager, first)
    assert answer is not None
    assert (answer.node_id, answer.name) == (old.node_id, "web-1")
    await manager.services.approvals.approve(manager.admin, by_name["third"], manager.time())
    other = await enrol(manager, second)
    assert other is not None
    assert other.name == "third"
    assert (await manager.services.nodes.get(other.node_id))["tags"] == {"from": "token"}
    with pytest.raises(NotAuthenticated, match="used up"):
        await enrol(manager, request(given, OTHER))


async def test_a_rejected_host_asks_in_vain_though_it_has_a_token(manager: Manager) -> None:
    old = await known(manager)
    wanted = request(await token(manager), ANEW)
    assert await enrol(manager, wanted) is None
    [row] = await manager.services.approvals.waiting()
    await manager.services.approvals.reject(manager.admin, row["node_id"], manager.time())
    with pytest.raises(NotAllowed, match="rejected"):
        await enrol(manager, wanted)
    await untouched(manager, old)


# -- attacks ----------------------------------------------------------------------------------------------------------


async def test_made_up_hardware_and_a_good_token_make_nobody_another_node(manager: Manager) -> None:
    old = await known(manager)
    for fingerprint in (HARDWARE, ANEW, {"macs": HARDWARE["macs"]}, {"macs": "02:00:00:00:00:02"}):
        assert await enrol(manager, request(await token(manager), dict(fingerprint))) is None
        await untouched(manager, old)


async def test_a_token_for_the_node_on_other_hardware_waits_for_somebodys_word(manager: Manager) -> None:
    old = await known(manager)
    assert await enrol(manager, request(await token(manager, node=old.node_id), OTHER)) is None
    await untouched(manager, old)
    [row] = await manager.services.approvals.waiting()
    assert row["same_as"] == old.node_id


async def test_a_token_for_the_node_evicts_nobody_who_is_there_as_it(manager: Manager) -> None:
    old = await known(manager, "online")
    caller = await call(manager, old)
    with manager.services.presence.hold(caller.id, manager.time()):
        await manager.services.presence.write(manager.time())
    assert await enrol(manager, request(await token(manager, node=old.node_id), ANEW)) is None
    await untouched(manager, old)


async def test_a_token_brings_no_node_back_that_was_retired_or_is_in_quarantine(manager: Manager) -> None:
    old = await known(manager)
    given = await token(manager, node=old.node_id)
    await manager.services.nodes.retire(manager.admin, old.node_id, manager.time())
    assert await enrol(manager, request(given, ANEW)) is None
    assert (await manager.services.nodes.get(old.node_id))["state"] == "retired"
    [row] = await manager.services.approvals.waiting()
    await manager.services.approvals.approve(manager.admin, row["node_id"], manager.time(), old.node_id)
    assert (await manager.services.nodes.get(old.node_id))["state"] == "offline"


async def test_a_token_for_one_node_is_none_for_another(manager: Manager) -> None:
    old = await known(manager)
    other = await enrol(manager, request(await token(manager), OTHER, "db-1"))
    assert other is not None
    manager.time.now += 60 * MINUTE
    assert await enrol(manager, request(await token(manager, node=other.node_id), ANEW)) is None
    await untouched(manager, old)
    [row] = await manager.services.approvals.waiting()
    assert row["same_as"] == other.node_id


async def test_a_card_with_signs_of_a_pattern_is_like_no_other(manager: Manager) -> None:
    await known(manager)
    for macs in ("%", "02:00:00:00:00:0_", "%%%%%%%%%%%%%%%%%", ""):
        answer = await enrol(manager, request(await token(manager), {"macs": macs}, "new"))
        assert answer is not None, macs


# -- what is not meant ------------------------------------------------------------------------------------------------


async def test_a_machine_like_one_that_is_there_and_a_token_under_a_new_name_are_new_nodes(manager: Manager) -> None:
    old = await known(manager, "online")
    with manager.services.presence.hold(old.node_id, manager.time()):
        await manager.services.presence.write(manager.time())
    twin = await enrol(manager, request(await token(manager), HARDWARE))
    assert twin is not None
    assert twin.node_id != old.node_id
    manager.time.now += 60 * MINUTE
    named = await enrol(manager, request(await token(manager, name="named-1"), ANEW))
    assert named is not None
    assert named.name == "named-1"
    await untouched(manager, old)


async def test_a_token_for_a_node_is_checked_when_it_is_made_and_when_it_is_used(manager: Manager) -> None:
    old = await known(manager)
    create, now = manager.services.enrolment.create_token, manager.time()
    with pytest.raises(NodeUnknown):
        await create(manager.admin, 1, 1, "", {}, now, node="nobody")
    for uses, name in ((2, ""), (1, "other")):
        with pytest.raises(BadInput, match="one use"):
            await create(manager.admin, uses, 1, "", {}, now, name, node=old.node_id)
    await manager.services.approvals.ask(request("", OTHER, "pending-1"), "192.0.2.7", now)
    [row] = await manager.services.approvals.waiting()
    with pytest.raises(Conflict, match="waits for approval itself"):
        await create(manager.admin, 1, 1, "", {}, now, node=row["node_id"])
    given = await token(manager, node=old.node_id)
    await manager.services.nodes.retire(manager.admin, old.node_id, now)
    await manager.services.nodes.delete(manager.admin, old.node_id, "web-1", now)
    with pytest.raises(NotAuthenticated, match="was deleted"):
        await enrol(manager, request(given, ANEW))
