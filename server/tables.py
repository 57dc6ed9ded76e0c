"""Rows as a file that is downloaded: CSV or JSON, streamed, so that no list is too long for it.

CSV is RFC 4180 (CRLF, quotes doubled) in UTF-8. What a spreadsheet would take for a formula gets an apostrophe before it (OWASP,
CSV injection): names and tags come from hosts, and a sheet that is opened must run none of them. A `mark` (U+FEFF) at the
beginning is for people: without it Excel reads Chinese names wrongly; scripts are better off without one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from starlette.responses import StreamingResponse

Row = Mapping[str, Any]
CSV, JSON = "csv", "json"
MEDIA = {CSV: "text/csv; charset=utf-8", JSON: "application/json"}
MARK = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the wide forms, which some spreadsheets take for the same."""


def cell(value: Any) -> str:
    """One value as a cell. Maps are written as `name=value; …`, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, (int, float)):
        return str(value)
    text = "; ".join(f"{name}={one}" if one else str(name) for name, one in value.items()) if isinstance(value, Mapping) else str(value)
    return f"'{text}" if text.startswith(FORMULA) else text


def as_csv(columns: Sequence[str], rows: Sequence[Row], head: bool) -> str:
    """Some rows; with `head` the names of the columns before them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if head:
        writer.writerow([cell(name) for name in columns])
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()


async def _csv(columns: Sequence[str], parts: AsyncIterator[Sequence[Row]], mark: bool) -> AsyncIterator[str]:
    yield (MARK if mark else "") + as_csv(columns, [], True)
    async for rows in parts:
        yield as_csv(columns, rows, False)


async def _json(columns: Sequence[str], parts: AsyncIterator[Sequence[Row]]) -> AsyncIterator[str]:
    """An array of objects, one a line."""
    begun = False
    async for rows in parts:
        for row in rows:
            yield (",\n" if begun else "[\n") + json.dumps({name: row.get(name) for name in columns}, ensure_ascii=False)
            begun = True
    yield "\n]\n" if begun else "[]\n"


def download(kind: str, name: str, columns: Sequence[str], parts: AsyncIterator[Sequence[Row]], *, mark: bool = False) -> StreamingResponse:
    """`parts` as the file `name`.csv or .json; `name` is ASCII. What goes wrong on the way cuts the answer off."""
    text = _csv(columns, parts, mark) if kind == CSV else _json(columns, parts)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{kind}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return StreamingResponse(text, headers=headers, media_type=MEDIA[kind])
