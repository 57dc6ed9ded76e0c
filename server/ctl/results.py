"""What tasks returned, beside what they wrote: as names and values for people, whole for `--json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from server.ctl import show
from server.ctl.client import Client
from server.ctl.problems import Missing


def fetch(client: Client, items: Sequence[dict[str, Any]]) -> None:
    """Put its `result` into each item that has one: lists come without."""
    for item in items:
        item["result"] = None
        if item.get("has_result"):
            try:
                item["result"] = client.get(f"/api/v1/commands/{item['id']}")["result"]
            except Missing:
                continue  # it was deleted meanwhile


def show_all(client: Client, items: list[dict[str, Any]]) -> None:
    """One node's result as names and values, several as a table with their nodes. An error is said with the outcome."""
    fetch(client, items)
    rows = [
        (item["node_name"], name, _text(value))
        for item in sorted(items, key=lambda item: str(item["node_name"]))
        for name, value in (item["result"] or {}).items()
        if name != "error"
    ]
    if rows and len(items) == 1:
        show.pairs([(show.clean(name), value) for _, name, value in rows])
    elif rows:
        show.table(("NODE", "NAME", "VALUE"), rows)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.replace("\n", " ⏎ ").strip()
    return "" if value is None else json.dumps(value, ensure_ascii=False)
