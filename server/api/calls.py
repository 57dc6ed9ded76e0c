"""What an API route takes and answers, said once: the route is described (server/openapi.py) and read by the same value.

    door.route("/api/v1/filters", save, NODE_EDIT, ("POST",), Call("Save a selector", body=NewFilter, answer=Made, status=201))

`body(request, kind)` and `query(request, kind)` are how handlers read; another type than the described one is an error of the
program, so that description and check cannot differ. What a handler answers is held against `answer` in the tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
from starlette.requests import Request

from server import answers
from server.api import parameters
from server.api.parameters import Paged, Query

T = TypeVar("T")
Q = TypeVar("Q", bound=Query)


@dataclass(frozen=True)
class Call:
    """`summary`: one line. `body`: a Struct, or bytes for a body that is none of JSON. `query`: the parameters; none unless given.

    `answer`: the type of the envelope's `data`; None for null. With a `media` the answer is no envelope but that. `also`: statuses
    that do not follow from the rest, and why. `versioned`: a change that needs `If-Match`; `etag`: the answer has an `ETag`,
    the version for `If-Match`; `fresh`: it is 304 to who has it already. `example`: a body for the page.
    """

    summary: str
    body: Any = None
    query: type[Query] = Query
    answer: Any = None
    status: int = 200
    media: str = ""
    also: tuple[tuple[int, str], ...] = ()
    versioned: bool = False
    etag: bool = False
    fresh: bool = False
    example: Any = None

    def read(self, request: Request) -> None:
        """Before the handler: its query parameters, also when it takes none. Raises BadInput naming one that is not there."""
        request.state.call = self
        request.state.query = parameters.read(request.query_params, self.query)


class Answer(msgspec.Struct, forbid_unknown_fields=True):
    """What an answer's `data` is made of; its fields are all there unless they may be UNSET."""


class Listed(Answer, Generic[T]):
    """One page of a list; `total` counts the whole list."""

    items: list[T]
    total: int
    page: int
    size: int


def listed(wanted: Paged, items: Sequence[Any], total: int) -> dict[str, Any]:
    """The data of a list's answer, as `Listed` describes it."""
    return {"items": items, "total": total, "page": wanted.page, "size": wanted.size}


def cut(wanted: Paged, items: Sequence[Any]) -> dict[str, Any]:
    """The same of a list that is at hand whole."""
    return listed(wanted, items[wanted.offset : wanted.offset + wanted.size], len(items))


async def body(request: Request, kind: type[T]) -> T:
    """The request's body as `kind`. Raises BadInput naming the field."""
    if request.state.call.body is not kind:
        raise TypeError(f"{request.url.path} reads {kind.__name__} and is described with another body")
    return await answers.body(request, kind)


def query(request: Request, kind: type[Q]) -> Q:
    """The request's parameters, read before the handler."""
    found = request.state.query
    if type(found) is not kind:
        raise TypeError(f"{request.url.path} reads {kind.__name__} and is described with {type(found).__name__}")
    return found
