"""The file that is changed: read whole, and replaced whole or not at all.

Promised: at every moment the old or the new file stands at its place, whatever dies. The new one is written beside it,
gets the old one's owner, mode and extended attributes, is on disk, and one rename puts it there. Two tasks never change
the same file at once (`flock`); a change by somebody else after it was read is noticed, and then nothing is written.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from host.agent.files.facts import mark_of, open_regular
from host.agent.files.places import Place, Places
from host.agent.files.problems import of_os
from host.agent.tasks.base import TaskProblem

MAX_BYTES = 16 * 1024 * 1024
PATIENCE_S = 10.0
_PREFIX = ".ops-edit-"


@dataclass
class Original:
    """`data` and `seen` are None when there is no such file."""

    place: Place
    data: bytes | None
    seen: os.stat_result | None

    @contextmanager
    def staged(self, data: bytes, mode: int, like: os.stat_result | None = None) -> Iterator[Staged]:
        """The new file beside the old one, complete and on disk; gone after the block if it was not put in place. Owner and mode
        are those of `like`, else of the old file, else ours and `mode`. Raises TaskProblem."""
        name = unfinished(self.place, self.place.name[-100:])  # the same ending: checks may look at it
        one = Staged(self, name)
        try:
            write(self.place, name, data, mode, like or self.seen, None if self.seen is None else self.place.name)
            yield one
        finally:
            if not one.placed:
                remove(self.place, name)

    def check_unchanged(self) -> None:
        """Raises TaskProblem A4012."""
        found = self.place.look()
        if (found is None) != (self.seen is None) or (found and self.seen and mark_of(found) != mark_of(self.seen)):
            raise TaskProblem(
                "A4012", f"{self.place.path} was changed by somebody else meanwhile; nothing was written", "look at it and try again"
            )


@dataclass
class Staged:
    original: Original
    name: str
    placed: bool = False

    @property
    def path(self) -> str:
        return f"{os.path.dirname(self.original.place.path).rstrip('/')}/{self.name}"

    def put(self) -> Original:
        """In place of the old one. What then stands there. Raises TaskProblem A4012."""
        place = self.original.place
        self.original.check_unchanged()
        try:
            if self.original.seen is None:
                # A link, because a rename would replace what came there meanwhile.
                os.link(self.name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder, follow_symlinks=False)
                os.unlink(self.name, dir_fd=place.folder)
            else:
                os.rename(self.name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        except FileExistsError:
            self.original.check_unchanged()
            raise
        except OSError as problem:
            raise of_os(problem, place.path) from problem
        self.placed = True
        place.sync()
        return Original(place, None, place.look())


@contextmanager
def opened(places: Places, path: str) -> Iterator[Original]:
    """The file, locked against other tasks for as long as the block runs. Raises TaskProblem: A3… for a place that is closed, no
    regular file or may not be read, A4003 too large, A4012 when it changes while it is read."""
    with places.at(path) as place:
        if place.look() is None:
            sweep(place)
            yield Original(place, None, None)
            return
        handle, seen = _locked(place)
        try:
            sweep(place)
            yield Original(place, _read(handle, seen, place), seen)
        finally:
            os.close(handle)


def _locked(place: Place) -> tuple[int, os.stat_result]:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        handle, _ = open_regular(place)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() > deadline:
                raise TaskProblem("A4012", f"{place.path} is just being changed by another task", "try again after its end") from None
            time.sleep(0.02)
            continue
        found, there = os.fstat(handle), place.look()
        if there is not None and (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino):
            return handle, found
        os.close(handle)  # another task replaced it while this one waited


def _read(handle: int, seen: os.stat_result, place: Place) -> bytes:
    parts, size = [], 0
    try:
        while part := os.pread(handle, 1024 * 1024, size):
            parts.append(part)
            size += len(part)
            if size > MAX_BYTES:
                raise TaskProblem("A4003", f"{place.path} is larger than {MAX_BYTES // 1024 // 1024} MiB", "use a script for it")
    except OSError as problem:
        raise of_os(problem, place.path) from problem
    if mark_of(os.fstat(handle)) != mark_of(seen):
        raise TaskProblem("A4012", f"{place.path} was changed while it was read", "try again when nothing writes to it")
    return b"".join(parts)


def write(place: Place, name: str, data: bytes, mode: int, like: os.stat_result | None, attributes_of: str | None) -> None:
    """A new file, complete and on disk; nothing is left of it after a failure. Raises TaskProblem."""
    try:
        handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=place.folder)
    except OSError as problem:
        raise of_os(problem, place.path) from problem
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(handle, view) :]
        now = os.fstat(handle)
        if like is not None and (like.st_uid, like.st_gid) != (now.st_uid, now.st_gid):
            os.fchown(handle, like.st_uid, like.st_gid)
        if attributes_of is not None:
            _copy_attributes(place, attributes_of, handle)
        os.fchmod(handle, stat.S_IMODE(like.st_mode) if like is not None else mode)
        os.fsync(handle)
    except OSError as problem:
        remove(place, name)
        raise of_os(problem, place.path) from problem
    finally:
        os.close(handle)


def _copy_attributes(place: Place, name: str, handle: int) -> None:
    """Labels, access lists and users' own; what this file system or user may not set is left."""
    source = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.folder)
    try:
        for one in os.listxattr(source):
            os.setxattr(handle, one, os.getxattr(source, one))
    except OSError as problem:
        if problem.errno not in (errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENODATA):
            raise
    finally:
        os.close(source)


def remove(place: Place, name: str) -> None:
    try:
        os.unlink(name, dir_fd=place.folder)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise of_os(problem, place.path) from problem


def unfinished(place: Place, ending: str) -> str:
    """A name for what this process writes at a place; `sweep` knows it."""
    return f"{_prefix(place.name)}{os.getpid()}-{ending}"


def _prefix(name: str) -> str:
    return f"{_PREFIX}{hashlib.sha256(os.fsencode(name)).hexdigest()[:12]}-"


def sweep(place: Place) -> None:
    """Remove what a task that was killed left beside this file; while the file is locked nobody else writes there."""
    prefix = _prefix(place.name)
    handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.folder)
    try:
        for name in os.listdir(handle):
            if name.startswith(prefix) and not os.path.exists(f"/proc/{name[len(prefix) :].split('-')[0]}"):
                remove(place, name)
    except OSError as problem:
        raise of_os(problem, place.path) from problem
    finally:
        os.close(handle)
