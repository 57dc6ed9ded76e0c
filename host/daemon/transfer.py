"""The transfer socket: chunks of files between tasks on this host and the manager, one at a time (D5, A2).

`file.read` and `file.write` are passed on as they came, in base64, over a link of their own, so that neither polls nor
reports wait for them. A manager that does not answer is asked again for RETRY_S; then the caller hears AWAY and may come
again. What the manager says no to is REFUSED, and final. Nothing is kept here.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from typing import Any

from host.daemon.link import Answer, Link
from host.daemon.link_errors import LinkFailure, Rejected
from host.daemon.rpc import Handler, Peer
from host.lib.backoff import Backoff
from host.lib.clock import Clock
from host.lib.jsonrpc import INVALID_PARAMS, RpcError
from host.wire import codec
from host.wire.messages import FileRead, FileWrite
from host.wire.protocol import FILE_CHUNK_BYTES, FILE_READ_PATH, FILE_WRITE_PATH

AWAY, REFUSED = -32010, -32011
RETRY_S = 10.0
"""Seconds in which a chunk is tried again; all tasks wait meanwhile, and they have patience of their own."""
FINISH_S = 120.0
"""Seconds beyond the usual that the manager may need to look over a whole file, with its last chunk."""
_FINAL = (400, 403, 404, 405, 409, 413)
_ID = re.compile(r"[0-9A-Za-z]{1,64}")
_BASE64 = (FILE_CHUNK_BYTES + 2) // 3 * 4
_MOST = 1 << 50


class Transfers:
    """The handlers of the socket. `stop` may be called from another thread: it ends the call under way."""

    def __init__(self, link: Link, clock: Clock, random: Callable[[], float]) -> None:
        self._link, self._clock = link, clock
        self._backoff = Backoff(0.2, 2.0, random)
        self._stop = threading.Event()

    def table(self) -> dict[str, Handler]:
        return {"file.read": self.read, "file.write": self.write}

    def stop(self) -> None:
        self._stop.set()
        self._link.shut()

    def read(self, peer: Peer, params: dict[str, Any]) -> Any:
        """`id`, `offset`, `length` → `data` (base64), `size`, `sha256`."""
        wanted = FileRead(_whole(params, "offset"), _whole(params, "length"))
        return self._call(FILE_READ_PATH.replace("{id}", _id(params)), wanted, 0.0)

    def write(self, peer: Peer, params: dict[str, Any]) -> Any:
        """`id`, `offset`, `total`, `data` (base64) and, with the last, `sha256` → `stored`, `done`."""
        data, sha256 = params.get("data"), params.get("sha256", "")
        if not isinstance(data, str) or len(data) > _BASE64 or not isinstance(sha256, str) or len(sha256) > 64:
            raise RpcError(INVALID_PARAMS, f"data must be base64 of at most {FILE_CHUNK_BYTES} bytes, sha256 text")
        sent = FileWrite(_whole(params, "offset"), _whole(params, "total"), data, sha256)
        return self._call(FILE_WRITE_PATH.replace("{id}", _id(params)), sent, FINISH_S if sha256 else 0.0)

    def _call(self, path: str, message: Any, extra_wait: float) -> Any:
        body, until = codec.dumps(message), self._clock.monotonic() + RETRY_S
        self._backoff.reset()
        while True:
            try:
                return self._result(self._link.call("POST", path, body, extra_wait=extra_wait, repeatable=True))
            except LinkFailure as problem:
                if isinstance(problem, Rejected) and problem.status in _FINAL:
                    raise RpcError(REFUSED, problem.reason or problem.what) from problem
                pause = self._backoff.next(floor=problem.retry_after)
                if self._stop.is_set() or self._clock.monotonic() + pause > until or self._stop.wait(pause):
                    raise RpcError(AWAY, str(problem)) from problem

    def _result(self, answer: Answer) -> dict[str, Any]:
        if not isinstance(answer.data, dict):
            raise LinkFailure("D2001", "the manager's answer to a chunk of a file makes no sense", "check that daemon and manager fit")
        return answer.data


def _id(params: dict[str, Any]) -> str:
    value = params.get("id")
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise RpcError(INVALID_PARAMS, "id must be the id of a file")
    return value


def _whole(params: dict[str, Any], name: str) -> int:
    value = params.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST:
        raise RpcError(INVALID_PARAMS, f"{name} must be a whole number of bytes")
    return value
