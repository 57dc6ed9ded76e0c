"""Is it there: the heartbeat, and the one connection to the daemon."""

from __future__ import annotations

from typing import Any

from host.agent.conformance.caller import HEALTH, Stage
from host.agent.conformance.daemon import PROBE_ID
from host.agent.conformance.verdict import expect
from host.lib import jsonrpc

BEAT_S = 35.0
"""A heartbeat comes at least every 30 s."""


def _beat(stage: Stage, seconds: float = BEAT_S) -> None:
    seen = len(stage.daemon.beats)
    stage.daemon.wait(lambda: len(stage.daemon.beats) > seen, seconds, "a heartbeat")


def heartbeat(stage: Stage) -> None:
    stage.daemon.wait(lambda: bool(stage.daemon.beats), BEAT_S, "a heartbeat")
    params = stage.daemon.beats[-1][1]
    for name, kinds in {
        "pid": int,
        "version": str,
        "state": str,
        "cpu_percent": (int, float),
        "memory_bytes": int,
        "running": int,
        "queued": int,
    }.items():
        expect(isinstance(params.get(name), kinds), f"heartbeat: {name} is {params.get(name)!r}")  # type: ignore[arg-type]
    expect(params["state"] in ("running", "stopping"), f"heartbeat: state is {params['state']!r}, neither running nor stopping")
    expect(bool(params["version"]), "heartbeat: version is empty")


def regular(stage: Stage) -> None:
    _beat(stage)
    _beat(stage)


def comes_back(stage: Stage) -> None:
    stage.daemon.hang_up()
    _beat(stage, 15)
    stage.daemon.stop()
    stage.daemon.start()
    _beat(stage, 15)


def _asked(stage: Stage, method: str, number: int) -> dict[str, Any]:
    stage.daemon.ask(method, number)

    def answer() -> list[dict[str, Any]]:
        return [one for one in stage.daemon.replies if one.get("id") == number]

    return stage.daemon.wait(answer, 10, f"an answer to the daemon's call {method}")[-1]


def tells_status(stage: Stage) -> None:
    result = _asked(stage, "status", PROBE_ID + 1).get("result")
    beat = stage.daemon.beats[-1][1]
    expect(isinstance(result, dict) and result.get("pid") == beat.get("pid"), f"status on the socket: {result}")


def refuses_others(stage: Stage) -> None:
    error = _asked(stage, "nonsense", PROBE_ID).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    expect(code == jsonrpc.METHOD_NOT_FOUND, f"a method that does not exist was answered with code {code}, not {jsonrpc.METHOD_NOT_FOUND}")
    _beat(stage)


def health(stage: Stage) -> None:
    status, answer = stage.send("GET", HEALTH)
    data = answer["data"]
    expect(status == 200 and answer["code"] == 0, f"health: HTTP {status} with code {answer['code']}")
    expect(isinstance(data, dict) and data.get("status") == "ok" and isinstance(data.get("version"), str), f"health: {data}")


CHECKS = (
    ("it connects to the daemon and sends a heartbeat with all its figures", heartbeat),
    ("it sends another heartbeat within 30 s", regular),
    ("it connects again when the connection breaks and when the daemon was away", comes_back),
    ("it tells its status when the daemon asks", tells_status),
    ("it refuses methods that it does not offer, and stays connected", refuses_others),
    ("it answers health without a signature", health),
)
