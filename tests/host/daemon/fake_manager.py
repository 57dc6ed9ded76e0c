"""A real HTTPS server with client certificates, whose answers a test writes down."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from host.wire.envelope import envelope
from tests.host.daemon.pki import Authority, Pair


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    certificate: bool
    connection: int
    proof: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """`fault`: "hang" (until the server ends), "half" (breaks off), "drop" (closes without a word), "drip" (a byte of the
    head each 0.1 s)."""

    status: int = 200
    data: Any = None
    raw: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""


def refusal(status: int, code: int, message: str, **headers: str) -> Reply:
    return Reply(status, envelope(0, code, message, None), headers={k.replace("_", "-"): v for k, v in headers.items()})


class FakeManager:
    """`answer(call)` decides; `calls` keeps what came."""

    def __init__(self, authority: Authority, server: Pair, answer: Callable[[Call], Reply], ask_certificate: bool = True) -> None:
        self.answer, self.calls = answer, []  # type: tuple[Callable[[Call], Reply], list[Call]]
        self.ahead = 0.0  # seconds by which its clock is ahead of ours
        self.ended = threading.Event()
        self.arrived = threading.Condition()
        manager = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one segment, or the network's own delays would be measured

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + manager.ahead)

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = zlib.decompress(body, 31)
                proof = self.connection.getpeercert(True) if isinstance(self.connection, ssl.SSLSocket) else None
                call = Call(self.command, self.path, dict(self.headers), body, bool(proof), self.client_address[1], proof or b"")
                with manager.arrived:
                    manager.calls.append(call)
                    manager.arrived.notify_all()
                self.reply(manager.answer(call))

            do_GET = do_POST = handle_any

            def reply(self, reply: Reply) -> None:
                if reply.fault == "hang":
                    manager.ended.wait(30)
                    reply.fault = "drop"
                if reply.fault == "drip":
                    with contextlib.suppress(OSError):
                        for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 600:
                            self.connection.sendall(bytes([byte]))
                            if manager.ended.wait(0.1):
                                break
                    reply.fault = "drop"
                if reply.fault == "drop":
                    self.close_connection = True
                    return
                body = reply.raw if reply.raw is not None else b"" if reply.data is None else json.dumps(reply.data).encode()
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body) + (50 if reply.fault == "half" else 0)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()
                if reply.fault == "half":
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[Any, Any]:
                connection, address = super().get_request()
                return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

            def handle_error(self, request: object, client_address: object) -> None:
                return  # handshakes that fail are what some tests want

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server.certificate, server.key)
        if ask_certificate:
            context.load_verify_locations(authority.ca)
            context.verify_mode = ssl.CERT_OPTIONAL
        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def wait_for(self, enough: Callable[[list[Call]], bool], timeout: float = 10.0) -> bool:
        with self.arrived:
            return self.arrived.wait_for(lambda: enough(self.calls), timeout)

    def close(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
