"""What a task of each kind is made of: the body of `POST /api/v1/task/execute` (A1, A5).

A refused value raises ValueError with one sentence that names the field.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INTERPRETERS = ("shell", "python")
MAX_SCRIPT_BYTES = 512 * 1024
MAX_TIMEOUT_S = 24 * 3600
MAX_OUTPUT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Script:
    """A script and how to run it. `arguments` and `environment` are passed as they are, never
    pasted into a shell line. `timeout` is in seconds, `output_limit` in bytes over both streams."""

    script: str
    interpreter: str = "shell"
    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    working_folder: str = ""
    timeout: int = 300
    output_limit: int = 1024 * 1024

    def __post_init__(self) -> None:
        if not self.script.strip():
            raise ValueError("script: it is empty; write at least one command")
        if "\0" in self.script or any("\0" in a for a in self.arguments):
            raise ValueError("script: a NUL byte cannot be passed to a process; remove it")
        if len(self.script.encode("utf-8", "surrogatepass")) > MAX_SCRIPT_BYTES:
            raise ValueError(f"script: larger than {MAX_SCRIPT_BYTES} bytes; send it as a file")
        if self.interpreter not in INTERPRETERS:
            raise ValueError(f"interpreter: {self.interpreter!r} is unknown; use one of {', '.join(INTERPRETERS)}")
        if not 1 <= self.timeout <= MAX_TIMEOUT_S:
            raise ValueError(f"timeout: {self.timeout} is not between 1 and {MAX_TIMEOUT_S} seconds")
        if not 0 <= self.output_limit <= MAX_OUTPUT_BYTES:
            raise ValueError(f"output_limit: {self.output_limit} is not between 0 and {MAX_OUTPUT_BYTES} bytes")
        for name, value in self.environment.items():
            if not name or "=" in name or "\0" in name + value:
                raise ValueError(f"environment: {name!r} cannot be the name of a variable")
        if self.working_folder and not self.working_folder.startswith("/"):
            raise ValueError(f"working_folder: {self.working_folder!r} is not an absolute path")


KINDS = {"script": Script}


@dataclass(frozen=True)
class ExecuteRequest:
    """The signed body: for which node, which kind, and the kind's own content."""

    node_id: str
    kind: str
    content: dict[str, object]
