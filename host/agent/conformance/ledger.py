"""At most once: duplicates, replays, and records that reach the daemon whatever happens to the connection."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path

from host.agent.conformance.caller import EXECUTE, STATUS, Stage, refused
from host.agent.conformance.verdict import expect
from host.lib.clock import SystemClock


def _path() -> Path:
    return Path(tempfile.gettempdir()) / f"ops-conformance-{uuid.uuid4().hex}"


def known(stage: Stage, command: str, script: str, state: str, **change: int) -> None:
    """Deliver a command again; it must be answered as known."""
    status, answer = stage.post(EXECUTE, stage.task(script), command, **change)
    data = answer["data"]
    expect(status == 200, f"a command delivered again was answered HTTP {status}: {answer['message']}")
    expect(isinstance(data, dict) and data.get("known") is True and data.get("id") == command, f"a command delivered again: {data}")
    expect(data["state"] == state, f"a command delivered again is {data['state']}, not {state}")


def duplicates(stage: Stage) -> None:
    mark, gate = _path(), _path()
    # It ends by itself too: where an agent runs it twice, one of the two may look for the gate only when it is gone again.
    script = f"echo x >>{mark}; n=0; while [ ! -e {gate} ] && [ $n -lt 600 ]; do sleep 0.05; n=$((n+1)); done"
    command = uuid.uuid4().hex
    try:
        expect(stage.execute(script, command)[0] == 200, "a genuine script was refused")
        stage.daemon.started(command)
        known(stage, command, script, "started")
        gate.touch()
        stage.daemon.ended(command)
        known(stage, command, script, "succeeded")
        # Even when it has expired: the answer to the first delivery may be what was lost.
        known(stage, command, script, "succeeded", now=SystemClock().now() - 120_000)
        stage.daemon.ended(stage.run("true"))
        ran = mark.read_text().count("x")
        expect(ran == 1, f"a command that was delivered four times ran {ran} times")
        expect(stage.daemon.states(command) == ["started", "succeeded"], f"its records were {stage.daemon.states(command)}")
    finally:
        mark.unlink(missing_ok=True)
        gate.unlink(missing_ok=True)


def replay(stage: Stage) -> None:
    headers = stage.sign("GET", STATUS)
    expect(stage.send("GET", STATUS, headers=headers)[0] == 200, "a genuine question was refused")
    refused("the same question again", stage.send("GET", STATUS, headers=headers), (401,), 1002)


def unconfirmed(stage: Stage) -> None:
    daemon = stage.daemon
    daemon.confirm = False
    try:
        command = stage.run("echo kept")
        daemon.wait(lambda: bool(daemon.unconfirmed), 15, "a delivery")
    finally:
        daemon.confirm = True
    heard = {(one["seq"], one["kind"]): one["body"] for one in daemon.unconfirmed}
    daemon.hang_up()
    expect(daemon.ended(command, 20)["state"] == "succeeded", "the task did not succeed")
    expect(daemon.output(command) == b"kept\n", "its output was lost with the connection")
    told = {(one["seq"], one["kind"]): one["body"] for one in daemon.records}
    for key, body in heard.items():
        expect(key in told, f"the record {key} was not confirmed, and did not come again")
        expect(told[key] == body, f"the record {key} came again with another body")
    expect(daemon.states(command) == ["started", "succeeded"], f"its records were {daemon.states(command)}")


def daemon_away(stage: Stage) -> None:
    stage.daemon.stop()
    commands = [stage.run(f"echo {number}") for number in range(5)]
    stage.daemon.start()
    for number, command in enumerate(commands):
        expect(stage.daemon.ended(command, 30)["state"] == "succeeded", "the task did not succeed")
        expect(stage.daemon.output(command) == b"%d\n" % number, "its output was lost while the daemon was away")


def sequence(stage: Stage) -> None:
    expect(not stage.daemon.breaches, "; ".join(stage.daemon.breaches[:3]))
    expect(len(stage.daemon.epochs) == 1, f"the epoch changed without a restart: {stage.daemon.epochs}")
    seqs = [one["seq"] for one in stage.daemon.records]
    expect(seqs == sorted(set(seqs)), "sequence numbers do not ascend")


CHECKS = (
    ("it runs a command once, however often it is delivered", duplicates),
    ("it answers a signed question once", replay),
    ("it delivers again what was not confirmed, unchanged", unconfirmed),
    ("it works on while the daemon is away, and tells it all afterwards", daemon_away),
    ("its sequence numbers ascend within one epoch", sequence),
)
