"""`script`: a script and what runs it (A1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import KIND, fact
from host.wire.tasks.limits import Limits

INTERPRETERS = ("shell", "python", "powershell")
"""Those every agent knows, whether their program is there or not; a host's settings may name more."""
MAX_SCRIPT_BYTES = 512 * 1024


@dataclass(frozen=True)
class Script(Limits):
    """`arguments` and `environment` are passed as they are, never pasted into a shell line. `user`: whom it runs as;
    empty: the agent's own."""

    KIND: ClassVar[str] = "script"
    LABEL: ClassVar[str] = "Script"
    HELP: ClassVar[str] = "Run a script and see what it prints."

    script: str = field(metadata=fact("Script", type="block"))
    interpreter: str = field(default="shell", metadata=fact("Interpreter"))
    arguments: list[str] = field(default_factory=list, metadata=fact("Arguments", "Each arrives exactly as it is; no shell looks at it."))
    environment: dict[str, str] = field(default_factory=dict, metadata=fact("Environment variables", secret=True))
    working_folder: str = field(default="", metadata=fact("Working folder", type="path"))
    user: str = field(default="", metadata=fact("Run as", "A user of the host; empty: the agent's own."))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.script.strip():
            raise ValueError("script: it is empty; write at least one command")
        if "\0" in self.script or any("\0" in a for a in self.arguments):
            raise ValueError("script: a NUL byte cannot be passed to a process; remove it")
        if len(self.script.encode("utf-8", "surrogatepass")) > MAX_SCRIPT_BYTES:
            raise ValueError(f"script: larger than {MAX_SCRIPT_BYTES} bytes; send it as a file")
        for name, value in self.environment.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"environment: {name!r} cannot be the name of a variable")
        if self.working_folder and not self.working_folder.startswith("/"):
            raise ValueError(f"working_folder: {self.working_folder!r} is not an absolute path")
        if not KIND.fullmatch(self.interpreter):
            raise ValueError(f"interpreter: {self.interpreter[:64]!r} cannot be the name of one; use one of {', '.join(INTERPRETERS)}")
        if "\0" in self.user + self.working_folder:
            raise ValueError("user: a NUL byte cannot be part of it")
