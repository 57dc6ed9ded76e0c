"""When each collector is due, and one sample out of all that are due together (D1).

A failing collector costs its own section: the sample names it in `failed`, and the log tells once (D5001)
until it works again. Due times are a grid on the monotonic clock: a late run never shifts the next one, and
after a suspended machine wakes nothing is made up for.
"""

from __future__ import annotations

import logging
import math
from typing import Any

from host.daemon.collectors.registry import ON_CALL, Collector
from host.lib.clock import Clock
from host.lib.errors import CollectError
from host.wire.records import Sample

log = logging.getLogger("daemon.collect")

TOGETHER = 0.5
"""Seconds: what is due this soon is taken along, so that equal intervals make one sample."""

SOON = 5.0
"""Seconds that what other threads measured waits for a sample to go with."""


class Schedule:
    """`first` is the delay of the first sample in seconds: long enough for a processor share to mean something."""

    def __init__(self, collectors: list[Collector], clock: Clock, first: float = 1.0) -> None:
        self._collectors, self._clock = collectors, clock
        start = clock.monotonic() + first
        self._due = {collector.name: start if collector.interval < ON_CALL else ON_CALL for collector in collectors}
        self._failing: dict[str, str] = {}

    @property
    def failing(self) -> dict[str, str]:
        """Collectors that failed last time, and why."""
        return dict(self._failing)

    def wait(self) -> float:
        """Seconds until the next collector is due; an hour when there is none at all."""
        if not self._due:
            return 3600.0
        return min(3600.0, max(0.0, min(self._due.values()) - self._clock.monotonic()))

    def hasten(self, name: str) -> None:
        """The collector is due now, or with the next sample where that comes within SOON seconds. For any thread."""
        now = self._clock.monotonic()
        following = min((due for other, due in self._due.items() if other != name), default=now)
        self._due[name] = following if now <= following <= now + SOON else now

    def hurry(self) -> None:
        """All are due now; their periods begin anew."""
        now = self._clock.monotonic()
        self._due = dict.fromkeys(self._due, now)

    def step(self) -> Sample | None:
        """The sample of what is due now; None when nothing is."""
        start = self._clock.monotonic()
        if self.wait() > 0:
            return None
        fields: dict[str, Any] = {}
        failed: dict[str, str] = {}
        for collector in self._collectors:
            if self._due[collector.name] > start + TOGETHER:
                continue
            behind = start - self._due[collector.name]
            self._due[collector.name] += collector.interval * (1 + max(0, math.floor(behind / collector.interval)))
            reason = self._run(collector, start, fields)
            if reason:
                failed[collector.name] = reason
            self._tell(collector.name, reason)
        return Sample(took_ms=round((self._clock.monotonic() - start) * 1000, 2), failed=failed, **fields)

    def _run(self, collector: Collector, at: float, fields: dict[str, Any]) -> str:
        """Puts the collector's fields into `fields`; gives the reason when it or a part of it failed."""
        try:
            found = collector.collect(at)
        except Exception as problem:  # noqa: BLE001 - whatever a collector does, the others go on (D2)
            return f"{type(problem).__name__}: {problem}"[:500]
        problems = found.pop("problems", [])
        fields.update(found)
        return "; ".join(problems)[:500]

    def _tell(self, name: str, reason: str) -> None:
        if reason and name not in self._failing:
            log.warning("%s", CollectError("D5001", f"collector {name}: {reason}", "its values are missing until this is mended"))
        elif not reason and name in self._failing:
            log.info("collector %s works again", name)
        if reason:
            self._failing[name] = reason
        else:
            self._failing.pop(name, None)
