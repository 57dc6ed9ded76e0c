"""Which manager, and by which token: `~/.config/ops-scaffold/opsctl.json` (mode 0600), or the environment.

`OPSCTL_CONFIG` names another file. `OPS_URL`, `OPS_TOKEN` and `OPS_CA` (a file) come before what is in it. A token
is only ever sent to the manager that gave it: with another `OPS_URL` the stored one is left alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from server.ctl.problems import Refused, Usage

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Setup:
    """`ca` is PEM; empty: the machine's own list of authorities."""

    url: str
    token: str = ""
    ca: str = ""
    user: str = ""


def file_of(environment: Mapping[str, str]) -> Path:
    if environment.get("OPSCTL_CONFIG"):
        return Path(environment["OPSCTL_CONFIG"])
    home = Path(environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or "~").expanduser() / ".config")
    return home / "ops-scaffold" / "opsctl.json"


def load(environment: Mapping[str, str]) -> Setup:
    """Raises Refused when nobody signed in yet, Usage for a damaged file."""
    stored = read(file_of(environment))
    url = checked_url(environment["OPS_URL"]) if environment.get("OPS_URL") else stored.url if stored else ""
    if not url:
        raise Refused("not signed in; run: opsctl login URL")
    same = stored if stored is not None and stored.url == url else None
    token = environment.get("OPS_TOKEN") or (same.token if same else "")
    if not token:
        raise Refused(f"not signed in at {url}; run: opsctl login {url}")
    ca = pem_file(Path(environment["OPS_CA"])) if environment.get("OPS_CA") else same.ca if same else ""
    return Setup(url, token, ca, same.user if same else "")


def read(path: Path) -> Setup | None:
    """What is stored; None when there is no such file. Raises Usage."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Setup(**{key: str(data.get(key) or "") for key in ("url", "token", "ca", "user")})
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from problem
    except (ValueError, AttributeError) as problem:
        raise Usage(f"{path}: not a file of opsctl; remove it and sign in again: opsctl login URL") from problem


def store(path: Path, setup: Setup) -> None:
    """Whole or not at all, and never readable by others, not even for a moment. Raises Usage."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), 0o600)
            json.dump(asdict(setup), stream, indent=1)
        temporary.replace(path)
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from problem


def forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def checked_url(text: str) -> str:
    """`https://host[:port]`. Raises Usage: among others for plain HTTP to another machine, which shows password and token."""
    try:
        parts = urlsplit(text if "//" in text else f"https://{text}")
        port = parts.port
    except ValueError as problem:
        raise Usage(f"{text!r} is not an address like https://manager:9443") from problem
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise Usage(f"{text!r} is not an address like https://manager:9443")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise Usage(f"{text!r}: plain HTTP would show your password to the network; use https://")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"


def pem_file(path: Path) -> str:
    """The text of a CA certificate. Raises Usage."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise Usage(f"{path}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise Usage(f"{path}: not a PEM certificate") from problem
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise Usage(f"{path}: not a PEM certificate")
    return text
