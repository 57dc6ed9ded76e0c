"""One emulated host: the daemon's side of the node link, with the agent's answers made up.

It keeps the daemon's promises: a record keeps its number until the manager says that it is stored, a command that was
seen starts once, failures are retried after full jitter and never before `Retry-After`.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import random
import ssl
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from host.wire.protocol import MAX_RECORDS, POLL_PATH, PROTOCOL, REPORT_PATH
from host.wire.records import BULK, LANE_OF, URGENT
from tests.load.lifelike import Machine
from tests.load.wire import Answer, Connection

VERSION = "0.1.0"
BATCH_BYTES = 128 * 1024
"""As the daemon: bytes of one report before packing."""
COALESCE_S = 0.1
LONGEST_BACKOFF_S = 30.0
HELD_RECORDS = 20_000
"""The outbox is memory here; past so many records in a lane the oldest samples are let go of, with a tombstone."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Figures:
    """What a fleet counted since it began. Times of reports are milliseconds."""

    counts: Counter[str] = field(default_factory=Counter)
    report_ms: deque[float] = field(default_factory=lambda: deque(maxlen=20_000))
    online_at: dict[int, float] = field(default_factory=dict)
    """Host number → seconds of `monotonic` of its first answered poll since it (re)connected."""


class Lane:
    """Records with their numbers, until they are acknowledged."""

    def __init__(self, name: str) -> None:
        self.name, self.seq = name, 0
        self.records: deque[tuple[int, bytes]] = deque()
        self.news = asyncio.Event()

    def put(self, kind: str, at: int, body: dict[str, Any]) -> None:
        self.seq += 1
        head = f'{{"seq":{self.seq},"kind":"{kind}","at":{at},"body":'.encode()
        self.records.append((self.seq, head + json.dumps(body, separators=(",", ":")).encode() + b"}"))
        if len(self.records) > HELD_RECORDS:
            self._let_go(at)
        self.news.set()

    def _let_go(self, at: int) -> None:
        first, last = self.records[0][0], self.records[999][0]
        for _ in range(1000):
            self.records.popleft()
        body = json.dumps({"first": first, "why": "the emulator's memory is full"})
        self.records.appendleft((last, f'{{"seq":{last},"kind":"dropped","at":{at},"body":{body}}}'.encode()))

    def batch(self, epoch: int) -> tuple[bytes, int]:
        """The next report's body and how many records it has."""
        taken: list[bytes] = []
        size = 0
        for _, text in self.records:
            if taken and (len(taken) == MAX_RECORDS or size + len(text) > BATCH_BYTES):
                break
            taken.append(text)
            size += len(text)
        return f'{{"lane":"{self.name}","epoch":{epoch},"records":['.encode() + b",".join(taken) + b"]}", len(taken)

    def stored(self, mark: int) -> int:
        """Forget what the manager has; how many records that were."""
        before = len(self.records)
        while self.records and self.records[0][0] <= mark:
            self.records.popleft()
        return before - len(self.records)


class Host:
    def __init__(
        self, machine: Machine, number: int, node_id: str, place: tuple[str, int], context: ssl.SSLContext, figures: Figures
    ) -> None:
        self.machine, self.number, self.node_id, self.figures = machine, number, node_id, figures
        self.epoch = now_ms()
        self.lanes = {name: Lane(name) for name in (URGENT, BULK)}
        self.links = {name: Connection(*place, context) for name in ("poll", URGENT, BULK)}
        self.delay_s, self.version = 0.2, VERSION
        self._accepted: list[str] = []
        self._known: set[str] = set()
        self._running: dict[str, asyncio.Task[None]] = {}
        self._facts_due = True

    async def run(self, period_s: float, first_in_s: float) -> None:
        """Until canceled. The first sample comes after `first_in_s` seconds, then one each `period_s`."""
        self.tell(
            "state",
            {"state": "running", "pid": 4000 + self.number, "version": self.version, "cpu_percent": 0.1, "memory_bytes": 36_000_000},
        )
        loops = [self._poll(), self._report(URGENT), self._report(BULK), self._measure(period_s, first_in_s)]
        tasks = [asyncio.create_task(loop) for loop in loops]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in [*tasks, *self._running.values()]:
                task.cancel()
            for link in self.links.values():
                link.close()

    def tell(self, kind: str, body: dict[str, Any], at: int | None = None) -> None:
        self.lanes[LANE_OF[kind]].put(kind, now_ms() if at is None else at, body)
        self.figures.counts["records"] += 1

    async def _measure(self, period_s: float, first_in_s: float) -> None:
        due = time.monotonic() + first_in_s
        while True:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.tell("sample", self.machine.sample(now_ms(), int(period_s * 1000)))
            due += period_s

    async def _poll(self) -> None:
        failures = 0
        while True:
            accepted = self._accepted[:500]
            body: dict[str, Any] = {
                "protocol": PROTOCOL,
                "daemon_version": self.version,
                "agent_state": "running",
                "agent_version": self.version,
            }
            body |= {"accepted": accepted, "refused": [], "holding": []}
            if self._facts_due:
                facts = self.machine.facts(now_ms() - 400_000_000)
                body["facts"] = facts.__dict__ | {"daemon_version": self.version, "agent_version": self.version}
            answer = await self._call("poll", POLL_PATH, json.dumps(body).encode(), packed=False)
            if answer is None or answer.status != 200:
                self.figures.online_at.pop(self.number, None)
                failures += 1
                await self._back_off(failures, answer)
                continue
            failures = 0
            said = json.loads(answer.body)
            self._accepted = self._accepted[len(accepted) :]
            self._facts_due = bool(said.get("facts_wanted"))
            self.figures.counts["polls"] += 1
            self.figures.online_at.setdefault(self.number, time.monotonic())
            for command in said["commands"]:
                self._take(command)

    def _take(self, command: dict[str, Any]) -> None:
        identifier = command["id"]
        self._accepted.append(identifier)
        if identifier in self._known:
            self.figures.counts["repeated commands"] += 1
            return
        self._known.add(identifier)
        self.figures.counts["commands"] += 1
        task = asyncio.create_task(self._execute(identifier, command["path"]))
        self._running[identifier] = task
        task.add_done_callback(lambda _: self._running.pop(identifier, None))

    async def _execute(self, identifier: str, path: str) -> None:
        """What an agent would tell of it: started, some output, succeeded; a cancellation ends what it is about."""
        self.tell("execution", {"command_id": identifier, "state": "started"})
        target = path.split("/")[-2] if path.endswith("/cancel") else ""
        if target in self._running:
            self._running[target].cancel()
            self.tell("execution", {"command_id": target, "state": "canceled", "reason": "stopped because it was asked for"})
        elif not target:
            await asyncio.sleep(self.delay_s)
        said = f"{self.machine.name}: done\n".encode()
        output = {"command_id": identifier, "chunk": 0, "stream": "stdout", "offset": 0, "data": base64.b64encode(said).decode()}
        self.tell("output", output)
        self.tell("execution", {"command_id": identifier, "state": "succeeded", "exit_code": 0, "stdout_bytes": len(said), "cpu_ms": 3})

    async def _report(self, name: str) -> None:
        lane, failures = self.lanes[name], 0
        while True:
            if not lane.records:
                lane.news.clear()
                await lane.news.wait()
                if name == URGENT:
                    await asyncio.sleep(COALESCE_S * random.random())
            body, count = lane.batch(self.epoch)
            begun = time.perf_counter()
            answer = await self._call(name, REPORT_PATH, gzip.compress(body, 1), packed=True)
            if answer is None or answer.status != 200:
                failures += 1
                await self._back_off(failures, answer)
                continue
            failures = 0
            self.figures.report_ms.append((time.perf_counter() - begun) * 1000)
            self.figures.counts["reports"] += 1
            stored = lane.stored(json.loads(answer.body)["stored"])
            self.figures.counts["stored"] += stored
            if not stored:
                await self._back_off(1, None)
            elif count > stored:
                self.figures.counts["stored in part"] += 1

    async def _call(self, link: str, path: str, body: bytes, packed: bool) -> Answer | None:
        """None when the manager could not be reached or hung up."""
        try:
            answer = await self.links[link].post(path, body, packed)
        except (OSError, asyncio.TimeoutError) as problem:
            self.figures.counts[f"no answer: {type(problem).__name__}"] += 1
            self.links[link].close()
            return None
        if answer.status >= 300:
            self.figures.counts[f"answered {answer.status}"] += 1
        return answer

    async def _back_off(self, failures: int, answer: Answer | None) -> None:
        longest = min(LONGEST_BACKOFF_S, 0.5 * 2**failures)
        await asyncio.sleep((answer.retry_after if answer else 0.0) + random.uniform(0, longest))
