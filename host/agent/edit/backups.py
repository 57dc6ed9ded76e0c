"""What a file was before it was changed: the last few, with owner and mode, in the agent's own folder or beside the file."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from host.agent.edit import original
from host.agent.files.facts import open_regular
from host.agent.files.places import Place
from host.agent.files.problems import of_os
from host.agent.tasks.base import TaskProblem
from host.lib.files import make_private_folder

KEPT = 10


@dataclass(frozen=True)
class Backups:
    """Of one file. `place.folder` is where they lie; their names are `prefix`, a time in UTC, `suffix`."""

    place: Place
    prefix: str
    suffix: str
    kept: int

    def names(self) -> list[str]:
        """The oldest first."""
        form = re.compile(re.escape(self.prefix) + r"(\d{8}T\d{6}\.\d{3}Z)(?:-(\d+))?" + re.escape(self.suffix))
        handle = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.place.folder)
        try:
            found = [match for name in os.listdir(handle) if (match := form.fullmatch(name))]
        finally:
            os.close(handle)
        return [match[0] for match in sorted(found, key=lambda one: (one[1], int(one[2] or 0)))]

    def read(self, name: str) -> tuple[str, bytes, os.stat_result]:
        """A backup by its name, or the newest: name, bytes, owner and mode. Raises TaskProblem A4013."""
        names = self.names()
        if not names or (name and name not in names):
            there = f"; there are {', '.join(names)}" if names else "; there is none"
            raise TaskProblem("A4013", f"{self.place.path} has no backup {name}".rstrip() + there, "name one of those that are there")
        name = name or names[-1]
        handle, seen = open_regular(Place(self.place.folder, name, self.place.path))
        with os.fdopen(handle, "rb") as stream:
            return name, stream.read(original.MAX_BYTES + 1), seen

    def keep(self, data: bytes, like: os.stat_result, now: int) -> str:
        """One more; the oldest past the bound go. Its name. `now` in ms. Raises TaskProblem."""
        stamp = datetime.datetime.fromtimestamp(now // 1000, datetime.timezone.utc).strftime("%Y%m%dT%H%M%S") + f".{now % 1000:03d}Z"
        unfinished = original.unfinished(self.place, "backup")
        original.remove(self.place, unfinished)
        original.write(self.place, unfinished, data, 0o600, like, None)
        names = self.names()
        if names and names[-1] >= f"{self.prefix}{stamp}":
            # A clock that was set back, or two in one millisecond: still the newest.
            match = re.search(r"(\d{8}T\d{6}\.\d{3}Z)(?:-(\d+))?", names[-1][len(self.prefix) :])
            stamp = f"{match[1]}-{int(match[2] or 1) + 1}" if match else stamp
        name = f"{self.prefix}{stamp}{self.suffix}"
        try:
            os.rename(unfinished, name, src_dir_fd=self.place.folder, dst_dir_fd=self.place.folder)
        except OSError as problem:
            raise of_os(problem, self.place.path) from problem
        self.place.sync()
        for old in self.names()[: -self.kept]:
            original.remove(self.place, old)
        return name


@contextmanager
def backups(place: Place, folder: Path | None, kept: int) -> Iterator[Backups]:
    """In `folder`, which is the agent's own; None: beside the file. Raises TaskProblem."""
    if folder is None:
        yield Backups(place, f"{place.name}.", ".bak", kept)
        return
    own = folder / f"{hashlib.sha256(os.fsencode(place.path)).hexdigest()[:16]}-{place.name[:80]}"
    try:
        make_private_folder(folder, 0o700)
        make_private_folder(own, 0o700)
        handle = os.open(own, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as problem:
        raise of_os(problem, str(own)) from problem
    try:
        inside = Place(handle, "", place.path)
        original.sweep(inside)
        yield Backups(inside, "", "", kept)
    finally:
        os.close(handle)
