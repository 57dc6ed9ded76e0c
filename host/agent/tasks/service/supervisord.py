"""Programs of a supervisord as services, by XML-RPC over its Unix socket. `group:program` where the group has another name."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Callable
from typing import Any

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.commands import Clock
from host.agent.tasks.service.model import FAILED, RUNNING, STOPPED, UNKNOWN, Status

BAD_NAME, ALREADY_STARTED, NOT_RUNNING = 10, 60, 70
STATES = {0: STOPPED, 10: STOPPED, 20: RUNNING, 30: STOPPED, 40: RUNNING, 100: STOPPED, 200: FAILED}
SETTLING = (10, 30, 40)  # STARTING, BACKOFF (it tries again), STOPPING
CALL_S = 10.0

Call = Callable[..., Any]
"""`call("getProcessInfo", name)`: raises xmlrpc.client.Fault, and OSError or xmlrpc.client.ProtocolError."""


def connect(path: str) -> Call:
    """The calls of the supervisord that listens on this socket."""

    class Connection(http.client.HTTPConnection):
        def connect(self) -> None:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(CALL_S)
            self.sock.connect(path)

    class Transport(xmlrpc.client.Transport):
        def make_connection(self, host: Any) -> http.client.HTTPConnection:
            made = Connection("localhost")
            self._connection = host, made  # what close() closes
            return made

    def call(method: str, *parameters: Any) -> Any:
        with xmlrpc.client.ServerProxy("http://localhost", transport=Transport()) as server:
            return getattr(server.supervisor, method)(*parameters)

    return call


class Supervisord:
    """`calls`: path of a socket → its calls; the first that has the program is asked."""

    name = "supervisord"

    def __init__(self, calls: dict[str, Call], clock: Clock) -> None:
        self._calls, self._clock = calls, clock

    def knows(self, service: str) -> bool:
        return self._find(service) is not None

    def _find(self, service: str) -> tuple[Call, dict[str, Any]] | None:
        silent = []
        for path, call in self._calls.items():
            try:
                return call, call("getProcessInfo", service)
            except xmlrpc.client.Fault as fault:
                if fault.faultCode != BAD_NAME:
                    raise _refused("look at", service, fault) from fault
            except (OSError, http.client.HTTPException, xmlrpc.client.Error) as problem:
                silent.append(f"{path}: {problem}")
        if silent:  # it may be the one that has the program
            raise TaskProblem("A5005", f"supervisord cannot be asked: {silent[0]}", "start it, or correct services.supervisors")
        return None

    def status(self, service: str) -> Status:
        """See `model.Manager`."""
        _, found = self._ask(service)
        state = int(found["state"])
        name = FAILED if state == 100 and found["exitstatus"] else STATES.get(state, UNKNOWN)
        since = (found["start"] if name == RUNNING else found["stop"]) or found["start"]
        words = " ".join(str(one) for one in (found["statename"], found["description"], found["spawnerr"]) if one)
        # Nobody says how soon an end is right: a program that has ended by itself with 0 was to run once.
        return Status(name, None, int(found["pid"]) or None, int(since) * 1000 or None, words, state in SETTLING, once=state == 100)

    def _ask(self, service: str) -> tuple[Call, dict[str, Any]]:
        if not self._calls:
            raise TaskProblem("A5005", "no supervisord is named on this host", "name its socket in services.supervisors of agent.yaml")
        found = self._find(service)
        if found is None:
            raise TaskProblem("A5001", f"no supervisord here has a program {service}", "look at its name with: supervisorctl status")
        return found

    def check(self, action: str, service: str, status: Status) -> None:
        """See `model.Manager`."""
        if action in ("enable", "disable"):
            raise TaskProblem("A5004", f"supervisord cannot {action} a program", "set autostart in its own settings")

    def act(self, action: str, service: str) -> None:
        """See `model.Manager`. `reload` is SIGHUP to the program."""
        call, _ = self._ask(service)
        try:
            if action in ("stop", "restart"):
                _tolerant(call, NOT_RUNNING, "stopProcess", service, False)
            if action == "restart":
                self._wait_stopped(service)
            if action in ("start", "restart"):
                _tolerant(call, ALREADY_STARTED, "startProcess", service, False)
            if action == "reload":
                call("signalProcess", service, "HUP")
        except xmlrpc.client.Fault as fault:
            raise _refused(action, service, fault) from fault
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as problem:
            raise TaskProblem("A5005", f"supervisord stopped answering: {problem}", "look at its log") from problem

    def _wait_stopped(self, service: str) -> None:
        while (status := self.status(service)).state == RUNNING or status.settling:
            if not self._clock.left():
                raise TaskProblem("A5002", f"{service} did not stop in time: {status.detail}", "raise timeout, or see its log")
            self._clock.sleep(0.1)

    def last_words(self, service: str) -> list[str]:
        """See `model.Manager`."""
        call, _ = self._ask(service)
        lines: list[str] = []
        for method in ("tailProcessStdoutLog", "tailProcessStderrLog"):
            try:
                lines += str(call(method, service, 0, 4000)[0]).splitlines()[-10:]
            except (OSError, http.client.HTTPException, xmlrpc.client.Error):
                continue  # it keeps no such log
        return lines


def _tolerant(call: Call, tolerated: int, *what: Any) -> None:
    try:
        call(*what)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != tolerated:
            raise


def _refused(action: str, service: str, fault: xmlrpc.client.Fault) -> TaskProblem:
    return TaskProblem("A5003", f"supervisord could not {action} {service}: {fault.faultString}", "see the log lines above")
