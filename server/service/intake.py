"""Group commit: what many nodes tell is committed together, and each is answered after the commit.

A commit that is durable costs the same for one report as for a hundred. While one group is being written, the next one
gathers: under no load a report is written at once, under load groups grow by themselves.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from server.errors import OpsError, Unavailable

log = logging.getLogger("server.reports")

MOST_RECORDS = 1_000
"""In one group: more than that hold the others up longer than they save."""

MOST_WAITING = 20_000
"""Records that may wait here; past that hosts are asked to come back: they keep what they have."""


class Sized(Protocol):
    @property
    def size(self) -> int:
        """How many records it has."""


J = TypeVar("J", bound=Sized)


class Intake(Generic[J]):
    """`write` stores a group in one transaction, and gives the answer to each job, in their order: a mark, or why it is refused.

    What fails as a group is written one by one: what one node sent never fails the others. `at_once`: how many groups may
    be under way, so that one is put together while the database works at another.
    """

    def __init__(self, write: Callable[[Sequence[J]], Awaitable[list[int | OpsError]]], at_once: int = 1) -> None:
        self._write, self._at_once = write, at_once
        self._waiting: deque[tuple[J, asyncio.Future[int]]] = deque()
        self._size = 0
        self._writers: set[asyncio.Task[None]] = set()
        self._writing = 0

    @property
    def waiting(self) -> int:
        """Records that wait for their turn."""
        return self._size

    async def store(self, job: J) -> int:
        """The answer to `job`, after its commit. Raises what `write` raises or refuses it with; Unavailable when too much waits."""
        if self._size > MOST_WAITING:
            raise Unavailable("more reports wait than can be stored soon; send again", retry_after=random.uniform(2.0, 10.0))
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, answer))
        self._size += job.size
        if self._writing < self._at_once:
            self._writing += 1
            writer = asyncio.create_task(self._write_all())
            self._writers.add(writer)
            writer.add_done_callback(self._writers.discard)
        return await answer

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                await self._write_group(self._next())
        finally:
            # Counted here and not when the task is seen to be done: what comes in between would wait for nobody.
            self._writing -= 1

    def _next(self) -> list[tuple[J, asyncio.Future[int]]]:
        group: list[tuple[J, asyncio.Future[int]]] = []
        size = 0
        while self._waiting and (not group or size + self._waiting[0][0].size <= MOST_RECORDS):
            job, answer = self._waiting.popleft()
            self._size -= job.size
            if not answer.done():  # its host has hung up; it will send it again
                group.append((job, answer))
                size += job.size
        return group

    async def _write_group(self, group: list[tuple[J, asyncio.Future[int]]]) -> None:
        if not group:
            return
        try:
            stored = await self._write([job for job, _ in group])
        except Unavailable as problem:
            for _, answer in group:
                _fail(answer, problem)
        except Exception as problem:  # noqa: BLE001 whatever it is, it is the answer to whose report it was
            if len(group) == 1:
                _fail(group[0][1], problem)  # it is raised where the request is answered, and logged there
                return
            log.warning("a group of %d reports could not be stored together (%s); each by itself", len(group), problem)
            for one in group:
                await self._write_group([one])
        else:
            for (_, answer), mark in zip(group, stored, strict=True):
                if isinstance(mark, OpsError):
                    _fail(answer, mark)
                elif not answer.done():
                    answer.set_result(mark)


def _fail(answer: asyncio.Future[int], problem: Exception) -> None:
    if not answer.done():
        answer.set_exception(problem)
