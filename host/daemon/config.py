"""daemon.yaml as frozen dataclasses (D13; chapter 5 of the daemon document, where it still applies).

Everything has a default but `manager.address`. Times are seconds, sizes bytes. Reading and checking is
`config_file`'s: this module is part of the running daemon and knows nothing of YAML.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from host.lib import logs


def seconds(default: float, low: float, high: float) -> float:
    """A field that is a duration in seconds, between `low` and `high`."""
    return field(default=default, metadata={"unit": "s", "min": low, "max": high})


@dataclass(frozen=True)
class Daemon:
    """`work_dir` keeps identity, outbox and lock over restarts; `run_dir` holds the sockets. `policy_file` is the host's
    own word on what it refuses. A pushed configuration has `probation` to prove itself before the one before is restored."""

    log_level: str = field(default="info", metadata={"one_of": logs.LEVELS})
    work_dir: Path = Path("/var/lib/ops-scaffold")
    run_dir: Path = Path("/run/ops-scaffold")
    policy_file: Path = Path("/etc/ops-scaffold/policy.yaml")
    probation: float = seconds(120, 5, 3600)


@dataclass(frozen=True)
class Manager:
    """`address` is `host:port`, or several of them with commas between, the first one first: one that works is kept, after
    a failure the next one is tried. `proxy` is `http://[user:password@]host:port` (HTTP CONNECT). Without `ca_file` the
    manager is known by the pin in the enrolment token.

    `heartbeat_interval`: the agent's state is told at least that often. `reconnect_interval` and
    `reconnect_max` bound the jittered wait after a failure. `timeout` is for each answer.
    """

    address: str = field(metadata={"listed": True})
    ca_file: str = ""
    proxy: str = field(default="", repr=False)
    proxy_password_file: str = ""
    enrolment_token: str = field(default="", repr=False)
    enrolment_token_file: str = ""
    heartbeat_interval: float = seconds(60, 10, 300)
    reconnect_interval: float = seconds(1, 0.1, 60)
    reconnect_max: float = seconds(30, 1, 600)
    timeout: float = seconds(30, 1, 300)
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HealthCheck:
    """When the agent counts as failed (D7): no heartbeat for `heartbeat_timeout`, or more than
    `cpu_threshold` percent or `memory_threshold` bytes for longer than `threshold_duration`."""

    interval: float = seconds(30, 1, 300)
    heartbeat_timeout: float = seconds(90, 3, 900)
    cpu_threshold: float = field(default=50.0, metadata={"min": 1, "max": 10000, "unit": "%"})
    memory_threshold: int = field(default=524288000, metadata={"min": 16 * 1024 * 1024, "max": 2**40, "unit": "bytes"})
    threshold_duration: float = seconds(60, 1, 3600)


@dataclass(frozen=True)
class Restart:
    """The waits of D7: the 1st restart is at once, the 2nd and 3rd wait `second`, the 4th and 5th `fourth`,
    later ones `later` with an alert; the count starts again after `quiet` without a restart."""

    second: float = seconds(10, 0, 600)
    fourth: float = seconds(30, 0, 600)
    later: float = seconds(60, 0, 600)
    quiet: float = seconds(300, 10, 86400)


@dataclass(frozen=True)
class Agent:
    """`url` is where the agent's API listens: the `listen` of agent.yaml."""

    url: str = "https://127.0.0.1:9445"
    health_check: HealthCheck = field(default_factory=HealthCheck)
    restart: Restart = field(default_factory=Restart)

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443


@dataclass(frozen=True)
class Supervisor:
    """Where supervisord listens (empty: `run_dir`/supervisor.sock) and what the agent is called there."""

    socket: str = ""
    program: str = "ops-agent"


@dataclass(frozen=True)
class Collector:
    """`interval` in seconds."""

    enabled: bool = True
    interval: float = seconds(60, 10, 300)


@dataclass(frozen=True)
class DiskCollector:
    """`mount_points`: only these; empty: all real file systems, see `collectors.disk`."""

    enabled: bool = True
    interval: float = seconds(60, 10, 300)
    mount_points: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class NetworkCollector:
    """`interfaces`: only these; empty: all but loopback and those of containers, see `collectors.network`."""

    enabled: bool = True
    interval: float = seconds(60, 10, 300)
    interfaces: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Collectors:
    """Section `collectors`: one of them each."""

    cpu: Collector = field(default_factory=Collector)
    memory: Collector = field(default_factory=Collector)
    disk: DiskCollector = field(default_factory=DiskCollector)
    network: NetworkCollector = field(default_factory=NetworkCollector)
    load: Collector = field(default_factory=Collector)
    process: Collector = field(default_factory=Collector)
    gpu: Collector = field(default_factory=Collector)


@dataclass(frozen=True)
class Plugins:
    """`folder` holds them; nothing runs while it does not exist. `timeout` is for each run. `user`: whom they run as;
    empty: as the daemon itself."""

    folder: Path = Path("/etc/ops-scaffold/plugins")
    interval: float = seconds(60, 10, 3600)
    timeout: float = seconds(10, 1, 300)
    user: str = ""


@dataclass(frozen=True)
class Outbox:
    """Bounds of what waits for the manager; past them the oldest samples and logs go, with a tombstone.

    `drain_rate`: how fast a backlog of samples and logs is sent after an outage; see `host.daemon.pace`."""

    max_bytes: int = field(default=256 * 1024 * 1024, metadata={"min": 1024 * 1024, "max": 2**40, "unit": "bytes"})
    max_age: float = seconds(7 * 86400, 60, 366 * 86400)
    drain_rate: float = field(default=20.0, metadata={"min": 1, "max": 10000, "unit": "records a second"})


@dataclass(frozen=True)
class Config:
    """The whole of daemon.yaml."""

    manager: Manager
    daemon: Daemon = field(default_factory=Daemon)
    agent: Agent = field(default_factory=Agent)
    supervisor: Supervisor = field(default_factory=Supervisor)
    collectors: Collectors = field(default_factory=Collectors)
    outbox: Outbox = field(default_factory=Outbox)
    plugins: Plugins = field(default_factory=Plugins)

    @property
    def daemon_socket(self) -> Path:
        return self.daemon.run_dir / "daemon.sock"

    @property
    def transfer_socket(self) -> Path:
        return self.daemon.run_dir / "transfer.sock"

    @property
    def supervisor_socket(self) -> Path:
        return Path(self.supervisor.socket) if self.supervisor.socket else self.daemon.run_dir / "supervisor.sock"


class InForce(NamedTuple):
    """The file that is in force: its path, the hash of its bytes, its text without secrets, and how it came to be so."""

    path: str
    hash: str
    text: str
    note: str


def split_address(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`. Raises ValueError."""
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port or address != parts.netloc or "@" in address or not address.isascii():
        raise ValueError(address)
    return parts.hostname, parts.port


def addresses(text: str) -> list[tuple[str, int]]:
    """One or more of them, with commas between. Raises ValueError."""
    return [split_address(one.strip()) for one in text.split(",")]


def to_plain(config: Config) -> dict[str, Any]:
    """As JSON can carry it; `from_plain` makes the same configuration of it."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config), default=str))
    return plain


def from_plain(plain: dict[str, Any]) -> Config:
    """The configuration that `to_plain` was given."""
    agent, collectors, folders = plain["agent"], plain["collectors"], plain["daemon"]
    return Config(
        manager=Manager(**plain["manager"]),
        daemon=Daemon(
            folders["log_level"],
            Path(folders["work_dir"]),
            Path(folders["run_dir"]),
            Path(folders["policy_file"]),
            folders["probation"],
        ),
        agent=Agent(agent["url"], HealthCheck(**agent["health_check"]), Restart(**agent["restart"])),
        supervisor=Supervisor(**plain["supervisor"]),
        collectors=Collectors(
            cpu=Collector(**collectors["cpu"]),
            memory=Collector(**collectors["memory"]),
            disk=DiskCollector(**collectors["disk"]),
            network=NetworkCollector(**collectors["network"]),
            load=Collector(**collectors["load"]),
            process=Collector(**collectors["process"]),
            gpu=Collector(**collectors["gpu"]),
        ),
        outbox=Outbox(**plain["outbox"]),
        plugins=Plugins(**{**plain["plugins"], "folder": Path(plain["plugins"]["folder"])}),
    )
