"""Bodies as they come in, packed by whoever sends them."""

from __future__ import annotations

import gzip

import pytest
from starlette.requests import Request
from starlette.types import Message

from host.wire.protocol import MAX_BODY_BYTES
from server.answers import body
from server.errors import BadInput


def packed(data: bytes) -> Request:
    async def receive() -> Message:
        return {"type": "http.request", "body": data, "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": [(b"content-encoding", b"gzip")]}, receive)


async def test_a_packed_body_is_unpacked() -> None:
    assert await body(packed(gzip.compress(b'{"a": 1}')), dict[str, int]) == {"a": 1}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no gzip at all", "not gzip"),
        (gzip.compress(b"{}")[:-4], "not one whole gzip member"),
        (gzip.compress(b"") * 100_000 + gzip.compress(b"{}"), "not one whole gzip member"),
        (gzip.compress(bytes(MAX_BODY_BYTES + 1)), "unpacks to more than"),
    ],
    ids=["no gzip", "cut off", "a million members", "a bomb"],
)
async def test_a_body_that_is_packed_to_harm_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        await body(packed(data), dict[str, int])
