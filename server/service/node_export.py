"""All nodes that a filter matches, as rows of one table: for spreadsheets and scripts.

What matches is settled at the start, so that nodes that come, go or change their name meanwhile shift nothing: each is there
once, one that was deleted meanwhile is left out. Rows are read a few hundred at a time; between two reads nothing is held.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timezone
from typing import Any

from server.db import Row
from server.selector import Condition
from server.service.groups import KINDS, Groups
from server.service.metrics import Metrics
from server.service.node_edits import NodeEdits
from server.service.nodes import Nodes
from server.service.page import Order

AT_ONCE = 500
COLUMNS = (
    "name",
    "state",
    "state_since",
    "last_seen",
    "hostname",
    "ip",
    "os",
    "kernel",
    "arch",
    "cpu_model",
    "cpu_count",
    "memory_bytes",
    "cpu_percent",
    "memory_percent",
    "daemon_version",
    "agent_state",
    "agent_version",
    "tags",
    *KINDS,
    "enrolled_at",
    "id",
)
"""Times are ISO 8601 in UTC, percents those of the last minutes; after these comes `field.<name>` for each custom field."""


class NodeExport:
    def __init__(self, nodes: Nodes, groups: Groups, edits: NodeEdits, metrics: Metrics) -> None:
        self._nodes, self._groups, self._edits, self._metrics = nodes, groups, edits, metrics

    async def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return [*COLUMNS, *(f"field.{row['name']}" for row in await self._edits.fields())]

    async def names(self, *, q: str, state: str, selected: Condition | None) -> list[str]:
        """Raises BadInput."""
        return [row["name"] for row in await self._nodes.matching(q=q, state=state, selected=selected)]

    async def start(self, *, q: str, state: str, selected: Condition | None, order: Order = ()) -> list[str]:
        """The ids that match now, in order. Raises BadInput."""
        return [row["id"] for row in await self._nodes.matching(q=q, state=state, selected=selected, order=order)]

    async def rows(self, ids: Sequence[str], now: int) -> AsyncIterator[list[Row]]:
        """What `columns` names of each, some at a time; None for what is not known."""
        for start in range(0, len(ids), AT_ONCE):
            part = ids[start : start + AT_ONCE]
            # At the same time: a pool has several connections, and the database other processors.
            rows, groups, values, figures = await asyncio.gather(
                self._nodes.exported(part), self._groups.of_nodes(part), self._edits.values_of(part), self._metrics.newest(part, now)
            )
            yield [_row(row, groups.get(row["id"], []), values.get(row["id"], {}), figures.get(row["id"], {})) for row in rows]


def _row(node: Row, groups: Sequence[Row], values: dict[str, str], figures: Row) -> Row:
    facts = node["facts"]
    made: dict[str, Any] = {name: node[name] for name in ("name", "state", "hostname", "ip", "daemon_version", "tags", "id")}
    made |= {name: getattr(facts, name) for name in ("os", "kernel", "arch", "cpu_model")}
    made |= {"cpu_count": facts.cpu_count or None, "memory_bytes": facts.memory or None}
    made |= {"agent_state": node["agent_state"], "agent_version": node["agent_version"]}
    made |= {"state_since": moment(node["state_since"]), "last_seen": moment(node["last_seen"]), "enrolled_at": moment(node["created_at"])}
    made |= {"cpu_percent": _rounded(figures.get("cpu_usage")), "memory_percent": _rounded(figures.get("memory_usage"))}
    made |= dict.fromkeys(KINDS) | {row["kind"]: row["name"] for row in groups}
    return made | {f"field.{name}": value for name, value in values.items()}


def moment(at: int | None) -> str | None:
    """UTC ms as ISO 8601; None for never."""
    return f"{datetime.fromtimestamp(at // 1000, timezone.utc).isoformat()[:19]}Z" if at else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 1)
