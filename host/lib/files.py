"""Files that are whole or not there at all, and locks that end with their process."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path


def write_atomically(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Replace `path` by `data` in one step that survives a power cut; its folder must exist."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def make_private_folder(path: Path, mode: int = 0o750) -> None:
    """The folder with its parents, closed to others whatever the umask; an existing one is left as it is."""
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=mode, exist_ok=True)
        path.chmod(mode)


class ProcessLock:
    """An `flock` held until the process ends, with its pid inside (DESIGN §1: one copy of each process)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def acquire(self) -> bool:
        """True when it is ours now; False when another process holds it."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as problem:
            if problem.errno != errno.EROFS:
                raise
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)  # a lock needs no room and no right to write
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        try:
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            os.ftruncate(descriptor, len(f"{os.getpid()}\n"))
        except OSError as problem:
            if problem.errno not in (errno.ENOSPC, errno.EBADF, errno.EROFS, errno.EDQUOT):
                raise
            # The lock is held all the same; the pid in it is for messages.
        self._descriptor = descriptor
        return True

    def holder(self) -> int | None:
        """The pid written by whoever holds it, for a message."""
        try:
            return int(self._path.read_text().strip() or 0) or None
        except (OSError, ValueError):
            return None

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
