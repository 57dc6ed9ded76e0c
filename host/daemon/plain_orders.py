"""The small orders: collect now, change the log's level, send a diagnostics bundle."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from host.daemon import short
from host.daemon.orders import End, Look, Stopped, Verb, Write
from host.lib.clock import Clock
from host.lib.errors import CollectError
from host.wire import orders, states
from host.wire.orders import LOG_LEVELS, Order

COLLECT_LIMIT = 30.0
BUNDLE_LIMIT = 60.0
"""Seconds for one sample, and for gathering a bundle."""

BUNDLE_BYTES = 8 * 1024 * 1024
PIECE = 192 * 1024
"""Bytes of a bundle in memory at once."""


class PlainOrders:
    """`hurry()` makes every collector due now, `sample()` gives the last sample, whatever it is; `config` is daemon.yaml."""

    def __init__(
        self, hurry: Callable[[], None], sample: Callable[[], Any], config: Path, folder: Path, clock: Clock, stop: threading.Event
    ) -> None:
        self._hurry, self._sample, self._config, self._folder, self._clock, self._stop = hurry, sample, config, folder, clock, stop

    def verbs(self) -> dict[str, Verb]:
        return {orders.COLLECT: self.collect, orders.LOG_LEVEL: self.level, orders.DIAGNOSE: self.diagnose}

    def looks(self) -> dict[str, Look]:
        return {orders.LOG_LEVEL: self.look_at_level}

    def collect(self, command_id: str, order: Order, write: Write) -> End:
        before, until = self._sample(), self._clock.monotonic() + COLLECT_LIMIT
        self._hurry()
        while self._sample() is before:
            if self._clock.monotonic() > until:
                raise CollectError("D5001", f"no sample within {COLLECT_LIMIT:g} s", "see which collector hangs in the daemon's log")
            if self._stop.wait(0.02):
                raise Stopped
        return End(states.SUCCEEDED, "a sample was taken and is on its way")

    def look_at_level(self, command_id: str, order: Order) -> str:
        return "" if order.level in LOG_LEVELS else f"level: {order.level[:20]!r} is unknown; use one of {', '.join(LOG_LEVELS)}"

    def level(self, command_id: str, order: Order, write: Write) -> End:
        logging.getLogger().setLevel(order.level.upper())
        return End(states.SUCCEEDED, f"the daemon logs at {order.level} until it starts anew")

    def diagnose(self, command_id: str, order: Order, write: Write) -> End:
        bundle = self._folder / "diagnostics.tar.gz"
        try:
            code, _, problem = short.run("host.daemon", ["diagnose", "--config", str(self._config), "--to", str(bundle)], BUNDLE_LIMIT)
            if code:
                return End(states.FAILED, problem or f"gathering it ended with {code}")
            size = bundle.stat().st_size
            if size > BUNDLE_BYTES:
                return End(states.FAILED, f"the bundle has {size} bytes, more than the {BUNDLE_BYTES} that are sent")
            with bundle.open("rb") as stream:
                while piece := stream.read(PIECE):
                    write(piece)
                    if self._stop.is_set():
                        raise Stopped
        finally:
            bundle.unlink(missing_ok=True)
        return End(states.SUCCEEDED, f"a tar.gz of {size} bytes")
