"""A list in another order: the database takes every field that is allowed, equal ones keep their order, pages fit together."""

from __future__ import annotations

import pytest

from server.errors import BadInput
from server.service import audit, commands, files, nodes
from tests.conftest import Manager


async def test_every_order_that_is_allowed_is_taken_in_both_directions(manager: Manager) -> None:
    services, node = manager.services, await manager.enrol()
    await services.commands.run(manager.admin, [node.id], "script", {"script": "uptime"}, "", manager.time())
    await services.files.create(manager.admin, "a", 1, manager.time())
    for down in (False, True):
        for name in nodes.SORTS:
            assert (await services.nodes.page(q="", state="", limit=5, offset=0, order=[(name, down)])).total == 1, name
        for name in commands.SORTS:
            page = await services.commands.page(node_id="", task_id="", state="", limit=5, offset=0, order=[(name, down)])
            assert len(page.rows) == 1, name
        for name in files.SORTS:
            assert len((await services.files.page(5, 0, [(name, down)])).rows) == 1, name
        for name in audit.SORTS:
            rows = (await services.audit.page(50, 0, [(name, down)])).rows
            assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=down)


async def test_pages_of_equal_ones_fit_together_and_a_page_past_the_end_has_the_total(manager: Manager) -> None:
    for number in range(7):
        await manager.enrol(f"web-{number}")
    pages = [await manager.services.nodes.page(q="", state="", limit=3, offset=at, order=[("state", True)]) for at in (0, 3, 6, 9)]
    assert [row["name"] for page in pages for row in page.rows] == [f"web-{number}" for number in range(7)]
    assert [(len(page.rows), page.total) for page in pages] == [(3, 7), (3, 7), (1, 7), (0, 7)]


async def test_an_order_that_is_not_there_is_named_with_those_that_are(manager: Manager) -> None:
    with pytest.raises(BadInput, match="sort: 'facts' is unknown; use name, hostname"):
        await manager.services.nodes.page(q="", state="", limit=5, offset=0, order=[("facts", False)])
