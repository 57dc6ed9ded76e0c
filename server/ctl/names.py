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
    if (exact := _exact(near, wanted)) is not None:
        return exact
    hint = f"; did you mean {_some(near)}?" if near else "; opsctl nodes lists them"
    gone = [item for item in everything(client, "/api/v1/nodes", q=wanted, state="retired") if item["name"].lower() == wanted.lower()]
    if gone:
        raise Missing(f"there is no node {wanted[:190]!r} in service; retired: {_some(gone)}")
    raise Missing(f"there is no node {wanted[:190]!r}{hint}")


def retired(client: Client, wanted: str) -> dict[str, Any]:
    """The retired node of that id or name; one in service where no retired one is called so, for the manager to say what it is.

    Raises Missing, Problem when several fit.
    """
    exact = None if ID.fullmatch(wanted) else _exact(everything(client, "/api/v1/nodes", q=wanted, state="retired"), wanted)
    return node(client, wanted) if exact is None else exact


def _exact(items: Sequence[dict[str, Any]], wanted: str) -> dict[str, Any] | None:
    """The one that is called so, in whatever case if none is to the letter. Raises Problem when several are."""
    exact = [item for item in items if item["name"] == wanted] or [item for item in items if item["name"].lower() == wanted.lower()]
    if len(exact) > 1:
        raise Problem(f"{wanted!r} can be each of {_some(exact)}; write it exactly so, or give the id")
    return exact[0] if exact else None


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
