"""Output on its way to disk: nothing changed, no character torn, memory bounded, a full disk survived."""

from __future__ import annotations

import asyncio
import base64
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host.agent.durably import durably
from host.agent.flusher import Flusher
from host.agent.ledger import Row
from host.agent.output import FULL_BYTES, Collector, whole
from host.wire.protocol import MAX_CHUNK_BYTES
from host.wire.records import Output

TEXT = "aé中😀" * 40


def joined(chunks: list[Output], stream: str) -> bytes:
    return b"".join(base64.b64decode(chunk.data) for chunk in chunks if chunk.stream == stream)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(1, 9), st.booleans()), max_size=150),
    st.integers(0, 400),
)
def test_whatever_the_reads_the_bytes_are_the_same_and_characters_stay_whole(reads: list[tuple[str, int, bool]], limit: int) -> None:
    collector = Collector("c", limit, lambda: True)
    sent = {"stdout": b"", "stderr": b""}
    chunks: list[Output] = []
    for stream, size, store in reads:
        data = TEXT.encode()[len(sent[stream]) :][:size]
        sent[stream] += data
        collector.feed(stream, data)
        if store:
            chunks += collector.take()
            collector.saved()
    chunks += collector.take(last=True)
    assert [chunk.chunk for chunk in chunks] == list(range(len(chunks)))
    assert collector.counts == {stream: len(data) for stream, data in sent.items()}
    kept = {stream: joined(chunks, stream) for stream in sent}
    for stream, data in sent.items():
        assert data.startswith(kept[stream])
        offset = 0
        for chunk in (chunk for chunk in chunks if chunk.stream == stream):
            assert chunk.offset == offset
            offset += len(base64.b64decode(chunk.data))
    assert collector.truncated == (sum(map(len, sent.values())) > limit)
    if not collector.truncated:
        assert kept == sent
        ends = {stream: [c for c in chunks if c.stream == stream][-1:] for stream in sent}
        for chunk in chunks:
            if chunk not in ends[chunk.stream]:
                base64.b64decode(chunk.data).decode()


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", 0),
        (b"a", 1),
        (b"\xc3", 0),
        (b"a\xf0\x9f\x98", 1),
        ("😀".encode(), 4),
        (b"\xff", 1),
        (b"\x80\x80\x80\x80", 4),
        (b"a\xe4\xb8", 1),
    ],
)
def test_where_a_character_is_cut_is_known(data: bytes, count: int) -> None:
    assert whole(data) == count


def test_a_chunk_is_never_larger_than_the_wire_allows() -> None:
    collector = Collector("c", 10**7, lambda: True)
    collector.feed("stdout", b"x" + "é".encode() * MAX_CHUNK_BYTES)
    sizes = [len(base64.b64decode(chunk.data)) for chunk in collector.take(last=True)]
    assert max(sizes) <= MAX_CHUNK_BYTES
    assert sum(sizes) == 1 + 2 * MAX_CHUNK_BYTES


def test_two_streams_that_alternate_finely_do_not_make_a_record_of_each_byte() -> None:
    collector = Collector("c", 10**6, lambda: True)
    for _ in range(5000):
        collector.feed("stdout", b"o")
        collector.feed("stderr", b"e")
    chunks = collector.take(last=True)
    assert len(chunks) <= 64
    assert joined(chunks, "stdout") == b"o" * 5000
    assert joined(chunks, "stderr") == b"e" * 5000


def test_a_full_disk_delays_output_and_loses_none() -> None:
    collector = Collector("c", 10**6, lambda: True)
    stored: list[Row] = []
    broken = True

    class Source:
        def rows(self) -> list[Row]:
            return [("output", 0, chunk) for chunk in collector.take()]

        def saved(self) -> None:
            collector.saved()

    def store(rows: list[Row]) -> None:
        if broken:
            raise sqlite3.OperationalError("database or disk is full")
        stored.extend(rows)

    async def scene() -> None:
        nonlocal broken
        flusher, source = Flusher(store, 0.0), Source()
        for part in (b"one ", b"two ", b"x" * FULL_BYTES):
            collector.feed("stdout", part)
            flusher.dirty(source)
            flusher.flush()
        assert collector.room == 0
        assert not stored
        broken = False
        flusher.flush()
        assert collector.room > 0

    asyncio.run(scene())
    data = joined([row[2] for row in stored], "stdout")
    assert data == b"one two " + b"x" * FULL_BYTES
    assert [row[2].chunk for row in stored] == list(range(len(stored)))


def test_a_result_is_written_again_until_the_disk_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.agent.durably.RETRY_S", 0.0)
    tries: list[int] = []

    def write() -> str:
        tries.append(1)
        if len(tries) < 3:
            raise sqlite3.OperationalError("database or disk is full")
        return "written"

    assert asyncio.run(durably(write)) == "written"
    assert len(tries) == 3
