"""The manager's settings: one frozen value, read once, unknown keys refused.

Order: defaults, then the YAML file, then `OPS_DATABASE_URL` from the environment (a secret that should not
stand in a file that others may read).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import msgspec
import yaml

from server.errors import ConfigError
from server.outbound.addresses import networks_of

_FILE_LIMITS = ("file_days", "file_max_bytes", "files_max_bytes")
METRICS_ACCESS = ("token", "loopback")
LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class Config:
    """Each field: what it is, its unit, why the default."""

    data_dir: Path = Path("/var/lib/ops-scaffold/manager")
    """Keys, and the database when it is SQLite."""
    database_url: str = ""
    """`sqlite:///PATH` or `mysql://USER:PASSWORD@HOST:PORT/NAME`; empty: `manager.db` in data_dir."""
    node_listen: str = "0.0.0.0:8443"
    """Where hosts connect: always TLS with client certificates."""
    web_listen: str = "127.0.0.1:9443"
    """Pages and REST API."""
    web_tls: bool = True
    """Off only on loopback: behind a proxy on the same machine, or for a demo."""
    public_names: list[str] = field(default_factory=lambda: ["localhost", "127.0.0.1"])
    """Names and addresses by which hosts and browsers reach this manager; they go into its certificate."""
    poll_wait: float = 25.0
    """Seconds a poll is held: below the 30 s after which proxies tend to cut."""
    offline_after: float = 45.0
    """Seconds without a sign of life until a node is offline (DESIGN §3)."""
    certificate_days: int = 90
    """Life of a node's certificate (DESIGN §4)."""
    approval: bool = True
    """Hosts may ask to be taken in without a token, and wait for approval. Off: only with a token."""
    retire_after_days: int = 0
    """A node that is offline for so many days is retired; 0: never, since a machine may rest for a season."""
    session_hours: int = 12
    """A working day: who signs in at nine is not thrown out before it ends."""
    command_ttl: int = 3600
    """Seconds a command may wait for its host before it expires."""
    metrics_days: int = 30
    """How long raw samples, hosts' log lines and events are kept."""
    rollup_days: int = 90
    """How long means of 5 minutes are kept: a quarter, to compare months."""
    rollup_hour_days: int = 730
    """How long means of an hour, and the fleet's minutes, are kept: two years, to see the last one beside this one."""
    file_days: int = 7
    """How long a file of the store is kept after its last use."""
    file_max_bytes: int = 2 * 1024**3
    """The largest file of the store, in bytes."""
    files_max_bytes: int = 20 * 1024**3
    """All files of the store together, in bytes: they lie in the database."""
    pool_open: int = 100
    """Most connections to MySQL (requirements 5.2.3)."""
    pool_idle: int = 10
    """Connections to MySQL kept open (requirements 5.2.3)."""
    rate_user: int = 6000
    """Calls of the API a minute of one person, all tokens together, on each manager; 0: no limit. A file of 2 GiB is 2048 calls."""
    rate_stranger: int = 300
    """Calls of the API a minute from one address without a good token, on each manager; 0: no limit."""
    public_url: str = ""
    """How people reach the pages, for links in messages; empty: https, the first of public_names, and web_listen's port."""
    receiver_networks: list[str] = field(default_factory=list)
    """Networks that receivers of alerts may be in besides the public Internet, such as `10.0.0.0/8`, or `127.0.0.0/8` for this machine:
    none, so that nobody reaches inner services through the manager unless the operator says so. Link-local ones are never allowed."""
    receiver_http: bool = False
    """Receivers may be reached without TLS. Off: alerts name hosts and their troubles. On this machine http needs no permission."""
    deliveries_days: int = 30
    """How long it is kept what was told to which receiver."""
    alert_flapping_opens: int = 5
    """An alert that opens more often than that within `alert_flapping_minutes` is flapping: it then stays open until it calms."""
    alert_flapping_minutes: int = 60
    """The minutes in which its openings are counted, and how long it must be good to be calm."""
    alert_storm_nodes: int = 10
    """More nodes than that opening the same rule within a minute are told of together."""
    alert_remind_hours: int = 24
    """An open alert that nobody acknowledged is told of again after so many hours; 0: never."""
    alert_days: int = 365
    """How long resolved alerts are kept: a year, to see the last one's season."""
    metrics_access: str = "token"
    """Who may read `/metrics`: `token`, or `loopback`: also whoever asks from this machine, past any proxy, without one."""
    log_level: str = "info"

    @property
    def pages_url(self) -> str:
        """Without a slash at its end."""
        host = self.public_names[0]
        named = f"[{host}]" if ":" in host else host
        scheme = "https" if self.web_tls else "http"
        return self.public_url.rstrip("/") or f"{scheme}://{named}:{self.web_listen.rpartition(':')[2]}"

    @property
    def url(self) -> str:
        return self.database_url or f"sqlite:///{self.data_dir / 'manager.db'}"


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """The settings in `path`, or the defaults. Raises ConfigError with file and key."""
    values: dict[str, Any] = {}
    if path is not None:
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except OSError as problem:
            raise ConfigError(f"{path}: {problem.strerror}; give an existing file with --config") from problem
        except (yaml.YAMLError, UnicodeDecodeError) as problem:
            line = getattr(getattr(problem, "problem_mark", None), "line", None)
            where = f"{path}:{line + 1}" if line is not None else str(path)
            raise ConfigError(f"{where}: not valid YAML; correct it") from problem
        if not isinstance(values, dict):
            raise ConfigError(f"{path}: must be keys and values, one a line")
        _refuse_unknown(path, values)
    if environment.get("OPS_DATABASE_URL"):
        values["database_url"] = environment["OPS_DATABASE_URL"]
    try:
        config = msgspec.convert(values, Config, strict=True, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as problem:
        raise ConfigError(f"{path}: {problem}") from problem
    _check(config)
    return config


def _refuse_unknown(path: Path, values: dict[str, Any]) -> None:
    known = {f.name for f in fields(Config)}
    for key in values:
        if key not in known:
            lines = path.read_text(encoding="utf-8").splitlines()
            line = next((n for n, text in enumerate(lines, 1) if text.startswith(f"{key}:")), 1)
            raise ConfigError(f"{path}:{line}: unknown key {key}; known: {', '.join(sorted(known))}")


def _check(config: Config) -> None:
    host, _ = address(config.web_listen, "web_listen")
    address(config.node_listen, "node_listen")
    if not config.web_tls and not _is_loopback(host):
        raise ConfigError(f"web_tls: false is allowed on loopback only, web_listen is {config.web_listen}; use 127.0.0.1 or switch TLS on")
    if config.metrics_access not in METRICS_ACCESS:
        raise ConfigError(f"metrics_access: {config.metrics_access!r} is unknown; use one of {', '.join(METRICS_ACCESS)}")
    if config.log_level not in LOG_LEVELS:
        raise ConfigError(f"log_level: {config.log_level!r} is unknown; use one of {', '.join(LOG_LEVELS)}")
    if not 1 <= config.poll_wait <= 60 or config.offline_after < config.poll_wait + 5:
        raise ConfigError("poll_wait must be 1 to 60 seconds, and offline_after at least 5 seconds more")
    for name in (
        "certificate_days",
        "session_hours",
        "command_ttl",
        "metrics_days",
        "rollup_days",
        "rollup_hour_days",
        "deliveries_days",
        "pool_open",
        "pool_idle",
        "alert_flapping_opens",
        "alert_flapping_minutes",
        "alert_storm_nodes",
        "alert_days",
        *_FILE_LIMITS,
    ):
        if getattr(config, name) < 1:
            raise ConfigError(f"{name}: must be at least 1")
    for name in ("rate_user", "rate_stranger"):
        if getattr(config, name) < 0:
            raise ConfigError(f"{name}: must be at least 1, or 0 for no limit")
    try:
        networks_of(config.receiver_networks)
    except ValueError as problem:
        raise ConfigError(f"receiver_networks: {problem}; write networks such as 10.0.0.0/8") from problem
    if config.public_url and not config.public_url.startswith(("https://", "http://")):
        raise ConfigError(f"public_url: {config.public_url!r} must begin with https:// or http://")
    if not config.public_names:
        raise ConfigError("public_names: give at least one name by which hosts reach this manager")


def address(text: str, key: str) -> tuple[str, int]:
    """`host:port` in its parts. Raises ConfigError naming `key`."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
        raise ConfigError(f"{key}: {text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
