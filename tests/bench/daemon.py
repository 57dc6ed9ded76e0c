"""`./ops bench daemon`: what the software on a host costs while nothing happens but polling and collecting.

RSS and CPU of daemon, agent and supervisord over ten minutes (`--quick`: 40 s, with a warm-up of 5 s), and how
long one collection takes. Limits: daemon < 30 MB and < 1 % CPU, agent < 50 MB and < 1 %, collection < 500 ms.
"""

from __future__ import annotations

import argparse
import sys
import time

import psutil

from tests.bench.report import stack, table, verdict

WARM_UP_S = 5
MB = 1_000_000
LIMITS_MB = {"daemon": 30.0, "agent": 50.0, "supervisord": None}


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench daemon", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="40 s instead of ten minutes")
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    seconds = 40.0 if options.quick else options.minutes * 60
    with stack() as running:
        running.wait_first_sample()
        time.sleep(WARM_UP_S)
        processes = {name: psutil.Process(running.pids()[name]) for name in LIMITS_MB}
        before = {name: sum(p.cpu_times()[:2]) for name, p in processes.items()}
        most = dict.fromkeys(processes, 0.0)
        begun = time.monotonic()
        while time.monotonic() < begun + seconds:
            time.sleep(min(5.0, seconds / 8))
            for name, process in processes.items():
                most[name] = max(most[name], process.memory_info().rss / MB)
        passed = time.monotonic() - begun
        cpu = {name: 100 * (sum(p.cpu_times()[:2]) - before[name]) / passed for name, p in processes.items()}
        took = running.node()["metrics"]["took_ms"]
    rows = [[n, f"{most[n]:.1f}", limit or "-", f"{cpu[n]:.2f}", 1.0] for n, limit in LIMITS_MB.items()]
    table([["process", "RSS MB", "limit", "CPU %", "limit"], *rows])
    print(f"one collection: {took:.1f} ms (limit 500 ms); {passed:.0f} s of polling")
    detail = {n: {"rss_mb": round(most[n], 1), "cpu_percent": round(cpu[n], 2)} for n in most} | {"collection_ms": took}
    within = most["agent"] < 50 and cpu["daemon"] < 1 and cpu["agent"] < 1 and took < 500
    return verdict("daemon", most["daemon"], "MB", 30.0, {**detail, "others_within_limits": within}) or (0 if within else 1)


if __name__ == "__main__":
    sys.exit(main())
