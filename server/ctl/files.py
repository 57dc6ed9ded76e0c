"""`opsctl files`: put files into the manager's store for tasks, get what hosts sent, list, remove (A2)."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click

from server.ctl import listing, names, show
from server.ctl.client import Client
from server.ctl.names import ID
from server.ctl.options import connect, json_option
from server.ctl.problems import INTERRUPTED, Missing, Problem, Unreachable, Usage

CHUNK = 1024 * 1024
PATIENCE_S = 60.0
"""How long a manager that does not answer is asked again, before the transfer is left for later."""


@click.group()
def files() -> None:
    """The manager's store of files, for tasks of the kind file. Administrators."""


@files.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", default="", help="What to call it; its own name by default.")
@click.option("--resume", default="", metavar="ID", help="Go on with a file that was not put to its end.")
@json_option
def put(file: Path, name: str, resume: str, as_json: bool) -> int:
    """Put FILE into the store and print its id. The transfer is checked by SHA-256."""
    client = connect()
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            sha256 = _digest(stream)
            wanted = {"name": name or file.name, "size": size}
            item = client.get(f"/api/v1/files/{resume}") if resume else client.create("/api/v1/files", wanted)
            if item["size"] != size:
                raise Usage(f"{resume}: was begun with {item['size']} bytes, and {file} has {size}")
            try:
                _send(client, stream, item["id"], item["received"], size)
            except (KeyboardInterrupt, Unreachable) as problem:
                show.say(f"not finished; go on with: opsctl files put --resume {item['id']} {file}")
                if isinstance(problem, KeyboardInterrupt):
                    return INTERRUPTED
                raise
    except OSError as problem:
        raise Usage(f"{file}: {problem.strerror}") from problem
    done = _patiently(lambda: client.post(f"/api/v1/files/{item['id']}/finish", {"sha256": sha256}))
    if as_json:
        show.as_json(done)
    else:
        print(done["id"])
    return 0


@files.command()
@click.argument("file")
@click.option("--to", type=click.Path(path_type=Path), help="Where to write it; its own name in this folder by default, - for stdout.")
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def get(file: str, to: Path | None, force: bool) -> int:
    """Get FILE (id, or a name that only one has). What was begun earlier goes on; the whole is checked by SHA-256."""
    client = connect()
    item = _find(client, file)
    if item["state"] != "ready":
        raise Problem(f"{item['name']} is not whole yet: {item['received']} bytes are stored")
    if to == Path("-"):
        for data in _fetch(client, item, 0):
            sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return 0
    target = to or Path(item["name"])
    target = target / item["name"] if target.is_dir() else target
    if target.exists() and not force:
        raise Usage(f"{target}: is there already; give --force, or another name with --to")
    part = target.with_name(f".{target.name}.{item['id']}.part")
    try:
        _receive(client, item, part)
        part.replace(target)
    except OSError as problem:
        raise Usage(f"{problem.filename or part}: {problem.strerror}") from problem
    except KeyboardInterrupt:
        show.say("not finished; the same command goes on where this one stopped")
        return INTERRUPTED
    show.say(f"{target}: {show.size(item['size'])}, SHA-256 {item['sha256']}")
    return 0


@files.command("ls")
@click.option("--q", default="", help="Only those with this in the name.")
@click.option("--state", type=click.Choice(["", "ready", "receiving"]), default="", help="Only those in this state.")
@click.option("--node", default="", help="Only those that this node sent, by name or id.")
@listing.sorted_option
@json_option
def list_files(q: str, state: str, node: str, sort: str | None, as_json: bool) -> None:
    """List the files of the store, the newest first."""
    client = connect()
    sender = names.node(client, node)["id"] if node else ""
    items = names.everything(client, "/api/v1/files", q=q, state=state, node=sender, sort=sort)
    if as_json:
        show.as_json({"items": items, "total": len(items)})
        return
    heads = ("NAME", "STATE", "SIZE", "PUT", "USED", "SHA-256", "ID")
    rows = [
        (
            one["name"],
            one["state"],
            show.size(one["size"]),
            show.moment(one["created_at"]),
            show.moment(one["used_at"]),
            one["sha256"][:16],
            one["id"],
        )
        for one in items
    ]
    show.table(heads, rows)
    if not items:
        show.say("no file fits" if q or state or node else "the store is empty; put a file with: opsctl files put FILE")


@files.command("rm")
@click.argument("file", nargs=-1, required=True)
def remove(file: tuple[str, ...]) -> None:
    """Remove each FILE (id, or a name that only one has) from the store."""
    client = connect()
    for item in [_find(client, one) for one in file]:
        client.call("DELETE", f"/api/v1/files/{item['id']}")
        show.say(f"removed {item['name']} ({item['id']})")


def _send(client: Client, stream: BinaryIO, file_id: str, stored: int, size: int) -> None:
    progress = Progress(size)
    while stored < size:
        stream.seek(stored)
        data = stream.read(CHUNK)
        if not data:
            raise Problem("the file became shorter while it was sent; try again when nothing writes to it")
        stored = _put(client, file_id, stored, data)
        progress.at(stored)
    progress.end()


def _put(client: Client, file_id: str, offset: int, data: bytes) -> int:
    path = f"/api/v1/files/{file_id}/content"
    return int(_patiently(lambda: client.call("PUT", path, params={"offset": offset}, data=data))["stored"])


def _receive(client: Client, item: dict[str, Any], part: Path) -> None:
    """`part` becomes the whole file. Raises OSError, Problem."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        there = stream.seek(0, os.SEEK_END)
        if there > item["size"]:
            there = stream.truncate(0)
        stream.seek(there)
        for data in _fetch(client, item, there):
            stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
        stream.seek(0)
        if _digest(stream) != item["sha256"]:
            part.unlink()
            raise Problem(f"what arrived of {item['name']} has another SHA-256; it was thrown away: try again")


def _fetch(client: Client, item: dict[str, Any], offset: int) -> Iterator[bytes]:
    """The bytes from `offset` on; a connection that breaks is made again."""
    progress, size = Progress(item["size"]), item["size"]
    until = time.monotonic() + PATIENCE_S
    while offset < size:
        try:
            for data in client.stream(f"/api/v1/files/{item['id']}/content", {"Range": f"bytes={offset}-"}):
                yield data
                offset += len(data)
                progress.at(offset)
                until = time.monotonic() + PATIENCE_S
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)
    progress.end()


def _patiently(call: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return call()
        except Unreachable:
            if time.monotonic() > until:
                raise
            time.sleep(1.0)


def _find(client: Client, wanted: str) -> dict[str, Any]:
    """Raises Missing, Problem."""
    if ID.fullmatch(wanted):
        found: dict[str, Any] = client.get(f"/api/v1/files/{wanted}")
        return found
    exact = [one for one in names.everything(client, "/api/v1/files", q=wanted) if one["name"] == wanted]
    if not exact:
        raise Missing(f"there is no file {wanted[:190]!r}; opsctl files ls lists them")
    if len(exact) > 1:
        raise Problem(f"{wanted!r} can be each of {', '.join(one['id'] for one in exact[:5])}; give the id")
    return exact[0]


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while data := stream.read(CHUNK):
        digest.update(data)
    return digest.hexdigest()


class Progress:
    """One line on a terminal, nothing elsewhere."""

    def __init__(self, size: int) -> None:
        self._size, self._shown = size, -1
        self._on = sys.stderr.isatty()

    def at(self, done: int) -> None:
        percent = 100 * done // self._size if self._size else 100
        if self._on and percent != self._shown:
            self._shown = percent
            bar = "#" * (percent // 4)
            print(f"\r[{bar:<25}] {percent:3} %  {show.size(done)} of {show.size(self._size)} ", end="", file=sys.stderr, flush=True)

    def end(self) -> None:
        if self._on and self._shown >= 0:
            print(file=sys.stderr)
