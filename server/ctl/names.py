"""Which node is meant: its id, or its name in full. Never a guess: a command must not run on the wrong host."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from server.ctl.client import Client
from server.ctl.problems import Missing, Problem

ID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
PAGE = 500


class Reader(Protocol):
    """A client, or one that tries again."""

    def get(self, path: str, **query: Any) -> Any: ...


def node(client: Client, wanted: str) -> dict[str, Any]:
    """The node as the list shows it. Raises Missing (with names that come close), Problem when several fit."""
    if ID.fullmatch(wanted):
        try:
            found: dict[str, Any] = client.get(f"/api/v1/nodes/{wanted}")
            return found
        except Missing:
            pass  # it may still be somebody's name
    near = everything(client, "/api/v1/nodes", q=wanted)
    exact = [item for item in near if item["name"] == wanted] or [item for item in near if item["name"].lower() == wanted.lower()]
    if len(exact) == 1:
        return exact[0]
    if exact:
        raise Problem(f"{wanted!r} can be each of {_some(exact)}; write it exactly so, or give the id")
    hint = f"; did you mean {_some(near)}?" if near else "; opsctl nodes lists them"
    raise Missing(f"there is no node {wanted[:190]!r}{hint}")


def everything(client: Reader, path: str, **query: Any) -> list[dict[str, Any]]:
    """The items of all pages of a list."""
    items: list[dict[str, Any]] = []
    page = 1
    while True:
        data = client.get(path, page=page, size=PAGE, **query)
        items += data["items"]
        if len(data["items"]) < PAGE:
            return items
        page += 1


def _some(items: Sequence[dict[str, Any]]) -> str:
    names = [f"{item['name']} ({item['id']})" for item in items[:5]]
    return ", ".join(names) + (f" or {len(items) - 5} more" if len(items) > 5 else "")
