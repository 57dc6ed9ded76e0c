"""The agent's settings: every key, its unit, its default and why. Read once, never changed (D13)."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from pathlib import Path

from host.lib.errors import ConfigError
from host.lib.logs import LEVELS
from host.lib.settings import load
from host.wire.tasks import INTERPRETERS


@dataclass(frozen=True)
class TaskSettings:
    """Limits of the engine (A5)."""

    max_concurrent: int = field(default=10, metadata={"min": 1, "max": 200})
    """Tasks that run at the same time; the next ones wait in line."""
    max_queued: int = field(default=1000, metadata={"min": 0, "max": 100_000})
    """Tasks that may wait; past that the agent answers 429 and the daemon keeps the command."""
    stop_grace: float = field(default=5.0, metadata={"min": 0.05, "max": 300, "unit": "s"})
    """Between SIGTERM and SIGKILL to the task's process group."""
    drain: float = field(default=2.0, metadata={"min": 0.05, "max": 60, "unit": "s"})
    """How long a task whose process has ended waits for what its children still write."""
    shutdown_wait: float = field(default=25.0, metadata={"min": 0, "max": 3600, "unit": "s"})
    """What running tasks get when the agent is asked to stop; supervisord waits 30 s in all."""
    max_backlog_bytes: int = field(default=256 * 1024 * 1024, metadata={"min": 64 * 1024, "max": 1 << 40})
    """Output on disk that the daemon has not taken yet. Past it output is counted and cut; results never are."""
    keep_bytes: int = field(default=64 * 1024 * 1024, metadata={"min": 0, "max": 1 << 40})
    """Of one task's output, how much is kept on this host; what is beyond is counted."""
    kept_bytes: int = field(default=1024 * 1024 * 1024, metadata={"min": 0, "max": 1 << 44})
    """Of all tasks that have ended and printed more than was sent; the oldest give way."""


@dataclass(frozen=True)
class Interpreters:
    """Programs that run scripts. An empty `python` means the interpreter that runs the agent itself, an empty
    `powershell` the `pwsh` that is found in the usual folders."""

    shell: str = "/bin/sh"
    python: str = ""
    powershell: str = ""
    others: dict[str, str] = field(default_factory=dict)
    """More of them: name → program and its first arguments, parted by spaces; the script's file follows."""


@dataclass(frozen=True)
class FileSettings:
    """Where tasks of files and the API's files may be (A2)."""

    roots: list[str] = field(default_factory=lambda: ["/"])
    """Folders, with all below them; outside of them nothing is read or written."""


@dataclass(frozen=True)
class ConfigSettings:
    """Tasks of configuration files (A3); where the files may be is `files.roots`."""

    keep_backups: int = field(default=10, metadata={"min": 1, "max": 1000})
    """Of each file; the oldest give way."""


@dataclass(frozen=True)
class ServiceSettings:
    """Where the task kind `service` finds what it steers."""

    supervisors: list[str] = field(default_factory=list)
    """Unix sockets of the supervisords whose programs are services too."""
    init_folder: str = "/etc/init.d"
    """Where SysV scripts lie."""


@dataclass(frozen=True)
class HttpSettings:
    """What the task kind `http` may ask."""

    allow_link_local: bool = False
    """Whether 169.254.0.0/16 and the like may be asked: in a cloud they give out credentials."""


@dataclass(frozen=True)
class ApiSettings:
    """Who may call the signed API, and how often (A7)."""

    allow: list[str] = field(default_factory=list)
    """Networks from which it may be called, beside this host itself; by the address of the socket, never by a header."""
    client_ca: str = ""
    """A PEM file: callers from beyond this host show a certificate of this CA."""
    hosts: list[str] = field(default_factory=list)
    """Names of this agent in the Host header, without port; its own address and loopback always count."""
    unsigned_rate: float = field(default=20.0, metadata={"min": 0.1, "max": 100_000})
    """Requests a second that prove nothing, of all callers together; half of it of one address. Twice as many at once."""
    signed_rate: float = field(default=500.0, metadata={"min": 1, "max": 100_000})
    """Genuine requests a second on one connection; twice as many at once."""


@dataclass(frozen=True)
class PluginSettings:
    """Kinds of task of the operator's own (A6)."""

    folder: Path = Path("/etc/ops-scaffold/tasks")
    """Python files and executables; it and they belong to root or the agent's user, and nobody else can write them."""


@dataclass(frozen=True)
class Settings:
    """`agent.yaml`."""

    work_dir: Path = Path("/var/lib/ops-scaffold")
    run_dir: Path = Path("/run/ops-scaffold")
    policy_file: Path = Path("/etc/ops-scaffold/policy.yaml")
    """The host's own word on what it refuses; only root may write it."""
    log_level: str = field(default="info", metadata={"one_of": LEVELS})
    listen: str = "127.0.0.1:9445"
    """Address of the signed API; another than loopback only with `api.allow` or `api.client_ca`."""
    heartbeat_interval: float = field(default=30.0, metadata={"min": 0.1, "max": 300, "unit": "s"})
    keep_finished: float = field(default=7 * 86400.0, metadata={"min": 3600, "max": 366 * 86400, "unit": "s"})
    """How long a finished task stays in the ledger; never shorter than its signature is valid."""
    tasks: TaskSettings = field(default_factory=TaskSettings)
    interpreters: Interpreters = field(default_factory=Interpreters)
    files: FileSettings = field(default_factory=FileSettings)
    configs: ConfigSettings = field(default_factory=ConfigSettings)
    services: ServiceSettings = field(default_factory=ServiceSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    plugins: PluginSettings = field(default_factory=PluginSettings)
    api: ApiSettings = field(default_factory=ApiSettings)

    @property
    def address(self) -> tuple[str, int]:
        """Address and port of `listen`. Raises ConfigError D1002 where it is none, or open to others without a rule who they are."""
        host, _, port = self.listen.rpartition(":")
        try:
            found = ip_address("127.0.0.1" if host == "localhost" else host[1:-1] if host.startswith("[") else host)
        except ValueError:
            raise ConfigError("D1002", f"listen: {self.listen!r} begins with no address", "write 127.0.0.1:9445") from None
        if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ConfigError("D1002", f"listen: {self.listen!r} has no port between 1 and 65535", "write 127.0.0.1:9445")
        if not found.is_loopback and not self.api.allow and not self.api.client_ca:
            what = f"listen: {self.listen!r} is not on loopback, and nothing says who may call"
            raise ConfigError("D1002", what, "write 127.0.0.1:PORT, or set api.allow (networks) or api.client_ca (a CA's file)")
        if found.is_unspecified and not self.api.hosts:
            what = f"listen: {self.listen!r} is every address, and no name in the Host header counts but loopback's"
            raise ConfigError("D1002", what, "set api.hosts to the names or addresses that callers use")
        return str(found), int(port)

    @property
    def host_headers(self) -> frozenset[str]:
        """Values of the Host header, in small letters, that name this agent."""
        address, port = self.address
        names = {"127.0.0.1", "localhost", f"[{address}]" if ":" in address else address, *self.api.hosts}
        return frozenset(f"{name.lower()}:{port}" for name in names)


def read(path: Path) -> Settings:
    """The settings in `path`, checked. Raises ConfigError D1001 or D1002."""
    settings = load(Settings, path)
    try:
        _ = settings.address
    except ConfigError as problem:
        raise ConfigError(problem.code, f"{path}: {problem.what}", problem.mend) from problem
    if wrong := next((root for root in settings.files.roots if not root.startswith("/") or ".." in root.split("/")), ""):
        raise ConfigError("D1002", f"{path}: files.roots: {wrong!r} is not an absolute path", "begin it with /, without ..")
    for network in settings.api.allow:
        try:
            ip_network(network)
        except ValueError:
            raise ConfigError("D1002", f"{path}: api.allow: {network!r} is no network", "write 10.0.0.0/8 or one address") from None
    if settings.api.client_ca and not settings.api.client_ca.startswith("/"):
        raise ConfigError("D1002", f"{path}: api.client_ca: {settings.api.client_ca!r} is not an absolute path", "begin it with /")
    for name, one in (("policy_file", settings.policy_file), ("plugins.folder", settings.plugins.folder)):
        if not one.is_absolute():
            raise ConfigError("D1002", f"{path}: {name}: {str(one)!r} is not an absolute path", "begin it with /")
    named = {name: getattr(settings.interpreters, name) for name in INTERPRETERS}
    for name, value in (named | {f"others.{name}": line or "nothing" for name, line in settings.interpreters.others.items()}).items():
        if value and not value.startswith("/"):
            raise ConfigError("D1002", f"{path}: interpreters.{name}: {value!r} is not an absolute path", "write for example /bin/sh")
    for path_text in (*settings.services.supervisors, settings.services.init_folder):
        if not path_text.startswith("/"):
            raise ConfigError("D1002", f"{path}: services: {path_text!r} is not an absolute path", "begin it with /")
    if taken := next((name for name in INTERPRETERS if name in settings.interpreters.others), ""):
        raise ConfigError("D1002", f"{path}: interpreters.others: {taken} has a key of its own", f"write interpreters.{taken}")
    return settings
