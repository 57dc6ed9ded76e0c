"""`copy` and `move` on this host: whole at the new place or not at all."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from host.agent.files import diffs, trees
from host.agent.files.copying import pour
from host.agent.files.facts import kind_of, mark_of, open_regular, told
from host.agent.files.incoming import PREFIX, SUFFIX, Wish, check_room, check_target, incoming
from host.agent.files.places import Place, Places
from host.agent.files.problems import of_os, wrong
from host.agent.files.sending import wish_of
from host.wire.tasks import File

Say = Callable[[str], None]


def copy(content: File, places: Places, command_id: str, say: Say) -> dict[str, Any]:
    """Raises TaskProblem; what was there is then whole."""
    wish = wish_of(content)
    with places.at(content.path, whole_tree=content.recursive) as source, places.at(content.to) as target:
        found = _found(source)
        if not stat.S_ISDIR(found.st_mode):
            result = _copy_file(content, wish, source, target, command_id, say)
        else:
            result = _copy_folder(content, source, target, found, command_id, say)
        return {**result, "to": target.path}


def _found(source: Place) -> os.stat_result:
    found = source.look()
    if found is None:
        raise wrong("A3004", f"{source.path} does not exist")
    return found


def _copy_file(content: File, wish: Wish, source: Place, target: Place, command_id: str, say: Say) -> dict[str, Any]:
    handle, found = open_regular(source)
    try:
        replaced = check_target(target, content.overwrite)
        if replaced and (replaced.st_dev, replaced.st_ino) == (found.st_dev, found.st_ino):
            raise wrong("A3005", f"{target.path} is the same file as {source.path}", "choose another path")
        if content.dry_run:
            diff = diffs.unified(diffs.small(target), diffs.small(source), target.path) if replaced else ""
            say(f"would {'replace' if replaced else 'make'} {target.path}: {found.st_size} bytes")
            if diff:
                say(diff.rstrip("\n"))
            return {"dry_run": True, "size": found.st_size, "replaced": replaced is not None, "diff": diff}
        with incoming(target, command_id, resume=False) as part:
            check_room(target, found.st_size)
            sha256, _ = pour(handle, found, source.path, part.write)
            fallback = Wish(wish.mode, wish.owner, wish.group, wish.overwrite, found)
            result = part.place(fallback, check_target(target, content.overwrite))
    finally:
        os.close(handle)
    say(f"copied {source.path} to {target.path}: {found.st_size} bytes")
    return {**result, "sha256": sha256, "replaced": replaced is not None}


def _copy_folder(content: File, source: Place, target: Place, found: os.stat_result, command_id: str, say: Say) -> dict[str, Any]:
    if not content.recursive:
        raise wrong("A3006", f"{source.path} is a folder", "set recursive")
    if content.mode or content.owner or content.group:
        raise wrong("A3006", "mode, owner and group are for a single file; a folder is copied as it is", "leave them empty")
    _check_folder_target(source, target)
    count, size = trees.survey(source)
    if content.dry_run:
        say(f"would copy {source.path} to {target.path}: {count} below it, {size} bytes")
        return {"dry_run": True, "count": count + 1, "bytes": size}
    check_room(target, size)
    name = f"{PREFIX}{command_id}{SUFFIX}"
    done, size = trees.copy(source, target, name)
    _rename_new(target, name, target)
    say(f"copied {source.path} to {target.path}: {done - 1} below it, {size} bytes")
    return {**told(found), "count": done, "bytes": size}


def _check_folder_target(source: Place, target: Place) -> None:
    if f"{target.path}/".startswith(f"{source.path.rstrip('/')}/"):
        raise wrong("A3005", f"{target.path} lies in {source.path} itself", "choose another path")
    if target.look() is not None:
        raise wrong("A3005", f"{target.path} exists already", "a folder is not replaced: delete or move it first")


def _rename_new(source: Place, name: str, target: Place) -> None:
    """A folder to a name that is free. One that came there meanwhile stays, unless it is empty, when nothing is lost."""
    try:
        os.rename(name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
    except OSError as problem:
        trees.drop(source, name)
        raise of_os(problem, target.path) from problem
    target.sync()


def move(content: File, places: Places, command_id: str, say: Say) -> dict[str, Any]:
    """Within a file system one rename; else a copy, and then the source goes. Raises TaskProblem."""
    with places.at(content.path, whole_tree=True) as source, places.at(content.to) as target:
        found = _found(source)
        if places.is_root(source.path):
            raise wrong("A3003", f"{source.path} is an allowed folder itself, or has one in it", "name what is in it")
        folder = stat.S_ISDIR(found.st_mode)
        if folder:
            _check_folder_target(source, target)
            replaced = None
        else:
            replaced = check_target(target, content.overwrite)
            if replaced and (replaced.st_dev, replaced.st_ino) == (found.st_dev, found.st_ino):
                raise wrong("A3005", f"{target.path} is the same file as {source.path}", "choose another path")
        across = os.fstat(target.folder).st_dev != found.st_dev
        if content.dry_run:
            say(f"would move {source.path} to {target.path}")
            return {"dry_run": True, "to": target.path, "replaced": replaced is not None, **told(found)}
        if across:
            _move_across(content, source, target, found, command_id, say)
        else:
            _rename(source, target, found, content.overwrite)
        target.sync()
        source.sync()
        say(f"moved {source.path} to {target.path}")
        there = target.look()
        return {"to": target.path, "replaced": replaced is not None, **told(there or found)}


def _rename(source: Place, target: Place, found: os.stat_result, overwrite: bool) -> None:
    try:
        if overwrite or stat.S_ISDIR(found.st_mode):
            os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
            return
        # A second name first, because a rename would replace what came to the place meanwhile. Cut off in between, the file
        # has both names, and nothing is lost.
        os.link(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False)
        os.unlink(source.name, dir_fd=source.folder)
    except OSError as problem:
        if problem.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK) or overwrite or target.look() is not None:
            raise of_os(problem, target.path if problem.errno == errno.EEXIST else source.path) from problem
        try:
            os.rename(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder)
        except OSError as again:
            raise of_os(again, source.path) from again


def _move_across(content: File, source: Place, target: Place, found: os.stat_result, command_id: str, say: Say) -> None:
    if stat.S_ISDIR(found.st_mode):
        if not content.recursive:
            raise wrong("A3006", f"{source.path} is a folder, and {target.path} on another file system", "set recursive")
        _copy_folder(content, source, target, found, command_id, say)
        trees.delete(source)
        return
    if not stat.S_ISREG(found.st_mode):
        raise wrong("A3006", f"{source.path} is a {kind_of(found)}, and {target.path} on another file system", "make it anew there")
    _copy_file(content, Wish(overwrite=content.overwrite), source, target, command_id, say)
    now = source.look()
    if now is None or mark_of(now) != mark_of(found):
        raise wrong("A3010", f"{source.path} was changed while it was moved; it stays, and {target.path} has what it was before")
    os.unlink(source.name, dir_fd=source.folder)
