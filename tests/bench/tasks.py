"""`./ops bench tasks`: 10,000 real tasks on one agent, first left in peace, then killed 100 times meanwhile.

Scripts, files and configuration files. Every task must end in exactly one final state and run at most once; left in peace all must end
as they should. `--quick`: 300 tasks and 6 kills. The figure is the share that ended as they should with kills, in percent; what is
missing to 100 is told as `interrupted`. Limit: more than 99.5.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from tests.bench.report import table
from tests.host.agent.harness import Agent
from tests.load.tasks import Tally, run

LIMIT = 99.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench tasks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="300 tasks and 6 kills")
    parser.add_argument("--count", type=int)
    parser.add_argument("--kills", type=int)
    options = parser.parse_args()
    count = options.count or (300 if options.quick else 10_000)
    kills = options.kills if options.kills is not None else 6 if options.quick else 100
    rounds = {"in peace": _round(count, 0), f"{kills} kills": _round(count, kills)}
    names = sorted({state for tally in rounds.values() for state in tally.states})
    heading = ["", *names, "ran twice", "several ends", "wrong end", "s"]
    table([heading, *([name, *(t.states[state] for state in names), *_faults(t), round(t.seconds)] for name, t in rounds.items())])
    for tally in rounds.values():
        for line in (*tally.wrong[:5], *tally.several[:5], *tally.doubled[:5]):
            print(line)
    killed = rounds[f"{kills} kills"]
    share = 100 * (1 - killed.states["interrupted"] / count)
    passed = all(tally.clean for tally in rounds.values()) and share > LIMIT and not rounds["in peace"].states["interrupted"]
    detail = {name: {**tally.states, "seconds": round(tally.seconds), "kills": tally.kills} for name, tally in rounds.items()}
    print(json.dumps({"name": "tasks", "value": round(share, 3), "unit": "%", "limit": LIMIT, "pass": passed, "detail": detail}))
    return 0 if passed else 1


def _round(count: int, kills: int) -> Tally:
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        (Path(name) / "marks").mkdir()
        agent = Agent(Path(name) / "agent")
        agent.daemon.start()
        agent.start()
        try:
            return run(agent, count, Path(name) / "marks", kills)
        finally:
            agent.close()


def _faults(tally: Tally) -> list[int]:
    return [len(tally.doubled), len(tally.several), len(tally.wrong) + len(tally.never_ran)]


if __name__ == "__main__":
    sys.exit(main())
