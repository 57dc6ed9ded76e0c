"""daemon.yaml as frozen dataclasses (D13; chapter 5 of the daemon document, where it still applies).

Everything has a default but `manager.address`. `host.lib.settings` checks each value and names its line;
`load` checks what concerns several values or the machine. Times are seconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from host.lib import logs, settings
from host.lib.errors import ConfigError

MAX_SOCKET_PATH = 107
"""Bytes: what Linux takes in `sun_path`, without the closing NUL."""


def seconds(default: float, low: float, high: float) -> float:
    """A field that is a duration in seconds, between `low` and `high`."""
    return field(default=default, metadata={"unit": "s", "min": low, "max": high})


@dataclass(frozen=True)
class Daemon:
    """`work_dir` keeps identity, outbox and lock over restarts; `run_dir` holds the sockets."""

    log_level: str = field(default="info", metadata={"one_of": logs.LEVELS})
    work_dir: Path = Path("/var/lib/ops-scaffold")
    run_dir: Path = Path("/run/ops-scaffold")


@dataclass(frozen=True)
class Manager:
    """`address` is `host:port`. Without `ca_file` the manager is known by the pin in the enrolment token.

    `heartbeat_interval`: the agent's state is told at least that often. `reconnect_interval` and
    `reconnect_max` bound the jittered wait after a failure. `timeout` is for each answer.
    """

    address: str
    ca_file: str = ""
    enrolment_token: str = field(default="", repr=False)
    enrolment_token_file: str = ""
    heartbeat_interval: float = seconds(60, 10, 300)
    reconnect_interval: float = seconds(1, 0.1, 60)
    reconnect_max: float = seconds(30, 1, 600)
    timeout: float = seconds(30, 1, 300)
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return _split(self.address)[0]

    @property
    def port(self) -> int:
        return _split(self.address)[1]


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
    cpu: Collector = field(default_factory=Collector)
    memory: Collector = field(default_factory=Collector)
    disk: DiskCollector = field(default_factory=DiskCollector)
    network: NetworkCollector = field(default_factory=NetworkCollector)
    load: Collector = field(default_factory=Collector)
    process: Collector = field(default_factory=Collector)


@dataclass(frozen=True)
class Outbox:
    """Bounds of what waits for the manager; past them the oldest samples and logs go, with a tombstone."""

    max_bytes: int = field(default=256 * 1024 * 1024, metadata={"min": 1024 * 1024, "max": 2**40, "unit": "bytes"})
    max_age: float = seconds(7 * 86400, 60, 366 * 86400)


@dataclass(frozen=True)
class Config:
    manager: Manager
    daemon: Daemon = field(default_factory=Daemon)
    agent: Agent = field(default_factory=Agent)
    supervisor: Supervisor = field(default_factory=Supervisor)
    collectors: Collectors = field(default_factory=Collectors)
    outbox: Outbox = field(default_factory=Outbox)

    @property
    def daemon_socket(self) -> Path:
        return self.daemon.run_dir / "daemon.sock"

    @property
    def supervisor_socket(self) -> Path:
        return Path(self.supervisor.socket) if self.supervisor.socket else self.daemon.run_dir / "supervisor.sock"


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError D1001 (cannot be read) or D1002 (not valid)."""
    config = settings.load(Config, path)
    _check(config, str(path))
    return config


def _split(address: str) -> tuple[str, int]:
    """`host:port` or `[v6]:port`. Raises ValueError."""
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port or address != parts.netloc or "@" in address:
        raise ValueError(address)
    return parts.hostname, parts.port


def _check(config: Config, name: str) -> None:
    def wrong(key: str, what: str, mend: str) -> ConfigError:
        return ConfigError("D1002", f"{name}: {key}: {what}", mend)

    try:
        _split(config.manager.address)
    except ValueError:
        raise wrong("manager.address", f"{config.manager.address!r} is not host:port", "write it as manager.example.com:8443") from None
    if config.manager.enrolment_token and config.manager.enrolment_token_file:
        raise wrong("manager", "enrolment_token and enrolment_token_file are both given", "remove one of them")
    if config.manager.reconnect_max < config.manager.reconnect_interval:
        raise wrong("manager.reconnect_max", "it is smaller than reconnect_interval", "raise it")
    try:
        url = urlsplit(config.agent.url)
        good = url.scheme == "https" and bool(url.hostname) and url.path in ("", "/") and (url.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise wrong("agent.url", f"{config.agent.url!r} is not an https:// address", "write it as https://127.0.0.1:9445")
    for key, path in (("daemon.work_dir", config.daemon.work_dir), ("daemon.run_dir", config.daemon.run_dir)):
        if not path.is_absolute():
            raise wrong(key, f"{str(path)!r} is not an absolute path", "begin it with /")
    for key, path in (("daemon.run_dir", config.daemon_socket), ("supervisor.socket", config.supervisor_socket)):
        size = len(str(path).encode("utf-8", "surrogateescape"))
        if size > MAX_SOCKET_PATH:
            raise wrong(
                key, f"the socket path {path} has {size} bytes; a Unix socket may have {MAX_SOCKET_PATH}", "choose a shorter folder"
            )
