"""Thousands of real tasks of mixed kinds on one real agent, which is killed in between: each ends once, none is done twice.

The caller delivers as the daemon does: again and again until the agent has answered. Every script adds a line to a file of its
own before anything else; more than one line there is a task that ran twice. The moments of the kills come from a seed.
"""

from __future__ import annotations

import http.client
import json
import random
import signal
import ssl
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.host.agent.harness import NODE, Agent

SOURCE = "source"
Content = tuple[str, dict[str, Any]]
"""A kind and its content."""


@dataclass
class Tally:
    """What became of the tasks: final state → how many; `doubled` ran twice, `several` were told more than one end, `wrong` ended
    as they should not have (`why`), `kills` of the agent, `seconds` in all."""

    states: Counter[str] = field(default_factory=Counter)
    doubled: list[str] = field(default_factory=list)
    several: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    never_ran: list[str] = field(default_factory=list)
    kills: int = 0
    seconds: float = 0.0

    @property
    def clean(self) -> bool:
        return not (self.doubled or self.several or self.wrong or self.never_ran)


def shell(mark: Path) -> Content:
    return "script", {"script": f"echo x >>{mark}; echo done"}


def failing(mark: Path) -> Content:
    return "script", {"script": f"echo x >>{mark}; exit 3"}


def slow(mark: Path) -> Content:
    return "script", {"script": f"echo x >>{mark}; i=0; while [ $i -lt 20 ]; do echo line $i; sleep 0.01; i=$((i+1)); done"}


def python(mark: Path) -> Content:
    return "script", {"script": f"open({str(mark)!r}, 'a').write('x\\n')", "interpreter": "python"}


def endless(mark: Path) -> Content:
    return "script", {"script": f"echo x >>{mark}; exec sleep 600", "timeout": 1}


def copied(mark: Path) -> Content:
    """Run twice it would fail: what is there is not replaced."""
    return "file", {"action": "copy", "path": str(mark.parent / SOURCE), "to": str(mark)}


def configured(mark: Path) -> Content:
    return "config", {
        "action": "set",
        "file": str(mark),
        "format": "properties",
        "path": "x",
        "value": 1,
        "create": True,
        "backups": "beside",
    }


MIX: Sequence[tuple[Callable[[Path], Content], int, str]] = (
    (shell, 55, "succeeded"),
    (failing, 12, "failed"),
    (slow, 12, "succeeded"),
    (python, 8, "succeeded"),
    (copied, 6, "succeeded"),
    (configured, 6, "succeeded"),
    (endless, 1, "timed_out"),
)
"""How to make one, how often of a hundred, and how it has to end where nothing is killed."""


class _Caller:
    """Delivers until there is an answer."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._context = ssl.create_default_context(cafile=str(agent.work / "identity/agent.crt"))
        self._connection: http.client.HTTPSConnection | None = None

    def deliver(self, command: str, content: Content) -> None:
        body = json.dumps({"node_id": NODE, "kind": content[0], "content": content[1]}).encode()
        path = "/api/v1/task/execute"
        while True:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPSConnection("127.0.0.1", self._agent.port, context=self._context, timeout=30)
                self._connection.request("POST", path, body, self._agent.headers("POST", path, body, command, 3_600_000))
                answer = self._connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                self.close()
                time.sleep(0.05)
                continue
            if answer.status == 200:
                return
            if answer.status not in (429, 503):
                raise AssertionError(f"{answer.status} {text.decode()}")
            time.sleep(0.05)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def run(agent: Agent, count: int, folder: Path, kills: int, seed: int = 1, mix: Sequence[Any] = MIX, seconds: float = 3600.0) -> Tally:
    """`count` tasks on a started agent, `kills` times killed and started again meanwhile. `seconds`: give up after these."""
    chance, tally, begun = random.Random(seed), Tally(), time.monotonic()
    choices = [one for one, weight, _ in mix for _ in range(weight)]
    ends_as = {one: state for one, _, state in mix}
    made = {uuid.UUID(int=chance.getrandbits(128)).hex: chance.choice(choices) for _ in range(count)}
    (folder / SOURCE).write_text("x\n")
    stop = threading.Event()

    def killer() -> None:
        # Spread over the time that the tasks will take, whatever that is: after so many have ended.
        for number in range(kills):
            goal = int(count * (number + chance.random()) / kills)
            while len(agent.daemon.ends) < goal and not stop.is_set():
                stop.wait(0.01)
            if stop.is_set():
                return
            agent.end(signal.SIGKILL)
            agent.start()
            tally.kills += 1

    thread = threading.Thread(target=killer)
    thread.start()
    caller = _Caller(agent)
    try:
        for command, maker in made.items():
            caller.deliver(command, maker(folder / command))
        while len(agent.daemon.ends.keys() & made.keys()) < count:
            if time.monotonic() - begun > seconds:
                break
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join()
        caller.close()
    tally.seconds = time.monotonic() - begun
    for command, maker in made.items():
        _judge(agent, command, folder / command, ends_as[maker], tally)
    return tally


def _judge(agent: Agent, command: str, mark: Path, wanted: str, tally: Tally) -> None:
    ends = agent.daemon.ends.get(command, [])
    state = ends[0]["state"] if ends else "none"
    tally.states[state] += 1
    if len(ends) > 1:
        tally.several.append(command)
    ran = len(mark.read_text().splitlines()) if mark.exists() else 0
    if ran > 1:
        tally.doubled.append(command)
    if state != wanted and not (state == "interrupted" and tally.kills):
        tally.wrong.append(f"{command}: {state} instead of {wanted}: {ends[0]['reason'] if ends else ''}")
    if ran == 0 and state == wanted:
        tally.never_ran.append(command)
