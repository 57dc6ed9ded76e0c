"""Output as it arrives, from one command or many, through lost connections, byte for byte.

Few commands: one thread each holds a call that is answered when there is news. Many: one look after another at
those that run. Either way only the caller's thread writes.
"""

from __future__ import annotations

import base64
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from server.ctl.client import Client
from server.ctl.names import Reader, everything
from server.ctl.problems import Unreachable
from server.ctl.show import clean, say

WAIT_S = 25
THREADS = 16
SWEEP_S = 0.5
GIVE_UP_S = 300.0
_NOT_YET = ("queued", "accepted")


@dataclass(frozen=True)
class Target:
    command_id: str
    name: str


@dataclass(frozen=True)
class News:
    """A chunk of the API, or the state in which the command ended."""

    target: Target
    chunk: dict[str, Any] | None = None
    ended: str = ""


class Sink(Protocol):
    def chunk(self, target: Target, chunk: dict[str, Any]) -> None: ...

    def end(self, target: Target) -> None: ...


class Raw:
    """The host's bytes as they are: its stdout to ours, its stderr to ours."""

    def chunk(self, target: Target, chunk: dict[str, Any]) -> None:
        _write(chunk["stream"], data_of(chunk))

    def end(self, target: Target) -> None:
        pass


class Prefixed:
    """Whole lines, each after its node's name, so that several nodes can be told apart."""

    def __init__(self) -> None:
        self._rest: dict[tuple[str, str], bytes] = {}

    def chunk(self, target: Target, chunk: dict[str, Any]) -> None:
        key = (target.command_id, chunk["stream"])
        *lines, self._rest[key] = (self._rest.get(key, b"") + data_of(chunk)).split(b"\n")
        self._lines(target, chunk["stream"], lines)

    def end(self, target: Target) -> None:
        for stream in ("stdout", "stderr"):
            rest = self._rest.pop((target.command_id, stream), b"")
            self._lines(target, stream, [rest] if rest else [])

    def _lines(self, target: Target, stream: str, lines: Sequence[bytes]) -> None:
        prefix = f"{clean(target.name)}: ".encode()
        _write(stream, b"".join(prefix + line + b"\n" for line in lines))


class Kept:
    """Keeps the chunks, for `--json`."""

    def __init__(self) -> None:
        self.chunks: dict[str, list[dict[str, Any]]] = {}

    def chunk(self, target: Target, chunk: dict[str, Any]) -> None:
        self.chunks.setdefault(target.command_id, []).append(chunk)

    def end(self, target: Target) -> None:
        pass


def data_of(chunk: dict[str, Any]) -> bytes:
    """The bytes of a chunk."""
    if "base64" in chunk:
        return base64.b64decode(chunk["base64"])
    return str(chunk["text"]).encode()


def watch(client: Client, targets: Sequence[Target], task_id: str, sink: Sink) -> None:
    """Pass on all output until every command has ended. Raises Unreachable after GIVE_UP_S without a manager."""
    for news in _held(client, targets) if len(targets) <= THREADS else _swept(client, targets, task_id):
        if news.chunk is not None:
            sink.chunk(news.target, news.chunk)
        if news.ended:
            sink.end(news.target)


def parts(call: Callable[..., Any], command_id: str, wait: int) -> Iterator[dict[str, Any]]:
    """The answers of the output call, each going on where the one before ended; with `wait`, until the command has ended."""
    after = 0
    while True:
        part = call(f"/api/v1/commands/{command_id}/output", after=after, wait=wait)
        after = part["next"]
        yield part
        if part["done"] or not (wait or part["chunks"]):
            return


class Patient:
    """Calls of a client that live through lost connections: the wait grows to 5 s, with jitter, up to GIVE_UP_S in a row."""

    def __init__(self, client: Client, sleep: Callable[[float], None] = time.sleep, clock: Callable[[], float] = time.monotonic) -> None:
        self._client, self._sleep, self._clock = client, sleep, clock

    def get(self, path: str, **query: Any) -> Any:
        lost_at, pause = 0.0, 0.1
        while True:
            try:
                data = self._client.get(path, **query)
            except Unreachable as problem:
                lost_at = lost_at or self._announce(problem)
                if self._clock() - lost_at > GIVE_UP_S:
                    raise
                self._sleep(pause * random.uniform(0.5, 1.0))
                pause = min(pause * 2, 5.0)
                continue
            if lost_at:
                say("connected again")
            return data

    def _announce(self, problem: Unreachable) -> float:
        say(f"{problem}; trying again")
        return self._clock()


def _held(client: Client, targets: Sequence[Target]) -> Iterator[News]:
    news: queue.Queue[News | Exception] = queue.Queue()

    def follow(target: Target) -> None:
        try:
            for part in parts(Patient(client.another()).get, target.command_id, WAIT_S):
                for chunk in part["chunks"]:
                    news.put(News(target, chunk))
                if part["done"]:
                    news.put(News(target, ended=part["state"]))
        except Exception as problem:  # noqa: BLE001 - raised again by the thread that reads the queue
            news.put(problem)

    for target in targets:
        # Daemons: Ctrl-C must not wait for a held call.
        threading.Thread(target=follow, args=(target,), daemon=True).start()
    left = len(targets)
    while left:
        item = news.get()
        if isinstance(item, Exception):
            raise item
        left -= bool(item.ended)
        yield item


def _swept(client: Client, targets: Sequence[Target], task_id: str) -> Iterator[News]:
    patient = Patient(client)
    after = dict.fromkeys((target.command_id for target in targets), 0)
    names = {target.command_id: target for target in targets}
    while after:
        for item in everything_of(patient, task_id):
            if item["id"] not in after or item["state"] in _NOT_YET:
                continue
            part = patient.get(f"/api/v1/commands/{item['id']}/output", after=after[item["id"]])
            for chunk in part["chunks"]:
                yield News(names[item["id"]], chunk)
            after[item["id"]] = part["next"]
            if part["done"]:
                del after[item["id"]]
                yield News(names[item["id"]], ended=part["state"])
        if after:
            time.sleep(SWEEP_S)


def everything_of(reader: Reader, task_id: str) -> list[dict[str, Any]]:
    """All commands of a task."""
    return everything(reader, "/api/v1/commands", task=task_id)


def _write(stream: str, data: bytes) -> None:
    if data:
        out = sys.stderr.buffer if stream == "stderr" else sys.stdout.buffer
        out.write(data)
        out.flush()
