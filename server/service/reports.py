"""Reports: every record of a host stored exactly once (D3, DESIGN §3).

The batch and the lane's high-water mark are one transaction. The mark is raised first, by compare-and-set, so
of two deliveries of the same records one waits and then finds them stored. Answered after commit; the host
deletes what was answered for.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import msgspec

from host.wire.messages import Record, ReportAnswer, ReportRequest
from host.wire.protocol import LANES, MAX_RECORDS
from host.wire.records import (
    BODY_OF,
    LANE_OF,
    AgentState,
    Configuration,
    Dropped,
    Event,
    Execution,
    Health,
    Kinds,
    Log,
    Output,
    Sample,
)
from host.wire.states import AGENT
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict
from server.queries import Query
from server.service.commands import Commands
from server.service.kinds import Kinds as KindsService
from server.service.kinds import deeper
from server.service.metrics import Metrics
from server.service.nodes import CONFIGURATION_EVENT
from server.service.output import Output as OutputService
from server.wakeups import Wakeups, execution

log = logging.getLogger("server.reports")

LAST_MOMENT = 253_370_764_800_000
"""The year 9999 in ms: a later time cannot be shown, and one such record would cost a node its page."""


MAX_RESULT_BYTES, MAX_RESULT_DEPTH = 65_536, 32
"""What is kept of what a task returned: bytes as JSON, and how deep."""

MAX_COUNT = 2**53
"""Larger numbers are none: no column holds them, and JSON readers do not agree on them."""

MAX_HEALTH_BYTES = 60_000
"""What the column holds. It is JSON: cut to fit it could not be read any more."""


class Reports:
    def __init__(self, db: Db, commands: Commands, kinds: KindsService, output: OutputService, metrics: Metrics, wakeups: Wakeups) -> None:
        self._db, self._q, self._kinds = db, db.q.reports, kinds
        self._commands, self._output, self._metrics, self._wakeups = commands, output, metrics, wakeups

    async def store(self, node_id: str, request: ReportRequest, now: int) -> ReportAnswer:
        """Store what is new and follows without a gap. Raises BadInput; Conflict when another delivery overtook."""
        if request.lane not in LANES:
            raise BadInput(f"lane: {request.lane!r} is unknown", field="lane")
        if len(request.records) > MAX_RECORDS:
            raise BadInput(f"records: more than {MAX_RECORDS} in one report", field="records")
        topics: set[str] = set()

        async def work(session: Session) -> int:
            topics.clear()
            return await self._store(session, node_id, request, topics, now)

        stored = await self._db.transaction(work)
        for topic in topics:
            self._wakeups.wake(topic)
        return ReportAnswer(stored, now)

    async def forget(self, before: int) -> None:
        """Delete log lines and events older than `before`."""

        async def work(session: Session) -> None:
            await session.execute(self._q.delete_logs_before, {"before": before})
            await session.execute(self._q.delete_events_before, {"before": before})

        await self._db.transaction(work)

    async def _store(self, session: Session, node_id: str, request: ReportRequest, topics: set[str], now: int) -> int:
        lane = {"node_id": node_id, "lane": request.lane, "epoch": request.epoch}
        row = await session.row(self._q.lane, lane)
        before = row["stored_seq"] if row else 0
        news, stored = _news(request.records, before)
        if not news:
            return before
        if row is None:
            await session.execute(self._q.new_lane, lane | {"now": now})
        if await session.execute(self._q.raise_lane, lane | {"before": before, "stored": stored, "now": now}) != 1:
            raise Conflict("another report of this lane is being stored; send again")
        samples: list[Row] = []
        for record in news:
            dated = 0 <= record.at <= LAST_MOMENT
            place = {"node_id": node_id, "lane": request.lane, "epoch": request.epoch, "seq": record.seq, "at": record.at if dated else now}
            try:
                if not dated:
                    raise BadInput(f"at: {str(record.at)[:40]} is no moment")
                await self._one(session, lane, place, record, samples, topics, now)
            except (msgspec.ValidationError, BadInput) as problem:
                # It must not hold up all that comes after it; that it came, and why it is unusable, is kept.
                log.warning("node %s: record %s of lane %s: %s", node_id, record.seq, request.lane, problem)
                event = place | {"name": "record.unusable", "detail": f"{record.kind[:32]}: {problem}"[:1000]}
                await session.execute(self._q.event, event)
        await session.execute_many(self._db.q.metrics.insert, samples)
        return stored

    async def _one(self, session: Session, lane: Row, place: Row, record: Record, samples: list[Row], topics: set[str], now: int) -> None:
        node_id, at = place["node_id"], place["at"]
        if LANE_OF.get(record.kind, place["lane"]) != place["lane"]:
            raise BadInput(f"it does not belong into the lane {place['lane']}")
        body: object = msgspec.convert(record.body, BODY_OF.get(record.kind, Event))
        match body:
            case Sample():
                samples.append(self._metrics.row(node_id, place["epoch"], record.seq, at, body))
                rows = self._metrics.plugin_rows(node_id, place["epoch"], record.seq, at, body)
                await session.execute_many(self._db.q.metrics.insert_plugin, rows)
            case Execution():
                # What cannot be kept of it is let go of; that the command ended counts all the same.
                kept, problem = _bounded(body)
                if problem:
                    await session.execute(
                        self._q.event, place | {"name": "result.unusable", "detail": f"{body.command_id[:26]}: {problem}"}
                    )
                if await self._commands.told(session, node_id, kept, at, now):
                    topics.add(execution(body.command_id))
            case Output():
                if await self._output.store(session, node_id, body, at):
                    topics.add(execution(body.command_id))
            case AgentState():
                await self._agent(session, node_id, body, at)
            case Health():
                health = json.dumps(asdict(body), ensure_ascii=False)
                if len(health.encode()) > MAX_HEALTH_BYTES:
                    raise BadInput(f"health: more than {MAX_HEALTH_BYTES} bytes")
                await self._daemon(session, node_id, self._q.update_health, {"health": health, "at": at})
            case Kinds():
                if left_out := await self._kinds.tell(session, node_id, body, at):
                    await session.execute(self._q.event, place | {"name": "kinds.unusable", "detail": left_out[:4000]})
            case Configuration():
                told = {"text": body.text, "hash": body.hash[:64], "note": body.note[:255], "at": at}
                before = await session.row(self._q.daemon, {"node_id": node_id})
                if before is None or (before["configuration_hash"], before["configuration_note"]) != (told["hash"], told["note"]):
                    change = json.dumps({"hash": told["hash"], "note": told["note"]}, ensure_ascii=False)
                    await session.execute(self._q.event, place | {"name": CONFIGURATION_EVENT, "detail": change})
                await self._daemon(session, node_id, self._q.update_configuration, told)
            case Log():
                line = {"component": body.component[:16], "level": body.level[:16], "logger": body.logger[:128]}
                await session.execute(self._q.log, place | line | {"message": body.message[:8000]})
            case Dropped():
                drop = lane | {"first_seq": body.first, "last_seq": record.seq, "at": at, "why": body.why[:255]}
                await session.execute(self._q.drop, drop)
            case Event():
                await session.execute(self._q.event, place | {"name": body.name[:64], "detail": body.detail[:8000]})

    async def _daemon(self, session: Session, node_id: str, change: Query, values: Row) -> None:
        if await session.row(self._q.daemon, {"node_id": node_id}) is None:
            await session.execute(self._q.new_daemon, {"node_id": node_id})
        await session.execute(change, values | {"node_id": node_id})

    async def _agent(self, session: Session, node_id: str, body: AgentState, at: int) -> None:
        if body.state not in AGENT:
            raise BadInput(f"state: {body.state!r} is unknown")
        row = {"node_id": node_id, "version": body.version[:32], "state": body.state, "reason": body.reason[:255], "at": at}
        row |= {"pid": body.pid, "cpu_usage": body.cpu_percent, "memory_usage": body.memory_bytes, "restarts": body.restarts}
        await session.execute(self._q.update_agent, row)


def _bounded(body: Execution) -> tuple[Execution, str]:
    """Without numbers that no column holds and without a result past its bounds, and why the result is gone."""
    problem = ""
    if body.result is not None:
        if deeper(body.result, MAX_RESULT_DEPTH):
            problem = f"the result is nested more than {MAX_RESULT_DEPTH} deep"
        elif len(json.dumps(body.result, ensure_ascii=False, separators=(",", ":")).encode()) > MAX_RESULT_BYTES:
            problem = f"the result is larger than {MAX_RESULT_BYTES} bytes"
    numbers: dict[str, Any] = {name: _count(getattr(body, name), 2**31 - 1) for name in ("exit_code", "signal")}
    numbers |= {name: _count(getattr(body, name), MAX_COUNT) for name in ("cpu_ms", "memory_bytes")}
    numbers |= {name: _count(getattr(body, name), MAX_COUNT) or 0 for name in ("stdout_bytes", "stderr_bytes")}
    kept = replace(body, result=None if problem else body.result, **numbers)
    return kept, problem


def _count(value: int | None, most: int) -> int | None:
    return value if value is not None and -most <= value <= most else None


def _news(records: Sequence[Record], before: int) -> tuple[list[Record], int]:
    """Those after `before` that follow on without a gap, and the mark behind the last. A tombstone fills its range."""
    news: list[Record] = []
    mark = before
    for record in records:
        if record.seq <= mark:
            continue
        first = record.body.get("first") if record.kind == "dropped" else record.seq
        if not isinstance(first, int) or first > mark + 1:
            break
        news.append(record)
        mark = record.seq
    return news, mark
