"""Which paths may be touched, and the way to them: an open folder and a name in it.

Promised: the way is walked from / one folder at a time, by handle, and no symbolic link on it is ever followed. So a path
that lies below an allowed root as text lies below it in truth, whoever renames or links meanwhile. What the last name
stands for is for the caller to open, with O_NOFOLLOW; it may be a link.

Refused, whatever the settings say: the agent's own folders (keys, ledger, sockets), its policy, and /proc, /sys, /dev.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from host.agent.files.problems import of_os, wrong
from host.wire.tasks.file import MAX_PATH

ALWAYS_REFUSED = ("/proc", "/sys", "/dev", "/etc/ops-scaffold")
_WALK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Place:
    """`folder` is an open handle of the parent, good for `dir_fd`; `name` the last part; "." for / itself."""

    folder: int
    name: str
    path: str

    def look(self) -> os.stat_result | None:
        """What stands there, a link not followed; None when nothing does. Raises TaskProblem."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None
        except OSError as problem:
            raise of_os(problem, self.path) from problem

    def sync(self) -> None:
        """The folder's own entries are on disk."""
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


class Places:
    """`roots` are the allowed folders, `refused` further places that are closed with all below them; `policy(path)` says why
    this host's policy refuses a path, or ""; `policy_below(path)` names a refused place at or below it, or ""."""

    def __init__(
        self,
        roots: Sequence[str],
        refused: Sequence[str],
        policy: Callable[[str], str] = lambda path: "",
        policy_below: Callable[[str], str] = lambda path: "",
    ) -> None:
        self._roots = [_plain(root) for root in roots]
        self._closed = [_plain(one) for one in (*ALWAYS_REFUSED, *refused, *(os.path.realpath(one) for one in refused))]
        self._policy, self._policy_below = policy, policy_below

    def check(self, path: str, *, whole_tree: bool = False) -> str:
        """`path`, found to be allowed, without doubled and trailing slashes. With `whole_tree` nothing below it may be closed
        either. Raises TaskProblem A3001, A3003."""
        clean = _plain(path)
        if not any(_within(clean, root) for root in self._roots):
            raise wrong("A3003", f"{clean} is not below one of this host's allowed folders ({', '.join(self._roots) or 'none'})")
        if closed := next((one for one in self._closed if _within(clean, one)), ""):
            raise wrong("A3003", f"{clean} is closed: {closed} is the system's or the agent's own", "choose another place")
        if reason := self._policy(clean):
            raise wrong("A3003", reason)
        if whole_tree:
            below = next((one for one in self._closed if _within(one, clean)), "") or self._policy_below(clean)
            if below:
                raise wrong("A3003", f"{clean} has {below} in it, which is closed", "name what is beside it")
        return clean

    def is_root(self, path: str) -> bool:
        """Whether it is one of the allowed roots itself, or lies above one: such a folder is not moved or deleted."""
        return any(_within(root, path) for root in self._roots)

    @contextmanager
    def at(self, path: str, *, whole_tree: bool = False) -> Iterator[Place]:
        """The place of an allowed path. Raises TaskProblem."""
        clean = self.check(path, whole_tree=whole_tree)
        *folders, name = clean.strip("/").split("/")
        handle = os.open("/", _WALK)
        try:
            walked = ""
            for part in folders:
                walked += f"/{part}"
                inner = _enter(handle, part, walked)
                os.close(handle)
                handle = inner
            yield Place(handle, name or ".", clean)
        finally:
            os.close(handle)


def _enter(folder: int, name: str, path: str) -> int:
    try:
        return os.open(name, _WALK, dir_fd=folder)
    except OSError as problem:
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except OSError:
            raise of_os(problem, path) from problem
        if stat.S_ISLNK(found.st_mode):
            raise wrong("A3002", f"{path} is a symbolic link, which is not followed") from problem
        raise of_os(problem, path) from problem


def _plain(path: str) -> str:
    """Raises TaskProblem A3001."""
    if not path.startswith("/"):
        raise wrong("A3001", f"{path[:200]!r} is not an absolute path")
    if "\0" in path:
        raise wrong("A3001", "a path with a NUL byte in it", "remove it")
    parts = [part for part in path.split("/") if part]
    if "." in parts or ".." in parts:
        raise wrong("A3001", f"{path[:200]!r} has . or .. in it")
    if len(os.fsencode(path)) > MAX_PATH:
        raise wrong("A3001", f"the path is longer than {MAX_PATH} bytes", "give a shorter one")
    return "/" + "/".join(parts)


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")
