"""The manager's store as the daemon's transfer socket shows it: files in memory, and whatever fault a test asks for."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon.rpc import Peer, RpcServer
from host.lib import jsonrpc

REFUSED, AWAY = -32011, -32010


class FileStore:
    """`files` are what can be fetched, `received` what came; `before(method, params)` may raise RpcError or change things."""

    def __init__(self, path: Path, files: dict[str, bytes] | None = None) -> None:
        self.path, self.files, self.received = path, dict(files or {}), {}  # type: Path, dict[str, bytes], dict[str, bytearray]
        self.finished: set[str] = set()
        self.lies: dict[str, bytes] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str, dict[str, Any]], None] = lambda method, params: None
        self._end = threading.Event()
        self._server: RpcServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._end.clear()
        server = self._server = RpcServer(self.path, {"file.read": self._read, "file.write": self._write})

        def serve() -> None:
            while not self._end.is_set():
                server.step()

        self._thread = threading.Thread(target=serve)
        self._thread.start()

    def stop(self) -> None:
        if self._server and self._thread:
            self._end.set()
            self._server.interrupt()
            self._thread.join()
            self._server.close()
            self._server = None

    def _read(self, peer: Peer, params: dict[str, Any]) -> Any:
        self.calls.append(("file.read", params))
        self.before("file.read", params)
        if params["id"] not in self.files:
            raise jsonrpc.RpcError(REFUSED, "this file is not one of your commands'")
        data = self.files[params["id"]]
        sent = self.lies.get(params["id"], data)
        part = sent[params["offset"] : params["offset"] + params["length"]]
        return {"data": base64.b64encode(part).decode(), "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}

    def _write(self, peer: Peer, params: dict[str, Any]) -> Any:
        self.calls.append(("file.write", params))
        self.before("file.write", params)
        into = self.received.setdefault(params["id"], bytearray())
        data = base64.b64decode(params["data"])
        assert params["offset"] <= len(into), "a gap"
        into[params["offset"] :] = data if data else into[params["offset"] :]
        if params["sha256"]:
            assert hashlib.sha256(into).hexdigest() == params["sha256"]
            assert len(into) == params["total"]
            self.finished.add(params["id"])
        return {"stored": len(into), "done": params["id"] in self.finished}
