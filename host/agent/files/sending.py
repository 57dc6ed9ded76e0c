"""`upload` and `download`: a file between the manager's store and this host, chunk by chunk."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from host.agent.files import diffs
from host.agent.files.copying import pour
from host.agent.files.facts import gid_of, open_regular, told, uid_of
from host.agent.files.incoming import Incoming, Wish, check_room, check_target, incoming
from host.agent.files.places import Place, Places
from host.agent.files.problems import wrong
from host.agent.files.transfer import Transfer
from host.wire.protocol import FILE_CHUNK_BYTES
from host.wire.tasks import File

Say = Callable[[str], None]


def wish_of(content: File, fallback: os.stat_result | None = None) -> Wish:
    """What the task says of the new file; owner and group are known to exist. Raises TaskProblem A3014."""
    if content.owner:
        uid_of(content.owner)
    if content.group:
        gid_of(content.group)
    return Wish(content.mode, content.owner, content.group, content.overwrite, fallback)


def upload(content: File, places: Places, transfer: Transfer, say: Say) -> dict[str, Any]:
    """Raises TaskProblem; the file that was there is then whole."""
    wish = wish_of(content)
    with places.at(content.path) as place:
        replaced = check_target(place, content.overwrite)
        first, size, stored = transfer.read(content.file, 0, FILE_CHUNK_BYTES)
        sha256 = content.sha256 or stored
        if stored != sha256:
            raise wrong("A3009", f"the stored file has the SHA-256 {stored}, and {sha256} was asked for")
        if content.dry_run:
            return _would(place, replaced, first if len(first) == size else None, size, sha256, say)
        with incoming(place, sha256, resume=True) as part:
            check_room(place, size - part.size)
            if part.size:
                say(f"going on from {part.size} of {size} bytes")
            resumed = part.size
            _fetch(part, content.file, size, transfer)
            if part.sha256() != sha256 and resumed:
                say("what was there already was not right; from the start again")
                part.restart()
                _fetch(part, content.file, size, transfer)
            if part.sha256() != sha256:
                part.discard()
                raise wrong("A3009", f"what arrived for {place.path} has another SHA-256 than {sha256}")
            result = part.place(wish, check_target(place, content.overwrite))
        say(f"{'replaced' if replaced else 'made'} {place.path}: {size} bytes, SHA-256 {sha256}")
        return {**result, "sha256": sha256, "replaced": replaced is not None, "resumed_from": resumed}


def _fetch(part: Incoming, file_id: str, size: int, transfer: Transfer) -> None:
    if part.size > size:
        part.restart()
    while part.size < size:
        data, now_size, _ = transfer.read(file_id, part.size, min(FILE_CHUNK_BYTES, size - part.size))
        if not data or now_size != size:
            raise wrong("A3010", "the stored file became another one while it was fetched")
        part.write(data)


def _would(place: Place, replaced: os.stat_result | None, data: bytes | None, size: int, sha256: str, say: Say) -> dict[str, Any]:
    diff = diffs.unified(diffs.small(place), data, place.path) if replaced and data is not None and size <= diffs.MAX_BYTES else ""
    say(f"would {'replace' if replaced else 'make'} {place.path}: {size} bytes, SHA-256 {sha256}")
    if diff:
        say(diff.rstrip("\n"))
    before = {"before": told(replaced)} if replaced else {}
    return {"dry_run": True, "size": size, "sha256": sha256, "replaced": replaced is not None, "diff": diff, **before}


def send(handle: int, found: os.stat_result, path: str, file_id: str, transfer: Transfer) -> tuple[str, int]:
    """An open file into the store: its SHA-256 and size. Raises TaskProblem; the stored file is then not finished, and goes."""
    sent = 0

    def pass_on(data: bytes) -> None:
        nonlocal sent
        transfer.write(file_id, sent, found.st_size, data)
        sent += len(data)

    sha256, size = pour(handle, found, path, pass_on)
    # Only now is it whole: a source that changed has not come so far.
    transfer.write(file_id, size, size, b"", sha256)
    return sha256, size


def download(content: File, places: Places, transfer: Transfer, say: Say) -> dict[str, Any]:
    """Raises TaskProblem; the stored file is then not finished, and goes."""
    with places.at(content.path) as place:
        handle, found = open_regular(place)
        try:
            if content.dry_run:
                say(f"would send {place.path}: {found.st_size} bytes")
                return {"dry_run": True, **told(found)}
            sha256, size = send(handle, found, place.path, content.file, transfer)
        finally:
            os.close(handle)
        say(f"sent {place.path}: {size} bytes, SHA-256 {sha256}")
        return {**told(found), "sha256": sha256, "file": content.file}
