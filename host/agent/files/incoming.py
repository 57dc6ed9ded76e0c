"""A file on its way to a place: written beside it under a name of its own, and put there whole or not at all.

Promised: what stands at the place stays as it is until the new file is complete, on disk and checked; then one rename
replaces it. An upload's partial file keeps the name of its transfer (target and SHA-256), so the next try goes on with it;
it is ours alone while it is locked, closed to others, and trusted for nothing: the SHA-256 of the whole is taken anew.
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
from typing import Any

from host.agent.files.facts import gid_of, told, uid_of
from host.agent.files.places import Place
from host.agent.files.problems import of_os, wrong

PREFIX, SUFFIX = ".ops-", ".part"
KEEP_S = 86_400
"""Seconds that a partial file waits for its transfer to go on; then the next one in the same folder removes it."""
NEW_MODE = 0o600
"""Of a file that replaces none and for which none is given: closed to others."""
_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Wish:
    """What the new file is to be like; empty: like the one that it replaces, else `fallback` (a source's), else ours."""

    mode: str = ""
    owner: str = ""
    group: str = ""
    overwrite: bool = False
    fallback: os.stat_result | None = None


class Incoming:
    """Use through `incoming()`. `size` bytes are there already."""

    def __init__(self, place: Place, name: str, handle: int, size: int) -> None:
        self._place, self.name, self._handle, self.size = place, name, handle, size
        self._placed = False

    def write(self, data: bytes) -> None:
        """At the end. Raises TaskProblem; after A3008 nothing is kept, or the disk would stay full."""
        try:
            view = memoryview(data)
            while view:
                done = os.pwrite(self._handle, view, self.size)
                self.size += done
                view = view[done:]
        except OSError as problem:
            if problem.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                self.discard()
            raise of_os(problem, self._place.path) from problem

    def sha256(self) -> str:
        """Of all that is there."""
        digest = hashlib.sha256()
        at = 0
        while part := os.pread(self._handle, _BLOCK, at):
            digest.update(part)
            at += len(part)
        return digest.hexdigest()

    def head(self) -> bytes:
        """The first block."""
        return os.pread(self._handle, _BLOCK, 0)

    def restart(self) -> None:
        """Forget what is there."""
        os.ftruncate(self._handle, 0)
        self.size = 0

    def place(self, wish: Wish, replaced: os.stat_result | None) -> dict[str, Any]:
        """Give it its owner and mode, then its name. Raises TaskProblem; the place is then as it was."""
        try:
            self._dress(wish, replaced)
            os.fsync(self._handle)
            _put(self._place, self.name, wish.overwrite)
            self._placed = True
            self._place.sync()
        except OSError as problem:
            raise of_os(problem, self._place.path) from problem
        return told(os.fstat(self._handle))

    def discard(self) -> None:
        """Remove it."""
        if not self._placed:
            _remove(self._place, self.name)

    def _dress(self, wish: Wish, replaced: os.stat_result | None) -> None:
        like = replaced or wish.fallback
        now = os.fstat(self._handle)
        uid = uid_of(wish.owner) if wish.owner else like.st_uid if like and os.geteuid() == 0 else now.st_uid
        gid = gid_of(wish.group) if wish.group else like.st_gid if like and os.geteuid() == 0 else now.st_gid
        if (uid, gid) != (now.st_uid, now.st_gid):
            os.fchown(self._handle, uid, gid)
        # After the owner: a change of owner takes set-user-id bits away.
        os.fchmod(self._handle, int(wish.mode, 8) if wish.mode else stat.S_IMODE(like.st_mode) if like else NEW_MODE)


@contextmanager
def incoming(place: Place, transfer: str, *, resume: bool) -> Iterator[Incoming]:
    """The partial file of `transfer` at `place`. Without `resume` it goes when the block ends, placed or not; with it, it stays
    after a failure, to go on later, unless `discard` was called. Raises TaskProblem."""
    name = PREFIX + hashlib.sha256(f"{place.name}\0{transfer}".encode("utf-8", "surrogatepass")).hexdigest()[:32] + SUFFIX
    handle, size = _open(place, name, resume)
    part = Incoming(place, name, handle, size)
    try:
        if not size:
            _sweep(place)
        yield part
    finally:
        if not resume:
            part.discard()
        os.close(handle)


def check_target(place: Place, overwrite: bool) -> os.stat_result | None:
    """What would be replaced. Raises TaskProblem where that is not to be."""
    found = place.look()
    if found is None:
        return None
    if stat.S_ISLNK(found.st_mode):
        raise wrong("A3002", f"{place.path} is a symbolic link, which is not replaced")
    if not stat.S_ISREG(found.st_mode):
        raise wrong("A3006", f"{place.path} is there and no regular file", "choose another path")
    if not overwrite:
        raise wrong("A3005", f"{place.path} exists already")
    return found


def check_room(place: Place, size: int) -> None:
    """Raises TaskProblem A3008 when `size` more bytes certainly do not fit."""
    room = os.statvfs(place.folder)
    free = room.f_bavail if os.geteuid() else room.f_bfree
    if size > free * room.f_frsize:
        raise wrong("A3008", f"{place.path} needs {size} more bytes, and only {free * room.f_frsize} are free")


def _open(place: Place, name: str, resume: bool) -> tuple[int, int]:
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        if resume:
            try:
                handle = os.open(name, flags, dir_fd=place.folder)
            except FileNotFoundError:
                return _new(place, name, flags)
            except OSError as problem:
                if problem.errno not in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.EACCES):
                    raise
            else:
                if _ours(place, name, handle):
                    return handle, os.fstat(handle).st_size
                os.close(handle)
        # Somebody else's thing under this name is moved out of the way by being unlinked, never written to.
        _remove(place, name)
        return _new(place, name, flags)
    except OSError as problem:
        raise of_os(problem, place.path) from problem


def _new(place: Place, name: str, flags: int) -> tuple[int, int]:
    handle = os.open(name, flags | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=place.folder)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return handle, 0


def _ours(place: Place, name: str, handle: int) -> bool:
    """A file that we left here: ours, with one name, closed to others. Raises TaskProblem when another transfer is at it."""
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1 or found.st_mode & 0o077:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        os.close(handle)
        raise wrong("A3010", f"{place.path} is just being written by another task", "wait for its end") from problem
    there = os.stat(name, dir_fd=place.folder, follow_symlinks=False)
    return (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)


def _put(place: Place, name: str, overwrite: bool) -> None:
    if overwrite:
        os.rename(name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
        return
    try:
        # A link, because a rename would replace what came there meanwhile.
        os.link(name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder, follow_symlinks=False)
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
            raise
        if place.look() is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from problem
        os.rename(name, place.name, src_dir_fd=place.folder, dst_dir_fd=place.folder)
    else:
        os.unlink(name, dir_fd=place.folder)


def _remove(place: Place, name: str) -> None:
    try:
        os.unlink(name, dir_fd=place.folder)
    except FileNotFoundError:
        return
    except IsADirectoryError:
        os.rmdir(name, dir_fd=place.folder)


def _sweep(place: Place) -> None:
    """Removes partial files that nobody goes on with. Raises TaskProblem where the folder cannot be read."""
    try:
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place.folder)
        try:
            with os.scandir(handle) as entries:
                for entry in entries:
                    if entry.name.startswith(PREFIX) and entry.name.endswith(SUFFIX):
                        _remove_old(place, entry.name)
        finally:
            os.close(handle)
    except OSError as problem:
        raise of_os(problem, os.path.dirname(place.path) or "/") from problem


def _remove_old(place: Place, name: str) -> None:
    try:
        found = os.stat(name, dir_fd=place.folder, follow_symlinks=False)
    except FileNotFoundError:
        return  # its own transfer has just ended
    if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and time.time() - found.st_mtime > KEEP_S:
        _remove(place, name)
