"""What the daemon answers on its socket: `heartbeat`, `deliver` and `status` (D9)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from host.daemon.outbox import Outbox, OutboxFull
from host.daemon.rpc import Handler, Peer
from host.daemon.watch import Watch
from host.lib.clock import Clock
from host.lib.jsonrpc import INTERNAL_ERROR, INVALID_PARAMS, RpcError
from host.wire import codec
from host.wire.messages import Record
from host.wire.records import LANE_OF

AGENT = "agent"
"""The mark of the connection on which the agent speaks."""


class Handlers:
    """`arrived` is called when an agent connects, `left` when it hangs up; `status` makes the status object."""

    def __init__(
        self,
        outbox: Outbox,
        watch: Watch,
        clock: Clock,
        status: Callable[[], dict[str, Any]],
        arrived: Callable[[], None],
        left: Callable[[], None],
    ) -> None:
        self._outbox, self._watch, self._clock, self._status, self._arrived, self._left = outbox, watch, clock, status, arrived, left

    def table(self) -> dict[str, Handler]:
        return {"heartbeat": self.heartbeat, "deliver": self.deliver, "status": self.status}

    def heartbeat(self, peer: Peer, params: dict[str, Any]) -> Any:
        version = params.get("version", "")
        if not isinstance(version, str):
            raise RpcError(INVALID_PARAMS, "version must be text")
        self._watch.heard(peer.pid, version[:64])
        if AGENT not in peer.marks:
            peer.marks.add(AGENT)
            self._arrived()
        return {"ok": True}

    def deliver(self, peer: Peer, params: dict[str, Any]) -> Any:
        """Answers after the commit: then, and only then, the agent may forget these records."""
        epoch, items = params.get("epoch"), params.get("records")
        if not isinstance(epoch, int) or not 0 <= epoch < 2**63 or not isinstance(items, list):
            raise RpcError(INVALID_PARAMS, "epoch must be a whole number, records a list")
        try:
            records = [_record(item) for item in items]
            return {"stored": self._outbox.append_from_agent(epoch, records, self._clock.now())}
        except ValueError as problem:
            raise RpcError(INVALID_PARAMS, str(problem)) from problem
        except OutboxFull as problem:
            raise RpcError(INTERNAL_ERROR, "the outbox is full: keep the records and deliver them later") from problem
        except sqlite3.Error as problem:
            raise RpcError(INTERNAL_ERROR, f"the outbox could not be written: {problem}") from problem

    def status(self, peer: Peer, params: dict[str, Any]) -> Any:
        return self._status()

    def gone(self, peer: Peer) -> None:
        """A connection ended; the agent's makes the watch look at once."""
        if AGENT in peer.marks:
            self._watch.hung_up(peer.pid)
            self._left()


def _record(item: object) -> Record:
    """Raises ValueError."""
    record = codec.build(Record, item)
    whole = all(isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 for value in (record.seq, record.at))
    if not whole or not isinstance(record.body, dict):
        raise ValueError("a record's seq and at must be whole numbers, its body an object")
    if record.kind not in LANE_OF:
        raise ValueError(f"there is no kind of record {record.kind!r}")
    return record
