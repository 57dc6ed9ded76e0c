"""The whole fleet at one look (M2): counts of states, versions, commands under way, and what needs attention.

Served from tables with one row a node, from indexes and from the fleet's minutes; no sample is read for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from host.wire.states import ACCEPTED, ONLINE, QUEUED, RETIRED, STARTED
from server.db import Db, Row
from server.queries import Query
from server.service.alerts import SEVERITIES, Alerts
from server.service.attention import Attention
from server.service.findings import Finding
from server.service.nodes import Nodes

RUNNING = 8
SILENT = "silent"
"""Agents of nodes that are not online: nobody knows how it stands with them."""


@dataclass(frozen=True)
class Overview:
    """`nodes`: state → how many; `total` counts those in service (all but the retired ones). `agents`: state → how many, SILENT
    for nodes that are not online. `alerts`: severity → how many are not resolved. Versions with how many nodes have each, ''
    where none was told. `commands`: unfinished ones by state; `running`: the newest of them."""

    nodes: dict[str, int]
    total: int
    agents: dict[str, int]
    alerts: dict[str, int]
    daemon_versions: Sequence[Row]
    agent_versions: Sequence[Row]
    commands: dict[str, int]
    running: Sequence[Row]
    attention: Sequence[Finding]

    @property
    def online(self) -> int:
        return self.nodes.get(ONLINE, 0)

    @property
    def online_share(self) -> float | None:
        """Percent of those in service; None when there are none."""
        return 100 * self.online / self.total if self.total else None


class Overviews:
    def __init__(self, db: Db, nodes: Nodes, alerts: Alerts, attention: Attention) -> None:
        self._db, self._q, self._nodes, self._alerts, self._attention = db, db.q.overview, nodes, alerts, attention

    async def look(self, now: int) -> Overview:
        """How it stands now."""
        counts = await self._nodes.counts()
        open_alerts = await self._alerts.counts()
        running: list[Row] = []
        for state in (STARTED, ACCEPTED, QUEUED):
            if len(running) < RUNNING:
                running += await self._db.rows(self._q.running, {"state": state, "limit": RUNNING - len(running)})
        return Overview(
            nodes=counts,
            total=sum(count for state, count in counts.items() if state != RETIRED),
            agents=await self._counted(self._q.agents),
            alerts={name: open_alerts[name] for name in SEVERITIES},
            daemon_versions=await self._db.rows(self._q.daemon_versions),
            agent_versions=await self._db.rows(self._q.agent_versions),
            commands=await self._counted(self._q.unfinished),
            running=running,
            attention=await self._attention.findings(now),
        )

    async def _counted(self, query: Query) -> dict[str, int]:
        return {row["state"]: row["total"] for row in await self._db.rows(query)}
