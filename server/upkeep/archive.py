"""A backup's file: a ZIP of `manifest.json`, `tables/<name>.jsonl` and, if asked for, `keys/<name>`. No database in here.

A row is one line, a JSON list in the order of the columns that the manifest names; bytes are `{"base64": …}`. The manifest
has number of rows and SHA-256 of each part, and a seal made with the manager's master secret: a file that was damaged or changed
is not used. It holds rows, never statements, so it can run nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from server.errors import OpsError
from server.seals import Seals

FORMAT = 1
MANIFEST = "manifest.json"
_PIECE = 1024 * 1024
MOST_LINE = 64 * 1024 * 1024
"""Of one row: more than any column holds."""


class Part(msgspec.Struct):
    rows: int
    sha256: str
    columns: list[str] = []


class Manifest(msgspec.Struct, forbid_unknown_fields=True):
    """`schema`: the newest migration in it. `keys_are`: tells the keys that it belongs to, without telling them."""

    format: int
    product: str
    made_at: int
    database: str
    schema: int
    migrations: list[str]
    audit_entries: int
    keys_are: str
    tables: dict[str, Part]
    keys: dict[str, Part] = {}
    seal: str = ""


def keys_are(seals: Seals) -> str:
    return seals.of("backup keys")


def sealed(manifest: Manifest, seals: Seals) -> str:
    """The seal that belongs on it."""
    return seals.of("backup", msgspec.json.encode(msgspec.structs.replace(manifest, seal=""), order="sorted").decode())


class Writer:
    """Writes beside `path`, which is there only once `finish` has returned. Only this account may read it."""

    def __init__(self, path: Path) -> None:
        self._path, self._new = path, path.with_name(f".{path.name}.{os.getpid()}.new")
        if path.is_dir():
            raise OpsError(f"{path}: is a folder; name the file that is to be written in it")
        try:
            self._stream = os.fdopen(os.open(self._new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), "w+b")
        except OSError as problem:
            raise OpsError(f"{path}: {problem.strerror}; name a file in a folder that can be written") from problem
        # Samples of a host are alike: the quickest level already makes a tenth of them.
        self._zip = zipfile.ZipFile(self._stream, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=1)

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if problem is not None:
                self._zip.close()
            self._stream.close()
        except OSError as worse:
            # A disk that is full is full for these last bytes too.
            problem = problem or worse
        self._new.unlink(missing_ok=True)
        if isinstance(problem, OSError):
            why = f"{problem.strerror}; no backup was made, and what was there is as it was"
            raise OpsError(f"{self._path}: {why}; name a file in a folder with room enough") from problem

    def table(self, name: str, columns: list[str]) -> TableWriter:
        return TableWriter(self._zip, name, columns)

    def key(self, name: str, data: bytes) -> Part:
        self._zip.writestr(f"keys/{name}", data)
        return Part(1, hashlib.sha256(data).hexdigest())

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, read everything again as a restore would, and put the file in its place."""
        self._zip.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        self._zip.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        with Reader(self._new) as reader:
            reader.verify()
        self._new.rename(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class TableWriter:
    """One table at a time; `part` is complete when the block has ended."""

    def __init__(self, archive: zipfile.ZipFile, name: str, columns: list[str]) -> None:
        self.part = Part(0, "", columns)
        self._digest = hashlib.sha256()
        self._stream = archive.open(f"tables/{name}.jsonl", "w", force_zip64=True)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.part.sha256 = self._digest.hexdigest()

    def write(self, rows: list[tuple[Any, ...]]) -> None:
        lines = b"".join([_line(row) for row in rows])
        self._digest.update(lines)
        self._stream.write(lines)
        self.part.rows += len(rows)


def _line(row: tuple[Any, ...]) -> bytes:
    values = [{"base64": base64.b64encode(value).decode()} if type(value) is bytes else value for value in row]
    return msgspec.json.encode(values) + b"\n"


class Reader:
    """Raises OpsError when the file cannot be read as a backup."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with ExitStack() as stack:
            self._zip = stack.enter_context(self._opened())
            self.manifest = self._manifest()
            stack.pop_all()

    def _opened(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except OSError as problem:
            raise OpsError(f"{self._path}: {problem.strerror}; name a file made by: ops-manager db backup FILE") from problem
        except zipfile.BadZipFile as problem:
            raise self._damaged(f"not a backup, or cut off ({problem})") from problem

    def _manifest(self) -> Manifest:
        if MANIFEST not in self._zip.namelist():
            raise self._damaged("not a backup")
        try:
            manifest = msgspec.json.decode(b"".join(self._pieces(MANIFEST)), type=Manifest)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise self._damaged(f"{MANIFEST}: {problem}") from problem
        if manifest.format != FORMAT:
            raise OpsError(f"{self._path}: its format is {manifest.format}, this manager reads {FORMAT}; restore it with a newer manager")
        return manifest

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def verify(self) -> None:
        """Read every part and compare it with the manifest."""
        wanted = {f"tables/{name}.jsonl": part for name, part in self.manifest.tables.items()}
        wanted |= {f"keys/{name}": part for name, part in self.manifest.keys.items()}
        if set(self._zip.namelist()) != {MANIFEST, *wanted}:
            raise self._damaged("its parts are not those that it names")
        for name, part in wanted.items():
            digest, lines = hashlib.sha256(), 0
            for piece in self._pieces(name):
                digest.update(piece)
                lines += piece.count(b"\n")
            if digest.hexdigest() != part.sha256 or (name.startswith("tables/") and lines != part.rows):
                raise self._damaged(f"{name} is not as it was written")

    def key(self, name: str) -> bytes:
        return b"".join(self._pieces(f"keys/{name}"))

    def rows(self, table: str, most_rows: int, most_bytes: int) -> Iterator[list[dict[str, Any]]]:
        """The rows of a table by column, in lists of at most so many and about so large."""
        columns = self.manifest.tables[table].columns
        found: list[dict[str, Any]] = []
        size = 0
        for line in self._lines(f"tables/{table}.jsonl"):
            found.append(dict(zip(columns, self._values(line), strict=True)))
            size += len(line)
            if len(found) >= most_rows or size >= most_bytes:
                yield found
                found, size = [], 0
        if found:
            yield found

    def _values(self, line: bytes) -> list[Any]:
        return [base64.b64decode(value["base64"]) if type(value) is dict else value for value in msgspec.json.decode(line)]

    def _lines(self, name: str) -> Iterator[bytes]:
        with self._zip.open(name) as stream:
            while line := stream.readline(MOST_LINE):
                yield line

    def _pieces(self, name: str) -> Iterator[bytes]:
        try:
            with self._zip.open(name) as stream:
                while piece := stream.read(_PIECE):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as problem:
            raise self._damaged(f"{name}: {problem}") from problem

    def _damaged(self, what: str) -> OpsError:
        return OpsError(f"{self._path}: damaged: {what}; nothing was changed; use another backup")
