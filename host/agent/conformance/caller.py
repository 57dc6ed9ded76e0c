"""Requests to the agent under test, signed as the manager signs them."""

from __future__ import annotations

import http.client
import json
import ssl
import time
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from host.agent.conformance.daemon import Daemon, read_identity
from host.agent.conformance.verdict import Failed, expect
from host.lib.errors import HostError
from host.wire import signing

EXECUTE = "/api/v1/task/execute"
HEALTH = "/api/v1/health"
STATUS = "/api/v1/status"


class Stage:
    """What every check is given: the daemon that it plays, and calls. `restart`: a command that restarts the agent; empty: none."""

    def __init__(self, url: str, daemon: Daemon, identity: Path, restart: str) -> None:
        """Raises HostError D1002, D3001."""
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname or not parts.port:
            raise HostError("D1002", f"--url: {url!r} is not https://ADDRESS:PORT", "write https://127.0.0.1:9445")
        self.host, self.port, self.daemon, self.restart = parts.hostname, parts.port, daemon, restart
        self.node_id, self.key = read_identity(identity)
        try:
            self._context = ssl.create_default_context(cafile=str(identity / "agent.crt"))
        except (OSError, ssl.SSLError) as problem:
            raise HostError("D3001", f"{identity}/agent.crt cannot be read ({problem})", "name the identity folder") from problem
        self._context.check_hostname = False  # the daemon pins the certificate, whatever names it has
        self.certificate = identity / "agent.crt"

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
        """Status and envelope of an answer. Raises OSError, Failed where the answer is no envelope."""
        connection = http.client.HTTPSConnection(self.host, self.port, context=self._context, timeout=15)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            status, text = answer.status, answer.read()
        except http.client.HTTPException as problem:
            raise Failed(f"{method} {path}: no answer of HTTP ({type(problem).__name__}: {problem})") from problem
        finally:
            connection.close()
        try:
            data = json.loads(text)
        except ValueError:
            raise Failed(f"{method} {path}: HTTP {status} with a body that is not JSON: {text[:80]!r}") from None
        expect(
            isinstance(data, dict) and {"code", "message", "data", "timestamp"} <= set(data),
            f"{method} {path}: HTTP {status} without the envelope code, message, data, timestamp",
        )
        return status, data

    def sign(self, method: str, path: str, body: bytes = b"", nonce: str = "", life: float = 60, /, **change: Any) -> dict[str, str]:
        """Headers of a signed request that is good for `life` seconds; `change` replaces what is signed."""
        now = int(time.time() * 1000)
        items: dict[str, Any] = {"key": self.key, "key_id": self.node_id, "method": method, "path": path, "body": body, "now": now} | change
        key = items.pop("key")
        expires = int(items["now"] + life * 1000)
        return signing.sign(key, nonce=nonce or uuid.uuid4().hex, expires=expires, **items) | {"Content-Type": "application/json"}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        path_only, _, query = path.partition("?")
        return self.send("GET", path, headers=self.sign("GET", path_only, query=query))

    def post(self, path: str, content: Any, nonce: str = "", life: float = 60, **change: Any) -> tuple[int, dict[str, Any]]:
        body = json.dumps(content).encode()
        return self.send("POST", path, body, self.sign("POST", path, body, nonce, life, **change))

    def execute(self, script: str, nonce: str = "", life: float = 60, **content: Any) -> tuple[int, dict[str, Any]]:
        """Send a script; kind `script` and the interpreter `shell` are what every agent has."""
        return self.post(EXECUTE, self.task(script, **content), nonce, life)

    def task(self, script: str, **content: Any) -> dict[str, Any]:
        return {"node_id": self.node_id, "kind": "script", "content": {"script": script, **content}}

    def run(self, script: str, **content: Any) -> str:
        """Have a script taken; its command id."""
        command_id = uuid.uuid4().hex
        status, answer = self.execute(script, command_id, **content)
        expect(status == 200, f"a genuine script was answered HTTP {status}: {answer['message']}")
        data = answer["data"]
        expect(
            isinstance(data, dict) and data.get("id") == command_id and data.get("known") is False,
            f'a new command was answered {data}, not {{"id": …, "state": …, "known": false}}',
        )
        return command_id

    def cancel(self, target: str) -> str:
        command_id = uuid.uuid4().hex
        status, answer = self.post(f"/api/v1/task/{target}/cancel", {"node_id": self.node_id}, command_id)
        expect(status == 200, f"a genuine cancel was answered HTTP {status}: {answer['message']}")
        return command_id


def refused(what: str, answer: tuple[int, dict[str, Any]], statuses: tuple[int, ...], code: int) -> None:
    """Raises Failed unless the answer has one of the statuses and the code."""
    seen = f"HTTP {answer[0]} with code {answer[1]['code']}"
    wanted = f"{' or '.join(map(str, statuses))} with code {code}"
    expect(answer[0] in statuses and answer[1]["code"] == code, f"{what}: {seen}, not {wanted}")
