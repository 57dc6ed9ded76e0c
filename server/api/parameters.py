"""Query parameters, read into a Struct: its types, bounds and defaults are both the check and the description.

A parameter that is not there is an error naming those that are: a misspelt filter must not mean everything.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, inspect
from starlette.datastructures import QueryParams

from server.db import Row
from server.errors import BadInput

SIZE = 50
MAX_SIZE = 500
MAX_PAGE = 1_000_000
MAX_TIME = 2**53
"""Milliseconds; what every JSON reader still counts exactly."""

Time = Annotated[int, Meta(ge=0, le=MAX_TIME, description="UTC milliseconds")]
_PLACE = re.compile(r"`\$\.(\w+)")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


class Query(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The parameters of a call; this one has none. All of them can be left out."""


class Paged(Query, frozen=True, kw_only=True):
    """One page of a list. A page past the end is empty, and tells the same total."""

    page: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="which page, from 1")] = 1
    size: Annotated[int, Meta(ge=1, le=MAX_SIZE, description="how many a page")] = SIZE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.size


class Short(Paged, frozen=True, kw_only=True):
    """A list of which there is never much: it comes whole unless a size is asked for."""

    size: Annotated[int, Meta(ge=1, le=MAX_SIZE, description="how many a page")] = MAX_SIZE


class Span(Query, frozen=True, kw_only=True):
    """From `since` to `until`, by default the last hour."""

    since: Time | None = None
    until: Time | None = None

    def times(self, now: int) -> tuple[int, int]:
        """Both in UTC ms. Raises BadInput."""
        until = now if self.until is None else self.until
        since = max(until - 3_600_000, 0) if self.since is None else self.since
        if since > until:
            raise BadInput("since: later than until", field="since")
        return since, until


def sorts(*names: str) -> Meta:
    """For `sort: Annotated[str, sorts("name", "size")] = "name"`: the fields of a list that it can be sorted by."""
    one = f"-?({'|'.join(map(re.escape, names))})"
    text = f"fields with commas between, - before one for descending: {', '.join(names)}"
    return Meta(pattern=f"^{one}(,{one})*$", description=text, extra={"sorts": names})


def arranged(items: Sequence[Row], sort: str, **ranks: Sequence[str]) -> list[Row]:
    """A list that is at hand whole, in this order: equal ones stay as they were, and what has no value comes first. `ranks`: a field
    whose words have an order of their own, the least first."""

    def place(row: Row, name: str) -> Any:
        return ranks[name].index(row[name]) if name in ranks else row[name]

    found = list(items)
    for name, down in reversed(order_of(sort)):
        found.sort(key=lambda row: (row[name] is not None, place(row, name)), reverse=down)
    return found


def one_of(*names: str) -> Meta:
    """For `state: Annotated[str, one_of("open", "done")] = ""`: what a filter may be; left out, it filters nothing."""
    words = tuple(sorted(names))
    return Meta(pattern=f"^({'|'.join(map(re.escape, words))})$", extra_json_schema={"enum": list(words)}, extra={"choices": words})


def order_of(sort: str) -> list[tuple[str, bool]]:
    """Field, and whether descending; a field that comes twice counts where it comes first."""
    found: dict[str, bool] = {}
    for part in sort.split(","):
        found.setdefault(part.removeprefix("-"), part.startswith("-"))
    return list(found.items())


Q = TypeVar("Q", bound=Query)


def read(params: QueryParams, kind: type[Q]) -> Q:
    """The parameters as `kind`. Raises BadInput with the parameter's name."""
    known = {one.name: _bare(one.type) for one in inspect.type_info(kind).fields}  # type: ignore[attr-defined]
    given: dict[str, Any] = {}
    for name in params:
        values = params.getlist(name)
        if name not in known:
            there = f"there are {', '.join(known)}" if known else "this call takes none"
            raise BadInput(f"{name[:40]}: there is no such parameter here; {there}", field=name[:40])
        if isinstance(known[name], inspect.ListType):
            given[name] = values
        elif len(values) > 1:
            raise BadInput(f"{name}: give it once", field=name)
        elif isinstance(known[name], inspect.IntType) and not _WHOLE.fullmatch(values[0]):
            raise _wrong(name, values[0], known[name])
        else:
            given[name] = values[0]
    try:
        for name, value in given.items():
            # msgspec takes the text "null" for nothing: a filter that cannot be read would filter nothing.
            if isinstance(value, str) and value.lower() == "null" and isinstance(known[name], inspect.BoolType):
                raise _wrong(name, value, known[name])
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as problem:
        place = _PLACE.search(str(problem))
        name = place[1] if place else ""
        value = given.get(name, "")
        raise _wrong(name, value if isinstance(value, str) else ",".join(value), known.get(name), str(problem)) from problem


def _bare(kind: inspect.Type) -> inspect.Type:
    """Without what surrounds it: `Annotated[int, …] | None` is an int. What `sorts` and `one_of` said stays."""
    if isinstance(kind, inspect.UnionType):
        return _bare(next(one for one in kind.types if not isinstance(one, inspect.NoneType)))
    if isinstance(kind, inspect.Metadata) and not kind.extra:
        return _bare(kind.type)
    return kind


def _wrong(name: str, text: str, kind: inspect.Type | None, why: str = "") -> BadInput:
    shown = repr(text[:40])
    if isinstance(kind, inspect.IntType):
        what = f"{shown} is not a whole number from {kind.ge} to {kind.le}"
    elif isinstance(kind, inspect.BoolType):
        what = f"{shown} is neither true nor false"
    elif isinstance(kind, inspect.Metadata) and kind.extra and "choices" in kind.extra:
        what = f"{shown} is unknown; use one of {', '.join(kind.extra['choices'])}"
    elif isinstance(kind, inspect.Metadata) and kind.extra:
        what = f"{shown} is no order; use {', '.join(kind.extra['sorts'])}, with commas between and - before one for descending"
    else:
        what = why.partition(" - at ")[0]
    return BadInput(f"{name}: {what}", field=name)
