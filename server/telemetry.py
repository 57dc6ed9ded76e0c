"""What the manager tells of itself to Prometheus (M9): a registry of its own, counted in memory, read at `/metrics`.

Labels are few and fixed: routes as templates, lanes, states, loops; never an id. Names: docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_QUICK = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.failing: dict[str, tuple[int, int]] = {}
        """Background loop → how often it has failed in a row, and since when; only those whose last turn failed."""

        self._requests = Counter("ops_requests", "Answered requests.", ("method", "route", "status"), registry=registry)
        self._seconds = Histogram("ops_request_seconds", "From request to answer.", ("route",), buckets=_QUICK, registry=registry)
        self._loop_seconds = Histogram("ops_loop_seconds", "One turn of a loop.", ("loop",), buckets=_QUICK, registry=registry)
        self._loop_failures = Counter("ops_loop_failures", "Turns of a loop that failed.", ("loop",), registry=registry)
        self._held = Gauge("ops_held_polls", "Nodes whose poll is held here.", registry=registry)
        self._stored, self._told = Counter("ops_records_stored", "Records stored since the start.", registry=registry), 0
        self._waiting = Gauge("ops_records_waiting", "Records that wait to be stored.", ("lane",), registry=registry)
        self._nodes = Gauge("ops_nodes", "Nodes of the whole fleet.", ("state",), registry=registry)
        self._connections = Gauge("ops_database_connections", "Connections to the database.", ("state",), registry=registry)
        self._rolled = Gauge("ops_rollup_lag_seconds", "How long ago the newest roll-up ended.", registry=registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def turn(self, loop: str, seconds: float, failed: bool, now: int) -> None:
        """One turn of a background loop that ended `now` (UTC ms)."""
        if failed:
            count, since = self.failing.get(loop, (0, now))
            self.failing[loop] = (count + 1, since)
        else:
            self.failing.pop(loop, None)
        self._loop_seconds.labels(loop).observe(seconds)
        if failed:
            self._loop_failures.labels(loop).inc()

    def text(
        self,
        *,
        held: int,
        stored: int,
        waiting: Mapping[str, int],
        nodes: Mapping[str, int],
        connections: Mapping[str, int],
        rollup_lag_s: float,
    ) -> bytes:
        """The page, with what is only known when it is asked for."""
        self._held.set(held)
        self._stored.inc(stored - self._told)
        self._told = stored
        self._rolled.set(rollup_lag_s)
        for gauge, values in ((self._waiting, waiting), (self._nodes, nodes), (self._connections, connections)):
            gauge.clear()
            for label, value in values.items():
                gauge.labels(label).set(value)
        return generate_latest(self._registry)
