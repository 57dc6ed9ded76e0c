"""What a keeper is given and what it leaves behind, in the files that `keeper` lists."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Plan:
    """A process to start, whom it runs as, and its limits.

    `ids`: user, group, further groups; None: as the agent. `timeout`, `grace` (SIGTERM to SIGKILL) and `drain` (how long children of a
    process that has ended may still write) in seconds; `memory_limit` in bytes, 0: none; `keep_bytes` of output kept on disk.
    """

    arguments: list[str]
    environment: dict[str, str]
    working_folder: str
    ids: tuple[int, int, list[int]] | None
    nice: int
    memory_limit: int
    timeout: float
    grace: float
    drain: float
    keep_bytes: int


@dataclass(frozen=True)
class End:
    """`error`: it could not be started, and why. `state` and `reason`: what it was stopped for; empty when it ended by itself.
    `code` or `signal` as the kernel says; neither: it hangs. `stdout` and `stderr`: bytes printed, `lost` of which not kept."""

    error: str = ""
    state: str = ""
    reason: str = ""
    code: int | None = None
    signal: int | None = None
    stdout: int = 0
    stderr: int = 0
    lost: int = 0
    cpu_ms: int | None = None
    memory_bytes: int | None = None
    at: int = 0


def write(path: Path, value: Any) -> None:
    """Whole or not at all."""
    part = path.with_name(path.name + ".part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(value, stream)
    os.replace(part, path)


def now_ms() -> int:
    return time.time_ns() // 1_000_000
