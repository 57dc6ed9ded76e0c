"""JSON-RPC 2.0 over a Unix stream socket, one object a line (D9).

The daemon listens; the agent and `ops-daemon status` connect. Requests have an `id` and are answered;
a request without an `id` is a notification. A line is at most MAX_LINE bytes.
"""

from __future__ import annotations

import json
from typing import Any

MAX_LINE = 2 * 1024 * 1024

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603


class RpcError(Exception):
    """An error answer: `code` as the specification numbers them, `message` one sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def request(identifier: int | None, method: str, params: dict[str, Any]) -> bytes:
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
    if identifier is not None:
        body["id"] = identifier
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def result(identifier: int | str, value: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": identifier, "result": value}, separators=(",", ":")).encode() + b"\n"


def error(identifier: int | str | None, problem: RpcError) -> bytes:
    body = {"jsonrpc": "2.0", "id": identifier, "error": {"code": problem.code, "message": problem.message}}
    return json.dumps(body, separators=(",", ":")).encode() + b"\n"


def parse(line: bytes) -> dict[str, Any]:
    """One message. Raises RpcError (parse error, invalid request)."""
    try:
        body = json.loads(line)
    except (ValueError, RecursionError) as problem:
        raise RpcError(PARSE_ERROR, f"not JSON: {problem}") from problem
    if not isinstance(body, dict) or body.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'not a JSON-RPC 2.0 object ("jsonrpc": "2.0" is missing)')
    if "method" in body:
        if not isinstance(body["method"], str):
            raise RpcError(INVALID_REQUEST, "method must be text")
        if not isinstance(body.setdefault("params", {}), dict):
            raise RpcError(INVALID_PARAMS, "params must be an object")
    elif not ("result" in body or "error" in body):
        raise RpcError(INVALID_REQUEST, "neither a request nor an answer")
    return body
