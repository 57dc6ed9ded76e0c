"""`output`: bring all that an earlier task printed to the manager's store, also what was past its limit (A5)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import fact
from host.wire.tasks.limits import Limits

_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True)
class Output(Limits):
    """`command` is the id of the earlier command; `file` the one to fill, which the manager makes and names itself."""

    KIND: ClassVar[str] = "output"
    LABEL: ClassVar[str] = "Whole output"
    HELP: ClassVar[str] = "Bring all that an earlier task printed to the manager's store, also what was past its limit."

    command: str = field(metadata=fact("Command", "Its id."))
    stream: str = field(default="stdout", metadata=fact("Stream", choices=["stdout", "stderr"]))
    file: str = field(default="", metadata=fact("File", "Made by the manager: leave it empty.", type="file"))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _ID.fullmatch(self.command):
            raise ValueError(f"command: {self.command[:80]!r} cannot be the id of a command")
