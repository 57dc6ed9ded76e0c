"""Series by step: the same on every database."""

from __future__ import annotations

from tests.conftest import Manager

MINUTE = 60_000


def cpu(percent: float) -> dict[str, object]:
    return {"took_ms": 1.0, "cpu": {"percent": percent, "user": 1.0, "system": 1.0, "idle": 1.0}}


async def test_a_long_range_is_means_with_the_peaks_kept(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now // (5 * MINUTE) * 5 * MINUTE
    for minute, percent in enumerate((10.0, 20.0, 90.0, 20.0, 10.0, 40.0)):
        manager.time.now = start + minute * MINUTE
        await manager.report(node, "bulk", (minute + 1, "sample", cpu(percent)))
    rows = await manager.services.metrics.series(node.id, start, manager.time.now, 5 * MINUTE)
    assert [(row["at"], row["cpu_usage"], row["cpu_usage_most"]) for row in rows] == [
        (start, 30.0, 90.0),
        (start + 5 * MINUTE, 40.0, 40.0),
    ]
