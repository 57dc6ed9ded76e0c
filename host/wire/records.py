"""What a host tells: the kinds of record, their lane and the shape of their bodies.

Sizes are bytes, rates bytes a second, shares percent (0–100), times UTC milliseconds.
Counters (`*_bytes`, `*_packets`) count from the host's boot.
"""

from __future__ import annotations

from dataclasses import dataclass, field

URGENT = "urgent"
BULK = "bulk"

LANE_OF = {
    "execution": URGENT,
    "output": URGENT,
    "state": URGENT,
    "event": URGENT,
    "health": URGENT,
    "configuration": URGENT,
    "kinds": URGENT,
    "log": BULK,
    "sample": BULK,
}
"""Kind → lane. `dropped` may stand in either."""


@dataclass(frozen=True)
class Cpu:
    """Percent of all cores together; `cores`: the load of each."""

    percent: float
    user: float
    system: float
    idle: float
    iowait: float = 0.0
    cores: list[float] = field(default_factory=list)
    count: int = 0
    model: str = ""


@dataclass(frozen=True)
class Memory:
    """Bytes, and the percent that is in use."""

    total: int
    used: int
    available: int
    percent: float
    cached: int = 0
    buffers: int = 0
    swap_total: int = 0
    swap_used: int = 0


@dataclass(frozen=True)
class Disk:
    """One mounted file system, in bytes."""

    mount: str
    device: str
    fstype: str
    total: int
    used: int
    free: int
    percent: float


@dataclass(frozen=True)
class DiskIo:
    """Rates are None in the first sample after a start and after a counter went backwards."""

    device: str
    read_bytes: int
    write_bytes: int
    read_rate: float | None = None
    write_rate: float | None = None


@dataclass(frozen=True)
class Nic:
    """One interface: counters both ways; rates are None as in DiskIo."""

    name: str
    rx_bytes: int
    tx_bytes: int
    rx_packets: int = 0
    tx_packets: int = 0
    rx_errors: int = 0
    tx_errors: int = 0
    rx_drops: int = 0
    tx_drops: int = 0
    rx_rate: float | None = None
    tx_rate: float | None = None


@dataclass(frozen=True)
class Gpu:
    """One graphics processor: memory in bytes, temperature in °C."""

    name: str
    percent: float
    memory_used: int
    memory_total: int
    temperature: float | None = None


@dataclass(frozen=True)
class PluginMetric:
    """One value of a plugin (D2). `name` is unique within its plugin; `unit` is free text, `%` and `bytes` are known."""

    plugin: str
    name: str
    value: float
    unit: str = ""


@dataclass(frozen=True)
class Sample:
    """`sample`: what the collectors that were due brought. A section is None when its collector was
    not due, or failed: then `failed` holds its name and the reason (D5001)."""

    took_ms: float
    cpu: Cpu | None = None
    memory: Memory | None = None
    disks: list[Disk] | None = None
    disk_io: list[DiskIo] | None = None
    nics: list[Nic] | None = None
    load: list[float] | None = None
    processes: int | None = None
    process_states: dict[str, int] | None = None
    uptime: int | None = None
    gpus: list[Gpu] | None = None
    plugins: list[PluginMetric] | None = None
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """`log`: a line of the daemon's or the agent's own log, WARNING and above (D14)."""

    component: str
    level: str
    logger: str
    message: str


@dataclass(frozen=True)
class AgentState:
    """`state`: the agent as the daemon sees it; `state` is one of `states.AGENT`."""

    state: str
    pid: int | None = None
    version: str = ""
    cpu_percent: float | None = None
    memory_bytes: int | None = None
    restarts: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Execution:
    """`execution`: a command entered a state of `states.COMMAND`; the record's `at` is when.

    `result`: what the task returned, an object; a task that failed may say `{"error": {"code", "message"}}`. `cpu_ms` and
    `memory_bytes`: processor time and peak memory of the task's processes. All three come with the final state."""

    command_id: str
    state: str
    reason: str = ""
    exit_code: int | None = None
    signal: int | None = None
    stdout_bytes: int = 0
    stderr_bytes: int = 0
    truncated: bool = False
    result: dict[str, object] | None = None
    cpu_ms: int | None = None
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Output:
    """`output`: `data` (base64) starts at byte `offset` of `stream`; `chunk` counts 0, 1, 2 … over
    both streams of the command in the order in which they were read."""

    command_id: str
    chunk: int
    stream: str
    offset: int
    data: str


@dataclass(frozen=True)
class Health:
    """`health`: how it stands with the daemon itself. Sizes in bytes, times UTC milliseconds.

    `dropped` counts records ever let go of; `plugins`: name → why it does not work, empty when it does.
    `clock_ahead_ms`: by how much the manager's clock is ahead of the host's. `configuration`: hash of the file in force.
    """

    started: int
    address: str
    outbox_records: int = 0
    outbox_bytes: int = 0
    outbox_oldest: int | None = None
    dropped: int = 0
    link_failures: int = 0
    last_problem: str = ""
    clock_ahead_ms: int = 0
    certificate_not_after: int | None = None
    configuration: str = ""
    log_level: str = ""
    memory_bytes: int | None = None
    cpu_percent: float | None = None
    plugins: dict[str, str] = field(default_factory=dict)
    failing_collectors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Configuration:
    """`configuration`: the daemon's configuration file that is in force, secrets masked. `hash` is SHA-256 (hex) of the
    file as it is. `note` says how it came to be in force: at start, pushed, or restored and why."""

    text: str
    hash: str
    note: str = ""


@dataclass(frozen=True)
class Kinds:
    """`kinds`: every kind of task that this host's agent runs, plugins too, as `host.wire.schema.Schema` objects; told at its
    start and when a plugin comes or goes. `refused`: plugin → why it is not among them."""

    kinds: list[dict[str, object]]
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """`event`: something worth knowing that is no measurement: `name` is a word, `detail` a sentence."""

    name: str
    detail: str


@dataclass(frozen=True)
class Dropped:
    """`dropped`: a tombstone. Records `first` to the tombstone's own `seq` are gone, and why."""

    first: int
    why: str


BODY_OF: dict[str, type] = {
    "sample": Sample,
    "log": Log,
    "state": AgentState,
    "execution": Execution,
    "output": Output,
    "health": Health,
    "configuration": Configuration,
    "kinds": Kinds,
    "event": Event,
    "dropped": Dropped,
}
