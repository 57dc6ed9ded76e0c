"""The daemon's Unix socket: JSON-RPC for the agent and for `ops-daemon status` (D9).

One thread serves all connections. The socket is open to owner and group only, from its first moment; a socket that
another live daemon answers on is left alone, a stale one is removed.
"""

from __future__ import annotations

import logging
import os
import selectors
import socket
import stat
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from host.lib import jsonrpc
from host.lib.errors import ConfigError
from host.lib.jsonrpc import RpcError

log = logging.getLogger("daemon.rpc")

MAX_CONNECTIONS = 32
SEND_TIMEOUT = 5.0
"""Seconds that an answer may wait for a client that does not read."""


@dataclass
class Peer:
    """One connection. `pid` is what the kernel says; `marks` is the handlers' own, e.g. that it is the agent's."""

    connection: socket.socket
    pid: int
    received: bytearray = field(default_factory=bytearray)
    marks: set[str] = field(default_factory=set)
    sending: threading.Lock = field(default_factory=threading.Lock)

    def send(self, data: bytes) -> None:
        """Whole lines, whichever thread they come from. Raises OSError."""
        with self.sending:
            self.connection.sendall(data)


Handler = Callable[[Peer, dict[str, Any]], Any]


class RpcServer:
    """`handlers` by method name: they give the result, or raise RpcError. `gone(peer)` tells of each connection that ended."""

    def __init__(self, path: Path, handlers: dict[str, Handler], gone: Callable[[Peer], None] = lambda peer: None) -> None:
        self._path, self._handlers, self._gone = path, handlers, gone
        self._peers: dict[int, Peer] = {}
        self._listener = _listen(path)  # first: it is what may fail
        self._selector = selectors.DefaultSelector()
        self._bell_out, self._bell_in = socket.socketpair()
        self._inode = os.stat(path).st_ino
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell_out, selectors.EVENT_READ)

    def step(self, timeout: float | None = None) -> float:
        """Serves what comes next, or waits for it; gives 0: call again."""
        for key, _ in self._selector.select(timeout):
            if key.fileobj is self._listener:
                self._accept()
            elif key.fileobj is not self._bell_out:
                self._serve(self._peers[key.fd])
        return 0.0

    def notify(self, mark: str, method: str) -> None:
        """Call `method` of every peer with this mark, without waiting for an answer; for other threads."""
        for peer in [peer for peer in list(self._peers.values()) if mark in peer.marks]:
            try:
                peer.send(jsonrpc.request(None, method, {}))
            except OSError as problem:
                log.debug("pid %d could not be told %s: %s", peer.pid, method, problem)

    def interrupt(self) -> None:
        """Ends a `step` that waits; for other threads."""
        self._bell_in.send(b"!")

    def close(self) -> None:
        """Closes everything and removes the socket, unless another daemon has put its own there."""
        for peer in list(self._peers.values()):
            self._drop(peer)
        self._selector.close()
        for one in (self._listener, self._bell_out, self._bell_in):
            one.close()
        try:
            if os.stat(self._path).st_ino == self._inode:
                os.unlink(self._path)
        except FileNotFoundError:
            return  # somebody removed it already

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError as problem:
            log.warning("a connection could not be accepted: %s", problem.strerror)
            return
        if len(self._peers) >= MAX_CONNECTIONS:
            log.warning("more than %d connections on %s: one was refused", MAX_CONNECTIONS, self._path)
            connection.close()
            return
        connection.settimeout(SEND_TIMEOUT)
        pid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        self._peers[connection.fileno()] = Peer(connection, pid)
        self._selector.register(connection, selectors.EVENT_READ)

    def _serve(self, peer: Peer) -> None:
        try:
            part = peer.connection.recv(65536)
            if not part:
                self._drop(peer)
                return
            peer.received += part
            while (end := peer.received.find(b"\n")) >= 0:
                line = bytes(peer.received[:end])
                del peer.received[: end + 1]
                if line.strip():
                    self._answer(peer, line)
            if len(peer.received) > jsonrpc.MAX_LINE:
                peer.send(jsonrpc.error(None, RpcError(jsonrpc.INVALID_REQUEST, f"a line may have {jsonrpc.MAX_LINE} bytes")))
                self._drop(peer)
        except OSError as problem:
            log.debug("connection of pid %d ended: %s", peer.pid, problem)
            self._drop(peer)

    def _answer(self, peer: Peer, line: bytes) -> None:
        identifier: Any = None
        try:
            body = jsonrpc.parse(line)
            identifier = body.get("id")
            handler = self._handlers.get(body.get("method", ""))
            if handler is None:
                raise RpcError(jsonrpc.METHOD_NOT_FOUND, f"there is no method {body.get('method')!r}")
            reply = jsonrpc.result(identifier, handler(peer, body["params"]))
        except RpcError as problem:
            reply = jsonrpc.error(identifier, problem)
        except Exception:
            log.exception("a call of pid %d met an unforeseen error", peer.pid)
            reply = jsonrpc.error(identifier, RpcError(jsonrpc.INTERNAL_ERROR, "the daemon met an error; its log says which"))
        if identifier is not None or b'"error"' in reply[:200]:
            peer.send(reply)

    def _drop(self, peer: Peer) -> None:
        self._peers.pop(peer.connection.fileno(), None)
        self._selector.unregister(peer.connection)
        peer.connection.close()
        self._gone(peer)


def _guard(folder: Path) -> None:
    """Raises ConfigError D1002 when anybody could put a socket of their own in the place of the daemon's."""
    if stat.S_IMODE(folder.stat().st_mode) & stat.S_IWOTH:
        raise ConfigError(
            "D1002", f"everybody on this host may write in {folder}", f"run chmod o-w {folder}, or choose another daemon.run_dir"
        )


def _listen(path: Path) -> socket.socket:
    """A listening socket with mode 0660. Raises ConfigError D1002 when another daemon lives there or it cannot be made."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        _guard(path.parent)
        if path.is_symlink():
            raise ConfigError("D1002", f"{path} is a symbolic link; somebody put it there", "look who, and remove it")
        if path.exists():
            if not stat.S_ISSOCK(path.stat().st_mode):
                raise ConfigError("D1002", f"{path} is there and is no socket", "remove it, or choose another daemon.run_dir")
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
                probe.settimeout(2)
                try:
                    probe.connect(str(path))
                except (ConnectionRefusedError, FileNotFoundError):
                    path.unlink(missing_ok=True)  # its daemon is gone
                else:
                    pid, user, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                    raise ConfigError(
                        "D1002", f"another program (pid {pid}, user {user}) answers on {path}", "stop it, or choose another daemon.run_dir"
                    )
        before = os.umask(0o117)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(16)
    except OSError as problem:
        listener.close()
        raise ConfigError("D1002", f"the socket {path} cannot be made: {problem.strerror or problem}", "check daemon.run_dir") from problem
    except ConfigError:
        listener.close()
        raise
    return listener
