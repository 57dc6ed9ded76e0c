"""Details over long ranges: made of hours that were rolled up in time, and the same as their samples say, on every database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth import Caller
from server.config import Config
from server.db import Db, Session
from server.keys import open_keys
from server.loops import retention
from server.queries import Query
from server.service import detail_rollups
from server.service.detail_kinds import KINDS
from server.service.detail_rollups import DETAIL_TIERS, HOUR_MS, SETTLED_MS
from server.service.detail_spans import NUMBERS, ROOM, Span, read
from server.service.samples import MOST_CHARACTERS
from server.services import Services, build
from tests.conftest import DAY, QUICK_HASHER, Manager
from tests.server.service.test_details import MINUTE, mount, nic, tell, values

Body = dict[str, Any]
Points = dict[tuple[str, str], dict[int, tuple[float, float, float, int]]]
"""(name, figure) → begin of the span → mean, least, most and count."""


def naive(samples: Sequence[tuple[int, Body]], kind: str, span: int) -> Points:
    """Gone through in the plainest way: each hour's values by name, from the sample's own words."""
    values: dict[tuple[str, str, int], list[float]] = {}
    hours = sorted({at // HOUR_MS for at, _ in samples})
    for hour in hours:
        last: dict[str, tuple[int, Body]] = {}
        for at, body in sorted((one for one in samples if one[0] // HOUR_MS == hour), key=lambda one: one[0]):
            for name, thing in _things(body, kind):
                for figure, value in _figures(thing, kind, at, last.get(name)):
                    if value is not None:
                        values.setdefault((name, figure, at // span * span), []).append(value)
                last[name] = (at, thing)
    found: Points = {}
    for (name, figure, at), those in values.items():
        found.setdefault((name, figure), {})[at] = (sum(those) / len(those), min(those), max(those), len(those))
    return found


def _things(body: Body, kind: str) -> list[tuple[str, Body]]:
    if kind == "cores":
        return [(str(n), {"busy": share}) for n, share in enumerate((body.get("cpu") or {}).get("cores", []))]
    if kind == "gpus":
        return [(f"{n} {gpu['name']}", gpu) for n, gpu in enumerate(body.get("gpus") or [])]
    section, name = {"mounts": ("disks", "mount"), "devices": ("disk_io", "device"), "nics": ("nics", "name")}[kind]
    return [(one[name], one) for one in body.get(section) or []]


def _figures(thing: Body, kind: str, at: int, last: tuple[int, Body] | None) -> list[tuple[str, float | None]]:
    if kind == "mounts":
        return [("used", thing["percent"])]
    if kind == "cores":
        return [("busy", thing["busy"])]
    if kind == "gpus":
        memory = 100 * thing["memory_used"] / thing["memory_total"] if thing["memory_total"] else None
        return [("busy", thing["percent"]), ("memory", memory), ("temperature", thing.get("temperature"))]
    names = {"devices": (("read", "read"), ("written", "write")), "nics": (("received", "rx"), ("sent", "tx"))}[kind]
    found: list[tuple[str, float | None]] = []
    for figure, word in names:
        rate, count = thing.get(f"{word}_rate"), thing[f"{word}_bytes"]
        if last and 0 < at - last[0] <= 15 * MINUTE and count >= last[1][f"{word}_bytes"]:
            rate = (count - last[1][f"{word}_bytes"]) / ((at - last[0]) / 1000)
        found.append((figure, rate))
    return found


def rolled(text: str | None, kind: str, at: int) -> Points:
    names = [figure.name for figure in KINDS[kind].figures]
    found: Points = {}
    for name, numbers in (read(kind, text) if text else {}).items():
        for number, figure in enumerate(names):
            mean, least, most, count = numbers[number * NUMBERS : (number + 1) * NUMBERS]
            if count:
                found[(name, figure)] = {at: (mean or 0.0, least or 0.0, most or 0.0, int(count))}
    return found


def same(found: Points, wanted: Points) -> None:
    assert found.keys() == wanted.keys()
    for key, points in wanted.items():
        assert found[key].keys() == points.keys(), key
        for at, numbers in points.items():
            # Six digits of each number that a mean is made of: degrees above and below zero take each other away.
            digits = 1e-5 * max(abs(number) for number in numbers[:3])
            assert found[key][at] == pytest.approx(numbers, rel=1e-5, abs=digits + 1e-9), (key, at)


_share = st.floats(0, 100, allow_nan=False)
_count = st.integers(0, 2**40)
_rate = st.none() | st.floats(0, 1e9, allow_nan=False)
_name = st.sampled_from(["/", "/var", "eth0", "名字", 'quoted "', "\x01"])
_mounts = st.lists(st.builds(mount, _name, _share), max_size=3, unique_by=lambda one: str(one["mount"]))
_nics = st.lists(st.builds(nic, _name, _count, _rate), max_size=3, unique_by=lambda one: str(one["name"]))
_devices = st.lists(
    st.builds(
        lambda name, read, written, rate: {"device": name, "read_bytes": read, "write_bytes": written, "read_rate": rate},
        *(_name, _count, _count, _rate),
    ),
    max_size=2,
    unique_by=lambda one: one["device"],
)
_gpus = st.lists(
    st.builds(
        lambda share, used, total, heat: {
            "name": "A100", "percent": share, "memory_used": used, "memory_total": total, "temperature": heat,
        },
        *(_share, st.integers(0, 100), st.sampled_from([0, 100]), st.none() | st.floats(-20, 110)),
    ),
    max_size=2,
)  # fmt: skip
_cpu = st.builds(lambda cores: {"percent": 1.0, "user": 1.0, "system": 0.0, "idle": 99.0, "cores": cores}, st.lists(_share, max_size=4))
_body = st.fixed_dictionaries(
    {}, optional={"disks": _mounts, "nics": _nics, "disk_io": _devices, "gpus": _gpus, "cpu": _cpu, "load": st.just([1.0])}
)
_hour = st.lists(st.tuples(st.integers(0, HOUR_MS - 1), _body), max_size=12, unique_by=lambda one: one[0]).map(
    lambda samples: sorted(samples, key=lambda one: one[0])
)


def texts(samples: Sequence[tuple[int, Body]]) -> list[tuple[int, str]]:
    return [(at, msgspec.json.encode({"took_ms": 1.0, **body}).decode()) for at, body in samples]


@given(st.lists(_hour, min_size=1, max_size=4))
def test_hours_and_what_is_made_of_them_are_what_their_samples_come_to(hours: list[list[tuple[int, Body]]]) -> None:
    whole, made = Span(), []
    for number, hour in enumerate(hours):
        span = Span()
        span.add_samples(texts([(at + number * HOUR_MS, body) for at, body in hour]))
        text = span.text()
        for kind in KINDS:
            same(rolled(text, kind, number * HOUR_MS), naive([(at + number * HOUR_MS, body) for at, body in hour], kind, HOUR_MS))
        made += [text] if text else []
    whole.add_spans(made)
    samples = [(at + number * HOUR_MS, body) for number, hour in enumerate(hours) for at, body in hour]
    for kind in KINDS:
        same(rolled(whole.text(), kind, 0), naive(samples, kind, 6 * HOUR_MS))


def test_a_host_that_invents_names_takes_no_more_room_than_a_sample_may() -> None:
    span = Span()
    awkward = "\x01" * 40
    for turn in range(5):
        disks = [mount(f"/{turn}/{awkward}{n}", 5.0) for n in range(1500)]
        cores: list[float] = [1.0] * 20_000
        span.add_samples(
            texts([(turn, {"disks": disks, "nics": [nic(f"veth{turn}-{n}", 1) for n in range(1000)], "cpu": {"cores": cores}})])
        )
    text = span.text()
    assert text is not None
    assert ROOM < len(text) <= MOST_CHARACTERS
    assert span.left_out > 0
    assert list(read("cores", text))[:800] == [str(number) for number in range(800)]
    again = Span()
    again.add_spans([text] * 6)
    assert again.left_out == 0, "what had room in its hour has room in the day"
    assert len(again.text() or "") <= MOST_CHARACTERS


def test_a_sample_that_cannot_be_read_is_passed_over() -> None:
    span = Span()
    span.add_samples([(0, "not JSON"), (1, '{"disks": 5}'), (2, '{"disks": [{"mount": "/", "percent": 7.0}]}')])
    assert span.unreadable == 2
    assert read("mounts", span.text() or "") == {"/": [7.0, 7.0, 7.0, 1]}
    longer = Span()
    longer.add_spans(["{", span.text() or "", '{"fans": {"1": [1.0, 1.0, 1.0, 5]}}', '{"mounts": {"/": [7.0, 7.0]}}'])
    assert longer.unreadable == 1
    assert longer.text() == span.text()


def test_a_figure_beyond_all_machines_is_none() -> None:
    span = Span()
    span.add_samples(texts([(0, {"disks": [mount("/", 1e308)]}), (1, {"disks": [mount("/", 1e308)]}), (2, {"disks": [mount("/", 4.0)]})]))
    assert read("mounts", span.text() or "") == {"/": [4.0, 4.0, 4.0, 1]}


# -- made by the loop, read by charts -----------------------------------------------------------------------------------


def day(manager: Manager) -> int:
    return manager.time.now // DAY * DAY


def body(at: int, percent: float) -> Body:
    """The data mount is there in even hours only, the interface counts up and begins anew each day."""
    disks = [mount("/", percent)] + ([mount("/data", percent / 2)] if at // HOUR_MS % 2 == 0 else [])
    return {"disks": disks, "nics": [nic("eth0", at % DAY * 3, 7.0)]}


def told(start: int, hours: Sequence[int], every: int = 10) -> list[tuple[int, Body]]:
    return [
        (start + hour * HOUR_MS + minute * MINUTE, body(start + hour * HOUR_MS, float((hour * 7 + minute) % 100)))
        for hour in hours
        for minute in range(1, 60, every)
    ]


async def drawn(manager: Manager, node: Caller, kind: str, since: int, until: int, step: int) -> Points:
    found = await manager.services.details.series(node.id, kind, since, until, manager.time.now, step=step)
    assert found.step == step
    points: Points = {}
    for figure in KINDS[kind].figures:
        for name, line in values(found.lines, figure.name).items():
            points[(name, figure.name)] = {at: (value, most, 0.0, 0) for at, value, most in line}
    return points


def shown(samples: Sequence[tuple[int, Body]], kind: str, step: int) -> Points:
    """Of the naive figures, what a chart shows."""
    return {key: {at: (one[0], one[2], 0.0, 0) for at, one in of.items()} for key, of in naive(samples, kind, step).items()}


async def in_time(manager: Manager, node: Caller, samples: Sequence[tuple[int, Body]]) -> None:
    """They came when they were made: no hour is due for them."""
    await tell(manager, node, *samples)
    await manager.db.transaction(lambda session: session.raw_statement("DELETE FROM node_rollups_due"))


async def rolled_up(manager: Manager, turns: int = 1) -> None:
    for _ in range(turns):
        assert await manager.services.rollups.work(manager.time())


async def no_samples(manager: Manager, node: Caller) -> None:
    q = manager.db.q.metrics.delete_before
    await manager.db.transaction(lambda session: session.execute(q, {"node_id": node.id, "before": 2**62}))


async def rows(manager: Manager, node: Caller, tier: int = HOUR_MS) -> dict[int, str]:
    found = await manager.services.rollups.details.series(node.id, tier, 0, 2**62, 10_000)
    return {row["at"]: row["detail"] for row in found}


async def test_long_ranges_are_the_same_from_hours_as_from_their_samples(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager) - 4 * DAY
    other = await manager.enrol("web-2")
    samples = told(start, [*range(0, 30), *range(40, 70)])  # silent for ten hours, and gone after the third day
    await in_time(manager, node, samples)
    await rolled_up(manager)
    await no_samples(manager, node)
    assert (await manager.services.rollups.details.state())["details_until"] == (manager.time.now - SETTLED_MS) // HOUR_MS * HOUR_MS
    for kind in ("mounts", "nics"):
        for step in (HOUR_MS, 2 * HOUR_MS, 6 * HOUR_MS, DAY):
            found = await drawn(manager, node, kind, start, manager.time.now, step)
            same(found, shown(samples, kind, step))
    assert sorted(await rows(manager, node)) == [start + hour * HOUR_MS for hour in (*range(0, 30), *range(40, 70))]
    assert sorted(await rows(manager, node, DAY)) == [start + n * DAY for n in range(3)]
    assert await rows(manager, other) == {}, "a node that told nothing has no rows"


async def test_what_is_not_rolled_up_yet_comes_from_samples(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 2 * DAY + 7 * HOUR_MS + 30 * MINUTE
    samples = told(start, range(0, 55)) + told(start, [55])[:3]
    await tell(manager, node, *samples)
    before = await drawn(manager, node, "mounts", start, manager.time.now, 6 * HOUR_MS)
    await rolled_up(manager)
    # Days to the second midnight, 6 hours to six o'clock, an hour to seven, and samples.
    await manager.db.transaction(
        lambda session: session.execute(manager.db.q.metrics.delete_before, {"node_id": node.id, "before": start + 55 * HOUR_MS})
    )
    for step in (HOUR_MS, 6 * HOUR_MS, DAY):
        same(await drawn(manager, node, "mounts", start, manager.time.now, step), shown(samples, "mounts", step))
    same(before, shown(samples, "mounts", 6 * HOUR_MS))


async def test_a_late_sample_makes_its_hour_and_the_longer_spans_anew(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 3 * DAY
    samples = told(start, range(0, 26))
    await in_time(manager, node, samples)
    await rolled_up(manager)
    late: list[tuple[int, Body]] = [(start + 3 * HOUR_MS + 5 * MINUTE, {"disks": [mount("/", 99.5), mount("/new", 1.0)]})]
    await tell(manager, node, *late)
    same(await drawn(manager, node, "mounts", start, manager.time.now, DAY), shown(samples, "mounts", DAY))
    await rolled_up(manager)
    for step in DETAIL_TIERS:
        same(await drawn(manager, node, "mounts", start, manager.time.now, step), shown(samples + late, "mounts", step))
    done = await rows(manager, node)
    await rolled_up(manager, 3)
    assert await rows(manager, node) == done, "doing it again changes nothing"


async def test_an_hour_that_has_not_ended_waits_though_a_sample_in_it_was_late(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 10 * MINUTE
    await tell(manager, node, (start + MINUTE, {"disks": [mount("/", 10.0)]}))
    await rolled_up(manager)
    assert await rows(manager, node) == {}
    manager.time.now = start + HOUR_MS + SETTLED_MS - 1
    await rolled_up(manager)
    assert await rows(manager, node) == {}
    manager.time.now += 1
    await rolled_up(manager)
    assert {at: read("mounts", text) for at, text in (await rows(manager, node)).items()} == {start: {"/": [10.0, 10.0, 10.0, 1]}}


async def test_the_past_of_a_site_is_rolled_up_a_bounded_part_at_a_turn_and_never_missing(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update from a version without roll-ups of details: samples are there, and a longer past of which they are gone."""
    monkeypatch.setattr(detail_rollups, "A_TURN", 20)
    monkeypatch.setattr(detail_rollups, "PORTION", 2)
    nodes = [await manager.enrol(f"web-{number}") for number in range(5)]
    node, start = nodes[2], day(manager) - 3 * DAY
    samples = told(start, range(0, 70))
    await in_time(manager, node, samples)
    await manager.db.transaction(lambda session: session.raw_statement(f"UPDATE nodes SET created_at = {start - 100 * DAY}"))
    state = manager.services.rollups.details.state
    hours: list[int] = []
    wanted = shown(samples, "mounts", 6 * HOUR_MS)
    end = (manager.time.now - SETTLED_MS) // HOUR_MS * HOUR_MS
    while not hours or hours[-1] < end:
        await rolled_up(manager)
        hours.append((await state())["details_until"])
        same(await drawn(manager, node, "mounts", start, manager.time.now, 6 * HOUR_MS), wanted)
        assert len(hours) < 100
    assert hours[0] == start + 4 * HOUR_MS, "four hours of five nodes are a turn"
    await no_samples(manager, node)
    same(await drawn(manager, node, "mounts", start, manager.time.now, 6 * HOUR_MS), wanted)
    found = await manager.services.details.series(node.id, "mounts", start - 90 * DAY, manager.time.now, manager.time.now)
    assert found.since == found.kept_since == start, "of the time before there are headline figures only, and it says so"


async def test_where_nothing_was_missed_a_range_begins_where_it_was_asked_to(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 2 * DAY
    await tell(manager, node, *told(start, range(20, 30)))
    await rolled_up(manager)
    found = await manager.services.details.series(node.id, "mounts", start - 80 * DAY, manager.time.now, manager.time.now)
    assert (found.since, found.step) == (start - 80 * DAY, 6 * HOUR_MS)


async def test_a_year_and_more_is_read_by_days_and_never_by_more_rows_than_are_good(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 400 * DAY
    await manager.db.transaction(lambda session: _ancient(session, manager, node, start))
    series, now = manager.services.details.series, manager.time.now
    found = await series(node.id, "mounts", now - 365 * DAY, now, now)
    assert found.step == DAY
    assert [len(line.points) for line in found.lines] == [365]
    fine = await series(node.id, "mounts", now - 365 * DAY, now, now, step=MINUTE)
    assert fine.step == 6 * HOUR_MS, "1460 of six hours; of hours it would be 8760"
    assert (await series(node.id, "mounts", now - 30 * DAY, now, now, step=MINUTE)).step == HOUR_MS
    short = await series(node.id, "mounts", now - 200 * DAY, now - 200 * DAY + 5 * HOUR_MS, now)
    assert short.step == HOUR_MS, "of a time without samples there are hours"
    assert len(short.lines[0].points) >= 1


async def _ancient(session: Session, manager: Manager, node: Caller, start: int) -> None:
    """400 days that were rolled up in their time."""
    insert = Query(
        "ancient", "INSERT INTO node_detail_rollups (node_id, tier, at, detail) VALUES (:node_id, :tier, :at, :detail)", manager.db.dialect
    )
    detail = '{"mounts":{"/":[5.0,5.0,5.0,60]}}'
    spans = [(tier, at) for tier in DETAIL_TIERS for at in range(start, manager.time.now, tier)]
    await session.insert_rows(insert, [{"node_id": node.id, "tier": tier, "at": at, "detail": detail} for tier, at in spans])
    await session.raw_statement(f"UPDATE rollup_state SET details_until = {manager.time.now // HOUR_MS * HOUR_MS}")


@pytest.fixture
async def second(manager: Manager, empty_database: str, tmp_path: Path) -> AsyncIterator[Services]:
    async with Db(empty_database, pool_size=10, pool_idle=1) as db:
        keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], manager.time())
        yield build(db, Config(data_dir=tmp_path), keys, manager.time, QUICK_HASHER)


async def test_a_manager_that_lost_its_lease_meanwhile_writes_nothing(manager: Manager, second: Services) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 3 * HOUR_MS
    await tell(manager, node, *told(start, [0]))
    first = manager.services.rollups
    lease = {"now": manager.time(), "until": manager.time() + 1000}
    assert await manager.db.transaction(lambda session: session.execute(manager.db.q.rollups.lease, lease)) == 1
    assert not await second.rollups.work(manager.time())
    await first.details.forward(lease["until"] + 1, manager.time())
    assert await rows(manager, node) == {}, "without the lease"
    assert (await first.details.state())["details_until"] == 0
    manager.time.now += 1000  # whoever had it has died: its lease ends
    assert await second.rollups.work(manager.time())
    made = await rows(manager, node)
    assert list(made) == [start]
    manager.time.now += HOUR_MS
    await tell(manager, node, (start + 3 * HOUR_MS + MINUTE, {"disks": [mount("/", 1.0)]}))
    # Back from a long pause it goes on where it was: of two that go over the same nodes one is refused.
    before = await first.details.state()
    await first.details.forward(lease["until"], manager.time())
    assert await first.details.state() == before
    assert await rows(manager, node) == made


async def test_two_managers_at_once_make_each_row_once_and_right(
    manager: Manager, second: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail_rollups, "A_TURN", 10)
    node, start = await manager.enrol(), day(manager) - DAY
    samples = told(start, range(0, 24))
    await in_time(manager, node, samples)
    turns = 0
    while len(await rows(manager, node, DAY)) < 1:
        did = await asyncio.gather(manager.services.rollups.work(manager.time()), second.rollups.work(manager.time()))
        assert any(did)
        turns += 1
        assert turns < 10
    await no_samples(manager, node)
    for step in DETAIL_TIERS:
        same(await drawn(manager, node, "mounts", start, manager.time.now, step), shown(samples, "mounts", step))


async def test_hours_of_details_are_kept_as_long_as_those_of_headline_figures_and_go_with_their_node(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    manager.time.now = start + 2 * DAY
    await tell(manager, node, *told(start, range(0, 26)))
    await rolled_up(manager)
    for days, kept in ((31, (26, 5, 1)), (730, (26, 5, 1)), (732, (0, 0, 0))):
        manager.time.now = start + days * DAY
        await retention.tick(manager.services, manager.time())
        assert tuple([len(await rows(manager, node, tier)) for tier in DETAIL_TIERS]) == kept, days
    await tell(manager, node, *told(manager.time.now - 3 * HOUR_MS, [0]))
    await rolled_up(manager)
    assert await rows(manager, node)
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    await manager.services.nodes.delete(manager.admin, node.id, node.name, manager.time())
    assert await rows(manager, node) == {}


async def test_an_hour_that_a_manager_with_a_clock_ahead_rolled_up_is_made_anew_all_the_same(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    await in_time(manager, node, [(start + MINUTE, {"disks": [mount("/", 10.0)]})])
    manager.time.now = start + HOUR_MS + SETTLED_MS
    await rolled_up(manager)
    manager.time.now -= SETTLED_MS  # ours is behind the one that did it
    await tell(manager, node, (start + 2 * MINUTE, {"disks": [mount("/", 20.0)]}))
    await rolled_up(manager)
    assert {at: read("mounts", text) for at, text in (await rows(manager, node)).items()} == {start: {"/": [15.0, 10.0, 20.0, 2]}}


async def test_of_a_host_that_tells_without_end_the_first_samples_of_an_hour_count(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail_rollups, "MOST_SAMPLES", 4)
    monkeypatch.setattr(detail_rollups, "CHUNK", 2)
    node, start = await manager.enrol(), day(manager)
    await in_time(manager, node, [(start + number * MINUTE, {"disks": [mount("/", float(number))]}) for number in range(7)])
    manager.time.now = start + 2 * HOUR_MS
    await rolled_up(manager)
    assert read("mounts", (await rows(manager, node))[start]) == {"/": [1.5, 0.0, 3.0, 4]}


async def test_a_damaged_row_and_a_strange_name_cost_no_chart(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    digits = "9" * 5_000  # more than Python makes a number of
    await in_time(manager, node, [(start + hour * HOUR_MS + MINUTE, {"disks": [mount(digits, 5.0)]}) for hour in range(3)])
    manager.time.now = start + 30 * HOUR_MS
    await rolled_up(manager)
    damage = f"UPDATE node_detail_rollups SET detail = '{{' WHERE at = {start + HOUR_MS}"
    await manager.db.transaction(lambda session: session.raw_statement(damage))
    found = await manager.services.details.series(node.id, "mounts", start, manager.time.now, manager.time.now, step=HOUR_MS)
    assert found.names == [digits]
    assert [point.at for point in found.lines[0].points] == [start, start + 2 * HOUR_MS]


async def test_a_chart_knows_a_thousand_names(manager: Manager) -> None:
    node, start = await manager.enrol(), day(manager)
    samples = [(start + number * MINUTE, {"disks": [mount(f"/{number}/{n}", 5.0) for n in range(600)]}) for number in range(2)]
    await in_time(manager, node, samples)
    found = await manager.services.details.series(node.id, "mounts", start, start + HOUR_MS, start + HOUR_MS)
    assert len(found.names) == 1_000
