"""What every kind of task gives the engine: limits, and a process to start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class TaskProblem(Exception):
    """The task cannot be run on this host; the text is the reason that the operator reads."""


@dataclass(frozen=True)
class Launch:
    """A process about to be started: nothing in it is a shell line. `clean_up` is called once, after its end."""

    arguments: list[str]
    environment: dict[str, str]
    working_folder: str
    clean_up: Callable[[], None]


class Task(Protocol):
    """`timeout` in seconds, `output_limit` in bytes over both streams."""

    @property
    def timeout(self) -> float: ...

    @property
    def output_limit(self) -> int: ...

    def prepare(self, command_id: str, spool: Path) -> Launch:
        """Lay out what the process needs below `spool`. Raises TaskProblem; leaves nothing behind then."""
        ...
