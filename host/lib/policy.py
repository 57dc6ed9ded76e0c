"""This host's own word on what it does, whatever the manager says: a file that only root can write.

    refuse:                  # what is named here is refused
      kinds: [script, configure]
      interpreters: [python]
      users: [root]
      paths: [/srv/secret]
    only:                    # where a list stands here, all that it does not name is refused

No file: nothing is refused. A file that cannot be read, makes no sense, is not root's or can be written by others:
everything is refused, with that reason. Script text is not looked at: a script can do whatever its user may.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from host.lib.errors import ConfigError

PREFIX = "this host's policy"
MAX_BYTES = 256 * 1024
Mark = tuple[int, int, int, int, int, int, int]


@dataclass(frozen=True)
class Rules:
    """`kinds`: kinds of task, orders for the daemon, or `daemon` for all of these. `users`: whom a task would run as.
    `paths`: folders, with all below them, that a task would work in, or files that it would touch."""

    kinds: list[str] = field(default_factory=list)
    interpreters: list[str] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Rulebook:
    """The whole file."""

    refuse: Rules = field(default_factory=Rules)
    only: Rules = field(default_factory=Rules)

    def reason(self, kinds: tuple[str, ...], interpreter: str = "", user: str = "", folder: str = "", paths: tuple[str, ...] = ()) -> str:
        """Why this is refused; "" when it is not. Empty values are not looked at; `kinds` are all names of one kind."""
        found = _named("kind", kinds, self.refuse.kinds, self.only.kinds)
        if interpreter:
            found = found or _named("interpreter", (interpreter,), self.refuse.interpreters, self.only.interpreters)
        if user:
            found = found or _named("user", (user,), self.refuse.users, self.only.users)
        if folder:
            found = found or _placed("working folder", folder, self.refuse.paths, self.only.paths)
        for path in filter(None, paths):
            found = found or _placed("path", path, self.refuse.paths, self.only.paths)
        return f"{PREFIX} refuses {found}" if found else ""


def _named(what: str, names: tuple[str, ...], refused: list[str], only: list[str]) -> str:
    wrong = any(name in refused for name in names) or (bool(only) and not any(name in only for name in names))
    return f"the {what} {names[0]}" if wrong else ""


def _placed(what: str, folder: str, refused: list[str], only: list[str]) -> str:
    try:
        real = os.path.realpath(folder)  # a link must not lead around it
    except (OSError, ValueError):
        return f"the {what} {folder}, because it cannot be said what it leads to"
    wrong = any(_below(real, path) for path in refused) or (bool(only) and not any(_below(real, path) for path in only))
    return f"the {what} {folder}" if wrong else ""


def _below(real: str, path: str) -> bool:
    top = os.path.realpath(path)
    return real == top or real.startswith(top.rstrip("/") + "/")


Read = Callable[[Path], Rulebook]


class Policy:
    """`read` makes rules of the file's text and raises ConfigError; `owner` is whom file and folder must belong to."""

    def __init__(self, path: Path, read: Read, owner: int = 0) -> None:
        self.path, self._read, self._owner = path, read, owner
        self._seen: Mark | None = None
        self._rules: Rulebook | None = Rulebook()
        self._problem = ""

    def reason(self, kinds: tuple[str, ...], interpreter: str = "", user: str = "", folder: str = "", paths: tuple[str, ...] = ()) -> str:
        """Why this is refused now; "" when it is not. The file is read again when it has changed."""
        problem = self.problem()
        if problem or self._rules is None:
            return f"{PREFIX} cannot be used, so everything is refused: {problem}"
        return self._rules.reason(kinds, interpreter, user, folder, paths)

    def refused_below(self, path: str) -> str:
        """A place at or below `path` that is refused, for what takes a folder with all below it; "" when there is none."""
        if self.problem() or self._rules is None:
            return path
        return next((one for one in self._rules.refuse.paths if _below(os.path.realpath(one), path)), "")

    def problem(self) -> str:
        """Why everything is refused; "" when the file is good or there is none."""
        try:
            mark = self._mark()
        except OSError as problem:
            self._seen = None
            return f"{self.path}: {problem.strerror}"
        if mark is None:
            self._seen, self._rules, self._problem = None, Rulebook(), ""
        elif mark != self._seen:
            self._rules, self._problem = self._load(mark)
            self._seen = mark
        return self._problem

    def _mark(self) -> Mark | None:
        """What changes with the file; None when there is none. Raises OSError."""
        try:
            folder, found = os.stat(self.path.parent), os.stat(self.path)
        except FileNotFoundError:
            return None
        return (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_mode, folder.st_mode, folder.st_uid)

    def _load(self, mark: Mark) -> tuple[Rulebook | None, str]:
        try:
            found, folder = os.stat(self.path), os.stat(self.path.parent)
            for path, one in ((self.path, found), (self.path.parent, folder)):
                if one.st_uid != self._owner:
                    return None, f"{path}: it does not belong to {'root' if self._owner == 0 else f'user {self._owner}'}"
                if one.st_mode & 0o022:
                    return None, f"{path}: others than its owner can write it (mode {stat.S_IMODE(one.st_mode):o})"
            if not stat.S_ISREG(found.st_mode) or found.st_size > MAX_BYTES:
                return None, f"{self.path}: it is no file, or larger than {MAX_BYTES} bytes"
            return self._read(self.path), ""
        except OSError as problem:
            return None, f"{self.path}: {problem.strerror}"
        except ConfigError as problem:
            return None, problem.what
