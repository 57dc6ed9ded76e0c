"""What the manager tells of itself to Prometheus (M9): a registry of its own, counted in memory, read at `/metrics`.

Labels are few and fixed: routes as templates, lanes, states, loops; never an id. Names: docs/metrics.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from host import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_QUICK = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass(frozen=True)
class Stands:
    """What the database tells: nodes by state, unresolved alerts by severity, how long ago the newest roll-up ended (None: none yet)."""

    nodes: Mapping[str, int]
    alerts: Mapping[str, int]
    rollup_lag_s: float | None


@dataclass(frozen=True)
class Failing:
    """A background loop that fails: `count` turns in a row, `since` when, when its last good turn ended (`good_at`, 0: none since the
    manager's start), both UTC ms, and what the newest failure says (`error`)."""

    count: int
    since: int
    good_at: int
    error: str


class Telemetry:
    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.failing: dict[str, Failing] = {}
        """Background loop → how it fails; only those whose last turn failed."""

        self._good: dict[str, int] = {}

        self._requests = Counter("ops_requests", "Answered requests.", ("method", "route", "status"), registry=registry)
        self._seconds = Histogram("ops_request_seconds", "From request to answer.", ("route",), buckets=_QUICK, registry=registry)
        self._loop_seconds = Histogram("ops_loop_seconds", "One turn of a loop.", ("loop",), buckets=_QUICK, registry=registry)
        self._loop_failures = Counter("ops_loop_failures", "Turns of a loop that failed.", ("loop",), registry=registry)
        self._succeeded = Gauge(
            "ops_loop_last_success_timestamp_seconds", "When a loop's last good turn ended; 0: none yet.", ("loop",), registry=registry
        )
        self._failing = Gauge("ops_loop_failing", "How many turns of a loop have failed in a row.", ("loop",), registry=registry)
        self._build = Gauge("ops_build_info", "The version that runs; always 1.", ("version",), registry=registry)
        self._build.labels(__version__).set(1)
        self._up = Gauge("ops_database_up", "Whether the database answers: 1 or 0.", registry=registry)
        self._alerts = Gauge("ops_alerts", "Alerts that are not resolved.", ("severity",), registry=registry)
        self._held = Gauge("ops_held_polls", "Nodes whose poll is held here.", registry=registry)
        self._stored, self._told = Counter("ops_records_stored", "Records stored since the start.", registry=registry), 0
        self._waiting = Gauge("ops_records_waiting", "Records that wait to be stored.", ("lane",), registry=registry)
        self._nodes = Gauge("ops_nodes", "Nodes of the whole fleet.", ("state",), registry=registry)
        self._connections = Gauge("ops_database_connections", "Connections to the database.", ("state",), registry=registry)
        self._rolled = Gauge("ops_rollup_lag_seconds", "How long ago the newest roll-up ended.", registry=registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def turn(self, loop: str, seconds: float, error: str, now: int) -> None:
        """One turn of a background loop that ended `now` (UTC ms); `error`: why it failed, empty where it did not."""
        failed, before = bool(error), self.failing.get(loop)
        if failed:
            since = before.since if before else now
            self.failing[loop] = Failing((before.count if before else 0) + 1, since, self._good.get(loop, 0), error)
        else:
            self.failing.pop(loop, None)
            self._good[loop] = now
        self._loop_seconds.labels(loop).observe(seconds)
        self._loop_failures.labels(loop).inc(int(failed))
        self._failing.labels(loop).set(self.failing[loop].count if failed else 0)
        if failed:
            self._succeeded.labels(loop)
        else:
            self._succeeded.labels(loop).set(now / 1000)

    def text(
        self,
        *,
        held: int,
        stored: int,
        waiting: Mapping[str, int],
        connections: Mapping[str, int],
        stands: Stands | None,
    ) -> bytes:
        """The page, with what is only known when it is asked for. `stands`: None while the database does not answer; what it would
        have told is left out then, rather than told as it was."""
        self._held.set(held)
        self._stored.inc(stored - self._told)
        self._told = stored
        self._up.set(int(stands is not None))
        told = stands or Stands({}, {}, None)
        self._rolled.set(math.nan if told.rollup_lag_s is None else told.rollup_lag_s)
        for gauge, values in (
            (self._waiting, waiting),
            (self._nodes, told.nodes),
            (self._alerts, told.alerts),
            (self._connections, connections),
        ):
            gauge.clear()
            for label, value in values.items():
                gauge.labels(label).set(value)
        return generate_latest(self._registry)
