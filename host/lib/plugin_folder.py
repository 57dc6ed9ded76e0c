"""What lies in a plugin folder, the daemon's or the agent's, and what of it may be run.

A file named `<name>.py` is a Python plugin; any other file that is executable is run as it is; everything else
(notes, data, editors' copies, hidden files) is passed over. Refused, with a reason, is what somebody other than root
or this process' own user could have written: it would be run with this process' rights.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = "(folder)"
"""The name under which trouble with the folder itself is told."""
MAX_PLUGINS = 50
SETTLED_S = 2.0
"""A file that was written or renamed this recently may still be on its way: it waits for the next look."""
Stamp = tuple[int, int, int, int]
"""Inode, time of change, size and mode of a file: another one when it was replaced or written."""
_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9_-]{0,63})(\.[A-Za-z0-9]{1,8})?")
_IGNORED = (".bak", ".old", ".orig", ".swp", ".tmp", ".new", ".md", ".txt", ".json", ".yaml", ".conf", ".pyc", "~")
_WRITABLE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Plugin:
    """One file of the folder."""

    name: str
    path: Path
    is_python: bool
    stamp: Stamp


@dataclass(frozen=True)
class Found:
    """`refused`: name → why it is not run. `mark` changes when files come or go; `unsettled`: names that are still being
    written, look again soon; `misnamed`: files that could be run but for a name that is none."""

    plugins: list[Plugin]
    refused: dict[str, str]
    mark: int
    unsettled: frozenset[str] = frozenset()
    misnamed: list[str] = field(default_factory=list)


def look(folder: Path, now: float) -> Found:
    """What `folder` holds; nothing when it does not exist. `now` is wall time in seconds."""
    try:
        status = os.stat(folder)
        reason = _untrusted(status)
        if reason or not stat.S_ISDIR(status.st_mode):
            return Found([], {FOLDER: f"{folder}: {reason or 'it is no folder'}"}, status.st_mtime_ns)
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    except FileNotFoundError:
        return Found([], {}, 0)
    except OSError as problem:
        return Found([], {FOLDER: f"{folder}: {problem.strerror or problem}"}, 0)
    plugins: dict[str, Plugin] = {}
    refused: dict[str, str] = {}
    unsettled: set[str] = set()
    misnamed: list[str] = []
    for file, status in found:
        match = _NAME.fullmatch(file)
        is_python = file.endswith(".py")
        if file.endswith(_IGNORED) or file.startswith((".", "#")) or not _may_be_run(status, is_python):
            continue
        if match is None:
            misnamed.append(file)
            continue
        name = match[1]
        if 0 <= now - status.st_ctime < SETTLED_S:
            unsettled.add(name)
        elif stat.S_ISLNK(status.st_mode):
            refused[name] = f"{file} is a symbolic link: put the file itself into the folder"
        elif reason := _untrusted(status):
            refused[name] = f"{file}: {reason}"
        elif name in plugins:
            refused[name] = f"{file} and {plugins[name].path.name} have the same name: rename one"
        elif len(plugins) >= MAX_PLUGINS:
            refused[name] = f"there are more than {MAX_PLUGINS} plugins"
        else:
            plugins[name] = Plugin(name, folder / file, is_python, _stamp(status))
    return Found(list(plugins.values()), refused, os.stat(folder).st_mtime_ns, frozenset(unsettled), misnamed)


def problem(path: Path) -> str:
    """Why the plugin at `path` cannot be run now; "" when it can. For the moment before it is started."""
    try:
        for one in (path.parent, path):
            if reason := _untrusted(os.stat(one)):
                return f"{one}: {reason}"
    except OSError as trouble:
        return f"{path}: {trouble.strerror}"
    return ""


def mark(folder: Path) -> int:
    """Changes when a file comes, goes or is replaced; 0 without a folder."""
    try:
        return os.stat(folder).st_mtime_ns
    except OSError:
        return 0  # `look` says why, once


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_ctime_ns, status.st_size, status.st_mode


def _may_be_run(status: os.stat_result, is_python: bool) -> bool:
    if stat.S_ISLNK(status.st_mode):
        return True
    return stat.S_ISREG(status.st_mode) and (is_python or bool(status.st_mode & 0o111))


def _untrusted(status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        return ""
    if status.st_uid not in (0, os.geteuid()):
        return f"it belongs to user {status.st_uid}: only root or the program's own user may own it (chown root)"
    if status.st_mode & _WRITABLE:
        return f"others may write it (mode {stat.S_IMODE(status.st_mode):04o}): chmod go-w"
    return ""
