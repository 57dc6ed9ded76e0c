"""A pushed configuration on probation: it stays when the manager was reached under it, else the one before comes back.

    switching    the new file is about to replace the old one
    watching     it is in force, and has to prove itself
    confirmed    it has; what is left is to say so
    restoring    it has not; the old file is about to come back
    restored     the old file is back (or was never replaced); what is left is to say so

The marker beside the file names the step before it is taken, so that whatever is killed when, the next start goes on from
there and ends in exactly one of `confirmed` and `restored`. The files lie beside the configuration, where a start
finds them however broken that one is.
"""

from __future__ import annotations

import json
import logging
import stat
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from host.lib.files import write_atomically

log = logging.getLogger("daemon.configuration")

SWITCHING, WATCHING, CONFIRMED, RESTORING, RESTORED = "switching", "watching", "confirmed", "restoring", "restored"

MAX_STARTS = 5
"""Starts under a new configuration before it is given up: one is what it takes."""


@dataclass(frozen=True)
class Marker:
    """`command` is the order's id; `was` and `new` the hashes of the files; `limit` in seconds from `began` (UTC ms) on."""

    command: str
    step: str
    was: str
    new: str
    limit: float
    began: int
    starts: int = 0
    reason: str = ""


def _beside(path: Path, name: str) -> Path:
    return path.with_name(f".{path.name}.{name}")


def proposed_file(path: Path) -> Path:
    """Where a pushed configuration lies while it is looked at."""
    return _beside(path, "proposed")


def previous_file(path: Path) -> Path:
    """The configuration before the last that was pushed."""
    return path.with_name(f"{path.name}.previous")


def hash_of(path: Path) -> str:
    """SHA-256 (hex) of a file; "" when it cannot be read."""
    import hashlib  # loaded when it is needed, not by every daemon (D15)

    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def read(path: Path) -> Marker | None:
    """The marker beside the configuration `path`; None when nothing is on probation."""
    try:
        return Marker(**json.loads(_beside(path, "probation").read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as problem:
        log.error("D1001 %s cannot be used: %s", _beside(path, "probation"), problem)
        return None


def write(path: Path, marker: Marker) -> Marker:
    write_atomically(_beside(path, "probation"), json.dumps(asdict(marker)).encode())
    return marker


def remove(path: Path) -> None:
    _beside(path, "probation").unlink(missing_ok=True)


def switch(path: Path, marker: Marker, text: bytes) -> Marker:
    """Puts `text` in force, keeping the file before it. Raises OSError; then the old one is in force."""
    mode = stat.S_IMODE(path.stat().st_mode)
    write_atomically(previous_file(path), path.read_bytes(), mode)
    write(path, marker)
    write_atomically(path, text, mode)
    return write(path, replace(marker, step=WATCHING))


def restore(path: Path, marker: Marker, reason: str) -> Marker:
    """Brings the file before back. One that somebody changed on the host meanwhile is left: that change would be lost."""
    marker = write(path, replace(marker, step=RESTORING, reason=reason))
    if hash_of(path) == marker.new:
        write_atomically(path, previous_file(path).read_bytes(), stat.S_IMODE(path.stat().st_mode))
    elif hash_of(path) != marker.was:
        reason += "; the file was changed on the host meanwhile, so it was left as it is"
    return write(path, replace(marker, step=RESTORED, reason=reason))


def before_start(path: Path, now: int) -> Marker | None:
    """Goes on from where an earlier process was; called before the configuration is read. Raises OSError."""
    marker = read(path)
    if marker is None:
        return None
    if marker.step == SWITCHING:
        if hash_of(path) != marker.new:
            return restore(path, marker, "the daemon ended before the file was replaced; nothing was changed")
        marker = write(path, replace(marker, step=WATCHING))
    if marker.step == RESTORING:
        return restore(path, marker, marker.reason)
    if marker.step == WATCHING:
        marker = write(path, replace(marker, starts=marker.starts + 1))
        if marker.starts > MAX_STARTS:
            return restore(path, marker, f"the daemon ended {MAX_STARTS} times before it reached the manager")
        if left(marker, now) <= 0:
            return restore(path, marker, f"the manager was not reached within {marker.limit:g} s")
    return marker


def left(marker: Marker, now: int) -> float:
    """Seconds until it is given up; none after a clock that was set back."""
    gone = (now - marker.began) / 1000
    return marker.limit - gone if gone >= 0 else 0.0


def give_up(path: Path, reason: str) -> bool:
    """What is on probation cannot even be read: bring back the one before. False when nothing is."""
    marker = read(path)
    if marker is None or marker.step != WATCHING:
        return False
    restore(path, marker, reason)
    return True
