"""Looking at the next content of daemon.yaml: whole, valid, and not made for another host. Part of short-lived processes."""

from __future__ import annotations

import difflib
from pathlib import Path

from host.daemon import config_file, secrets
from host.lib import settings
from host.lib.errors import ConfigError
from host.lib.files import write_atomically

FIXED = ("work_dir", "run_dir", "policy_file")
"""Keys of `daemon` that only somebody on the host may change: where its identity is, and who may order it about."""


def check(proposed: Path, current: Path) -> str:
    """Checks the file `proposed` as what `current` shall hold next, puts masked secrets back into it, and gives the
    difference as a unified diff without secrets. Raises ConfigError that speaks of `current`."""
    name, old = str(current), settings.text_of(current)
    text = secrets.restored(settings.text_of(proposed), old, name)
    new, now = config_file.parse(text, name).daemon, config_file.parse(old, name).daemon
    for key in FIXED:
        if getattr(new, key) != getattr(now, key):
            raise ConfigError(
                "D1002",
                f"{name}: daemon.{key} may not be changed while the daemon runs ({getattr(now, key)} → {getattr(new, key)})",
                "change it on the host, and restart the daemon",
            )
    write_atomically(proposed, text.encode())
    return difference(old, text, current.name)


def difference(old: str, new: str, name: str) -> str:
    """A unified diff of both without their secrets; a secret that changed is told as such."""
    lines = list(
        difflib.unified_diff(secrets.masked(old).splitlines(), secrets.masked(new).splitlines(), f"{name} (in force)", name, lineterm="")
    )
    if not lines and old != new:
        lines = ["a secret is another one; nothing else differs"]
    return "".join(line + "\n" for line in lines)
