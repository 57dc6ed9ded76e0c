"""What `./ops bench api` and `./ops bench pages` share: a manager with 1,000 emulated nodes that report, and thirty days in its tables.

The history is written while the manager rests (history.py), the rest is set up over the API (furnished.py). Then every address of the
manager's own routes is asked, one after the other, while the fleet reports once a minute. Times are those of a client on the same
machine: the manager's own time, the way there and back, and waiting for the processors that all share. `cpu` is processor time of
the manager's process while it answered, which what else runs on the machine does not touch.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from tests.bench import furnished, history
from tests.bench.addresses import GROWING, addresses, check, templates
from tests.bench.first_view import MOST_BYTES, MOST_REQUESTS, FirstView
from tests.bench.raw import quick
from tests.bench.report import percentile, processor_clock, table, verdict
from tests.databases import fresh, mariadb, mysql
from tests.load.fleet import Fleet, Wanted
from tests.load.showcase import ask
from tests.stack import ROOT, Stack

LIMIT_MS, AIM_MS = 200.0, 50.0
SERVERS = {"mariadb": mariadb, "mysql": mysql}
MANAGER = "rate_user: 0\nrate_stranger: 0\n"
"""More is asked here in a minute than any person may."""

PROBES = ("/healthz", "/readyz", "/metrics")
BUFFER_BYTES = 1 << 30
"""Of MariaDB and MySQL, whose own default of 128 MiB is meant for trying out; docs/database.md."""


@dataclass(frozen=True)
class Size:
    """`rounds` of every address."""

    nodes: int
    rounds: int
    amounts: history.Amounts


@dataclass(frozen=True)
class Running:
    stack: Stack
    session: requests.Session
    ids: dict[str, str]
    filled: dict[str, Any]
    database: str


def options_of(name: str, description: str | None) -> tuple[Size, argparse.Namespace]:
    parser = argparse.ArgumentParser(prog=f"./ops bench {name}", description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="60 samples a node, 5-minute roll-ups of a day, a tenth of the rest, 12 rounds"
    )
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--samples", type=int, help="of all nodes together (2,000,000)")
    parser.add_argument("--rounds", type=int, help="of every address (60)")
    parser.add_argument("--database", choices=("sqlite", "mariadb", "mysql"), default="sqlite")
    parser.add_argument("--only", default="", help="only addresses that begin with this")
    options = parser.parse_args()
    amounts = history.Amounts(options.samples or 2000 * options.nodes)
    if options.quick:
        amounts = history.Amounts(options.samples or 60 * options.nodes, 1, 10, 6, 3, 2, 2_000, 1_500)
    return Size(options.nodes, options.rounds or (12 if options.quick else 60), amounts), options


@contextmanager
def busy(size: Size, kind: str, ready: Callable[[], None] = lambda: None) -> Iterator[Running]:
    """The manager with its fleet at work, its history written, its alerts open; all of it gone afterwards. `ready` is called once the
    history is there, before the manager starts again."""
    check()
    with ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="ops-bench-")))
        url = ""
        if kind != "sqlite":
            server = ending.enter_context(SERVERS[kind]())
            if server is None:
                raise SystemExit(f"bench: there is no {kind} on this machine")
            url = ending.enter_context(fresh(server))
        stack = Stack(folder, database_url=url, manager=MANAGER)
        ending.callback(stack.stop)
        stack.start_manager()
        stack.sign_in()
        given = stack.api("POST", "/enrolment-tokens", {"uses": size.nodes + 20, "hours": 12, "note": "bench"})
        token = given["token"]
        ca = folder / "manager/keys/ca.crt"
        asyncio.run(_enrol(Wanted("127.0.0.1", stack.node_port, ca, token, size.nodes, state=folder / "fleet")))
        ids = furnished.organise(stack) | {"enrolment-tokens": given["id"]}
        rules, receivers = furnished.rules(stack, enabled=False), furnished.receivers(stack)
        nodes = _nodes(stack)
        stack.stop()
        where = url or f"sqlite:///{folder}/manager/manager.db"
        with quick(where, BUFFER_BYTES):
            filled = history.fill(where, folder / "manager/keys", nodes, rules, receivers, size.amounts)
        print(f"filled: {filled['rows']} in {filled['filled_s']} s", file=sys.stderr, flush=True)
        ready()
        stack.start_manager()
        command = [sys.executable, "-m", "tests.load.fleet", "--manager", f"127.0.0.1:{stack.node_port}", "--token", token]
        command += ["--ca", str(ca), "--nodes", str(size.nodes), "--spread", "4", "--every", "5", "--state", str(folder / "fleet")]
        fleet = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        ending.callback(_end, fleet)
        _await(lambda: stack.api("GET", "/nodes?state=online&size=1")["total"] >= size.nodes, 60 + size.nodes / 10, "nodes to come online")
        furnished.switch_on(stack)
        wanted = size.nodes // 2
        _await(lambda: stack.api("GET", "/alerts?size=1")["total"] >= wanted, 240, f"{wanted} alerts to open")
        filled |= {"open_alerts": stack.api("GET", "/alerts?size=1")["total"], "database_mb": _size(folder)}
        with requests.Session() as session:
            yield Running(stack, _signed_in(session, stack), ids | _some(stack, nodes), filled, kind)


def measure(name: str, size: Size, running: Running, which: tuple[str, ...], only: str = "") -> int:
    """Every address in turn, `rounds` times; the value is the p95 of the slowest. `which`: pages, api, or both."""
    pages, calls = templates()
    found = (pages if "pages" in which else []) + (calls if "api" in which else [])
    asked = {what: one for what, one in addresses(found, running.ids, _now()).items() if what.startswith(only)}
    clock = processor_clock(running.stack.pids()["manager"])
    times: dict[str, list[float]] = {what: [] for what in asked}
    used: dict[str, list[float]] = {what: [] for what in asked}
    wrong: list[str] = []
    for number in range(size.rounds + 1):
        if wrong:
            raise SystemExit("\n".join(wrong))
        for what, (address, status) in asked.items():
            before, begun = time.clock_gettime(clock), time.perf_counter()
            answer = running.session.get(running.stack.url + address, timeout=60, allow_redirects=False)
            passed, after = time.perf_counter() - begun, time.clock_gettime(clock)
            if answer.status_code != status:
                wrong.append(f"{name}: {address} answered {answer.status_code}, not {status}: {_said(answer)}")
            if number:  # the first round warms caches
                times[what].append(passed * 1000)
                used[what].append((after - before) * 1000)
    figures = {what: _figures(times[what], used[what]) for what in asked}
    views = _views(running, {what: one for what, one in asked.items() if one[1] == 200}) if "pages" in which else {}
    heads = ["p50", "p95", "p99", "cpu p50", *(["bytes", "requests"] if views else [])]
    table([["ms", *heads], *([what, *found.values(), *(views.get(what, ("", "")) if views else ())] for what, found in figures.items())])
    limited = {what: one for what, one in figures.items() if what not in GROWING}
    slowest = max(limited, key=lambda what: limited[what]["p95"])
    heaviest = {what: view for what, view in views.items() if view[0] > MOST_BYTES or view[1] > MOST_REQUESTS}
    every = [value for values in times.values() for value in values]
    detail: dict[str, Any] = {"database": running.database, "nodes_reporting": size.nodes, "rounds": size.rounds, "slowest": slowest}
    detail |= {"over_aim": sorted(what for what, one in limited.items() if one["p95"] >= AIM_MS), "too_heavy": heaviest}
    detail |= {"load": [round(one, 1) for one in os.getloadavg()], **running.filled, "all": _figures(every, [])}
    if views:
        detail["first_view"] = {"most_bytes": max(one[0] for one in views.values()), "most_requests": max(one[1] for one in views.values())}
    detail["addresses"] = figures
    failed = verdict(name, figures[slowest]["p95"], "ms", LIMIT_MS, detail)
    return failed or int(bool(heaviest))


def _said(answer: requests.Response) -> str:
    """What an answer says, without what surrounds it on a page."""
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text.partition("<main")[2] or answer.text).split())[:300]


def _figures(times: list[float], used: list[float]) -> dict[str, float]:
    found = {share: round(percentile(times, part), 1) for share, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))}
    return found | ({"cpu": round(percentile(used, 0.5), 1)} if used else {})


def _views(running: Running, asked: dict[str, tuple[str, int]]) -> dict[str, tuple[int, int]]:
    """Of pages: bytes and requests of a first view. What a browser stores as a file, or only programs ask for, is none."""
    weigh = FirstView(running.session, running.stack.url)
    views = {what: weigh.of(path) for what, (path, _) in asked.items() if not what.startswith(("/api/", *PROBES))}
    return {what: view for what, view in views.items() if view is not None}


async def _enrol(wanted: Wanted) -> None:
    async with Fleet(wanted):
        for number in range(10):
            await ask(replace(wanted, token=""), f"lab-pvg-{number:04d}")


def _some(stack: Stack, nodes: list[tuple[str, str]]) -> dict[str, str]:
    """One of each noun that has ids in addresses, from where there is much of it."""
    found = {"nodes": nodes[len(nodes) // 2][0]}
    commands = stack.api("GET", "/commands?state=succeeded&size=1")["items"]
    pairs = (
        ("alerts", "/alerts?size=1"),
        ("alert-rules", "/alert-rules"),
        ("receivers", "/receivers"),
        ("deliveries", "/deliveries?size=1"),
    )
    return found | {"commands": commands[0]["id"]} | {noun: stack.api("GET", path)["items"][0]["id"] for noun, path in pairs}


def _nodes(stack: Stack) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for number in itertools.count(1):
        page = stack.api("GET", f"/nodes?size=500&page={number}")["items"]
        found += [(item["id"], item["name"]) for item in page if item["state"] != "pending"]
        if len(page) < 500:
            return found
    raise AssertionError("unreachable")


def _signed_in(session: requests.Session, stack: Stack) -> requests.Session:
    """With the cookie of a page, and the token of the API: each door takes its own."""
    session.trust_env = False
    session.headers["Origin"] = stack.url
    session.headers["Sec-Fetch-Site"] = "same-origin"
    form = {"name": "admin", "password": stack.password, "next": "/nodes"}
    answer = session.post(f"{stack.url}/sign-in", data=form, timeout=30, allow_redirects=False)
    if answer.status_code != 303:
        raise SystemExit(f"bench: signing in answered {answer.status_code}")
    cookie = "; ".join(f"{name}={value}" for name, value in answer.cookies.items())
    session.cookies.clear()
    session.headers["Cookie"] = cookie  # marked for HTTPS, which the bench leaves out
    session.headers["Authorization"] = f"Bearer {stack.token}"
    return session


def _await(ready: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > until:
            raise SystemExit(f"bench: waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.5)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    process.wait(20)


def _size(folder: Path) -> int:
    file = folder / "manager/manager.db"
    return round(file.stat().st_size / 1e6) if file.exists() else 0


def _now() -> int:
    return time.time_ns() // 1_000_000


def room(samples: int) -> None:
    """Raises SystemExit when the samples would fill the disk: about 2 KB each, with their index."""
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if samples * 2000 > free * 0.8:
        raise SystemExit(
            f"bench: {samples:,} samples need about {samples * 2 / 1e6:.0f} GB in {tempfile.gettempdir()}, {free / 1e9:.0f} are free"
        )
