"""JSON in and out, for the API and the node link: decode into a type or say where it does not fit."""

from __future__ import annotations

import math
import re
import zlib
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from host.wire.envelope import OK, envelope
from host.wire.protocol import MAX_BODY_BYTES
from server.errors import BadInput, BadSelector, OpsError

T = TypeVar("T")
_AMISS = re.compile(r"Object (?P<how>missing required|contains unknown) field `(?P<name>.+)`")
_OWN = re.compile(r"(?P<name>[a-z_]+): ")
"""How a check of the type itself begins, see host.wire.tasks."""


async def body(request: Request, kind: type[T]) -> T:
    """The request's body as `kind`. Raises BadInput naming the field."""
    data = await request.body()
    if request.headers.get("content-encoding", "") == "gzip":
        data = _unpack(data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as problem:
        raise _misfit(str(problem)) from problem
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadInput(f"the body is not JSON: {problem}") from problem
    except ValueError as problem:
        raise BadInput(str(problem), field=str(problem).partition(":")[0]) from problem


def _misfit(text: str) -> BadInput:
    """msgspec says `what - at `$.place``; ours is `place: what`, with the place as the field."""
    what, _, place = text.partition(" - at `$")
    parts = [place.strip("`.")]
    if inner := _AMISS.match(what):
        parts.append(inner["name"])
        what = {"missing required": "it is missing", "contains unknown": "there is no such field here"}[inner["how"]]
    elif inner := _OWN.match(what):
        parts.append(inner["name"])
        what = what[inner.end() :]
    field = ".".join(part for part in parts if part)
    return BadInput(f"{field}: {what}" if field else f"the body: {what}", field=field)


def _unpack(data: bytes) -> bytes:
    # One member only: reading on through a million empty ones would stop everything else for seconds.
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_BODY_BYTES + 1)
    except zlib.error as problem:
        raise BadInput("the body is not gzip") from problem
    if len(plain) <= MAX_BODY_BYTES and (not unpacker.eof or unpacker.unused_data):
        raise BadInput("the body is not one whole gzip member")
    if len(plain) > MAX_BODY_BYTES:
        raise BadInput(f"the body unpacks to more than {MAX_BODY_BYTES} bytes")
    return plain


def plain(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def good(now: int, data: Any, status: int = 200) -> Response:
    """The envelope around `data`."""
    return plain(envelope(now, OK, "success", data), status)


def bad(now: int, problem: OpsError) -> Response:
    """The envelope of an error; `data.field` names what is wrong where that is known, and `data.column` where in a selector."""
    data: dict[str, Any] | None = {"field": problem.field} if problem.field else None
    if data and isinstance(problem, BadSelector):
        data |= {"column": problem.column, "length": problem.length}
    response = plain(envelope(now, problem.code, problem.message, data), problem.status)
    if problem.retry_after:
        response.headers["Retry-After"] = str(math.ceil(problem.retry_after))
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
