"""A real little CONNECT proxy: the only way to a manager whose name only it can resolve."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading

SEEN_AT_MOST = 65536


class FakeProxy:
    """Sends tunnels to `target` (a port on loopback), whatever they ask for. `status` refuses them all; `account` is needed."""

    def __init__(self, target: int, account: str = "", status: int = 200, headers: str = "", target_host: str = "127.0.0.1") -> None:
        self.target, self.account, self.status, self.headers, self.target_host = target, account, status, headers, target_host
        self.asked: list[str] = []
        self.passed = bytearray()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                threading.Thread(target=self._one, args=(client,), daemon=True).start()

    def _one(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = client.recv(1)
                if not part:
                    return
                head += part
            lines = head.decode().split("\r\n")
            self.asked.append(lines[0])
            proof = f"Proxy-Authorization: Basic {base64.b64encode(self.account.encode()).decode()}"
            status = 407 if self.account and proof not in lines else self.status
            client.sendall(f"HTTP/1.1 {status} So\r\n{self.headers}\r\n".encode())
            if status != 200:
                client.close()
                return
            server = socket.create_connection((self.target_host, self.target))
            self._open.append(server)
            threading.Thread(target=self._copy, args=(server, client), daemon=True).start()
            self._copy(client, server)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(SEEN_AT_MOST):
                self.passed += part
                sink.sendall(part)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
