"""Ranges in addresses: what they mean, and what is said of one that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import Config
from server.errors import BadInput
from server.service.ranges import RANGES, STEPS, step_of
from server.service.windows import Wanted
from server.web.spans import Span, span_of, written
from tests.conftest import Manager
from tests.server.web.conftest import Visitor

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_795_000_000_000


def read(now: int = NOW, **query: str) -> Span:
    return span_of({name.rstrip("_"): value for name, value in query.items()}, now, Config(data_dir=Path("/tmp")))


def test_a_name_goes_back_from_now_and_a_points_share_of_it_grows() -> None:
    spans = {name: read(range=name) for name in RANGES}
    assert {name: span.step for name, span in spans.items()} == {
        "15m": 1,
        "1h": 1,
        "6h": MINUTE,
        "24h": 5 * MINUTE,
        "7d": 30 * MINUTE,
        "30d": 2 * HOUR,
        "90d": 6 * HOUR,
        "1y": DAY,
    }
    assert all(span.until == NOW and NOW - span.since == RANGES[name] for name, span in spans.items())
    assert read() == spans["1h"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-18T10:00Z",
        "2026-11-18T10:00",
        "2026-11-18T10:00:00",
        "2026-11-18T18:00+08:00",
        "2026-11-18T18:00 08:00",
        "2026-11-18T05:00-05:00",
        "2026-11-18 10:00",
        "1794996000000",
    ],
)
def test_one_moment_can_be_written_in_many_ways_and_is_utc_without_a_zone(text: str) -> None:
    span = read(from_=text, until="2026-11-18T11:00Z")
    assert (span.since, span.until, span.name) == (1_794_996_000_000, 1_794_999_600_000, "")
    assert span.query() == {"from": "2026-11-18T10:00Z", "until": "2026-11-18T11:00Z"}


def test_without_an_end_it_reaches_to_now_and_never_beyond() -> None:
    begin = written(NOW - HOUR)
    assert read(from_=begin).until == NOW
    assert read(from_=begin, until=written(NOW + DAY)).until == NOW


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"range": "2h"}, "range"),
        ({"range": "1h", "from_": "2026-11-18T10:00Z"}, "range"),
        ({"until": "2026-11-18T10:00Z"}, "from"),
        ({"from_": "yesterday"}, "from"),
        ({"from_": "²"}, "from"),
        ({"from_": "9" * 14}, "from"),
        ({"from_": "0001-01-01T00:00+14:00"}, "from"),
        ({"from_": "2026-11-18T10:00Z", "until": "2026-11-18T10:00:30Z"}, "until"),
        ({"from_": "2026-11-18T10:00Z", "until": "2026-11-17T10:00Z"}, "until"),
        ({"from_": "2026-11-18T10:00Z", "until": "2026-13-17T10:00Z"}, "until"),
        ({"from_": "2024-01-01T00:00Z"}, "from"),
    ],
)
def test_what_is_no_range_is_named(query: dict[str, str], field: str) -> None:
    with pytest.raises(BadInput) as problem:
        read(**query)
    assert problem.value.field == field


def test_points_are_of_a_tier_that_is_still_kept_and_never_too_many() -> None:
    config = Config(data_dir=Path("/tmp"))
    for days, tier in ((29, 1), (31, 5 * MINUTE), (91, HOUR)):
        for length in (10 * MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY):
            since = NOW - days * DAY
            step = step_of(since, since + length, NOW, config)
            assert step % tier == 0
            assert step == 1 or (step in STEPS and length / step <= 400)


async def test_a_wrong_range_is_told_at_its_field_and_what_was_typed_stays(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    wrong = await visit.get(f"/nodes/{node.id}?from=2026-11-18T10:00&until=2026-11-17T10:00")
    assert wrong.status_code == 400
    assert 'value="2026-11-18T10:00:00"' in wrong.text
    assert 'id="wrong-until"' in wrong.text
    chinese = await visit.get(f"/nodes/{node.id}?from=2026-11-18T10:00&until=2026-11-17T10:00", **{"Accept-Language": "zh-CN"})
    assert "至少比开始晚一分钟" in chinese.text


async def test_the_refresh_of_a_page_asks_for_the_range_that_it_shows(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    begin, end = written(manager.time.now - 2 * HOUR), written(manager.time.now - HOUR)
    page = await visit.get(f"/nodes/{node.id}?from={begin}&until={end}")
    kept = f"from={begin}&amp;until={end}".replace(":", "%3A")
    assert f'hx-get="/nodes/{node.id}?{kept}"' in page.text
    assert 'href="/nodes/' + node.id + '?range=24h#h-charts"' in page.text


async def test_marks_are_told_in_words_beside_the_charts(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "health", {"started": manager.time.now - MINUTE, "address": "x"}))
    page = await visit.get(f"/nodes/{node.id}")
    assert "the daemon started" in page.text
    assert f"[[{(manager.time.now - MINUTE) / 1000}".rstrip("0").rstrip(".") in page.text
    assert "守护进程启动" in (await visit.get(f"/nodes/{node.id}", **{"Accept-Language": "zh-CN"})).text


async def test_the_overviews_bands_have_the_windows_of_the_fleet_and_a_list_that_says_so(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    await manager.enrol()
    begin = written(manager.time.now - HOUR)[:16]
    once = {"start": begin, "minutes": 30, "repeat": "once"}
    wanted = Wanted("Kernel updates", "", "all", once, "UTC", True, False, True)
    await manager.services.windows.make(manager.admin, wanted, manager.time.now - 2 * HOUR)
    page = await visit.get("/")
    since = (manager.time.now - HOUR) // MINUTE * 60
    assert f"[[{since}.0,{since + 1800}.0,&#34;W&#34;,&#34;&#34;]]" in page.text
    assert "maintenance window: <a" in " ".join(page.text.split())
    assert ">Kernel updates</a>" in page.text
