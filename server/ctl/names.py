"""Which node, rule, receiver or window is meant: its id, or its name in full. Never a guess: nothing must run on the wrong host."""

from __future__ import annotations

import difflib
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


def one_of(client: Reader, path: str, wanted: str, what: str) -> dict[str, Any]:
    """One of a list that comes whole (`what` in the plural: rules, receivers, windows), by its id or its name in full.

    Raises Missing (with names that come close), Problem when several fit.
    """
    items: list[dict[str, Any]] = client.get(path)["items"]
    fits = [item for item in items if wanted in (item["id"], item["name"])]
    fits = fits or [item for item in items if item["name"].lower() == wanted.lower()]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise Problem(f"{wanted!r} can be each of {_some(fits)}; give the id")
    near = difflib.get_close_matches(wanted.lower(), [item["name"].lower() for item in items], n=1, cutoff=0.5)
    meant = [item for item in items if near and item["name"].lower() == near[0]]
    hint = f"; did you mean {_some(meant)}?" if meant else f"; opsctl {what} list shows them"
    raise Missing(f"none of the {what} is called {wanted[:100]!r}{hint}")


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
