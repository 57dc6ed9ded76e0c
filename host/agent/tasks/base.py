"""What every kind of task gives the engine: its limits, and a process to start.

A task is a process, whatever its kind: so each can be stopped, limited and accounted for in the same way, and what it
imports or breaks dies with it. `script` starts its interpreter; the other kinds that come with the agent start
`python -m host.agent.worker KIND`, which calls `run` of `host.agent.tasks.KIND`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from host.lib.errors import HostError
from host.wire.tasks import Limits

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class TaskProblem(HostError):
    """The task cannot be run on this host, or failed; `str()` is the reason that the operator reads.

    A2… what it needs is not there: A2001 interpreter or program, A2002 user, A2003 folder, A2004 limits, A2005 plugin
    A3… files, A4… configuration files, A5… services, A6… packages, A7… HTTP checks: the kind's own module says which.
    A9001: an unforeseen error.
    """


@dataclass(frozen=True)
class Launch:
    """A process about to be started: nothing in it is a shell line. `stdin` is all that it can read there."""

    arguments: list[str]
    environment: dict[str, str]
    working_folder: str = "/"
    stdin: bytes = b""


class Task(Protocol):
    """One task, ready to be prepared."""

    @property
    def limits(self) -> Limits: ...

    @property
    def user(self) -> str:
        """Whom it runs as; empty: the agent's own user."""
        ...

    def prepare(self, command_id: str, folder: Path) -> Launch:
        """Lay out what the process needs in `folder`, which is given to `user` afterwards and goes with the task. Raises TaskProblem."""
        ...


@dataclass(frozen=True)
class Work:
    """What `run(content, work)` of a kind is given beside its content. `settings`: what the agent's settings say about
    its kind (`host.agent.registry`); `folder`: a private folder that goes with the task."""

    command_id: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def say(self, text: str) -> None:
        """A line of the task's output, seen at once."""
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def progress(self, percent: float) -> None:
        """How far it is, as a line of the task's output."""
        self.say(f"[{percent:g} %]")

    def fail(self, code: str, message: str) -> NoReturn:
        """End the task as failed. `code` is a short word of the kind's own; `message` is what the operator reads."""
        raise TaskProblem(code, message)
