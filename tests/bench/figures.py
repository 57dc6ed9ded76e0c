"""Thirty days of samples, values of plugins, roll-ups, and minutes of the fleet.

There is most of these, so the database makes them by itself: from a row a node, with a statement for each time. Ten million take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from server.service.detail_rollups import DETAIL_TIERS
from server.service.detail_spans import Span
from server.service.records import RawRecord, read
from tests.bench.raw import Raw
from tests.load.lifelike import Machine

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
DAYS = 30
FIGURES = ("cpu_usage", "memory_usage", "disk_usage", "load_1", "network_rx", "network_tx")
Row = dict[str, Any]


def fill(raw: Raw, ids: Sequence[str], now: int, samples: int, fine_days: int) -> dict[str, int]:
    """Samples, values of plugins and roll-ups, each in the order of its time, as they come in life."""
    each = samples // len(ids)
    dense = min(each, DAY // MINUTE)
    sparse = each - dense
    step = (DAYS - 1) * DAY // sparse if sparse else 0
    sampled = [now - DAY - n * step for n in range(sparse, 0, -1)] + [now - n * MINUTE for n in range(dense, 0, -1)]
    columns = f"node_id, {', '.join(FIGURES)}, detail, detail AS hour, at AS shift, at AS plugged"
    raw.run(f"CREATE TABLE bench_nodes AS SELECT {columns} FROM node_metrics WHERE 1 = 0")
    try:
        patterns = [pattern(number, node_id, now) for number, node_id in enumerate(ids)]
        raw.put("bench_nodes", patterns)
        plugged = sum(one["plugged"] for one in patterns)
        raw.run_all(text for number, at in enumerate(sampled) for text in _samples(number, at))
        written = {"samples": len(ids) * each, "plugin_values": plugged * each, "rollups": 0, "plugin_rollups": 0, "detail_rollups": 0}
        for tier, count in ((5 * MINUTE, fine_days * 288 - 1), (HOUR, DAYS * 24 - 1)):
            newest = now // tier * tier
            raw.run_all(text for n in range(count, 0, -1) for text in _rollups(n, tier, newest - n * tier))
            written["rollups"] += len(ids) * count
            written["plugin_rollups"] += plugged * count
        for tier in DETAIL_TIERS:
            newest = now // tier * tier
            raw.run_all(_details(tier, newest - n * tier) for n in range(DAYS * DAY // tier, 0, -1))
            written["detail_rollups"] += len(ids) * (DAYS * DAY // tier)
    finally:
        raw.run("DROP TABLE bench_nodes")
    minutes = (_fleet_minute(now - 5 * MINUTE - n * MINUTE, len(ids)) for n in range(1, DAYS * DAY // MINUTE))
    return written | {"fleet_minutes": raw.put("fleet_metrics", minutes)}


def _samples(number: int, at: int) -> Iterator[str]:
    """One of every node in the minute that begins then."""
    a, b, c = number * 37 % 40, number * 11 % 7, number * 7 % 3
    yield (
        f"INSERT INTO node_metrics (node_id, at, epoch, seq, {', '.join(FIGURES)}, detail) SELECT node_id, {at} + shift, 1, {number + 1}, "
        f"cpu_usage + {a}, memory_usage + {b}, disk_usage, load_1 + {c}, network_rx + {a}, network_tx + {b}, detail FROM bench_nodes"
    )
    yield (
        "INSERT INTO node_plugin_metrics (node_id, plugin, name, at, epoch, seq, value, unit) "
        f"SELECT node_id, 'open_files', 'open', {at} + shift, 1, {number + 1}, {900 + a}, 'files' FROM bench_nodes WHERE plugged = 1"
    )


def _rollups(number: int, tier: int, at: int) -> Iterator[str]:
    columns = ", ".join(f"{figure}, {figure}_least, {figure}_most, {figure}_count" for figure in FIGURES)
    more, count = number * 37 % 20, tier // MINUTE
    values = ", ".join(f"{figure} + {more}, {figure}, {figure} + {more + 9}, {count}" for figure in FIGURES)
    yield f"INSERT INTO node_rollups (node_id, tier, at, {columns}) SELECT node_id, {tier}, {at}, {values} FROM bench_nodes"
    yield (
        "INSERT INTO node_plugin_rollups (node_id, plugin, name, tier, at, value, value_least, value_most, value_count, unit) "
        f"SELECT node_id, 'open_files', 'open', {tier}, {at}, {900 + more}, 900, 940, {count}, 'files' FROM bench_nodes WHERE plugged = 1"
    )


def _details(tier: int, at: int) -> str:
    return f"INSERT INTO node_detail_rollups (node_id, tier, at, detail) SELECT node_id, {tier}, {at}, hour FROM bench_nodes"


def _fleet_minute(at: int, nodes: int) -> Row:
    more = at // MINUTE % 17
    row: Row = {"at": at, "nodes": nodes, "total": nodes, "online": nodes}
    for name, level in (("cpu_usage", 25.0), ("memory_usage", 45.0), ("disk_usage", 50.0)):
        row |= {name: level + more, f"{name}_median": level - 2 + more, f"{name}_p95": level + 30 + more, f"{name}_most": level + 33 + more}
    return row


def pattern(number: int, node_id: str, now: int) -> Row:
    """The row of `node_metrics` that the product makes of that machine's sample, and when in the minute it comes."""
    body = json.dumps(Machine(number).sample(now, MINUTE), separators=(",", ":")).encode()
    rows = read(node_id, "bulk", 1, RawRecord(1, "sample", now, msgspec.Raw(body)), now, 0).rows
    sample = next(row for name, row in rows if name == "sample")
    plugged = int(any(name != "sample" for name, _ in rows))
    figures = {name: float(sample[name] or 0) for name in FIGURES}
    span = Span()
    span.add_samples((now + minute * MINUTE, sample["detail"]) for minute in range(60))
    hour = span.text() or "{}"
    return {
        "node_id": node_id,
        **figures,
        "detail": sample["detail"],
        "hour": hour,
        "shift": number * 618 % MINUTE // 1000 * 1000,
        "plugged": plugged,
    }
