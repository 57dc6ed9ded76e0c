"""supervisord's XML-RPC over its Unix socket: start, stop and look at one program.

Written by hand because `xmlrpc.client` costs a megabyte of the daemon's memory; the calls here need text and numbers only.
"""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat

from host.lib.errors import AgentError

STOPPED, STARTING, RUNNING, BACKOFF, STOPPING, EXITED, FATAL = 0, 10, 20, 30, 40, 100, 200
ALREADY_STARTED, NOT_RUNNING = 60, 70
STOP_PATIENCE = 40.0
"""Seconds for a stop: supervisord itself kills after `stopwaitsecs` (30)."""


class Fault(Exception):
    """supervisord said no: `code` is one of `supervisor.xmlrpc.Faults`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Unreachable(Exception):
    """supervisord does not answer on its socket."""


@dataclass(frozen=True)
class Program:
    """`state` as above; `exit_status` and `problem` are of its last end."""

    state: int
    pid: int | None
    exit_status: int
    problem: str


class Supervisord:
    def __init__(self, path: Path, program: str, timeout: float = 5.0) -> None:
        self._path, self._program, self._timeout = path, program, timeout

    def info(self) -> Program:
        """Raises Unreachable; AgentError D3001 when the program is not configured."""
        try:
            found = self._call("supervisor.getProcessInfo", self._timeout, self._program)
        except Fault as problem:
            raise AgentError(
                "D3001", f"supervisord has no program {self._program} ({problem})", "check supervisor.program and supervisord.conf"
            ) from problem
        return Program(int(found["state"]), int(found["pid"]) or None, int(found["exitstatus"]), str(found["spawnerr"]))

    def log_file(self) -> str:
        """Where supervisord keeps what the program writes to stderr. Raises Unreachable, AgentError D3001."""
        try:
            return str(self._call("supervisor.getProcessInfo", self._timeout, self._program)["stderr_logfile"])
        except Fault as problem:
            raise AgentError("D3001", f"supervisord has no program {self._program} ({problem})") from problem

    def start(self) -> None:
        """Returns when the process was made, not when it is ready. Raises Unreachable, AgentError D3001."""
        try:
            self._call("supervisor.startProcess", self._timeout, self._program, False)
        except Fault as problem:
            if problem.code != ALREADY_STARTED:
                raise AgentError("D3001", f"the agent cannot be started: {problem}", "see supervisord's log") from problem

    def stop(self) -> None:
        """Asks it to end, waits, kills it after `stopwaitsecs` (D8). Raises Unreachable, AgentError D3002."""
        try:
            self._call("supervisor.stopProcess", STOP_PATIENCE, self._program, True)
        except Fault as problem:
            if problem.code != NOT_RUNNING:
                raise AgentError("D3002", f"the agent cannot be stopped: {problem}", "see supervisord's log") from problem

    def _call(self, method: str, timeout: float, *parameters: str | bool) -> Any:
        values = "".join(f"<param><value>{_value(one)}</value></param>" for one in parameters)
        body = f"<?xml version='1.0'?><methodCall><methodName>{method}</methodName><params>{values}</params></methodCall>".encode()
        connection = http.client.HTTPConnection("localhost", timeout=timeout)
        try:
            connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.sock.settimeout(timeout)
            connection.sock.connect(str(self._path))
            connection.request("POST", "/RPC2", body, {"Content-Type": "text/xml"})
            response = connection.getresponse()
            text = response.read(1024 * 1024)
            if response.status != 200:
                raise Unreachable(f"supervisord at {self._path} answered HTTP {response.status}")
            result = _parse(text)
        except (OSError, http.client.HTTPException, expat.ExpatError) as problem:
            raise Unreachable(f"supervisord does not answer at {self._path}: {problem}") from problem
        finally:
            connection.close()
        if isinstance(result, dict) and "faultCode" in result:
            raise Fault(int(result["faultCode"]), str(result["faultString"]))
        return result


def _value(value: str | bool) -> str:
    if isinstance(value, bool):
        return f"<boolean>{int(value)}</boolean>"
    return "<string>" + value.replace("&", "&amp;").replace("<", "&lt;") + "</string>"


def _parse(text: bytes) -> Any:
    """A methodResponse: the members of its struct as text, or its one value as text."""
    members: dict[str, str] = {}
    path: list[str] = []
    data: list[str] = []
    last = ["", ""]  # name of the member, text of the latest leaf

    def start(tag: str, attributes: dict[str, str]) -> None:
        path.append(tag)
        data.clear()

    def end(tag: str) -> None:
        path.pop()
        if tag == "name":
            last[0] = "".join(data)
        elif tag in ("int", "i4", "string", "boolean", "double") or (tag == "value" and not last[1]):
            last[1] = "".join(data)
        elif tag == "member":
            members[last[0]] = last[1].strip()
            last[1] = ""
        data.clear()

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = data.append
    parser.Parse(text, True)
    return members or last[1]
