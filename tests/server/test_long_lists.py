"""Lists that grow for as long as a manager runs: whatever narrows one down, a page of it is found by an index and not by sorting it all."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from server.db import Row, Session
from server.queries import Query
from server.service import alerts, audit, commands, deliveries
from server.service.page import filtered
from tests.conftest import Manager

ROWS = 3_000
FEW = "few"
"""What few rows have in every column that is narrowed down by."""

SORTED_ANYWAY = {"going_on", "since", "group_id", "task_id"}
"""What is few: that which is not resolved, a span of time, one storm, one task's commands."""

LISTS: dict[str, tuple[Mapping[str, str], list[list[str]]]] = {
    "alerts": (
        alerts.FILTERS,
        [[], ["going_on"], ["state"], ["node_id"], ["rule_id"], ["group_id"], ["node_id", "since"], ["since", "until"]],
    ),
    "deliveries": (
        deliveries.FILTERS,
        [[], ["receiver_id"], ["receiver_id", "state"], ["state"], ["alert_id"], ["since", "until"], ["state", "since"]],
    ),
    "audit": (audit.FILTERS, [[], ["actor"], ["action"], ["resource"], ["actor", "action"], ["since", "until"]]),
    "commands": (commands.FILTERS, [[], ["node_id"], ["task_id"], ["state"], ["node_id", "state"], ["kind"]]),
}
CASES = [(noun, wanted) for noun, (_, cases) in LISTS.items() for wanted in cases]


async def fill(session: Session, manager: Manager) -> None:
    # Tasks too: with none of them a server joins all that there is before it sorts.
    for insert in (manager.db.q.commands.insert_task, *(getattr(manager.db.q, noun).insert for noun in LISTS)):
        names = set(re.findall(r":(\w+)", insert.text))
        await session.insert_rows(insert, [_row(names, number) for number in range(ROWS)])
    if manager.db.dialect == "mysql":
        await session.raw_statement("ANALYZE TABLE alerts, deliveries, audit_logs, commands, tasks")
    else:
        await session.raw_statement("ANALYZE")


def _row(names: set[str], number: int) -> Row:
    """One in a hundred has FEW in all its names; times go up."""
    text = FEW if number % 100 == 0 else f"m{number % 5}"
    row: dict[str, Any] = dict.fromkeys(names, text)
    row |= {
        name: number for name in names if name.endswith(("_at", "_bytes")) or name in ("now", "place", "attempts", "flapping", "silenced")
    }
    row |= dict.fromkeys(names & {"value", "threshold", "target_id", "opens_at", "start_by"})
    row |= dict.fromkeys(names & {"waits", "truncated", "told_at"}, 0)
    return (
        row | {"id": number + 10_000, "open_key": str(number)}
        if "actor" in names
        else row | {"id": f"{number:026}", "open_key": str(number)}
    )


async def plan(session: Session, dialect: str, query: Query, params: Row) -> list[Row]:
    text, values = query.bind(params)
    async with session._cursor() as cursor:
        await cursor.execute(f"{'EXPLAIN QUERY PLAN' if dialect == 'sqlite' else 'EXPLAIN'} {text}", values)
        if len(cursor.description) == 1:
            await cursor.execute(f"EXPLAIN FORMAT=TRADITIONAL {text}", values)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]


def whole(rows: list[Row], letter: str) -> list[str]:
    """What in a plan goes through all of a list's table, or sorts all of it."""
    if "detail" in rows[0]:
        texts = [str(row["detail"]) for row in rows]
        scans = [text for text in texts if re.match(rf"SCAN (TABLE )?{letter}\b(?!.*USING)", text)]
        return scans + [text for text in texts if text == "USE TEMP B-TREE FOR ORDER BY"]
    first = next(row for row in rows if row["table"] == letter)
    sorts = int(first["rows"] or 0) > ROWS // 2 and "filesort" in str(first["Extra"])
    return [f"{first['type']} over {first['rows']} rows"] if first["type"] == "ALL" or sorts else []


async def test_a_page_is_found_by_an_index_whatever_narrows_it_down(manager: Manager) -> None:
    async def work(session: Session) -> dict[str, list[str]]:
        await fill(session, manager)
        bad = {}
        for noun, (filters, cases) in LISTS.items():
            for wanted in cases:
                values: Row = {name: {"since": 100, "until": 200, "going_on": 1}.get(name, FEW) for name in wanted}
                query, params = filtered(getattr(manager.db.q, noun).page, filters, values)
                params |= {"limit": 50, "offset": 0, "narrow": 0}
                found = whole(await plan(session, manager.db.dialect, query, params), "a" if noun == "audit" else noun[0])
                found = [one for one in found if not SORTED_ANYWAY & set(wanted) or "TEMP" not in one]
                if found:
                    bad[f"{noun}: {' '.join(wanted) or 'all'}"] = found
        return bad

    assert await manager.db.transaction(work) == {}


async def test_sorting_it_all_is_noticed(manager: Manager) -> None:
    async def work(session: Session) -> list[Row]:
        await fill(session, manager)
        query = manager.db.q.alerts.page.ordered(["a.summary"])
        return await plan(session, manager.db.dialect, query, {"limit": 50, "offset": 0, "narrow": 0})

    assert whole(await manager.db.transaction(work), "a") != []
