"""A fleet that alert rules look at: nodes that tell what a test wants, and ticks of the watch over them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from host.wire.messages import Record, ReportRequest
from server.auth import Caller
from server.db import Row, Session
from server.service.alert_drafts import Draft
from server.service.alert_events import AlertEvent
from tests.conftest import Manager

MINUTE = 60_000
GB = 2**30


def cpu(percent: float) -> dict[str, Any]:
    return {"cpu": {"percent": percent, "user": percent, "system": 0.0, "idle": 100.0 - percent, "cores": [percent, 1.0], "count": 2}}


def disks(**percents: float) -> dict[str, Any]:
    """`disks(root=50.0, var=95.0)`; `root` is /."""
    found = []
    for name, percent in percents.items():
        used = int(percent * GB)
        mount = "/" if name == "root" else f"/{name}"
        found.append(
            {
                "mount": mount,
                "device": "/dev/vda1",
                "fstype": "ext4",
                "total": 100 * GB,
                "used": used,
                "free": 100 * GB - used,
                "percent": percent,
            }
        )
    return {"disks": found}


@dataclass
class Site:
    """`told`: what was given to the deliveries, by tick. `silenced`: nodes that a window silences."""

    manager: Manager
    told: list[AlertEvent] = field(default_factory=list)
    silenced: set[str] = field(default_factory=set)
    seqs: dict[tuple[str, str], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.manager.services.alerts.enqueue = self.enqueue
        self.manager.services.alerts.windows = self.windows

    async def enqueue(self, session: Session, events: Sequence[AlertEvent]) -> None:
        self.told += events

    async def windows(self, node_ids: Collection[str], now: int) -> Mapping[str, Any]:
        return {node_id: "a window" for node_id in node_ids if node_id in self.silenced}

    async def node(self, name: str) -> Caller:
        return await self.manager.enrol(name)

    async def tell(self, node: Caller, lane: str, kind: str, body: Mapping[str, Any], at: int | None = None) -> None:
        seq = self.seqs[node.id, lane] = self.seqs.get((node.id, lane), 0) + 1
        record = Record(seq, kind, self.manager.time() if at is None else at, dict(body))
        await self.manager.services.reports.store(node.id, ReportRequest(lane, 1, [record]), self.manager.time())

    async def sample(self, node: Caller, at: int | None = None, **sections: Any) -> None:
        await self.tell(node, "bulk", "sample", {"took_ms": 1.0, **sections}, at)

    async def health(self, node: Caller, **more: Any) -> None:
        await self.tell(node, "urgent", "health", {"started": 1, "address": "m:8443", **more})

    async def offline(self, *nodes: Caller) -> None:
        for node in nodes:
            await self.manager.db.transaction(
                lambda s, node=node: self.manager.services.nodes.move(s, node.id, "offline", self.manager.time())
            )  # type: ignore[misc]

    async def online(self, *nodes: Caller) -> None:
        for node in nodes:
            await self.manager.db.transaction(
                lambda s, node=node: self.manager.services.nodes.move(s, node.id, "online", self.manager.time())
            )  # type: ignore[misc]

    async def rule(self, name: str = "CPU busy", kind: str = "metric", selector: str = "all", **more: Any) -> str:
        given: dict[str, Any] = {"metric": "cpu_usage", "threshold": "90%"} if kind == "metric" else {}
        draft = Draft(name, kind, selector, **(given | more))
        rule_id, _ = await self.manager.services.alert_rules.make(self.manager.admin, draft, self.manager.time())
        return rule_id

    async def tick(self, minutes: float = 0) -> list[str]:
        """Time passes, the watch looks: the kinds of what was told of."""
        self.manager.time.now += int(minutes * MINUTE)
        before = len(self.told)
        assert await self.manager.services.alert_watch.tick(self.manager.time())
        return [event.kind for event in self.told[before:]]

    async def open(self) -> list[Row]:
        return (await self.manager.services.alerts.page(limit=5_000, offset=0)).rows

    async def history(self) -> list[Row]:
        return (await self.manager.services.alerts.page(history=True, limit=5_000, offset=0)).rows

    async def kinds_of(self, alert_id: str) -> list[str]:
        return [row["kind"] for row in await self.manager.services.alerts.events(alert_id)]
