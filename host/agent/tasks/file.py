"""`file`: upload, download, copy, move, delete, stat, list (A2). The rules of the way are in `host.agent.files`.

Where the last name of a path is a symbolic link: `stat` and `list` tell of the link itself, `delete` and `move` act on it, a
copied folder holds it as a link; it is never read or written through. Folders on the way are never links.

`settings`: `roots` and `refused` (folders), `policy_file`, `socket` (the daemon's transfer socket), `patience` (s).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from host.agent.files import diffs, moving, sending, trees
from host.agent.files.facts import open_regular, readable, told
from host.agent.files.places import Places
from host.agent.files.problems import of_os, wrong
from host.agent.files.rules import places_of
from host.agent.files.transfer import PATIENCE_S, Transfer
from host.agent.tasks.base import Work
from host.wire.tasks import File

Doing = Callable[[File, Work, Places], dict[str, Any]]


def run(content: File, work: Work) -> dict[str, Any]:
    """What was done, or with `dry_run` would be. Raises TaskProblem A3…"""
    return {"action": content.action, "path": content.path, **ACTIONS[content.action](content, work, places_of(work.settings))}


def _upload(content: File, work: Work, places: Places) -> dict[str, Any]:
    with _transfer(work) as transfer:
        return sending.upload(content, places, transfer, work.say)


def _download(content: File, work: Work, places: Places) -> dict[str, Any]:
    if not content.file:
        raise wrong("A3011", "the command names no file to fill", "give the command through the manager, which makes one")
    with _transfer(work) as transfer:
        return sending.download(content, places, transfer, work.say)


def _transfer(work: Work) -> closing[Transfer]:
    return closing(Transfer(Path(work.settings["socket"]), work.settings.get("patience", PATIENCE_S)))


def _copy(content: File, work: Work, places: Places) -> dict[str, Any]:
    return moving.copy(content, places, work.command_id, work.say)


def _move(content: File, work: Work, places: Places) -> dict[str, Any]:
    return moving.move(content, places, work.command_id, work.say)


def _delete(content: File, work: Work, places: Places) -> dict[str, Any]:
    with places.at(content.path, whole_tree=True) as place:
        found = place.look()
        if found is None:
            raise wrong("A3004", f"{place.path} does not exist")
        if places.is_root(place.path):
            raise wrong("A3003", f"{place.path} is an allowed folder itself, or has one in it", "name what is in it")
        folder = stat.S_ISDIR(found.st_mode)
        if folder and not content.recursive:
            with trees.opened(place.folder, place.name, place.path) as handle:
                if trees.names(handle):
                    raise wrong("A3006", f"{place.path} is a folder that is not empty", "set recursive")
        if content.dry_run:
            count, size = trees.survey(place) if folder else (0, found.st_size)
            work.say(f"would delete {place.path}" + (f" and {count} below it" if folder else ""))
            return {**told(found), "dry_run": True, "count": count + 1, "bytes": size}
        if folder:
            trees.survey(place)  # what cannot be deleted whole is not begun
            count = trees.delete(place)
        else:
            try:
                os.unlink(place.name, dir_fd=place.folder)
            except OSError as problem:
                raise of_os(problem, place.path) from problem
            count = 1
        place.sync()
        work.say(f"deleted {place.path}" + (f" and {count - 1} below it" if folder else ""))
        return {**told(found), "count": count}


def _stat(content: File, work: Work, places: Places) -> dict[str, Any]:
    with places.at(content.path) as place:
        found = place.look()
        if found is None:
            raise wrong("A3004", f"{place.path} does not exist")
        result = {**told(found)}
        if stat.S_ISLNK(found.st_mode):
            result["target"] = readable(os.readlink(place.name, dir_fd=place.folder))
        if stat.S_ISREG(found.st_mode) and not content.dry_run:
            handle, seen = open_regular(place)
            try:
                result["sha256"], _ = diffs.digest(handle, seen, place.path)
            finally:
                os.close(handle)
        work.say("  ".join(str(value) for value in (result["mode"], result["owner"], result["group"], result["size"], place.path)))
        return result


def _list(content: File, work: Work, places: Places) -> dict[str, Any]:
    with places.at(content.path, whole_tree=content.recursive) as place:
        found = trees.listed(place, content.recursive)
        for entry in found["entries"]:
            work.say("  ".join(str(entry[name]) for name in ("mode", "owner", "group", "size", "name")))
        if found["more"]:
            work.say("… and more, which is not listed")
        return found


ACTIONS: Mapping[str, Doing] = {
    "upload": _upload,
    "download": _download,
    "copy": _copy,
    "move": _move,
    "delete": _delete,
    "stat": _stat,
    "list": _list,
}
