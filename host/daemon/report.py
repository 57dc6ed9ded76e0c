"""A report loop: brings one lane of the outbox to the manager, and deletes what the manager says it has (D3).

Each lane has its own loop and connection, so that a day of samples never delays a result. A report is sent as soon
as there is something; while one is under way, more gathers for the next. A record that the manager will never take
becomes a tombstone, so that nothing behind it is stuck.
"""

from __future__ import annotations

import json
import logging
import sqlite3

from host.daemon.link import Link, gzipped
from host.daemon.link_errors import LinkFailure, Rejected
from host.daemon.outbox import Entry, Outbox
from host.daemon.pace import Pace
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.wire import codec
from host.wire.messages import ReportAnswer
from host.wire.protocol import MAX_RECORDS, REPORT_PATH

log = logging.getLogger("daemon.report")

MAX_BATCH_BYTES = 128 * 1024
"""Bytes of one report before packing: larger ones would raise the daemon's memory for good (D15)."""


class Reporter:
    """`pace` slows a backlog down; the urgent lane has none."""

    def __init__(self, lane: str, link: Link, outbox: Outbox, clock: Clock, backoff: Backoff, pace: Pace | None = None) -> None:
        self._pace = pace
        self.lane, self._link, self._outbox, self._clock, self._backoff = lane, link, outbox, clock, backoff
        self._most = MAX_RECORDS
        self.problem = ""
        self.answered = False

    def step(self, patience: float = 0.0) -> float:
        """Sends one report, if something is there within `patience` seconds; gives the seconds to wait before the next."""
        if not self._outbox.wait(self.lane, patience):
            return 0.0
        try:
            return self._step()
        except sqlite3.Error as problem:
            # A disk that is full or read-only; what was sent is remembered in memory, and sent again only by a new process.
            return self._failed(LinkFailure("D2003", f"the outbox failed: {problem}", "make room on the disk of work_dir"))

    def _step(self) -> float:
        epoch = self._outbox.epoch
        batch = self._outbox.next_batch(self.lane, self._most, MAX_BATCH_BYTES)
        if not batch:
            return 1.0
        self._outbox.sending(self.lane, batch[-1].seq)
        try:
            body = gzipped(report_body(self.lane, epoch, batch))
            answer = self._link.call("POST", REPORT_PATH, body, headers={"Content-Encoding": "gzip"}, repeatable=True)
            if answer.status == 204:
                raise LinkFailure("D2003", "the manager is stopping and took no report")
            stored = _stored(answer.data)
        except Rejected as problem:
            return self._rejected(problem, batch)
        except LinkFailure as problem:
            return self._failed(problem)
        self._most = min(MAX_RECORDS, self._most * 2)
        self._succeeded()
        wait = self._settle(stored, batch, epoch)
        return max(wait, self._pace.sent(len(batch))) if self._pace else wait

    def _settle(self, stored: int, batch: list[Entry], epoch: int) -> float:
        """Deletes what is stored, and heals a difference between the manager's count and ours."""
        first, last = first_number(batch[0]), batch[-1].seq
        if self._outbox.epoch != epoch:
            return 0.0  # the outbox was begun anew meanwhile: the answer is about records that are not here any more
        if stored >= first - 1:
            if stored > self._outbox.last(self.lane):
                # The manager knows numbers that were never given out here: this outbox was restored from an older copy.
                self._outbox.begin_epoch()
                log.error(
                    "D2003 the manager has %s records up to %d, this outbox only reached %d: a new epoch was begun", self.lane, stored, last
                )
                return 0.0
            self._outbox.acknowledge(self.lane, stored, epoch)
            # An answer without progress may not become a busy loop.
            return 0.0 if stored >= first else self._backoff.next()
        # The manager was restored from an older copy: what it lost, it had acknowledged, and it is gone here.
        log.error("D2003 the manager lost %s records %d to %d, which it had acknowledged", self.lane, stored + 1, first - 1)
        self._outbox.admit_loss(self.lane, stored + 1, first - 1, self._clock.now(), "acknowledged once, then missing on the manager")
        return 0.0

    def _rejected(self, problem: Rejected, batch: list[Entry]) -> float:
        if problem.status == 413 and len(batch) > 1:
            self._most = max(1, len(batch) // 2)
            return 0.0
        if problem.status in (400, 413, 422):
            if len(batch) > 1:
                self._most = 1  # find the one that it means
                return 0.0
            entry = batch[0]
            log.error(
                "D2003 the manager will not take %s record %d (%s): %s", self.lane, entry.seq, entry.kind, problem.reason or problem.what
            )
            if entry.kind == "dropped":
                return self._failed(problem)  # a tombstone must arrive: it cannot be replaced by another
            self._outbox.refuse(self.lane, entry.seq, self._clock.now(), f"refused by the manager: {problem.reason}"[:200])
            return 0.0
        return self._failed(problem)

    def _failed(self, problem: LinkFailure) -> float:
        if str(problem) != self.problem:
            log.info("%s lane: %s", self.lane, problem)  # the poll loop warns; a warning here would fill the lane it is about
        self.problem = str(problem)
        return self._backoff.next(floor=problem.retry_after)

    def _succeeded(self) -> None:
        if self.problem:
            log.info("%s lane: reports are taken again", self.lane)
        self.answered = True
        self.problem = ""
        self._backoff.reset()


def report_body(lane: str, epoch: int, batch: list[Entry]) -> bytes:
    """A `ReportRequest` as JSON, around bodies that are JSON already."""
    records = ",".join(f'{{"seq":{e.seq},"kind":{json.dumps(e.kind)},"at":{e.at},"body":{e.body}}}' for e in batch)
    return f'{{"lane":{json.dumps(lane)},"epoch":{epoch},"records":[{records}]}}'.encode()


def first_number(entry: Entry) -> int:
    """The first number that a record stands for: a tombstone covers more than its own."""
    return int(json.loads(entry.body)["first"]) if entry.kind == "dropped" else entry.seq


def _stored(data: object) -> int:
    try:
        stored = codec.build(ReportAnswer, data).stored
    except ValueError as problem:
        raise LinkFailure("D2003", f"the manager's answer to a report makes no sense: {problem}") from problem
    if not isinstance(stored, int) or isinstance(stored, bool):
        raise LinkFailure("D2003", "the manager's answer to a report makes no sense: stored is no number")
    return stored
