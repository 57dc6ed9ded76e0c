"""Folders with all below them: copied, deleted, listed. By handle throughout, and never into another file system."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from host.agent.files.copying import pour
from host.agent.files.facts import kind_of, open_regular, readable, told
from host.agent.files.places import Place
from host.agent.files.problems import of_os, wrong

MAX_LISTED, MAX_LISTED_BYTES = 1000, 48 * 1024
"""Entries, and bytes of them as JSON: a result has 64 KiB at most."""
MAX_DEPTH = 200
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(folder: int, name: str, path: str, device: int | None = None, depth: int = 0) -> Iterator[int]:
    """A folder's handle. Raises TaskProblem; A3015 where it is another file system than `device`."""
    try:
        handle = os.open(name, _FOLDER, dir_fd=folder)
    except OSError as problem:
        raise of_os(problem, path) from problem
    try:
        if device is not None and os.fstat(handle).st_dev != device:
            raise wrong("A3015", f"{path} is another file system, mounted there")
        if depth > MAX_DEPTH:
            raise wrong("A3015", f"{path} is more than {MAX_DEPTH} folders deep")
        yield handle
    finally:
        os.close(handle)


def names(handle: int) -> list[str]:
    """Sorted."""
    with os.scandir(handle) as entries:
        return sorted(entry.name for entry in entries)


def survey(place: Place) -> tuple[int, int]:
    """How many entries lie below, and the bytes of their files; raises TaskProblem for a mount, which nothing here enters."""
    with opened(place.folder, place.name, place.path) as handle:
        return _survey(handle, place.path, os.fstat(handle).st_dev, 1)


def _survey(folder: int, path: str, device: int, depth: int) -> tuple[int, int]:
    count = size = 0
    for name in names(folder):
        inner = f"{path}/{name}"
        found = Place(folder, name, inner).look()
        if found is None:
            continue
        count += 1
        if stat.S_ISDIR(found.st_mode):
            with opened(folder, name, inner, device, depth) as handle:
                more, bytes_ = _survey(handle, inner, device, depth + 1)
            count, size = count + more, size + bytes_
        elif stat.S_ISREG(found.st_mode):
            size += found.st_size
    return count, size


def delete(place: Place) -> int:
    """The folder and all below it; how many entries went. Raises TaskProblem; what was deleted until then is gone."""
    with opened(place.folder, place.name, place.path) as handle:
        count = _empty(handle, place.path, os.fstat(handle).st_dev, 1)
    try:
        os.rmdir(place.name, dir_fd=place.folder)
    except OSError as problem:
        raise of_os(problem, place.path) from problem
    return count + 1


def _empty(folder: int, path: str, device: int, depth: int) -> int:
    count = 0
    for name in names(folder):
        inner = f"{path}/{name}"
        found = Place(folder, name, inner).look()
        if found is None:
            continue
        try:
            if stat.S_ISDIR(found.st_mode):
                with opened(folder, name, inner, device, depth) as handle:
                    count += _empty(handle, inner, device, depth + 1)
                os.rmdir(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except OSError as problem:
            raise of_os(problem, inner) from problem
        count += 1
    return count


def copy(source: Place, target: Place, name: str) -> tuple[int, int]:
    """The folder at `source` as a new one called `name` in the target's folder; entries and bytes. On a failure nothing stays.

    Links are copied as links, modes are kept, owners too where the agent is root. Raises TaskProblem; A3006 for whatever
    is neither file, folder nor link.
    """
    try:
        with opened(source.folder, source.name, source.path) as handle:
            return _copy(handle, source.path, target.folder, name, os.fstat(handle), 1)
    except BaseException:
        drop(target, name)
        raise


def drop(target: Place, name: str) -> None:
    """Remove a half-made folder, if it is there."""
    half = Place(target.folder, name, f"{target.path} ({name})")
    if half.look() is not None:
        delete(half)


def _copy(folder: int, path: str, into: int, name: str, like: os.stat_result, depth: int) -> tuple[int, int]:
    count, size = 1, 0
    try:
        os.mkdir(name, 0o700, dir_fd=into)
    except OSError as problem:
        raise of_os(problem, path) from problem
    with opened(into, name, path) as made:
        for entry in names(folder):
            inner = f"{path}/{entry}"
            place = Place(folder, entry, inner)
            found = place.look()
            if found is None:
                raise wrong("A3010", f"{inner} went while the folder was copied")
            if stat.S_ISDIR(found.st_mode):
                with opened(folder, entry, inner, like.st_dev, depth) as handle:
                    more, bytes_ = _copy(handle, inner, made, entry, os.fstat(handle), depth + 1)
                count, size = count + more, size + bytes_
            elif stat.S_ISREG(found.st_mode):
                count, size = count + 1, size + _copy_file(place, made, entry)
            elif stat.S_ISLNK(found.st_mode):
                _copy_link(place, made, entry, found)
                count += 1
            else:
                raise wrong("A3006", f"{inner} is a {kind_of(found)}, which is not copied", "remove it, or copy what is beside it")
        _dress(made, like, path)
        os.fsync(made)
    return count, size


def _copy_file(source: Place, into: int, name: str) -> int:
    handle, found = open_regular(source)
    try:
        made = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=into)
        try:
            _, size = pour(handle, found, source.path, lambda data: _write(made, data))
            _dress(made, found, source.path)
            os.fsync(made)
            return size
        finally:
            os.close(made)
    except OSError as problem:
        raise of_os(problem, source.path) from problem
    finally:
        os.close(handle)


def _write(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _copy_link(source: Place, into: int, name: str, found: os.stat_result) -> None:
    try:
        os.symlink(os.readlink(source.name, dir_fd=source.folder), name, dir_fd=into)
        if os.geteuid() == 0:
            os.chown(name, found.st_uid, found.st_gid, dir_fd=into, follow_symlinks=False)
    except OSError as problem:
        raise of_os(problem, source.path) from problem


def _dress(handle: int, like: os.stat_result, path: str) -> None:
    try:
        if os.geteuid() == 0:
            os.fchown(handle, like.st_uid, like.st_gid)
        os.fchmod(handle, stat.S_IMODE(like.st_mode))
    except OSError as problem:
        raise of_os(problem, path) from problem


def listed(place: Place, recursive: bool) -> dict[str, Any]:
    """`entries` with their names below the folder, at most MAX_LISTED; `more`: there are others."""
    found: list[dict[str, Any]] = []
    with opened(place.folder, place.name, place.path) as handle:
        more = _list(handle, "", os.fstat(handle).st_dev, recursive, found, 1)
    size = 0
    for count, entry in enumerate(found):
        size += len(json.dumps(entry))
        if size > MAX_LISTED_BYTES:
            return {"entries": found[:count], "more": True}
    return {"entries": found, "more": more}


def _list(folder: int, prefix: str, device: int, recursive: bool, found: list[dict[str, Any]], depth: int) -> bool:
    for name in names(folder):
        if len(found) >= MAX_LISTED:
            return True
        place = Place(folder, name, prefix + name)
        state = place.look()
        if state is None:
            continue
        entry = {"name": readable(prefix + name), **told(state)}
        if stat.S_ISLNK(state.st_mode):
            entry["target"] = readable(os.readlink(name, dir_fd=folder))
        found.append(entry)
        # What is mounted below is named and not entered.
        if recursive and stat.S_ISDIR(state.st_mode) and state.st_dev == device and depth < MAX_DEPTH:
            with opened(folder, name, prefix + name, device, depth) as handle:
                if _list(handle, f"{prefix}{name}/", device, recursive, found, depth + 1):
                    return True
    return False
