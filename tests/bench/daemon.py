"""`./ops bench daemon`: what the software on a host costs while nothing happens but polling and collecting.

RSS and CPU of daemon, agent and supervisord over ten minutes (`--quick`: 30 s, `--hours N`: as long as you like), with
the shipped plugins at work; how long one collection takes; and whether memory grows: the slope of the daemon's RSS in KB an
hour, by least squares over all readings behind the first tenth. Limits: daemon < 30 MB and < 1 % CPU, agent < 50 MB and
< 1 %, collection < 500 ms; with `--hours` also a slope below 100 KB an hour.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psutil

from tests.bench.report import stack, table, verdict
from tests.stack import ROOT

WARM_UP_S = 5
MB = 1_000_000
SLOPE_LIMIT = 100.0
LIMITS_MB = {"daemon": 30.0, "agent": 50.0, "supervisord": None}


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Of the line that fits best (least squares), in units of y for one of x; 0 for fewer than two points."""
    if len(points) < 2:
        return 0.0
    mean_x, mean_y = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def install_plugins(folder: Path) -> None:
    """The plugins that are shipped, in a folder that the daemon trusts."""
    shutil.copytree(ROOT / "packaging/host/plugins", folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(path.stat().st_mode & ~0o022)


def slowest(database: Path) -> float:
    """The longest that any collection so far took, in ms: samples of some collectors only are quick."""
    with closing(sqlite3.connect(database)) as manager:
        return max(json.loads(detail)["took_ms"] for (detail,) in manager.execute("SELECT detail FROM node_metrics"))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench daemon", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="30 s instead of ten minutes")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hours", type=float, help="this long, and memory must not grow")
    options = parser.parse_args()
    seconds = 30.0 if options.quick else options.hours * 3600 if options.hours else options.minutes * 60
    readings: list[tuple[float, float]] = []
    with stack(prepare=lambda it: install_plugins(it.folder / "host/etc/plugins")) as running:
        running.wait_first_sample()
        time.sleep(WARM_UP_S)
        processes = {name: psutil.Process(running.pids()[name]) for name in LIMITS_MB}
        before = {name: sum(p.cpu_times()[:2]) for name, p in processes.items()}
        most = dict.fromkeys(processes, 0.0)
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            time.sleep(min(5.0, seconds / 8))
            for name, process in processes.items():
                rss = process.memory_info().rss
                most[name] = max(most[name], rss / MB)
                if name == "daemon":
                    readings.append(((time.monotonic() - begun) / 3600, rss / 1000))
        passed = time.monotonic() - begun
        cpu = {name: 100 * (sum(p.cpu_times()[:2]) - before[name]) / passed for name, p in processes.items()}
        brought = len(running.node()["metrics"].get("plugins") or [])
        took = slowest(running.folder / "manager/manager.db")
    grows = slope(readings[len(readings) // 10 :])
    rows = [[n, f"{most[n]:.1f}", limit or "-", f"{cpu[n]:.2f}", 1.0] for n, limit in LIMITS_MB.items()]
    table([["process", "RSS MB", "limit", "CPU %", "limit"], *rows])
    print(f"the longest collection: {took:.1f} ms (limit 500 ms); {passed:.0f} s of polling")
    print(f"plugins brought {brought} figures; the daemon's memory grows by {grows:.0f} KB an hour")
    detail = {n: {"rss_mb": round(most[n], 1), "cpu_percent": round(cpu[n], 2)} for n in most}
    detail |= {"collection_ms": took, "plugin_figures": brought, "seconds": round(passed), "slope_kb_per_hour": round(grows, 1)}
    within = most["agent"] < 50 and cpu["daemon"] < 1 and cpu["agent"] < 1 and took < 500 and brought > 0
    if options.hours:
        within = within and grows < SLOPE_LIMIT
    return verdict("daemon", most["daemon"], "MB", 30.0, {**detail, "others_within_limits": within}) or (0 if within else 1)


if __name__ == "__main__":
    sys.exit(main())
