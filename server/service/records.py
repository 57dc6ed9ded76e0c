"""One record of a host: read and checked before anything is locked, then told to whom it concerns.

Most kinds become rows of a table, ready when the transaction begins. The others (a command's state, its output, the
agent, the daemon) change what is there, statement by statement. A record that cannot be used becomes an event: it must
not hold up all that comes after it; that it came, and why it is unusable, is kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from typing import Any

import msgspec

from host.wire.messages import Record
from host.wire.records import BODY_OF, LANE_OF, AgentState, Configuration, Dropped, Event, Execution, Health, Kinds, Log, Output
from host.wire.schema import deeper
from host.wire.states import AGENT
from server.db import Db, Row, Session
from server.errors import BadInput
from server.queries import Query
from server.service import samples
from server.service.commands import Commands
from server.service.kinds import Kinds as KindsService
from server.service.nodes import CONFIGURATION_EVENT, STARTED_EVENT
from server.service.output import Output as OutputService
from server.service.rollups import due_hour
from server.wakeups import execution

log = logging.getLogger("server.reports")

LAST_MOMENT = 253_370_764_800_000
"""The year 9999 in ms: a later time cannot be shown, and one such record would cost a node its page."""

AHEAD_MS = 600_000
"""How far a sample may lie ahead of the manager's clock: hosts align to it, so more is a wrong clock."""

MAX_HEALTH_BYTES = 60_000
"""What the column holds. It is JSON: cut to fit it could not be read any more."""

MAX_RESULT_BYTES, MAX_RESULT_DEPTH = 65_536, 32
"""What is kept of what a task returned: bytes as JSON, and how deep."""

MAX_COUNT = 2**53
"""Larger numbers are none: no column holds them, and JSON readers do not agree on them."""

SAMPLE, PLUGIN, LOG, EVENT, DROP, DUE = "sample", "plugin", "log", "event", "drop", "due"
UNUSABLE, IMPOSSIBLE, WRONG_TIME = "record.unusable", "sample.impossible", "sample.time"

_DECODE: dict[str, Callable[[Any], Any]] = {kind: msgspec.json.Decoder(body).decode for kind, body in BODY_OF.items()}


class RawRecord(msgspec.Struct, gc=False):
    """As `messages.Record`, its body still JSON: it is read once, into what its kind says."""

    seq: int
    kind: str
    at: int
    body: msgspec.Raw


class Read(msgspec.Struct):
    """`first`: the first number that it stands for. `rows`: table and row, ready to be stored. `body`: what is to be told."""

    seq: int
    first: int
    at: int
    kind: str
    rows: list[tuple[str, Row]] = []
    body: Any = None


def read(node_id: str, lane: str, epoch: int, record: Record | RawRecord, now: int, oldest: int) -> Read:
    """The record as it will be stored; samples from before `oldest` are not."""
    dated = 0 <= record.at <= LAST_MOMENT
    found = Read(record.seq, record.seq, record.at if dated else now, record.kind)
    place = {"node_id": node_id, "lane": lane, "epoch": epoch, "seq": record.seq, "at": found.at}
    try:
        if not dated:
            raise BadInput(f"at: {str(record.at)[:40]} is no moment")
        if LANE_OF.get(record.kind, lane) != lane:
            raise BadInput(f"it does not belong into the lane {lane}")
        if record.kind == SAMPLE:
            found.rows = _sample(place, _json(record.body), now, oldest)
        else:
            _other(found, place, _body(record))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, BadInput) as problem:
        if record.kind == "dropped":
            found.first = 2**63  # what it covers is unknown: it must not fill a gap
        found.rows = [unusable(place, record.kind, problem)]
    return found


def _json(body: Any) -> bytes | msgspec.Raw:
    return body if isinstance(body, msgspec.Raw) else msgspec.json.encode(body)


def _body(record: Record | RawRecord) -> Any:
    if isinstance(record.body, msgspec.Raw):
        return _DECODE.get(record.kind, _DECODE["event"])(record.body)
    return msgspec.convert(record.body, BODY_OF.get(record.kind, Event))


def _other(found: Read, place: Row, body: Any) -> None:
    match body:
        case Log():
            line = {"component": body.component[:16], "level": body.level[:16], "logger": body.logger[:128]}
            found.rows = [(LOG, place | line | {"message": body.message[:8000]})]
        case Dropped():
            found.first = body.first
            drop = {"first_seq": body.first, "last_seq": found.seq, "why": body.why[:255]}
            found.rows = [(DROP, place | drop)]
        case Event():
            found.rows = [event(place, body.name, body.detail)]
        case _:
            found.body = body


def _sample(place: Row, body: bytes | msgspec.Raw, now: int, oldest: int) -> list[tuple[str, Row]]:
    sample, detail, problems = samples.read(body)
    rows = [event(place, IMPOSSIBLE, "; ".join(problems) + "; the rest of the sample was kept")] if problems else []
    if place["at"] > now + AHEAD_MS or place["at"] < oldest:
        return [*rows, event(place | {"at": now}, WRONG_TIME, _wrong_time(place["at"], now))]
    rows.append((SAMPLE, samples.row(place, sample, detail)))
    hour = due_hour(place["at"], now)
    if hour is not None:
        rows.append((DUE, {"node_id": place["node_id"], "at": hour}))
    if sample.plugins:
        rows += [(PLUGIN, row) for row in samples.plugin_rows(place, sample)]
    return rows


def _wrong_time(at: int, now: int) -> str:
    moment = datetime.fromtimestamp(at / 1000, timezone.utc).isoformat(timespec="seconds")
    if at > now:
        return f"a sample of {moment} is ahead of the manager's clock and was not stored; set the host's clock"
    return f"a sample of {moment} is older than samples are kept and was not stored; set the host's clock if it is wrong"


def event(place: Row, name: str, detail: str) -> tuple[str, Row]:
    return EVENT, place | {"name": name[:64], "detail": detail[:8000]}


def unusable(place: Row, kind: str, problem: Exception) -> tuple[str, Row]:
    log.warning("node %s: record %s of lane %s: %s", place["node_id"], place["seq"], place["lane"], problem)
    return EVENT, place | {"name": UNUSABLE, "detail": f"{kind[:32]}: {problem}"[:1000]}


def thinned(records: Sequence[Read]) -> None:
    """Of a report's events about impossible samples, the first of each kind stays and says how many there were."""
    first: dict[str, Row] = {}
    counts: dict[str, int] = {}
    for record in records:
        for table, row in record.rows[:]:
            if table == EVENT and row["name"] in (IMPOSSIBLE, WRONG_TIME):
                counts[row["name"]] = counts.get(row["name"], 0) + 1
                if first.setdefault(row["name"], row) is not row:
                    record.rows.remove((table, row))
    for name, row in first.items():
        if counts[name] > 1:
            row["detail"] += f" ({counts[name]} such samples in this report)"


class Tables:
    """Rows by table, until they are written."""

    def __init__(self, db: Db) -> None:
        reports, metrics = db.q.reports, db.q.metrics
        self._insert: dict[str, Query] = {
            SAMPLE: metrics.insert,
            PLUGIN: metrics.insert_plugin,
            LOG: reports.log,
            EVENT: reports.event,
            DROP: reports.drop,
            DUE: db.q.rollups.due,
        }
        self._due: set[tuple[str, int]] = set()
        self._rows: dict[str, list[Row]] = {table: [] for table in self._insert}

    def add(self, rows: Sequence[tuple[str, Row]]) -> None:
        for table, row in rows:
            if table == DUE:
                hour = (row["node_id"], row["at"])
                if hour in self._due:
                    continue
                self._due.add(hour)
            self._rows[table].append(row)

    async def write(self, session: Session, careful: bool) -> None:
        """All of them at once; or, `careful`, one by one, and what does not fit as an event. Raises BadInput unless careful."""
        for table, rows in self._rows.items():
            if not careful:
                await session.insert_rows(self._insert[table], rows)
                continue
            for row in rows:
                try:
                    await session.insert_rows(self._insert[table], [row])
                except BadInput as problem:
                    if table == EVENT:
                        raise
                    place = {"lane": "bulk", **row}
                    await session.insert_rows(self._insert[EVENT], [unusable(place, table, problem)[1]])


class Teller:
    """Tells what a host says to whom it concerns."""

    def __init__(self, db: Db, commands: Commands, kinds: KindsService, output: OutputService) -> None:
        self._q, self._commands, self._kinds, self._output = db.q.reports, commands, kinds, output

    async def tell(
        self, session: Session, tables: Tables, node_id: str, lane: str, epoch: int, record: Read, topics: set[str], now: int
    ) -> None:
        """One record that changes what is there. `topics` gets what is to be rung."""
        place = {"node_id": node_id, "lane": lane, "epoch": epoch, "seq": record.seq, "at": record.at}
        try:
            await self._one(session, tables, place, record.body, topics, now)
        except BadInput as problem:
            tables.add([unusable(place, record.kind, problem)])

    async def _one(self, session: Session, tables: Tables, place: Row, body: object, topics: set[str], now: int) -> None:
        node_id, at = place["node_id"], place["at"]
        match body:
            case Execution():
                # What cannot be kept of it is let go of; that the command ended counts all the same.
                kept, problem = _bounded(body)
                if problem:
                    tables.add([event(place, "result.unusable", f"{body.command_id[:26]}: {problem}")])
                if await self._commands.told(session, node_id, kept, at, now):
                    topics.add(execution(body.command_id))
            case Output():
                if await self._output.store(session, node_id, body, at, now):
                    topics.add(execution(body.command_id))
            case AgentState():
                await self._agent(session, node_id, body, at)
            case Health():
                health = json.dumps(asdict(body), ensure_ascii=False)
                if len(health.encode()) > MAX_HEALTH_BYTES:
                    raise BadInput(f"health: more than {MAX_HEALTH_BYTES} bytes")
                if started := await self._started(session, node_id, body, at):
                    tables.add([event(place | {"at": started}, STARTED_EVENT, "")])
                figures = {name: _bound(getattr(body, name)) for name in ("outbox_records", "outbox_oldest", "clock_ahead_ms")}
                await self._daemon(session, node_id, self._q.update_health, {"health": health, "at": at} | figures)
            case Kinds():
                if left_out := await self._kinds.tell(session, node_id, body, at):
                    tables.add([event(place, "kinds.unusable", left_out[:4000])])
            case Configuration():
                told = {"text": body.text, "hash": body.hash[:64], "note": body.note[:255], "at": at}
                before = await session.row(self._q.daemon, {"node_id": node_id})
                if before is None or (before["configuration_hash"], before["configuration_note"]) != (told["hash"], told["note"]):
                    change = json.dumps({"hash": told["hash"], "note": told["note"]}, ensure_ascii=False)
                    tables.add([event(place, CONFIGURATION_EVENT, change)])
                await self._daemon(session, node_id, self._q.update_configuration, told)

    async def _started(self, session: Session, node_id: str, body: Health, at: int) -> int | None:
        """When the daemon was started, if that is news."""
        row = await session.row(self._q.health, {"node_id": node_id})
        known = json.loads(row["health"]).get("started", 0) if row else 0
        return min(body.started, at) if 0 < body.started != known else None

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


def _bound(value: int | None) -> int | None:
    """As large as a column holds: the sign is what matters of a figure that no host can mean."""
    return value if value is None else max(-MAX_COUNT, min(value, MAX_COUNT))


def _count(value: int | None, most: int) -> int | None:
    return value if value is not None and -most <= value <= most else None
