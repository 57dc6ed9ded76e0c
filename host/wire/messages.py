"""The bodies of the node link's calls (DESIGN §3). All times are UTC milliseconds.

Enrol:  EnrollRequest → EnrollAnswer          without a client certificate
Poll:   PollRequest   → PollAnswer            held until there is something to say
Report: ReportRequest → ReportAnswer          gzip
Files:  FileRead → FilePart, FileWrite → FileStored     only files of one of the node's own unfinished commands
An error is answered by the envelope of `host.wire.envelope` and an HTTP status of 4xx or 5xx.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Facts:
    """What a host says of itself (D4). `memory` is in bytes; `labels` come from its configuration."""

    hostname: str
    addresses: list[str] = field(default_factory=list)
    os: str = ""
    kernel: str = ""
    arch: str = ""
    cpu_model: str = ""
    cpu_count: int = 0
    memory: int = 0
    boot_time: int = 0
    timezone: str = ""
    daemon_version: str = ""
    agent_version: str = ""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnrollRequest:
    """`token` may be empty: the host then waits for approval, and is answered HTTP 202 with `Retry-After` until somebody
    has decided. `csr` is PEM; its key never leaves the host. `fingerprint` holds what tells one machine from
    another: `machine_id`, `board_id`, `macs` (DESIGN §4)."""

    protocol: int
    token: str
    csr: str
    facts: Facts
    fingerprint: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class EnrollAnswer:
    """`certificate` and `ca` are PEM; `dispatch_key` is 32 bytes in hex, kept from everyone but the agent."""

    node_id: str
    name: str
    certificate: str
    ca: str
    dispatch_key: str
    now: int


@dataclass(frozen=True)
class RenewRequest:
    """`csr` is PEM, of a new key. The old certificate serves until the new one has been used."""

    csr: str


@dataclass(frozen=True)
class RenewAnswer:
    """`certificate` and `ca` are PEM."""

    certificate: str
    ca: str
    now: int


@dataclass(frozen=True)
class Command:
    """A ready-made, signed request to the agent's API; the daemon passes it on unread.

    `headers` carry the signature of `host.wire.signing`; `id` is its nonce and the ledger's key.
    """

    id: str
    method: str
    path: str
    body: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Refusal:
    """A command that the agent would not take, and why, in words."""

    id: str
    reason: str


@dataclass(frozen=True)
class PollRequest:
    """`accepted`: ids that are in the ledger since the last answered poll. `holding`: ids that the
    daemon has but could not hand to the agent yet; all others that are queued are sent (again).
    `fingerprint` goes with `facts`, as in EnrollRequest."""

    protocol: int
    daemon_version: str
    agent_state: str = "unknown"
    agent_version: str = ""
    accepted: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    holding: list[str] = field(default_factory=list)
    facts: Facts | None = None
    fingerprint: dict[str, str] | None = None


@dataclass(frozen=True)
class PollAnswer:
    """`wait` is how long, in seconds, the manager may hold the next poll; `now` its clock."""

    now: int
    wait: float
    commands: list[Command] = field(default_factory=list)
    facts_wanted: bool = False


@dataclass(frozen=True)
class Record:
    """One thing a host tells. `body` follows `kind`, see `host.wire.records`."""

    seq: int
    kind: str
    at: int
    body: dict[str, Any]


@dataclass(frozen=True)
class ReportRequest:
    """Records of one lane, ascending by `seq`. `epoch` changes only when the outbox was made anew."""

    lane: str
    epoch: int
    records: list[Record]


@dataclass(frozen=True)
class ReportAnswer:
    """`stored`: every record of this lane and epoch up to and including this one is safe and may go."""

    stored: int
    now: int


@dataclass(frozen=True)
class FileRead:
    """Up to `length` bytes from `offset` on of a file that a command of this node brings to it."""

    offset: int
    length: int


@dataclass(frozen=True)
class FilePart:
    """`data` is base64, empty at the end of the file; `size` and `sha256` (hex) are those of the whole file."""

    data: str
    size: int
    sha256: str


@dataclass(frozen=True)
class FileWrite:
    """The bytes `data` (base64) at `offset` of the file that a command of this node sends; `total` is the size that the whole
    will have. What is stored already may come again. With `sha256` (hex), in the last of them, the file is closed."""

    offset: int
    total: int
    data: str
    sha256: str = ""


@dataclass(frozen=True)
class FileStored:
    """`stored` bytes are safe: go on there. `done`: the file is whole and its SHA-256 right."""

    stored: int
    done: bool
