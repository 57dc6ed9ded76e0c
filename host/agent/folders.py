"""A task's folder on this host: what its keeper needs, what it may read and write itself, and its output while that is wanted.

`<spool>/<id>` is closed to everybody but the agent's user. A task that runs as somebody else gets a second folder that is his,
in the system's temporary folder, because he may not pass through ours.
"""

from __future__ import annotations

import json
import logging
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.agent.tasks.base import TaskProblem
from host.wire import codec
from host.wire.schema import deeper

log = logging.getLogger("agent.folders")
RESULT = "result"
MAX_RESULT_BYTES = 64 * 1024
MAX_RESULT_DEPTH = 32
CLEAR_S = 10.0
_HOME = "home"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Folder:
    """`place`: the keeper's; `home`: the task's own (the same, unless it runs as another user)."""

    place: Path
    home: Path

    @property
    def result(self) -> Path:
        """The file into which the task may write a JSON object: what it returns."""
        return self.home / RESULT


def make(spool: Path, command_id: str, user: str) -> Folder:
    """A folder for one task, ours until `hand_over`. Raises TaskProblem A2002 (no such user), A2003 (cannot be made)."""
    place = spool / command_id
    try:
        place.mkdir(mode=0o700)
        folder = Folder(place, place)
        if user and account(user).pw_uid != os.geteuid():
            home = Path(tempfile.mkdtemp(prefix="ops-task-"))
            (place / _HOME).write_text(str(home))
            folder = Folder(place, home)
        os.close(os.open(folder.result, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as problem:
        remove(place)
        raise TaskProblem("A2003", f"{problem.filename or place}: {problem.strerror}", "give the disk room") from problem
    except TaskProblem:
        remove(place)
        raise
    return folder


def hand_over(folder: Folder, user: str) -> None:
    """Give the task's own folder, with what was laid into it, to its user. Last, and by handle: while it is ours nobody can put
    a link in its place, and nothing of ours is written into it any more."""
    if folder.home == folder.place:
        return
    owner = account(user)
    try:
        descriptor = os.open(folder.home, _FOLDER)
    except OSError as problem:
        raise TaskProblem("A2003", f"{folder.home}: {problem.strerror}", "somebody removed it; run the task again") from problem
    try:
        for name in os.listdir(descriptor):
            os.chown(name, owner.pw_uid, owner.pw_gid, dir_fd=descriptor, follow_symlinks=False)
        os.fchown(descriptor, owner.pw_uid, owner.pw_gid)
    finally:
        os.close(descriptor)


def account(user: str) -> pwd.struct_passwd:
    """The user's entry. Raises TaskProblem A2002 when there is none, or nothing can be run as him."""
    try:
        found = pwd.getpwnam(user)
    except KeyError:
        raise TaskProblem("A2002", f"there is no user {user!r} on this host", "name one that exists") from None
    if found.pw_uid != os.geteuid() and os.geteuid() != 0:
        raise TaskProblem("A2002", f"the agent is not root and cannot run anything as {user}", "leave user empty, or run the agent as root")
    return found


def ids(user: str) -> tuple[int, int, list[int]] | None:
    """User, group and further groups of somebody else; None for the agent's own user. Raises TaskProblem A2002.

    Looked up here and not in the keeper: the C library's look-up has locks, and a fork may copy them held.
    """
    if not user or (found := account(user)).pw_uid == os.geteuid():
        return None
    return found.pw_uid, found.pw_gid, os.getgrouplist(user, found.pw_gid)


def of(place: Path) -> Folder:
    """The folder of a task that an earlier agent began."""
    try:
        return Folder(place, Path((place / _HOME).read_text()))
    except OSError:
        return Folder(place, place)


def remove(place: Path) -> None:
    """With all that is in it, scripts and secrets too."""
    home = of(place).home
    if home != place and home.name.startswith("ops-task-"):
        _clear(home)
    _clear(place)


def _clear(folder: Path) -> None:
    """Whatever its user made of it: a thousand folders in each other are no reason to fail, or to be held up."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        command = ["rm", "-rf", "--one-file-system", "--", str(folder)]
        try:
            subprocess.run(command, stderr=subprocess.DEVNULL, timeout=CLEAR_S, check=False)
        except subprocess.TimeoutExpired:
            log.warning("%s is too large to be removed within %g s; it is left", folder, CLEAR_S)


def result_of(folder: Folder) -> tuple[dict[str, Any] | None, str]:
    """What the task returned, None when it returned nothing; and why what it wrote could not be used, or "".

    Folder and file may have become anything: they are opened without following links and without waiting.
    """
    try:
        home = os.open(folder.home, _FOLDER)
        try:
            descriptor = os.open(RESULT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=home)
        finally:
            os.close(home)
    except OSError:
        return None, ""  # the task removed it: it returned nothing
    try:
        data = os.read(descriptor, MAX_RESULT_BYTES + 1)
    except OSError as problem:
        return None, f"what it returned cannot be read: {problem.strerror}"
    finally:
        os.close(descriptor)
    if not data.strip():
        return None, ""
    if len(data) > MAX_RESULT_BYTES:
        return None, f"what it returned is larger than {MAX_RESULT_BYTES} bytes and was left out"
    try:
        found = codec.loads(data)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None, "what it returned is not JSON and was left out"
    if deeper(found, MAX_RESULT_DEPTH):
        return None, f"what it returned is nested more than {MAX_RESULT_DEPTH} deep and was left out"
    if not isinstance(found, dict):
        return None, "what it returned is no JSON object and was left out"
    return found, ""
