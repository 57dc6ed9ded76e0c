"""What is printed. Data on stdout, messages on stderr; colour and width only on a terminal.

Words that came from hosts or other people lose their control characters: a host's name must not drive the terminal.
The output of commands is another thing, see follow.py: those bytes are left as they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

_COLOURS = {
    "online": "green",
    "succeeded": "green",
    "running": "green",
    "offline": "yellow",
    "unknown": "yellow",
    "quarantined": "red",
    "queued": "yellow",
    "accepted": "yellow",
    "started": "cyan",
    "failed": "red",
    "timed_out": "red",
    "interrupted": "red",
    "refused": "red",
    "expired": "red",
}


def say(text: str) -> None:
    """A message to the person, on stderr."""
    print(clean(text), file=sys.stderr, flush=True)


def as_json(data: Any) -> None:
    """The API's data, on stdout."""
    print(json.dumps(data, ensure_ascii=not _writes_utf8(), indent=2), flush=True)


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """On a terminal with colours and fitted to its width; else columns at their full width, nothing cut."""
    cells = [[clean(_text(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(heads, cells)
        return
    widths = [max(len(row[i]) for row in [list(heads), *cells]) for i in range(len(heads))]
    for row in [list(heads), *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def table_file(parts: Iterable[bytes]) -> None:
    """A file of text as it is; on a terminal its lines without control characters."""
    if sys.stdout.isatty():
        for line in b"".join(parts).decode("utf-8", "replace").splitlines():
            print(clean(line))
        return
    for part in parts:
        sys.stdout.buffer.write(part)
    sys.stdout.buffer.flush()


def pairs(items: Sequence[tuple[str, Any]]) -> None:
    """Name and value, one a line."""
    width = max(len(name) for name, _ in items)
    for name, value in items:
        print(f"{name.ljust(width)}  {clean(_text(value))}".rstrip())


def moment(ms: int | None) -> str:
    """A time in the reader's own zone."""
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S %z") if ms else ""


def size(count: float | None) -> str:
    """Bytes for people."""
    if count is None:
        return ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def tags(values: dict[str, Any]) -> str:
    return " ".join(f"{key}={value}" for key, value in sorted(values.items()))


def clean(text: str) -> str:
    """One line without control characters."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _writes_utf8() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"


def _rich_table(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    # Here, not above: it costs a tenth of a second that a script should not pay for.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        shown.add_column(head, overflow="fold")
    for row in cells:
        shown.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console().print(shown)
