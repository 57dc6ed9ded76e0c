"""Rows as files: CSV that every reader reads back and no spreadsheet runs, JSON that is whole or no JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from server.tables import CSV, JSON, MARK, download

ROWS: list[dict[str, Any]] = [
    {"name": 'a "quoted", one\nof two lines', "tags": {"env": "prod", "bare": ""}, "n": -4.5},
    {"name": "上海", "tags": {}, "n": None, "more": "left out"},
]


async def text_of(kind: str, rows: list[dict[str, Any]], mark: bool = False) -> str:
    async def parts() -> AsyncIterator[list[dict[str, Any]]]:
        for row in rows:
            yield [row]

    answer = download(kind, "x", ["name", "tags", "n"], parts(), mark=mark)
    return b"".join([one if isinstance(one, bytes) else one.encode() async for one in answer.body_iterator]).decode()


async def test_csv_is_read_back_as_it_was() -> None:
    text = await text_of(CSV, ROWS)
    assert text.startswith("name,tags,n\r\n")
    assert text.endswith("\r\n")
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["name", "tags", "n"],
        ['a "quoted", one\nof two lines', "env=prod; bare", "-4.5"],
        ["上海", "", ""],
    ]
    assert (await text_of(CSV, ROWS, mark=True)) == MARK + text


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＠"])
async def test_no_cell_begins_as_a_formula_does(start: str) -> None:
    evil = start + 'HYPERLINK("http://evil.example","x")'
    text = await text_of(CSV, [{"name": evil, "tags": {evil: evil}}])
    _, [name, tags, _] = list(csv.reader(io.StringIO(text, newline="")))
    assert name == f"'{evil}"
    assert tags.startswith("'")


@pytest.mark.parametrize("rows", [[], ROWS[:1], ROWS])
async def test_json_is_an_array_of_objects_with_every_column(rows: list[dict[str, Any]]) -> None:
    read = json.loads(await text_of(JSON, rows))
    assert read == [{name: row.get(name) for name in ("name", "tags", "n")} for row in rows]
