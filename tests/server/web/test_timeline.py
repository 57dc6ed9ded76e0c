"""The page of a node's timeline: kind and days in the address, older ones by a link, each kind told in words."""

from __future__ import annotations

import re

import pytest

from tests.conftest import DAY, Manager
from tests.server.web.conftest import Visitor

SCRIPT = {"script": "true", "interpreter": "shell"}


async def test_the_newest_stand_on_the_nodes_page_and_the_rest_behind_a_link(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node, services = await manager.enrol(), manager.services
    for number in range(70):
        manager.time.now += 1_000
        await services.edits.note(manager.admin, node.id, f"note number {number}", manager.time())
    page = (await visit.get(f"/nodes/{node.id}")).text
    assert f'href="/nodes/{node.id}/timeline"' in page
    first = (await visit.get(f"/nodes/{node.id}/timeline")).text
    older = re.search(r'rel="next" href="([^"]+)"', first)
    assert older is not None
    second = (await visit.get(older[1].replace("&amp;", "&"))).text
    found = re.findall(r"note number (\d+)", first) + re.findall(r"note number (\d+)", second)
    assert found == [str(number) for number in reversed(range(70))]
    assert "enrolled" in second
    assert 'rel="next"' not in second


async def test_kind_and_days_are_in_the_address(visit: Visitor, manager: Manager) -> None:
    node, services = await manager.enrol(), manager.services
    await services.edits.note(manager.admin, node.id, "an early note", manager.time())
    manager.time.now += 10 * DAY
    await services.commands.run(manager.admin, [node.id], "script", SCRIPT, "tidy up", manager.time())
    await visit.sign_in("admin")
    path = f"/nodes/{node.id}/timeline"
    for query, early, late in (("", True, True), ("range=7d", False, True), ("kind=action", True, False), ("to=2027-01-16", True, False)):
        text = (await visit.get(f"{path}?{query}")).text
        assert ("an early note" in text, "tidy up" in text) == (early, late), query
    assert "Nothing happened" in (await visit.get(f"{path}?kind=alert")).text
    chinese = (await visit.get(path, **{"Accept-Language": "zh"})).text
    assert "时间线" in chinese


@pytest.mark.parametrize("query", ["kind=gossip", "range=99y", "from=yesterday", "before=x", "from=2027-01-02&to=2027-01-01"])
async def test_what_cannot_be_used_is_a_clear_answer(visit: Visitor, manager: Manager, query: str) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    assert (await visit.get(f"/nodes/{node.id}/timeline?{query}")).status_code == 400


async def test_at_its_end_it_says_since_when_history_is_kept(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    manager.time.now += 40 * DAY
    await visit.sign_in("vera")
    assert "Older history is not kept" in (await visit.get(f"/nodes/{node.id}/timeline")).text
