"""Reports: every record of a host stored exactly once (D3, DESIGN §3).

Records and the lane's high-water mark are one transaction. The mark is read under the database's lock and raised with
the records: of two deliveries of the same records, here or at another manager, one waits and then finds them stored.
Answered after commit; the host deletes what was answered for. Reports of many nodes are committed together (intake.py).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from host.wire.messages import ReportAnswer, ReportRequest
from host.wire.protocol import LANES, MAX_RECORDS
from server.db import Db, Session
from server.errors import BadInput, OpsError
from server.service.in_service import refusals
from server.service.intake import Intake
from server.service.records import RawRecord, Read, Tables, Teller, read, thinned
from server.wakeups import Wakeups

log = logging.getLogger("server.reports")

DAY_MS = 86_400_000


class RawReport(msgspec.Struct):
    """As `messages.ReportRequest`."""

    lane: str
    epoch: int
    records: list[RawRecord]


@dataclass
class _Job:
    """One report on its way. `topics` are rung when it is stored."""

    node_id: str
    lane: str
    epoch: int
    records: list[Read]
    now: int
    topics: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        return len(self.records)


class Reports:
    def __init__(self, db: Db, teller: Teller, wakeups: Wakeups, metrics_days: int) -> None:
        self._db, self._q, self._teller, self._wakeups = db, db.q.reports, teller, wakeups
        self._oldest_ms = metrics_days * DAY_MS
        # SQLite has one writer. On MySQL a second group is put together while the first is on its way.
        at_once = 1 if db.dialect == "sqlite" else 2
        self._intakes = {lane: Intake(self._commit, at_once) for lane in LANES}
        self.stored_records = 0

    @property
    def waiting(self) -> dict[str, int]:
        """Lane → records that wait to be stored."""
        return {lane: intake.waiting for lane, intake in self._intakes.items()}

    async def store(self, node_id: str, request: ReportRequest | RawReport, now: int) -> ReportAnswer:
        """Store what is new and follows without a gap.

        Raises BadInput; Unavailable when the database cannot take it now; NotAuthenticated, NotAllowed when the node is not in
        service any more (in_service.py).
        """
        if request.lane not in LANES:
            raise BadInput(f"lane: {request.lane!r} is unknown", field="lane")
        if len(request.records) > MAX_RECORDS:
            raise BadInput(f"records: more than {MAX_RECORDS} in one report", field="records")
        if not 0 <= request.epoch < 2**63:
            raise BadInput("epoch: not a number of an outbox", field="epoch")
        oldest = now - self._oldest_ms
        records = [read(node_id, request.lane, request.epoch, record, now, oldest) for record in request.records]
        thinned(records)
        stored = await self._intakes[request.lane].store(_Job(node_id, request.lane, request.epoch, records, now))
        return ReportAnswer(stored, now)

    async def forget(self, before: int) -> None:
        """Delete log lines and events older than `before`."""

        async def work(session: Session) -> None:
            await session.execute(self._q.delete_logs_before, {"before": before})
            await session.execute(self._q.delete_events_before, {"before": before})

        await self._db.transaction(work)

    async def _commit(self, jobs: Sequence[_Job]) -> list[int | OpsError]:
        """Store the jobs, all of one lane, in one transaction; the mark of each, or why it was refused."""
        try:
            marks, count = await self._db.transaction(lambda session: self._write(session, jobs, careful=False), at_one_go=True)
        except BadInput:
            # Some row does not fit, which its check did not foresee: find it, and keep the others.
            marks, count = await self._db.transaction(lambda session: self._write(session, jobs, careful=True), at_one_go=True)
        self.stored_records += count
        for job in jobs:
            for topic in job.topics:
                self._wakeups.wake(topic)
        return marks

    async def _write(self, session: Session, jobs: Sequence[_Job], careful: bool) -> tuple[list[int | OpsError], int]:
        lane = jobs[0].lane
        ids = sorted({job.node_id for job in jobs})
        refused = await refusals(session, self._db.q, ids)
        rows = await session.rows(self._q.lanes, {"ids": ids, "lane": lane})
        known = {(row["node_id"], row["epoch"]): row["stored_seq"] for row in rows}
        marks, changed, tables = dict(known), {}, Tables(self._db)
        answers: list[int | OpsError] = []
        count = 0
        for job in jobs:
            job.topics.clear()
            if problem := refused.get(job.node_id):
                answers.append(problem)
                continue
            key = (job.node_id, job.epoch)
            news, mark = _news(job.records, marks.get(key, 0))
            answers.append(mark)
            if not news:
                continue
            marks[key] = mark
            changed[key] = {"node_id": job.node_id, "lane": lane, "epoch": job.epoch, "stored": mark, "now": job.now}
            count += len(news)
            for record in news:
                tables.add(record.rows)
                if record.body is not None:
                    await self._teller.tell(session, tables, job.node_id, lane, job.epoch, record, job.topics, job.now)
        await session.insert_rows(self._q.new_lane, [row for key, row in changed.items() if key not in known])
        await session.insert_rows(self._q.raise_lane, [row for key, row in changed.items() if key in known])
        await tables.write(session, careful)
        return answers, count


def _news(records: Sequence[Read], before: int) -> tuple[list[Read], int]:
    """Those after `before` that follow on without a gap, and the mark behind the last. A tombstone fills its range."""
    news: list[Read] = []
    mark = before
    for record in records:
        if record.seq <= mark:
            continue
        if record.first > mark + 1:
            break
        news.append(record)
        mark = record.seq
    return news, mark
