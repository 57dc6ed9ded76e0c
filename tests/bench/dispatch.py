"""`./ops bench dispatch`: from the REST call to the process started on the host, and to the result at the caller.

One node, everything on this machine, one clock: the script's first act is to say what time it is. `start`: from
before the POST until then. `answer`: until the POST is answered. `result`: until a reader that waits has the end.
Promise: start p95 < 100 ms; aim p50 6 ms, p95 15 ms, result p95 40 ms (DESIGN §8).
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from tests.bench.report import percentile, stack, table, verdict
from tests.stack import Stack

LIMIT_MS = 100.0
SCRIPT = "date +%s%N"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench dispatch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="60 rounds instead of 200")
    rounds = 60 if parser.parse_args().quick else 200
    measured: dict[str, list[float]] = {"answer": [], "start": [], "result": []}
    with stack(database_url=os.environ.get("OPS_DATABASE_URL", "")) as running:
        for number in range(rounds + 5):
            times = _one(running)
            if number >= 5:  # the first ones warm connections and caches
                for name, value in times.items():
                    measured[name].append(value)
    figures = {name: {p: round(percentile(values, share), 1) for p, share in _SHARES} for name, values in measured.items()}
    table([["ms", *(p for p, _ in _SHARES)], *([name, *figures[name].values()] for name in figures)])
    return verdict("dispatch", figures["start"]["p95"], "ms", LIMIT_MS, {"rounds": rounds, **figures})


_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def _one(running: Stack) -> dict[str, float]:
    begun = time.time_ns()
    command_id = running.run(SCRIPT, timeout=30)
    answered = time.time_ns()
    command, text = running.finish(command_id)
    ended = time.time_ns()
    if command["state"] != "succeeded":
        raise SystemExit(f"dispatch: a command ended as {command['state']}: {command['reason']}")
    return {"answer": (answered - begun) / 1e6, "start": (int(text) - begun) / 1e6, "result": (ended - begun) / 1e6}


if __name__ == "__main__":
    sys.exit(main())
