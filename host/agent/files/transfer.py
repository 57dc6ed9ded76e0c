"""Chunks of files to and from the manager, through the daemon's transfer socket (docs/agent.md, "Transfers").

One connection, one call at a time. A daemon or manager that is away is asked again, with growing waits, until PATIENCE_S have
passed without an answer; each chunk may come again, so nothing is lost or doubled by that. A plain no is final.
"""

from __future__ import annotations

import base64
import binascii
import random
import socket
import time
from pathlib import Path
from typing import Any

from host.agent.files.problems import wrong
from host.lib import jsonrpc
from host.lib.backoff import Backoff

PATIENCE_S = 120.0
ANSWER_S = 200.0
"""Longer than the daemon itself tries."""
REFUSED = -32011
"""The daemon's code for what the manager said no to; see host.daemon.transfer."""


class Transfer:
    """`patience` in seconds. Not for several threads."""

    def __init__(self, path: Path, patience: float = PATIENCE_S) -> None:
        self._path, self._patience = path, patience
        self._backoff = Backoff(0.1, 5.0, random.random)
        self._socket: socket.socket | None = None
        self._received = bytearray()
        self._number = 0

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def read(self, file_id: str, offset: int, length: int) -> tuple[bytes, int, str]:
        """Bytes from `offset` on (none at the end), the file's size, its SHA-256. Raises TaskProblem A3011, A3012."""
        answer = self._ask("file.read", {"id": file_id, "offset": offset, "length": length})
        try:
            data, size, sha256 = base64.b64decode(answer["data"], validate=True), answer["size"], answer["sha256"]
        except (KeyError, TypeError, ValueError, binascii.Error) as problem:
            raise self._nonsense() from problem
        if not isinstance(size, int) or not isinstance(sha256, str) or len(data) > length:
            raise self._nonsense()
        return data, size, sha256

    def write(self, file_id: str, offset: int, total: int, data: bytes, sha256: str = "") -> int:
        """How many bytes of the file are stored now. Raises TaskProblem A3011, A3012."""
        params = {"id": file_id, "offset": offset, "total": total, "data": base64.b64encode(data).decode(), "sha256": sha256}
        answer = self._ask("file.write", params)
        stored = answer.get("stored")
        if not isinstance(stored, int) or not 0 <= stored <= total:
            raise self._nonsense()
        return stored

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        until = time.monotonic() + self._patience
        self._backoff.reset()
        while True:
            try:
                return self._call(method, params)
            except OSError as problem:
                why = f"{self._path}: {problem.strerror or problem}"
            except jsonrpc.RpcError as problem:
                if problem.code in (REFUSED, jsonrpc.INVALID_PARAMS, jsonrpc.METHOD_NOT_FOUND):
                    raise wrong("A3011", f"the manager does not go on with this file: {problem.message}") from problem
                why = problem.message
            self.close()
            pause = self._backoff.next()
            if time.monotonic() + pause > until:
                raise wrong("A3012", f"no answer for {self._patience:g} s: {why}")
            time.sleep(pause)

    def _call(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Raises OSError, RpcError."""
        if self._socket is None:
            self._received.clear()
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
            self._socket.settimeout(ANSWER_S)
            self._socket.connect(str(self._path))
        self._number += 1
        self._socket.sendall(jsonrpc.request(self._number, method, params))
        answer = jsonrpc.parse(self._line(self._socket))
        if "error" in answer:
            told = answer["error"] if isinstance(answer["error"], dict) else {}
            raise jsonrpc.RpcError(int(told.get("code", jsonrpc.INTERNAL_ERROR)), str(told.get("message", "no reason was given")))
        if answer.get("id") != self._number or not isinstance(answer.get("result"), dict):
            raise ConnectionError("the daemon answered another question")
        result: dict[str, Any] = answer["result"]
        return result

    def _line(self, connection: socket.socket) -> bytes:
        while (end := self._received.find(b"\n")) < 0:
            part = connection.recv(1 << 16)
            if not part:
                raise ConnectionError("the daemon closed the connection")
            self._received += part
            if len(self._received) > jsonrpc.MAX_LINE:
                raise ConnectionError("the daemon sent a line that is too long")
        line = bytes(self._received[:end])
        del self._received[: end + 1]
        return line

    def _nonsense(self) -> Exception:
        return wrong("A3012", "the daemon's answer makes no sense", "check that daemon and agent fit each other")
