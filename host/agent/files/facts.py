"""What is told of a file: size, mode, owner, time; and the names of owners both ways."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from typing import Any

from host.agent.files.places import Place
from host.agent.files.problems import of_os, wrong
from host.agent.tasks.base import TaskProblem

Mark = tuple[int, int, int, int, int]
_TYPES = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "folder"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISFIFO, "fifo"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISBLK, "device"),
    (stat.S_ISCHR, "device"),
)


def kind_of(found: os.stat_result) -> str:
    return next((name for fits, name in _TYPES if fits(found.st_mode)), "unknown")


def mark_of(found: os.stat_result) -> Mark:
    """Changes whenever the file does."""
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def told(found: os.stat_result) -> dict[str, Any]:
    """`mtime` in UTC milliseconds."""
    return {
        "type": kind_of(found),
        "size": found.st_size,
        "mode": f"{stat.S_IMODE(found.st_mode):04o}",
        "owner": owner_name(found.st_uid),
        "group": group_name(found.st_gid),
        "mtime": found.st_mtime_ns // 1_000_000,
    }


def readable(name: str) -> str:
    """A name of the disk as text that can be sent: bytes that are no UTF-8 are shown, not sent."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def owner_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def uid_of(name: str) -> int:
    """A user's name or number. Raises TaskProblem A3014."""
    if name.isascii() and name.isdigit() and len(name) <= 9:
        return int(name)
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        raise wrong("A3014", f"there is no user {name[:64]!r} on this host") from None


def gid_of(name: str) -> int:
    """A group's name or number. Raises TaskProblem A3014."""
    if name.isascii() and name.isdigit() and len(name) <= 9:
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise wrong("A3014", f"there is no group {name[:64]!r} on this host") from None


def open_regular(place: Place) -> tuple[int, os.stat_result]:
    """A regular file, open for reading; a FIFO is not waited for, a link not followed. Raises TaskProblem."""
    seen = place.look()  # before it is opened: some devices do something when they are
    if seen is not None and not stat.S_ISREG(seen.st_mode):
        raise _no_file(place, seen)
    try:
        handle = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, dir_fd=place.folder)
    except OSError as problem:
        raise of_os(problem, place.path) from problem
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise _no_file(place, found)
    return handle, found


def _no_file(place: Place, found: os.stat_result) -> TaskProblem:
    if stat.S_ISLNK(found.st_mode):
        return wrong("A3002", f"{place.path} is a symbolic link, which is not followed")
    return wrong("A3006", f"{place.path} is a {kind_of(found)}, no regular file")
