"""`./ops bench agent`: what the agent costs idle, how soon it starts a task, many at once, and a flood of output.

The real agent over its signed API and its socket, with a daemon that only notes what it is told.
`start`: from before the request until the process' own first act, which is to say what time it is. `answer`: until the request is
answered, which is after the ledger holds it on disk. `result`: until the daemon has the end. Then 10 and 100 tasks at once, and a task
that prints 100 MB. Limits: RSS < 50 MB, CPU < 1 %; aim: start p95 < 10 ms.
"""

from __future__ import annotations

import argparse
import http.client
import json
import ssl
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from tests.bench.report import percentile, table, verdict
from tests.host.agent.harness import NODE, Agent

MB = 1_000_000
LIMIT_MB = 50.0
CLOCK = "date +%s%N"


class Caller:
    """One kept connection, as the daemon has it."""

    def __init__(self, agent: Agent) -> None:
        context = ssl.create_default_context(cafile=str(agent.work / "identity/agent.crt"))
        self._agent = agent
        self._connection = http.client.HTTPSConnection("127.0.0.1", agent.port, context=context, timeout=30)

    def run(self, script: str, **content: Any) -> str:
        command = uuid.uuid4().hex
        body = json.dumps({"node_id": NODE, "kind": "script", "content": {"script": script, **content}}).encode()
        path = "/api/v1/task/execute"
        self._connection.request("POST", path, body, self._agent.headers("POST", path, body, command, 600_000))
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status != 200:
            raise SystemExit(f"agent: a task was not taken: {text.decode()}")
        return command


def idle(process: psutil.Process, seconds: float) -> dict[str, float]:
    before, begun, most = sum(process.cpu_times()[:2]), time.monotonic(), 0.0
    while (passed := time.monotonic() - begun) < seconds:
        most = max(most, process.memory_info().rss / MB)
        time.sleep(min(1.0, seconds / 10))
    return {"rss_mb": round(most, 1), "cpu_percent": round(100 * (sum(process.cpu_times()[:2]) - before) / passed, 2)}


def one_by_one(agent: Agent, caller: Caller, rounds: int) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {"answer": [], "start": [], "result": []}
    for number in range(rounds + 5):
        begun = time.time_ns()
        command = caller.run(CLOCK)
        answered = time.time_ns()
        _succeeded(agent.daemon.ended(command))
        ended = time.time_ns()
        if number >= 5:  # the first ones warm connections and caches
            for name, at in (("answer", answered), ("start", int(agent.daemon.output(command))), ("result", ended)):
                times[name].append((at - begun) / 1e6)
    return times


def at_once(agent: Agent, caller: Caller, count: int) -> dict[str, float]:
    begun = time.time_ns()
    commands = [caller.run(CLOCK) for _ in range(count)]
    ends = [agent.daemon.ended(command, 60) for command in commands]
    passed = (time.time_ns() - begun) / 1e6
    for end in ends:
        _succeeded(end)
    last = max(int(agent.daemon.output(command)) for command in commands)
    return {"last_start_ms": round((last - begun) / 1e6, 1), "all_ended_ms": round(passed, 1), "tasks_per_s": round(1000 * count / passed)}


def flood(agent: Agent, caller: Caller, process: psutil.Process) -> dict[str, float]:
    begun = time.monotonic()
    command = caller.run("head -c 100000000 /dev/zero | tr '\\0' x", timeout=120)
    most = 0.0
    while not (end := agent.daemon.has_ended(command)):
        most = max(most, process.memory_info().rss / MB)
        time.sleep(0.02)
    passed = time.monotonic() - begun
    _succeeded(end)
    if end["stdout_bytes"] != 100_000_000:
        raise SystemExit(f"agent: of 100,000,000 bytes {end['stdout_bytes']} were counted")
    return {"seconds": round(passed, 2), "mb_per_s": round(100 / passed, 1), "agent_rss_mb": round(most, 1)}


def _succeeded(end: dict[str, Any]) -> None:
    if end["state"] != "succeeded":
        raise SystemExit(f"agent: a task ended as {end['state']}: {end['reason']}")


_SHARES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def main() -> int:
    parser = argparse.ArgumentParser(prog="./ops bench agent", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="15 s idle instead of 5 minutes, 60 rounds instead of 300")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as folder:
        agent = Agent(Path(folder))
        agent.daemon.start()
        agent.start()
        try:
            assert agent.process
            process, caller = psutil.Process(agent.process.pid), Caller(agent)
            one_by_one(agent, caller, 5)
            times = one_by_one(agent, caller, 60 if quick else 300)
            figures = {name: {p: round(percentile(values, share), 1) for p, share in _SHARES} for name, values in times.items()}
            crowds = {str(count): at_once(agent, caller, count) for count in (10, 100)}
            poured = flood(agent, caller, process)
            rest = idle(process, 15.0 if quick else 300.0)
        finally:
            agent.close()
    table([["ms", *(p for p, _ in _SHARES)], *([name, *figures[name].values()] for name in figures)])
    table([["at once", "last start ms", "all ended ms", "tasks/s"], *([name, *crowd.values()] for name, crowd in crowds.items())])
    print(f"100 MB printed: {poured['seconds']} s, {poured['mb_per_s']} MB/s, the agent's RSS at most {poured['agent_rss_mb']} MB")
    print(f"idle, after all that: {rest['rss_mb']} MB RSS (limit {LIMIT_MB:g}), {rest['cpu_percent']} % CPU (limit 1)")
    detail = {**figures, "at_once": crowds, "flood": poured, "idle": rest, "aim_start_p95_ms": 10}
    detail["others_within_limits"] = rest["cpu_percent"] < 1
    return verdict("agent", rest["rss_mb"], "MB", LIMIT_MB, detail) or (0 if rest["cpu_percent"] < 1 else 1)


if __name__ == "__main__":
    sys.exit(main())
