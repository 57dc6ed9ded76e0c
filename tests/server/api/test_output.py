"""A command's output: live, from any point on, byte for byte."""

from __future__ import annotations

import base64
import threading
import time
from typing import Any

import pytest

from tests.server.api.harness import Api, Host, Manager


@pytest.fixture
def started(manager: Manager, admin: Api, request: pytest.FixtureRequest) -> tuple[Host, str]:
    host = manager.host(f"out-{abs(hash(request.node.name)) % 10**8}")
    command_id = admin.data("POST", "/api/v1/commands", json={"nodes": [host.id], "content": {"script": "make"}})["commands"][host.id]
    host.starts(command_id)
    return host, command_id


def test_output_is_read_from_where_one_left_off_until_it_is_done(viewer: Api, started: tuple[Host, str]) -> None:
    host, command_id = started
    path = f"/api/v1/commands/{command_id}/output"
    assert viewer.data("GET", path) == {"state": "started", "chunks": [], "next": 0, "done": False}
    host.writes(command_id, 0, b"one\n")
    host.writes(command_id, 1, b"oops\n", "stderr")
    part = viewer.data("GET", path)
    chunks = [(c["chunk"], c["stream"], c["offset"], c["text"]) for c in part["chunks"]]
    assert chunks == [(0, "stdout", 0, "one\n"), (1, "stderr", 0, "oops\n")]
    assert (part["next"], part["done"]) == (2, False)
    host.writes(command_id, 2, b"two\n", offset=4)
    host.ends(command_id)
    rest = viewer.data("GET", f"{path}?after=2&wait=25")
    assert ([c["text"] for c in rest["chunks"]], rest["next"], rest["state"], rest["done"]) == (["two\n"], 3, "succeeded", True)


def test_a_waiting_reader_is_woken_within_milliseconds(manager: Manager, viewer: Api, started: tuple[Host, str]) -> None:
    host, command_id = started
    answered: list[tuple[float, Any]] = []

    def wait() -> None:
        data = viewer.data("GET", f"/api/v1/commands/{command_id}/output?wait=20")
        answered.append((time.monotonic(), data))

    reader = threading.Thread(target=wait)
    reader.start()
    until = time.monotonic() + 10
    while f"execution:{command_id}" not in manager.services.wakeups.topics():
        assert time.monotonic() < until
        time.sleep(0.005)
    host.writes(command_id, 0, b"at last")
    stored = time.monotonic()
    reader.join(25)
    moment, data = answered[0]
    assert data["chunks"][0]["text"] == "at last"
    assert moment - stored < 0.5  # a look every second would take longer; typical is 5 ms


def test_bytes_that_are_no_text_come_as_base64_and_none_is_lost(viewer: Api, started: tuple[Host, str]) -> None:
    host, command_id = started
    data = bytes(range(256))
    host.writes(command_id, 0, data)
    host.writes(command_id, 1, "中".encode()[:1], offset=256)
    host.writes(command_id, 2, b"\0\x1b[31m", offset=257)
    chunks = viewer.data("GET", f"/api/v1/commands/{command_id}/output")["chunks"]
    assert base64.b64decode(chunks[0]["base64"]) == data
    assert "text" not in chunks[0]
    assert base64.b64decode(chunks[1]["base64"]) == b"\xe4"
    assert chunks[2]["text"] == "\0\x1b[31m"


def test_the_raw_output_is_the_bytes_and_is_never_taken_for_a_page(viewer: Api, started: tuple[Host, str]) -> None:
    host, command_id = started
    host.writes(command_id, 0, b"<script>\xff")
    host.writes(command_id, 1, b"err", "stderr")
    host.writes(command_id, 2, b"out", offset=9)
    path = f"/api/v1/commands/{command_id}/output/raw"
    assert viewer.send("GET", path).content == b"<script>\xfferrout"
    assert viewer.send("GET", f"{path}?stream=stdout").content == b"<script>\xffout"
    answer = viewer.send("GET", f"{path}?stream=stderr")
    assert answer.content == b"err"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Disposition"].startswith("attachment;")


def test_more_than_a_page_of_output_comes_in_parts_and_is_not_done_before_the_last(viewer: Api, started: tuple[Host, str]) -> None:
    host, command_id = started
    for chunk in range(205):
        host.writes(command_id, chunk, b"x", offset=chunk)
    host.ends(command_id)
    path = f"/api/v1/commands/{command_id}/output"
    first = viewer.data("GET", path)
    assert (len(first["chunks"]), first["next"], first["done"]) == (200, 200, False)
    second = viewer.data("GET", f"{path}?after=200")
    assert (len(second["chunks"]), second["next"], second["done"]) == (5, 205, True)
    assert viewer.send("GET", f"{path}/raw").content == b"x" * 205


@pytest.mark.parametrize(
    ("query", "field"),
    [("?after=-1", "after"), ("?after=x", "after"), ("?after=2147483648", "after"), ("?wait=26", "wait"), ("?wait=0.5", "wait")],
)
def test_a_number_that_cannot_be_used_is_named(viewer: Api, started: tuple[Host, str], query: str, field: str) -> None:
    assert viewer.refusal("GET", f"/api/v1/commands/{started[1]}/output{query}")[:3] == (400, 1001, field)


def test_an_unknown_stream_or_command_is_refused(viewer: Api, started: tuple[Host, str]) -> None:
    assert viewer.refusal("GET", f"/api/v1/commands/{started[1]}/output/raw?stream=stdin")[:3] == (400, 1001, "stream")
    assert viewer.refusal("GET", "/api/v1/commands/nope/output?wait=25")[:2] == (404, 1001)
    assert viewer.refusal("GET", "/api/v1/commands/nope/output/raw")[:2] == (404, 1001)
