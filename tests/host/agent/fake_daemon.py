"""The daemon's end of the Unix socket, as the contract has it: stores records once, confirms them, can go away."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class FakeDaemon:
    """Listens from `start()` to `stop()`. `records` survive both, as the outbox would."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.records: list[dict[str, Any]] = []
        self.beats: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.sent_again = 0
        self.confirm = True
        self.ends: dict[str, list[dict[str, Any]]] = {}
        """Command → its final records, in the order in which they came: one, or something is wrong."""
        self._watermark: dict[int, int] = {}
        self._changed = threading.Condition()
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def stop(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
            self.path.unlink(missing_ok=True)
        for connection in self._connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # the agent has closed it already
        self._connections = []

    def ask(self, method: str, number: int | None = None) -> None:
        """Call a method of the agent; its answer, if `number` wants one, comes into `answers`."""
        message = {"jsonrpc": "2.0", "method": method, "params": {}} | ({} if number is None else {"id": number})
        self._connections[-1].sendall(json.dumps(message).encode() + b"\n")

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                for line in lines:
                    message = json.loads(line)
                    if "method" not in message:
                        with self._changed:
                            self.answers.append(message)
                            self._changed.notify_all()
                        continue
                    answer = self._answer(message["method"], message["params"])
                    if answer is not None:
                        connection.sendall(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer}).encode() + b"\n")
            except OSError:
                return

    def _answer(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        with self._changed:
            if method == "heartbeat":
                self.beats.append(params)
                self._changed.notify_all()
                return {"ok": True}
            epoch = params["epoch"]
            for record in params["records"]:
                if record["seq"] > self._watermark.get(epoch, 0):
                    self._watermark[epoch] = record["seq"]
                    self.records.append(record)
                    if record["kind"] == "execution" and record["body"]["state"] != "started":
                        self.ends.setdefault(record["body"]["command_id"], []).append(record["body"])
                else:
                    self.sent_again += 1
            self._changed.notify_all()
            return {"stored": self._watermark[epoch]} if self.confirm else None

    def wait(self, done: Callable[[], Any], seconds: float = 10.0) -> Any:
        """What `done()` gives as soon as it is true; asked again whenever something arrived."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not (value := done()):
                left = deadline - time.monotonic()
                assert left > 0, f"did not come about in {seconds} s; records: {[self._short(r) for r in self.records][-20:]}"
                self._changed.wait(left)
            return value

    def _short(self, record: dict[str, Any]) -> Any:
        body = record["body"]
        return record["seq"], record["kind"], body.get("command_id"), body.get("state"), body.get("reason")

    def states(self, command_id: str) -> list[str]:
        return [r["body"]["state"] for r in self.records if r["kind"] == "execution" and r["body"]["command_id"] == command_id]

    def started(self, command_id: str) -> dict[str, Any]:
        record: dict[str, Any] = self.wait(lambda: self._execution(command_id, lambda state: state == "started"))
        return record

    def ended(self, command_id: str, seconds: float = 10.0) -> dict[str, Any]:
        """The body of the final record."""
        return dict(self.wait(lambda: self.ends.get(command_id), seconds)[0])

    def has_ended(self, command_id: str) -> dict[str, Any] | None:
        """The same, without waiting."""
        return next(iter(self.ends.get(command_id, [])), None)

    def _execution(self, command_id: str, wanted: Callable[[str], bool]) -> dict[str, Any] | None:
        for record in self.records:
            body = record["body"]
            if record["kind"] == "execution" and body["command_id"] == command_id and wanted(body["state"]):
                return record
        return None

    def chunks(self, command_id: str) -> list[dict[str, Any]]:
        return [r["body"] for r in self.records if r["kind"] == "output" and r["body"]["command_id"] == command_id]

    def output(self, command_id: str, stream: str = "stdout") -> bytes:
        """The bytes of one stream, after a check that nothing is missing, doubled or out of order."""
        data = b""
        for number, chunk in enumerate(self.chunks(command_id)):
            assert chunk["chunk"] == number
            if chunk["stream"] == stream:
                assert chunk["offset"] == len(data)
                data += base64.b64decode(chunk["data"])
        return data
