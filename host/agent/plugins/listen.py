"""Runs an executable plugin: its content as JSON on stdin, JSON lines on stdout.

    {"say": "text"}                 a line of the task's output
    {"progress": 40}                the same, as `[40 %]`
    {"result": {…}}                 what the task returns; the last one counts
    {"error": {"code": "…", "message": "…"}}    why it failed; it fails whatever its exit code

Every other line is output as it is. What it writes to stderr is the task's stderr.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO

MAX_LINE = 1024 * 1024
"""A longer line is no message: it is passed on as it is."""
LATE_S = 1.0
"""How long its children may still write when it has ended itself."""
_KEYS = ("say", "progress", "result", "error")


@dataclass
class Heard:
    """What became of it. `message` is "" when it succeeded, `exit_code` never 0 otherwise."""

    exit_code: int = 0
    result: dict[str, Any] | None = None
    code: str = ""
    message: str = ""


def listen(program: str, content: dict[str, Any], out: BinaryIO) -> Heard:
    """Run `program` to its end; `out` gets its output as it comes."""
    try:
        process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    except OSError as problem:
        return Heard(1, None, "A2001", f"A2001 the plugin {program} could not be started: {problem.strerror}")
    assert process.stdin is not None
    assert process.stdout is not None
    # Beside the reading: one that prints before it reads must not wait for us while we wait for it.
    feeder = threading.Thread(target=_feed, args=(process.stdin, json.dumps(content, ensure_ascii=False).encode()), daemon=True)
    feeder.start()
    heard = Heard()
    for line in _lines(process):
        _take(line, heard, out)
    code = process.wait()
    if not heard.message and code:
        heard.code = "A9001"
        heard.message = f"exit code {code}" if code > 0 else f"ended by signal {-code}"
    if heard.message:
        heard.exit_code = code if code > 0 else 128 - code if code < 0 else 1
    return heard


def _feed(stream: IO[bytes], data: bytes) -> None:
    with contextlib.suppress(BrokenPipeError):  # it need not read what it does not want
        stream.write(data)
    with contextlib.suppress(BrokenPipeError):
        stream.close()


def _lines(process: subprocess.Popen[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Its lines, with their ends, and whether it is a piece of a long one. Until its output is closed, or LATE_S after its end."""
    assert process.stdout is not None
    descriptor, held, long = process.stdout.fileno(), b"", False
    while True:
        ended = process.poll() is not None
        ready, _, _ = select.select([descriptor], [], [], LATE_S if ended else 0.2)
        if not ready and not ended:
            continue
        part = os.read(descriptor, 65536) if ready else b""
        if not part:
            break
        head, end, held = (held + part).rpartition(b"\n")
        for line in (head + end).split(b"\n")[:-1]:
            yield (line + b"\n", long)
            long = False
        if len(held) > MAX_LINE:
            yield (held, True)
            held, long = b"", True
    if held:
        yield (held, long)


def _take(item: tuple[bytes, bool], heard: Heard, out: BinaryIO) -> None:
    line, part_of_long = item
    message = None if part_of_long else _message(line)
    if message is None:
        out.write(line)
    else:
        key, value = message
        if key == "say":
            out.write(value.encode("utf-8", "replace") + b"\n")
        elif key == "progress":
            out.write(f"[{value:g} %]\n".encode())
        elif key == "result":
            heard.result = value
        else:
            heard.code = str(value.get("code") or "A9001")[:64]
            heard.message = str(value.get("message") or "the plugin says that it failed, and not why")
    out.flush()


def _message(line: bytes) -> tuple[str, Any] | None:
    """Its key and value; None for a line that is output."""
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or len(data) != 1:
        return None
    ((key, value),) = data.items()
    kinds: dict[str, Any] = {"say": str, "progress": (int, float), "result": dict, "error": dict}
    return (key, value) if key in _KEYS and isinstance(value, kinds[key]) and not isinstance(value, bool) else None
