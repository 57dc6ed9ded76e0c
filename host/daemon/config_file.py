"""Reading and checking daemon.yaml: `host.lib.settings` checks each value and names its line; here is what
concerns several values or the machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from host.daemon import proxy
from host.daemon.config import Config, addresses
from host.lib import settings
from host.lib.errors import ConfigError

MAX_SOCKET_PATH = 107
"""Bytes: what Linux takes in `sun_path`, without the closing NUL."""


def load(path: Path) -> Config:
    """The configuration in `path`. Raises ConfigError D1001 (cannot be read) or D1002 (not valid)."""
    return parse(settings.text_of(path), str(path))


def parse(text: str, name: str) -> Config:
    """The same of text; `name` stands in messages."""
    config = settings.parse(Config, text, name)
    _check(config, name)
    return config


def _check(config: Config, name: str) -> None:
    def wrong(key: str, what: str, mend: str) -> ConfigError:
        return ConfigError("D1002", f"{name}: {key}: {what}", mend)

    try:
        addresses(config.manager.address)
    except ValueError as problem:
        raise wrong("manager.address", f"{str(problem)!r} is not host:port", "write it as manager.example.com:8443") from None
    try:
        way = proxy.parse(config.manager.proxy)
    except ValueError as problem:
        raise wrong("manager.proxy", str(problem), "write it as http://proxy.example.com:3128") from None
    if config.manager.proxy_password_file and (way is None or not way.user or way.password):
        raise wrong(
            "manager.proxy_password_file", "it needs a manager.proxy with a user and without a password", "write http://user@host:port"
        )
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
    folders = config.daemon
    for key, path in (
        ("daemon.work_dir", folders.work_dir),
        ("daemon.run_dir", folders.run_dir),
        ("daemon.policy_file", folders.policy_file),
        ("plugins.folder", config.plugins.folder),
    ):
        if not path.is_absolute():
            raise wrong(key, f"{str(path)!r} is not an absolute path", "begin it with /")
    for key, path in (("daemon.run_dir", config.daemon_socket), ("supervisor.socket", config.supervisor_socket)):
        size = len(str(path).encode("utf-8", "surrogateescape"))
        if size > MAX_SOCKET_PATH:
            raise wrong(
                key, f"the socket path {path} has {size} bytes; a Unix socket may have {MAX_SOCKET_PATH}", "choose a shorter folder"
            )
