"""What a rule would have done, from what real databases keep of the time before."""

from __future__ import annotations

from typing import Any

import pytest

from server.service.alert_drafts import Draft
from server.service.alert_preview import MOST_DETAILED, NOTHING_KEPT, QUARTERS, AlertPreview
from tests.conftest import Manager
from tests.server.service.alerting import MINUTE, Site, cpu, disks


@pytest.fixture
def site(manager: Manager) -> Site:
    return Site(manager)


async def look(site: Site, kind: str, selector: str = "all", **more: str | int) -> AlertPreview:
    draft = Draft("tried", kind, selector, **more)  # type: ignore[arg-type]
    return await site.manager.services.alert_previews.look(draft, site.manager.time())


async def rolled(site: Site) -> None:
    site.manager.time.now += 10 * MINUTE
    await site.manager.services.rollups.work(site.manager.time())


async def test_three_peaks_are_three_alerts_and_a_long_hold_makes_them_none(site: Site) -> None:
    node, calm = await site.node("web-1"), await site.node("web-2")
    start = site.manager.time.now
    for turn in range(24):
        site.manager.time.now = start + turn * 5 * MINUTE
        await site.sample(node, **cpu(95.0 if turn % 8 == 4 else 20.0))
        await site.sample(calm, **cpu(20.0))
    await rolled(site)
    told = await look(site, "metric", metric="cpu_usage", threshold="90%")
    assert (told.known, told.fired, told.on, told.meant, told.bad_now) == (True, 3, 1, 2, 0)
    assert [(one.name, one.times, one.open) for one in told.nodes] == [("web-1", 3, False)]
    assert (await look(site, "metric", metric="cpu_usage", threshold="90%", hold=1200)).fired == 0
    assert (await look(site, "metric", metric="cpu_usage", threshold="90%", selector="name=web-2")).fired == 0
    jumps = await look(site, "change", metric="cpu_usage", threshold="50%", span=300)
    assert jumps.fired == 3
    assert await site.history() == [], "a preview opens nothing"


async def test_absences_that_lasted_longer_than_the_grace_are_counted(site: Site) -> None:
    node = await site.node("web-1")
    for minutes in (10, 2, 30):
        site.manager.time.now += MINUTE
        await site.offline(node)
        site.manager.time.now += minutes * MINUTE
        await site.online(node)
        site.manager.time.now += 20 * MINUTE
    told = await look(site, "offline", threshold="5m")
    assert (told.fired, told.on, told.bad_now) == (2, 1, 0)


async def test_what_is_not_kept_is_said_and_what_is_now_is_told(site: Site) -> None:
    node = await site.node("web-1")
    await site.health(node, clock_ahead_ms=60_000)
    told = await look(site, "clock", threshold="30s")
    assert (told.known, told.fired, told.bad_now, told.notes) == (False, 0, 1, [NOTHING_KEPT])
    await site.sample(node, **disks(root=95.0, var=96.0))
    await rolled(site)
    told = await look(site, "metric", metric="mount.percent", threshold="90%")
    assert (told.known, told.fired, told.on, told.bad_now) == (True, 2, 1, 1), "both mounts"
    assert told.notes[0] == QUARTERS
    assert told.notes[1].startswith("of these nodes samples are kept from 2027-01-15 ")
    told = await look(site, "metric", metric="mount.percent", subject="/var", threshold="90%")
    assert (told.fired, told.nodes[0].open) == (1, True)
    told = await look(site, "metric", metric="memory_usage", threshold="90%")
    assert told.notes == ["1 of 1 nodes have told nothing of it in this time"]


def card(celsius: float) -> dict[str, Any]:
    return {"gpus": [{"name": "A100", "percent": 1.0, "memory_used": 1, "memory_total": 2, "temperature": celsius}]}


async def test_figures_that_no_roll_up_keeps_are_told_from_stored_samples_of_each_subject(site: Site) -> None:
    hot, calm = await site.node("gpu-1"), await site.node("gpu-2")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    for turn in range(16):
        site.manager.time.now = start + turn * 15 * MINUTE + MINUTE
        await site.sample(hot, **card(90.0 if turn % 4 > 1 else 60.0), **disks(root=50.0))
        await site.sample(calm, **card(60.0), **disks(root=50.0))
    told = await look(site, "metric", metric="gpu.temperature", threshold="85", subject="0 A100")
    assert (told.known, told.fired, told.on, told.bad_now) == (True, 4, 1, 1)
    assert [(one.name, one.times, one.open) for one in told.nodes] == [("gpu-1", 4, True)]
    held = await look(site, "metric", metric="gpu.temperature", threshold="85", hold=900)
    assert held.fired == 4, "two quarters in a row are a quarter of an hour"
    assert (await look(site, "metric", metric="gpu.temperature", threshold="85", hold=1800)).fired == 0
    assert (await look(site, "metric", metric="gpu.temperature", threshold="85", subject="1 A100")).fired == 0
    nothing = await look(site, "metric", metric="nic.rx", threshold="1MiB/s")
    assert (nothing.fired, nothing.notes[-1]) == (0, "2 of 2 nodes have told nothing of it in this time")


async def test_a_mounts_trend_is_told_from_stored_samples_also_where_another_is_fuller(site: Site) -> None:
    node = await site.node("db-1")
    start = site.manager.time.now // 3_600_000 * 3_600_000
    for turn in range(30):
        site.manager.time.now = start + turn * 15 * MINUTE
        await site.sample(node, **disks(root=95.0, var=30.0 + turn))
    told = await look(site, "disk-full", threshold="24h")
    assert (told.known, told.fired, told.on, told.bad_now) == (True, 1, 1, None)
    assert (await look(site, "disk-full", threshold="24h", subject="/")).fired == 0


async def test_of_many_nodes_those_are_gone_through_first_on_which_it_is_wrong_now(site: Site) -> None:
    for number in range(MOST_DETAILED + 2):
        node = await site.node(f"web-{number:02d}")
        await site.sample(node, **card(95.0 if number >= MOST_DETAILED else 40.0))
    told = await look(site, "metric", metric="gpu.temperature", threshold="85")
    assert (told.fired, told.bad_now) == (2, 2)
    assert told.notes[0] == f"of {MOST_DETAILED + 2} nodes {MOST_DETAILED} were gone through, those first on which it is wrong now"


async def test_of_many_nodes_a_trend_is_looked_for_first_where_disks_change(site: Site) -> None:
    nodes = [await site.node(f"db-{number:02d}") for number in range(MOST_DETAILED + 2)]
    start = site.manager.time.now // 3_600_000 * 3_600_000
    for turn in range(9):
        site.manager.time.now = start + turn * 15 * MINUTE
        for node in nodes:
            await site.sample(node, **disks(root=40.0 + turn * (node is nodes[-1])))
    site.manager.time.now = start + 3 * 3_600_000
    await rolled(site)
    told = await look(site, "disk-full", threshold="72h")
    assert [one.name for one in told.nodes] == [f"db-{MOST_DETAILED + 1:02d}"]
    assert told.notes[0].endswith("those first whose fullest disk changed most")
