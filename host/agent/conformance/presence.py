"""Is it there: the heartbeat, and the one connection to the daemon."""

from __future__ import annotations

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


def offers_no_methods(stage: Stage) -> None:
    stage.daemon.ask("nonsense")

    def answer() -> list[dict[str, object]]:
        return [one for one in stage.daemon.replies if one.get("id") == PROBE_ID]

    error = stage.daemon.wait(answer, 10, "an answer to a request of the daemon's")[-1].get("error")
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
    ("it refuses methods that it does not offer, and stays connected", offers_no_methods),
    ("it answers health without a signature", health),
)
