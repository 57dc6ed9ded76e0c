"""`Idempotency-Key`: a creating call that was sent twice makes one thing, and both are answered alike (service/once.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from server.answers import good
from server.auth import Caller
from server.db import Along
from server.service.once import MOST_CHARACTERS
from server.services import Services

T = TypeVar("T")
KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"


async def created(
    services: Services,
    request: Request,
    caller: Caller,
    now: int,
    kind: type[T],
    work: Callable[[Along[T] | None], Awaitable[T]],
    shape: Callable[[T], Any] = lambda made: made,
) -> Response:
    """201 with what `work` made, or had made under the same key; `shape` makes the answer of it.

    return await created(services, request, caller, now, str, lambda along: verb(caller, …, now, along=along), lambda id: {"id": id})
    """
    asked = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    given = request.headers.get(KEY.lower())
    # As long as it was sent, quotes and all: so says its description.
    key = None if given is None else given.strip().strip('"') if len(given) <= MOST_CHARACTERS else given
    made, before = await services.once.do(caller, key, asked, kind, now, work)
    response = good(now, shape(made), 201)
    if before:
        response.headers[REPLAYED] = "true"
    return response
