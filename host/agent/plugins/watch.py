"""Keeps the registry true to the plugin folder, and tells the manager which kinds there are (A6).

The folder is looked at every few seconds: a call to the system for each file. Only one that is new or has changed is asked for
its schema; a bad one is refused with its reason, told once, until it changes. The others are never touched by it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from host.agent.ledger import Row
from host.agent.plugins import ask
from host.agent.plugins.shape import NAME
from host.agent.plugins.task import PluginTask
from host.agent.registry import Kind, Registry
from host.lib import plugin_folder
from host.lib.clock import Clock
from host.lib.plugin_folder import Found, Plugin
from host.wire import codec
from host.wire.records import Kinds
from host.wire.schema import Schema
from host.wire.tasks import PLUGIN_PREFIX

log = logging.getLogger("agent.plugins")
LOOK_S = 3.0
FIRST_S = 7.0
"""How long a start waits for the plugins: one that hangs does not keep the agent from working."""
AGAIN_S = 300.0
"""A refused one is asked again now and then: what kept it may have been a busy host."""
MAX_TOLD_BYTES = 512 * 1024
"""Of all schemas together: they travel in one record."""

Ask = Callable[[Sequence[Plugin]], Awaitable[dict[str, Schema | str]]]


class Plugins:
    """`tell(rows)` makes a record durable and may raise sqlite3.Error. All methods belong to the loop's thread."""

    def __init__(
        self, folder: Path, registry: Registry, tell: Callable[[list[Row]], None], clock: Clock, ask_all: Ask = ask.schemas
    ) -> None:
        self._folder, self._registry, self._tell, self._clock, self._ask = folder, registry, tell, clock, ask_all
        self._asked: dict[Plugin, Schema | str] = {}
        self._again = clock.monotonic() + AGAIN_S
        self._refused: dict[str, str] = {}
        self._told = ""

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Look, for ever; `ready` is called after the first look. Cancel it to stop."""
        settled = True  # what lies there at the start has lain there; one that was just being written is asked again
        while True:
            try:
                await self.step(settled)
            except Exception as problem:  # noqa: BLE001 - the agent lives on without them, and looks again
                log.error("the plugins could not be looked at: %s: %s", type(problem).__name__, problem)
            ready()
            settled = False
            await asyncio.sleep(LOOK_S)

    async def step(self, settled: bool = False) -> None:
        """One look. `settled`: take also what was written only now. Raises OSError where no process can be started."""
        wall = float("inf") if settled else self._clock.now() / 1000
        found = plugin_folder.look(self._folder, wall)
        refused = {**found.refused, **_misnamed(found)}
        plugins = [one for one in found.plugins if one.name not in refused]
        # A file that is still being written: what is known of it holds until it is done.
        kept = [one for one in self._asked if one.name in found.unsettled and one.path.exists()]
        again = self._clock.monotonic() >= self._again
        if again:
            self._again = self._clock.monotonic() + AGAIN_S
        new = [one for one in plugins if one not in self._asked or (again and isinstance(self._asked[one], str))]
        answers = await self._ask(new) if new else {}
        self._asked = {one: answers[one.name] if one in new else self._asked[one] for one in plugins} | {
            one: self._asked[one] for one in kept
        }
        kinds: dict[str, Kind] = {}
        room = MAX_TOLD_BYTES
        for one, answer in self._asked.items():
            if isinstance(answer, Schema) and (room := room - len(json.dumps(codec.plain(answer)))) < 0:
                answer = f"the schemas of all plugins are larger than {MAX_TOLD_BYTES} bytes together"
            if isinstance(answer, str):
                refused[one.name] = answer
            else:
                kinds[answer.kind] = Kind(answer, partial(PluginTask, one, answer))
        self._use(kinds, refused)

    def _use(self, kinds: dict[str, Kind], refused: dict[str, str]) -> None:
        before = self._registry.plugins()
        self._registry.set_plugins(kinds, {PLUGIN_PREFIX + name: reason for name, reason in refused.items()})
        for name in sorted(kinds.keys() - before):
            log.info("%s is ready", name)
        for name in sorted(before - kinds.keys()):
            log.info("%s is gone", name)
        for name, reason in sorted(refused.items()):
            if self._refused.get(name) != reason:
                log.warning("plugin %s is refused: %s", name, reason)
        self._refused = refused
        body = Kinds([codec.plain(one) for one in self._registry.schemas()], refused)
        mark = hashlib.sha256(codec.dumps(body)).hexdigest()
        if mark == self._told:
            return
        try:
            self._tell([("kinds", self._clock.now(), body)])
        except sqlite3.Error as problem:
            log.error("the kinds of task could not be told, trying again: %s", problem)
        else:
            self._told = mark


def _misnamed(found: Found) -> dict[str, str]:
    """Files that mean to be plugins, but whose name cannot be a kind's."""
    rule = "a plugin's name begins with a small letter and has at most 25 small letters, digits, '_' and '-'"
    wrong = {file[:64]: f"{file[:64]!r}: {rule}" for file in found.misnamed}
    return wrong | {one.name: f"{one.path.name}: {rule}" for one in found.plugins if not NAME.fullmatch(one.name)}
