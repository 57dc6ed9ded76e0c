"""The condition that a database evaluates and the same selector in Python choose the same nodes, on every database."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.wire.messages import Facts
from server.db import Session
from server.selector import NodeView, bind, matches, parse, to_sql, written
from server.selector.ast import Ast, Covered
from server.selector.values import fold, number_of
from server.service.facts import facts_text
from tests.conftest import Manager
from tests.server.selector.strategies import GROUPS, NODES, SELECTORS, VOCABULARY, WINDOWS

COPIED = ("nodes", "agents", "node_facts", "node_addresses", "node_tags", "node_group_members", "node_field_values")


async def store(manager: Manager, nodes: list[NodeView]) -> list[NodeView]:
    """As the services would; the nodes with their names and ids."""
    found = []

    async def work(session: Session) -> None:
        found.clear()
        for table in COPIED:
            await session.raw_statement(f"DELETE FROM {table}")
        for number, node in enumerate(nodes):
            facts = node.facts
            about = Facts(facts["hostname"], list(node.addresses), facts["os"], facts["kernel"], facts["arch"], "")
            about = replace(about, cpu_count=node.numbers["cpu_count"], memory=node.numbers["memory"], timezone=node.timezone)
            row = {"id": f"N{number:025d}", "name": f"{facts['hostname']}#{number}", "hostname": facts["hostname"], "ip": "", "tags": "{}"}
            row |= {"tags": json.dumps(node.tags), "state": node.state, "facts": facts_text(about), "fingerprint": "{}", "now": 1}
            row |= {"daemon_version": facts["version"], "last_seen": 1, "machine": ""}
            await session.execute(manager.db.q.nodes.insert, row)
            await manager.services.index.tell(session, row)
            await session.execute(manager.db.q.reports.new_agent, {"node_id": row["id"]})
            await session.raw_statement(
                f"UPDATE agents SET state = '{facts['agent']}', version = '{facts['agent_version']}' WHERE node_id = '{row['id']}'"
            )
            for group in GROUPS:
                if group.id in node.groups:
                    await session.raw_statement(f"INSERT INTO node_group_members VALUES ('{row['id']}', '{group.kind}', '{group.id}')")
            for name, value in node.fields.items():
                number_ = number_of(value) if name == "slots" else None
                values = {"node_id": row["id"], "field": name, "value": value, "folded": fold(value), "number": number_}
                await session.execute(manager.db.q.node_edits.set_field, values)
            found.append(replace(node, facts={**facts, "id": row["id"], "name": row["name"]}))

    await manager.db.transaction(work)
    return found


@settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    nodes=st.lists(NODES, min_size=1, max_size=6),
    selectors=st.lists(SELECTORS, min_size=1, max_size=8),
    windows=st.sets(st.sampled_from(WINDOWS), max_size=3).map(tuple),
)
async def test_the_database_and_python_choose_the_same_nodes(
    manager: Manager, nodes: list[NodeView], selectors: list[Ast], windows: tuple[Covered, ...]
) -> None:
    stored = await store(manager, nodes)
    vocabulary = replace(VOCABULARY, windows=windows)
    for selector in selectors:
        bound = bind(parse(written(selector)), vocabulary)
        condition = to_sql(bound)
        query = manager.db.q.organising.selected.narrowed(condition)
        rows = await manager.db.rows(query, condition.params | {"limit": 100})
        expected = {node.facts["id"] for node in stored if matches(bound, node)}
        assert {row["id"] for row in rows} == expected, (written(selector), condition)
        listed = await manager.services.nodes.page(q="", state="", limit=100, offset=0, selected=condition)
        assert ({row["id"] for row in listed.rows}, listed.total) == (expected, len(expected)), written(selector)
