"""The daemon's end of the socket: takes heartbeats and records as the contract has them, and notes where they break it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from host.agent.conformance.verdict import Failed
from host.lib import jsonrpc
from host.lib.errors import HostError
from host.wire import states
from host.wire.protocol import MAX_CHUNK_BYTES
from host.wire.records import LANE_OF

T = TypeVar("T")
PROBE_ID = 900_001
"""The id of the request that the daemon itself makes, to see it refused."""


class Daemon:
    """Listens between `start` and `stop`; what was stored survives both. `confirm = False`: records are heard, not stored."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.beats: list[tuple[float, dict[str, Any]]] = []
        self.records: list[dict[str, Any]] = []
        self.unconfirmed: list[dict[str, Any]] = []
        self.replies: list[dict[str, Any]] = []
        self.breaches: list[str] = []
        self.confirm = True
        self.epochs: list[int] = []
        self._mark: dict[int, int] = {}
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._connections: set[socket.socket] = set()

    def start(self) -> None:
        """Raises HostError where a daemon listens there already, or the socket cannot be made."""
        with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
            probe.connect(str(self.path))
            raise HostError("D1002", f"a daemon listens on {self.path}", "stop it first: this check takes its place")
        try:
            self.path.unlink(missing_ok=True)
            self._listener = socket.socket(socket.AF_UNIX)
            before = os.umask(0o117)
            try:
                self._listener.bind(str(self.path))
            finally:
                os.umask(before)
            self._listener.listen()
        except OSError as problem:
            raise HostError("D1002", f"{self.path}: {problem.strerror}", "run it as the owner of the folder") from problem
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        if self._listener:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)
        self.hang_up()

    def hang_up(self) -> None:
        """Break every connection."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def ask(self, method: str, number: int | None = PROBE_ID) -> None:
        """Call a method of whoever is connected; the answer lands in `replies`. Without a number none is wanted."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.sendall(jsonrpc.request(number, method, {}))

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            for line in lines:
                answer = self._take(line)
                if answer is not None:
                    connection.sendall(answer)
        self._connections.discard(connection)

    def _take(self, line: bytes) -> bytes | None:
        with self._changed:
            try:
                message = jsonrpc.parse(line)
                if "method" not in message:
                    self.replies.append(message)
                    return None
                result = self._answer(message["method"], message["params"])
                return jsonrpc.result(message["id"], result) if result is not None and "id" in message else None
            except jsonrpc.RpcError as problem:
                self.breaches.append(f"a line on the socket: {problem}")
                return jsonrpc.error(None, problem)
            finally:
                self._changed.notify_all()

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "heartbeat":
            self.beats.append((time.monotonic(), params))
            return {"ok": True}
        if method != "deliver":
            raise jsonrpc.RpcError(jsonrpc.METHOD_NOT_FOUND, f"there is no method {method!r}")
        epoch, records = params.get("epoch"), params.get("records")
        if not isinstance(epoch, int) or not isinstance(records, list) or not records:
            raise jsonrpc.RpcError(jsonrpc.INVALID_PARAMS, "deliver: epoch must be a whole number, records a list that is not empty")
        self._look_at(epoch, records)
        if not self.confirm:
            self.unconfirmed += records
            return None
        for record in records:
            if record["seq"] > self._mark.get(epoch, 0):
                self._mark[epoch] = record["seq"]
                self.records.append(record)
        return {"stored": self._mark[epoch]}

    def _look_at(self, epoch: int, records: list[dict[str, Any]]) -> None:
        if not self.epochs or self.epochs[-1] != epoch:
            self.epochs.append(epoch)
        last = 0
        for record in records:
            seq, kind, at, body = (record.get(name) for name in ("seq", "kind", "at", "body"))
            if not isinstance(seq, int) or not isinstance(at, int) or not isinstance(body, dict) or kind not in LANE_OF:
                raise jsonrpc.RpcError(jsonrpc.INVALID_PARAMS, f"deliver: a record is not what it should be: {str(record)[:200]}")
            if seq <= last:
                self.breaches.append(f"records of one delivery do not ascend: {seq} after {last}")
            last = seq
            if kind == "output" and len(base64.b64decode(body.get("data", ""))) > MAX_CHUNK_BYTES:
                self.breaches.append(f"an output record holds more than {MAX_CHUNK_BYTES} bytes")

    # -- what checks ask --------------------------------------------------------------------------------------------

    def wait(self, done: Callable[[], T], seconds: float, what: str) -> T:
        """What `done()` gives as soon as it is true. Raises Failed."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := done()):
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failed(f"{what} did not come within {seconds:g} s")
                self._changed.wait(left)
            return value

    def states(self, command_id: str) -> list[str]:
        return [str(one["body"].get("state")) for one in self.executions(command_id)]

    def executions(self, command_id: str) -> list[dict[str, Any]]:
        return [one for one in self.records if one["kind"] == "execution" and one["body"].get("command_id") == command_id]

    def started(self, command_id: str) -> None:
        self.wait(lambda: "started" in self.states(command_id), 15, f"the record `started` of command {command_id}")

    def ended(self, command_id: str, seconds: float = 15) -> dict[str, Any]:
        """The body of the final record. Raises Failed."""

        def final() -> dict[str, Any] | None:
            found = [one["body"] for one in self.executions(command_id) if one["body"].get("state") in states.COMMAND_FINAL]
            return found[0] if found else None

        found = self.wait(final, seconds, f"the final record of command {command_id}")
        return found or {}

    def output(self, command_id: str, stream: str = "stdout") -> bytes:
        """The bytes of one stream. Raises Failed where a chunk is missing, doubled or out of order."""
        data = {"stdout": b"", "stderr": b""}
        chunks = [one["body"] for one in self.records if one["kind"] == "output" and one["body"].get("command_id") == command_id]
        for number, chunk in enumerate(chunks):
            name = chunk.get("stream")
            if name not in data:
                raise Failed(f"an output record of the stream {name!r}")
            if chunk.get("chunk") != number:
                raise Failed(f"output record {chunk.get('chunk')} stands where {number} should be: over both streams they count 0, 1, 2 …")
            if chunk.get("offset") != len(data[name]):
                raise Failed(f"output record {number} of {name} begins at {chunk.get('offset')}, not at {len(data[name])}")
            data[name] += base64.b64decode(chunk["data"])
        return data[stream]


def read_identity(folder: Path) -> tuple[str, bytes]:
    """Node id and dispatch key. Raises HostError D3001."""
    try:
        node = json.loads((folder / "node.json").read_text("utf-8"))["node_id"]
        return str(node), bytes.fromhex((folder / "dispatch.key").read_text("ascii").strip())
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise HostError("D3001", f"{folder}: node.json or dispatch.key cannot be read ({problem})", "name the identity folder") from problem
