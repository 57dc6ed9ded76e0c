"""The other side of the demo's receivers: an HTTP server on this machine that keeps what it is told in a file.

`/desk` takes everything; `/pager` says for its first requests that it is overloaded, so that there are deliveries that were tried again.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SETTINGS = "receiver_networks: [127.0.0.0/8]\n"
"""What the demo's manager needs in its configuration to reach receivers on this machine."""

OVERLOADED = 3
"""How many of the pager's first requests are refused."""


class DemoReceiver:
    """Listens until it is closed. `file`: one line of JSON a message."""

    def __init__(self, file: Path) -> None:
        self._file, self._refused, self._lock = file, 0, threading.Lock()
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, text = told._take(self.path, self.headers.get("webhook-id", ""), body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: object) -> None:
                """The demo's own output stays readable; what came is in the file."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, message_id: str, body: bytes) -> tuple[int, bytes]:
        with self._lock:
            if path == "/pager" and self._refused < OVERLOADED:
                self._refused += 1
                return 503, b"overloaded, try again later"
            with self._file.open("a") as out:
                out.write(json.dumps({"path": path, "id": message_id, "body": json.loads(body)}) + "\n")
        return 200, b"taken"
