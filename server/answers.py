"""JSON in and out, for the API and the node link: decode into a type or say where it does not fit."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from typing import Any, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from host.wire.envelope import OK, envelope
from host.wire.protocol import MAX_BODY_BYTES
from server.errors import BadInput, OpsError

T = TypeVar("T")


async def body(request: Request, kind: type[T]) -> T:
    """The request's body as `kind`. Raises BadInput naming the field."""
    data = await request.body()
    if request.headers.get("content-encoding", "") == "gzip":
        data = _unpack(data)
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.ValidationError as problem:
        text = str(problem)
        raise BadInput(text, field=text.rpartition("`$.")[2].rstrip("`") if "`$." in text else "") from problem
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise BadInput(f"the body is not JSON: {problem}") from problem
    except ValueError as problem:
        raise BadInput(str(problem), field=str(problem).partition(":")[0]) from problem


def _unpack(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
            plain = stream.read(MAX_BODY_BYTES + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise BadInput("the body is not gzip") from problem
    if len(plain) > MAX_BODY_BYTES:
        raise BadInput(f"the body unpacks to more than {MAX_BODY_BYTES} bytes")
    return plain


def plain(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def good(now: int, data: Any, status: int = 200) -> Response:
    """The envelope around `data`."""
    return plain(envelope(now, OK, "success", data), status)


def bad(now: int, problem: OpsError) -> Response:
    """The envelope of an error; `data.field` names what is wrong where that is known."""
    data = {"field": problem.field} if problem.field else None
    response = plain(envelope(now, problem.code, problem.message, data), problem.status)
    if problem.retry_after:
        response.headers["Retry-After"] = str(math.ceil(problem.retry_after))
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response
