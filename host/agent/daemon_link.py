"""The one connection to the daemon: heartbeats, and the records of the outgoing queue (A8, D9).

One `deliver` is under way at a time. It names the first records the daemon has not confirmed, so after
a break they come again, and the daemon skips what it has. The agent works on while the daemon is away;
what it has to say waits on disk.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from host.agent.durably import durably
from host.agent.outgoing import Outgoing
from host.lib import jsonrpc
from host.lib.backoff import Backoff

log = logging.getLogger("agent.link")
BATCH_RECORDS = 500
BATCH_BYTES = 1024 * 1024
ANSWER_S = 15.0


class _Broken(Exception):
    """The connection is of no more use; the text says why."""


class DaemonLink:
    """`heartbeat()` gives the parameters of a heartbeat; `stop()` is called when the daemon asks the agent to end.

    Run `run()` as one task; cancel it to stop.
    """

    def __init__(
        self,
        path: Path,
        outgoing: Outgoing,
        heartbeat: Callable[[], dict[str, Any]],
        interval: float,
        backoff: Backoff,
        stop: Callable[[], None],
    ) -> None:
        self._path, self._outgoing, self._heartbeat, self._stop = path, outgoing, heartbeat, stop
        self._interval, self._backoff = interval, backoff
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._connected = True  # so that the first failure is told

    async def run(self) -> None:
        """Connect, serve, connect again, for ever."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=jsonrpc.MAX_LINE)
            except OSError as problem:
                self._lost(f"{self._path}: {problem.strerror or problem}")
            else:
                try:
                    await self._serve(reader, writer)
                except (_Broken, OSError, sqlite3.Error) as problem:
                    self._lost(str(problem))
                finally:
                    writer.close()
            await asyncio.sleep(self._backoff.next())

    def _lost(self, why: str) -> None:
        # Not a warning: it could only reach the manager after the daemon is back, and then it is no news.
        log.log(logging.INFO if self._connected else logging.DEBUG, "no connection to the daemon: %s", why)
        self._connected = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parts = [self._read(reader, writer), self._beat(writer), self._deliver(writer)]
        tasks = [asyncio.ensure_future(part) for part in parts]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._waiting.clear()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError as problem:
                raise _Broken("the daemon sent a line that is too long") from problem
            if not line:
                raise _Broken("the daemon closed the connection")
            try:
                message = jsonrpc.parse(line)
            except jsonrpc.RpcError as problem:
                raise _Broken(f"the daemon sent {problem}") from problem
            if "method" in message:
                self._asked(message, writer)
                continue
            number = message.get("id")
            future = self._waiting.pop(number, None) if isinstance(number, int) else None
            if future and not future.done():
                if "error" in message:
                    future.set_exception(_Broken(f"the daemon refused: {message['error']}"))
                else:
                    future.set_result(message["result"])

    def _asked(self, message: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        """The daemon's own calls (D9): `stop` begins a clean stop, `status` gives what a heartbeat says."""
        method, number = message["method"], message.get("id")
        if method == "stop":
            self._stop()
        elif method != "status":
            problem = jsonrpc.RpcError(jsonrpc.METHOD_NOT_FOUND, "the agent has the methods stop and status")
            if number is not None:
                writer.write(jsonrpc.error(number, problem))
            return
        if number is not None:
            writer.write(jsonrpc.result(number, self._heartbeat() if method == "status" else {"ok": True}))

    async def _ask(self, writer: asyncio.StreamWriter, method: str, params: dict[str, Any]) -> Any:
        self._number += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = future
        writer.write(jsonrpc.request(self._number, method, params))
        try:
            return await asyncio.wait_for(future, ANSWER_S)
        except asyncio.TimeoutError as problem:
            raise _Broken(f"the daemon did not answer {method} in {ANSWER_S:g} s") from problem

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await self._ask(writer, "heartbeat", self._heartbeat())
            if not self._connected:
                log.info("connected to the daemon again")
            self._connected = True
            if not self._outgoing.waiting:
                self._backoff.reset()  # a daemon that answers but cannot store must not be asked without pause
            await asyncio.sleep(self._interval)

    async def _deliver(self, writer: asyncio.StreamWriter) -> None:
        while True:
            self._outgoing.arrived.clear()
            records = self._outgoing.oldest(BATCH_RECORDS, BATCH_BYTES)
            if not records:
                await self._outgoing.arrived.wait()
                continue
            params = {"epoch": self._outgoing.epoch, "records": [asdict(record) for record in records]}
            answer = await self._ask(writer, "deliver", params)
            stored = answer.get("stored") if isinstance(answer, dict) else None
            if not isinstance(stored, int) or not records[0].seq <= stored <= records[-1].seq:
                raise _Broken(f"the daemon confirmed {stored!r}, not a number of what was sent")
            await durably(partial(self._outgoing.forget, stored))
            self._backoff.reset()
