"""One certificate from two machines: timelines of what really happens to machines, on every database."""

from __future__ import annotations

import asyncio

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from host.wire.machine import marks_of
from host.wire.messages import EnrollRequest, Facts, PollRequest
from server.auth import Caller
from server.errors import BadInput, Conflict, EnrolAnew, NodeUnknown, NotAllowed, NotAuthenticated, Unavailable
from server.service import quarantine
from server.service.reimage import Reimage
from tests.conftest import Manager, make_csr

FIRST = {"machine_id": "m1", "board_id": "b1", "macs": "02:00:00:00:00:01,02:00:00:00:00:02"}
COPY = {"machine_id": "m1", "board_id": "b2", "macs": "02:00:00:00:00:91"}
SECOND = 1_000


class Machine:
    """Calls with the node's certificate from hardware of its own."""

    def __init__(self, manager: Manager, certificate: bytes, fingerprint: dict[str, str], ip: str) -> None:
        self._manager, self._certificate, self.ip, self.fingerprint = manager, certificate, ip, fingerprint

    @property
    def marks(self) -> str:
        return marks_of(self.fingerprint)

    async def calls(self, seconds: float = 0) -> Caller:
        """After so many seconds; counted as seen when it was let in, as a poll is."""
        manager = self._manager
        manager.time.now += int(seconds * SECOND)
        caller = await manager.services.enrolment.caller(self._certificate, self.ip, manager.time(), self.marks)
        with manager.services.presence.hold(caller.id, manager.time()):
            await manager.services.presence.write(manager.time())
        return caller


async def host(manager: Manager, fingerprint: dict[str, str] = FIRST, name: str = "web-1") -> tuple[str, Machine]:
    """A node's id, and its machine."""
    token = await manager.services.enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time())
    request = EnrollRequest(1, token.token, make_csr(), Facts(name), fingerprint)
    answer = await manager.services.enrolment.enroll(request, "192.0.2.1", manager.time())
    der = x509.load_pem_x509_certificate(answer.certificate.encode()).public_bytes(serialization.Encoding.DER)
    await manager.db.transaction(lambda session: manager.services.nodes.move(session, answer.node_id, "online", manager.time()))
    return answer.node_id, Machine(manager, der, fingerprint, "192.0.2.1")


def copy_of(machine: Machine, fingerprint: dict[str, str] = COPY) -> Machine:
    return Machine(machine._manager, machine._certificate, fingerprint, "192.0.2.77")


async def state(manager: Manager, node_id: str) -> str:
    return str((await manager.services.nodes.get(node_id))["state"])


async def actions(manager: Manager) -> list[str]:
    return [row["action"] for row in (await manager.services.audit.page(50, 0)).rows]


async def in_quarantine(manager: Manager) -> tuple[str, Machine, Machine]:
    node_id, first = await host(manager)
    copy = copy_of(first)
    await first.calls(1)
    with pytest.raises(Unavailable):
        await copy.calls(1)
    with pytest.raises(NotAllowed, match="quarantine"):
        await first.calls(20)
    return node_id, first, copy


# -- what is no copy ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed",
    [
        {"macs": "02:00:00:00:00:02,02:00:00:00:00:03"},
        {"macs": "02:00:00:00:00:01"},
        {"macs": "02:00:00:00:00:01,02:00:00:00:00:02,02:42:aa:bb:cc:dd,02:42:aa:bb:cc:de"},
        {"board_id": ""},
        {"machine_id": ""},
    ],
    ids=["one card replaced", "one card taken out", "cards plugged in", "board not readable any more", "no machine-id any more"],
)
async def test_a_machine_whose_cards_change_goes_on(manager: Manager, changed: dict[str, str]) -> None:
    node_id, machine = await host(manager)
    for fingerprint in (FIRST, FIRST | changed, FIRST, FIRST | changed):
        machine.fingerprint = fingerprint
        assert (await machine.calls(1)).id == node_id
        assert (await machine.calls(20)).id == node_id
    assert await state(manager, node_id) == "online"
    assert "node.quarantine" not in await actions(manager)


async def test_a_host_that_tells_no_machine_is_let_in_as_ever(manager: Manager) -> None:
    node_id, machine = await host(manager)
    machine.fingerprint = {}
    assert (await machine.calls(1)).id == node_id
    odd = await manager.services.enrolment.caller(machine._certificate, "192.0.2.1", manager.time(), "what is this")
    assert odd.id == node_id


async def test_a_node_from_before_takes_its_first_mark_for_its_own(manager: Manager) -> None:
    node_id, machine = await host(manager, {})
    machine.fingerprint = FIRST
    assert (await machine.calls(1)).id == node_id
    copy = copy_of(machine)
    with pytest.raises(Unavailable):
        await copy.calls(1)


async def test_a_disk_that_moved_into_other_hardware_is_taken_over_when_the_old_one_has_been_silent(manager: Manager) -> None:
    node_id, old = await host(manager)
    await old.calls(1)
    new = copy_of(old)
    with pytest.raises(Unavailable) as waits:
        await new.calls(30)
    assert waits.value.retry_after > 0, "it is told when to ask again"
    assert await state(manager, node_id) == "online", "nothing is decided yet"
    assert (await new.calls(31)).id == node_id
    assert (await new.calls(20)).id == node_id
    assert "node.machine" in await actions(manager)
    assert "node.quarantine" not in await actions(manager)
    [own, former] = await manager.services.quarantine.machines(node_id)
    assert (former.standing, own.standing, own.own) == ("former", "own", True)


async def test_what_was_on_its_way_when_the_machine_changed_is_no_second_machine(manager: Manager) -> None:
    node_id, old = await host(manager)
    await old.calls(1)
    with pytest.raises(Unavailable):
        await copy_of(old).calls(1)
    assert (await old.calls(1)).id == node_id
    assert await state(manager, node_id) == "online"


async def test_a_claim_that_was_given_up_long_ago_is_forgotten(manager: Manager) -> None:
    node_id, first = await host(manager)
    await first.calls(1)
    with pytest.raises(Unavailable):
        await copy_of(first).calls(1)
    manager.time.now += quarantine.FORGET_CLAIM_MS + 1
    assert (await first.calls(1)).id == node_id
    assert await state(manager, node_id) == "online"


async def test_a_machine_that_makes_up_its_only_address_may_go_back_to_an_old_one(manager: Manager) -> None:
    node_id, laptop = await host(manager)
    away = copy_of(laptop, FIRST | {"macs": "06:00:00:00:00:01"})
    await laptop.calls(1)
    assert (await away.calls(61)).id == node_id
    assert (await laptop.calls(61)).id == node_id
    assert await state(manager, node_id) == "online"


# -- what is one ----------------------------------------------------------------------------------------------------


async def test_a_copy_that_runs_beside_its_original_brings_the_node_into_quarantine(manager: Manager) -> None:
    node_id, first, copy = await in_quarantine(manager)
    assert await state(manager, node_id) == "quarantined"
    for machine in (first, copy):
        with pytest.raises(NotAllowed, match="quarantine"):
            await machine.calls(30)
    by = {one.standing: one for one in await manager.services.quarantine.machines(node_id)}
    assert (by["own"].own, by["own"].ip, by["claims"].ip) == (True, "192.0.2.1", "192.0.2.77")
    assert (by["claims"].same_installation, by["claims"].same_board, by["claims"].cards_in_common) == (True, False, 0)
    assert (await actions(manager)).count("node.quarantine") == 1
    with pytest.raises(Conflict, match="quarantined"):
        await manager.services.commands.run(manager.admin, [node_id], "script", {"script": "true"}, "", manager.time())


async def test_a_copy_that_ran_while_the_original_was_off_is_found_when_that_is_back(manager: Manager) -> None:
    node_id, first = await host(manager)
    copy = copy_of(first)
    await first.calls(1)
    assert (await copy.calls(3600)).id == node_id
    with pytest.raises(NotAllowed, match="quarantine"):
        await first.calls(3600)
    assert await state(manager, node_id) == "quarantined"
    assert {one.ip for one in await manager.services.quarantine.machines(node_id)} == {"192.0.2.1", "192.0.2.77"}


async def test_two_boards_with_one_made_up_number_are_two_machines_when_both_call(manager: Manager) -> None:
    node_id, first = await host(manager)
    copy = copy_of(first, FIRST | {"macs": "06:00:00:00:00:01"})
    await first.calls(1)
    with pytest.raises(Unavailable):
        await copy.calls(1)
    with pytest.raises(NotAllowed, match="quarantine"):
        await first.calls(20)
    assert await state(manager, node_id) == "quarantined"


async def test_a_copy_on_hardware_with_the_same_cards_is_known_by_its_own_installation(manager: Manager) -> None:
    """Such as two containers of one machine's network, one of them copied and given a machine-id of its own."""
    _, first = await host(manager)
    copy = copy_of(first, FIRST | {"machine_id": "m2"})
    await first.calls(1)
    with pytest.raises(Unavailable):
        await copy.calls(1)
    with pytest.raises(NotAllowed, match="quarantine"):
        await first.calls(20)


async def test_calls_of_both_at_once_make_one_quarantine(manager: Manager) -> None:
    node_id, first = await host(manager)
    copy = copy_of(first)
    await first.calls(1)
    with pytest.raises(Unavailable):
        await copy.calls(1)
    manager.time.now += 20_000
    done = await asyncio.gather(*(machine.calls() for machine in (first, copy) * 5), return_exceptions=True)
    assert all(isinstance(one, (NotAllowed, Unavailable)) for one in done)
    assert await state(manager, node_id) == "quarantined"
    assert (await actions(manager)).count("node.quarantine") == 1


async def test_a_held_poll_ends_when_its_node_comes_into_quarantine(manager: Manager) -> None:
    _, first = await host(manager)
    caller = await first.calls(1)
    poll = asyncio.create_task(manager.services.polls.poll(caller, PollRequest(1, "0"), asyncio.Event()))
    await asyncio.sleep(0.1)
    with pytest.raises(Unavailable):
        await copy_of(first).calls(1)
    with pytest.raises(NotAllowed):
        await first.calls(10)
    with pytest.raises(NotAllowed, match="quarantine"):
        await asyncio.wait_for(poll, 10)


async def test_a_stranger_with_the_certificate_cannot_fill_the_table(manager: Manager) -> None:
    node_id, first, _ = await in_quarantine(manager)
    for number in range(quarantine.MOST_MACHINES + 5):
        with pytest.raises(NotAllowed):
            await copy_of(first, {"board_id": f"x{number}"}).calls(1)
    machines = await manager.services.quarantine.machines(node_id)
    assert len(machines) == quarantine.MOST_MACHINES
    assert any(one.own for one in machines), "the node's own is not pushed out"


# -- split and merge ------------------------------------------------------------------------------------------------


async def test_split_keeps_one_machine_and_sends_the_other_to_enrol_anew(manager: Manager) -> None:
    node_id, first, copy = await in_quarantine(manager)
    await manager.services.quarantine.split(manager.admin, node_id, first.marks, manager.time())
    assert await state(manager, node_id) == "offline"
    assert (await first.calls(1)).id == node_id
    with pytest.raises(EnrolAnew) as told:
        await copy.calls(1)
    assert told.value.status == 410
    copy.fingerprint = COPY | {"macs": COPY["macs"] + ",02:00:00:00:00:92"}
    with pytest.raises(EnrolAnew):
        await copy.calls(1)
    assert (await first.calls(20)).id == node_id
    assert "node.split" in await actions(manager)


async def test_split_may_give_the_node_to_the_newcomer(manager: Manager) -> None:
    node_id, first, copy = await in_quarantine(manager)
    await manager.services.quarantine.split(manager.admin, node_id, copy.marks, manager.time())
    assert (await copy.calls(1)).id == node_id
    with pytest.raises(EnrolAnew):
        await first.calls(1)


async def test_a_split_machine_asks_and_is_approved_as_a_node_of_its_own_even_where_only_tokens_count(manager: Manager) -> None:
    services = manager.services
    node_id, first, copy = await in_quarantine(manager)
    await services.quarantine.split(manager.admin, node_id, first.marks, manager.time())
    nodes, guard = services.nodes, services.quarantine
    reimage = Reimage(manager.db, nodes, guard)
    strict = type(services.approvals)(manager.db, services.audit, services.enrolment, nodes, guard, reimage, allowed=False)
    wanted = EnrollRequest(1, "", make_csr(), Facts("web-1"), COPY)
    assert await strict.ask(wanted, copy.ip, manager.time()) is None
    with pytest.raises(NotAuthenticated, match="token only"):
        await strict.ask(EnrollRequest(1, "", make_csr(), Facts("x"), {"board_id": "else"}), copy.ip, manager.time())
    [row] = await services.approvals.waiting()
    assert row["same_as"] == ""
    new_id = await services.approvals.approve(manager.admin, row["node_id"], manager.time())
    answer = await strict.ask(wanted, copy.ip, manager.time())
    assert answer is not None
    assert (answer.node_id, answer.name) == (new_id, "web-1-2")
    assert new_id != node_id


async def test_merge_goes_on_with_the_new_hardware_and_another_copy_is_found_again(manager: Manager) -> None:
    node_id, first, copy = await in_quarantine(manager)
    await manager.services.quarantine.merge(manager.admin, node_id, copy.marks, manager.time())
    assert await state(manager, node_id) == "offline"
    assert (await copy.calls(1)).id == node_id
    assert (await copy.calls(20)).id == node_id
    assert "node.merge" in await actions(manager)
    with pytest.raises(NotAllowed, match="quarantine"):
        await first.calls(20)
    assert await state(manager, node_id) == "quarantined"


async def test_a_quarantine_is_resolved_once_and_only_by_what_is_there(manager: Manager) -> None:
    services = manager.services
    node_id, first, copy = await in_quarantine(manager)
    since = (await services.nodes.get(node_id))["state_since"]
    with pytest.raises(BadInput, match=r"keep: .*none of the machines") as wrong:
        await services.quarantine.split(manager.admin, node_id, "i=00000000", manager.time())
    assert wrong.value.field == "keep"
    with pytest.raises(BadInput, match="machine: "):
        await services.quarantine.merge(manager.admin, node_id, "", manager.time())
    with pytest.raises(Conflict, match="look at it anew"):
        await services.quarantine.merge(manager.admin, node_id, copy.marks, manager.time(), since - 1)
    with pytest.raises(NodeUnknown):
        await services.quarantine.split(manager.admin, "NOPE", first.marks, manager.time())
    assert await state(manager, node_id) == "quarantined"
    verbs = [services.quarantine.split(manager.admin, node_id, first.marks, manager.time(), since)]
    verbs += [services.quarantine.merge(manager.admin, node_id, copy.marks, manager.time(), since) for _ in range(3)]
    done = await asyncio.gather(*verbs, return_exceptions=True)
    assert [isinstance(one, Conflict) for one in done].count(False) == 1, "of several decisions at once one counts"
    with pytest.raises(Conflict, match="not in quarantine"):
        await services.quarantine.split(manager.admin, node_id, first.marks, manager.time())


async def test_a_node_in_quarantine_can_be_retired_and_deleted(manager: Manager) -> None:
    node_id, first, copy = await in_quarantine(manager)
    await manager.services.nodes.retire(manager.admin, node_id, manager.time())
    for machine in (first, copy):
        with pytest.raises(NotAuthenticated):
            await machine.calls(1)
    await manager.services.nodes.delete(manager.admin, node_id, "web-1", manager.time())
    left = await manager.db.rows(manager.db.q.machines.of_node, {"node_id": node_id})
    assert left == []


async def test_a_poll_tells_the_whole_fingerprint_so_that_a_later_installation_is_known_by_it(manager: Manager) -> None:
    services = manager.services
    node_id, machine = await host(manager)
    machine.fingerprint = FIRST | {"macs": "02:00:00:00:00:02,02:00:00:00:00:03"}
    caller = await machine.calls(1)
    told = PollRequest(1, "0", facts=Facts("web-1"), fingerprint=machine.fingerprint)
    await services.polls.poll(caller, told, asyncio.Event())
    fresh = EnrollRequest(1, "", make_csr(), Facts("web-1"), {"board_id": "b1", "macs": "02:00:00:00:00:03"})
    await services.approvals.ask(fresh, "192.0.2.1", manager.time())
    [row] = await services.approvals.waiting()
    assert row["same_as"] == node_id
    approved = await services.approvals.approve(manager.admin, row["node_id"], manager.time(), node_id)
    answer = await services.approvals.ask(fresh, "192.0.2.1", manager.time())
    assert answer is not None
    assert approved == node_id
    der = x509.load_pem_x509_certificate(answer.certificate.encode()).public_bytes(serialization.Encoding.DER)
    again = Machine(manager, der, fresh.fingerprint, "192.0.2.1")
    assert (await again.calls(1)).id == node_id, "the machine installed anew is the node's own"
