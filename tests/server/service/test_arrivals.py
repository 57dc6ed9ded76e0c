"""What a watched token tells: each step of each host, and who was turned away and why."""

from __future__ import annotations

import pytest

from host.wire.messages import EnrollRequest, Facts
from server.errors import NotAuthenticated, NotFound
from server.service.arrivals import Refused
from tests.conftest import Manager, make_csr

HOUR = 3_600_000


async def come(manager: Manager, token: str, name: str) -> str:
    request = EnrollRequest(1, token, make_csr(), Facts(name, ["192.0.2.1"]))
    return (await manager.services.enrolment.enroll(request, "192.0.2.1", manager.time())).node_id


async def test_a_host_is_seen_at_each_of_its_steps(manager: Manager) -> None:
    services, token = manager.services, await manager.services.enrolment.create_token(manager.admin, 2, 1, "", {}, manager.time())
    empty = await services.arrivals.look(token.id, manager.time())
    assert (empty.state, empty.uses, empty.came, empty.hosts, empty.refused) == ("waiting", 2, 0, [], None)
    node = await come(manager, token.token, "web-1")
    [host] = (await services.arrivals.look(token.id, manager.time())).hosts
    assert (host.name, host.state, host.first_at) == ("web-1", "offline", None)
    await manager.db.transaction(lambda session: services.nodes.move(session, node, "online", manager.time()))
    caller = manager.admin.__class__("node", node, "web-1", "192.0.2.1", node_state="online")
    await manager.report(caller, "bulk", (1, "sample", {"took_ms": 1.0}))
    [host] = (await services.arrivals.look(token.id, manager.time())).hosts
    assert (host.state, host.first_at) == ("online", manager.time())
    await come(manager, token.token, "web-2")
    done = await services.arrivals.look(token.id, manager.time())
    assert (done.state, done.came, {one.name for one in done.hosts}) == ("done", 2, {"web-1", "web-2"})


async def test_who_comes_in_vain_is_kept_with_the_reason(manager: Manager) -> None:
    services, token = manager.services, await manager.services.enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time())
    await come(manager, token.token, "web-1")
    with pytest.raises(NotAuthenticated):
        await come(manager, token.token, "web-2")
    at = manager.time()
    found = await services.arrivals.look(token.id, at)
    assert found.refused == Refused(at, "web-2", "192.0.2.1", "the enrolment token has been used up; make a new one on the manager")
    assert (found.came, len(found.hosts)) == (1, 1)
    late = await services.enrolment.create_token(manager.admin, 1, 1, "", {}, at)
    manager.time.now += HOUR
    with pytest.raises(NotAuthenticated):
        await come(manager, late.token, "web-3")
    ended = await services.arrivals.look(late.id, manager.time())
    assert ended.state == "ended"
    assert ended.refused is not None
    assert (ended.refused.host, "has ended" in ended.refused.why) == ("web-3", True)
    with pytest.raises(NotFound):
        await services.arrivals.look("nope", manager.time())


async def test_a_flood_of_refusals_writes_once_a_second(manager: Manager) -> None:
    arrivals, token = manager.services.arrivals, await manager.services.enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time())
    for host in ("a", "b"):
        await arrivals.refuse(token.id, host, "192.0.2.1", "why", manager.time())
    first = (await arrivals.look(token.id, manager.time())).refused
    assert first is not None
    assert first.host == "a"
    manager.time.now += 1_000
    await arrivals.refuse(token.id, "c", "192.0.2.1", "why", manager.time())
    second = (await arrivals.look(token.id, manager.time())).refused
    assert second is not None
    assert second.host == "c"
