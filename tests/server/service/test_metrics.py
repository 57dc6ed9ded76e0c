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


async def test_the_values_of_plugins_come_by_step_as_well(manager: Manager) -> None:
    node = await manager.enrol()
    start = manager.time.now // (5 * MINUTE) * 5 * MINUTE
    for minute, value in enumerate((1.0, 5.0, 3.0)):
        manager.time.now = start + minute * MINUTE
        metrics = [{"plugin": "queue", "name": name, "value": value, "unit": "jobs"} for name in ("waiting", "held")]
        await manager.report(node, "bulk", (minute + 1, "sample", {"took_ms": 1.0, "plugins": metrics}))
    rows = await manager.services.metrics.plugin_series(node.id, start, manager.time.now, 5 * MINUTE)
    assert [(row["name"], row["at"], row["value"], row["value_most"], row["unit"]) for row in rows] == [
        ("held", start, 3.0, 5.0, "jobs"),
        ("waiting", start, 3.0, 5.0, "jobs"),
    ]


async def test_the_newest_figures_of_a_page_of_nodes_are_folded_from_the_last_three_minutes(manager: Manager) -> None:
    busy, silent, old = await manager.enrol("busy"), await manager.enrol("silent"), await manager.enrol("old")
    memory = {"took_ms": 1.0, "memory": {"total": 4, "used": 1, "available": 3, "percent": 25.0}}
    await manager.report(old, "bulk", (1, "sample", cpu(5.0)))
    manager.time.now += 4 * MINUTE
    await manager.report(busy, "bulk", (1, "sample", cpu(10.0)), (2, "sample", memory))
    manager.time.now += MINUTE
    await manager.report(busy, "bulk", (3, "sample", cpu(20.0)))
    newest = await manager.services.metrics.newest([busy.id, silent.id, old.id], manager.time.now)
    assert newest == {busy.id: {"cpu_usage": 20.0, "memory_usage": 25.0}}
    assert await manager.services.metrics.newest([], manager.time.now) == {}
