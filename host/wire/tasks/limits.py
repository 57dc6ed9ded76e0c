"""What every task has, whatever its kind (A5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import check, fact, of

MAX_TIMEOUT_S = 24 * 3600
MAX_OUTPUT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`timeout` in seconds; `output_limit` in bytes over both streams, of what is sent to the manager; `priority` decides
    who goes first among those that wait; `nice` and `memory_limit` (bytes, 0: none) hold for every process of the task."""

    KIND: ClassVar[str] = ""
    LABEL: ClassVar[str] = ""
    HELP: ClassVar[str] = ""

    timeout: int = field(
        default=300, metadata=fact("Time limit", "After it the task is stopped on the host.", least=1, most=MAX_TIMEOUT_S, unit="s")
    )
    output_limit: int = field(
        default=1024 * 1024,
        metadata=fact("Output sent", "What is beyond stays on the host.", least=0, most=MAX_OUTPUT_BYTES, unit="bytes"),
    )
    priority: int = field(default=0, metadata=fact("Priority", "Higher goes first among tasks that wait.", least=-10, most=10))
    nice: int = field(default=0, metadata=fact("Niceness", "19 gives way to everything else on the host.", least=0, most=19))
    memory_limit: int = field(
        default=0, metadata=fact("Memory limit", "Of each of its processes; 0: none.", least=0, most=1 << 50, unit="bytes")
    )

    def __post_init__(self) -> None:
        check(of(type(self)), vars(self))
