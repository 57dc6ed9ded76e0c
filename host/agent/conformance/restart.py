"""What survives a restart: needs `--restart-command`, which may stop it politely or kill it, and starts it again."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import time
import uuid
from pathlib import Path

from host.agent.conformance.caller import HEALTH, STATUS, Stage, refused
from host.agent.conformance.ledger import known
from host.agent.conformance.verdict import Failed, Skipped, expect

UP_S = 30.0


def _restart(stage: Stage) -> None:
    if not stage.restart:
        raise Skipped("no --restart-command was given")
    seen = len(stage.daemon.beats)
    pid = stage.daemon.beats[-1][1].get("pid") if stage.daemon.beats else None
    done = subprocess.run(shlex.split(stage.restart), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"--restart-command ended with exit code {done.returncode}: {done.stderr.strip()[-200:]}")
    deadline = time.monotonic() + UP_S
    while True:
        try:
            if stage.send("GET", HEALTH)[0] == 200:
                break
        except OSError:
            pass  # not up yet: that is what is waited for
        if time.monotonic() > deadline:
            raise Failed(f"it did not answer within {UP_S:g} s of its restart")
        time.sleep(0.05)
    stage.daemon.wait(lambda: len(stage.daemon.beats) > seen, UP_S, "a heartbeat after the restart")
    stage.daemon.wait(lambda: stage.daemon.beats[-1][1].get("pid") != pid, UP_S, "a heartbeat with another pid")


def remembers(stage: Stage) -> None:
    mark = Path(tempfile.gettempdir()) / f"ops-conformance-{uuid.uuid4().hex}"
    script, command = f"echo x >>{mark}", uuid.uuid4().hex
    headers = stage.sign("GET", STATUS)
    expect(stage.execute(script, command)[0] == 200, "a genuine script was refused")
    stage.daemon.ended(command)
    expect(stage.send("GET", STATUS, headers=headers)[0] == 200, "a genuine question was refused")
    try:
        _restart(stage)
        known(stage, command, script, "succeeded")
        refused("a question from before the restart", stage.send("GET", STATUS, headers=headers), (401,), 1002)
        stage.daemon.ended(stage.run("true"))
        ran = mark.read_text().count("x")
        expect(ran == 1, f"a command from before the restart ran {ran} times")
    finally:
        mark.unlink(missing_ok=True)


def running(stage: Stage) -> None:
    mark = Path(tempfile.gettempdir()) / f"ops-conformance-{uuid.uuid4().hex}"
    command = stage.run(f"echo x >>{mark}; sleep 2", timeout=60)
    try:
        stage.daemon.started(command)
        _restart(stage)
        end = stage.daemon.ended(command, 60)
        expect(end["state"] in ("succeeded", "interrupted"), f"a task that ran at the restart ended {end['state']}")
        expect(stage.daemon.states(command) == ["started", end["state"]], f"its records were {stage.daemon.states(command)}")
        ran = mark.read_text().count("x")
        expect(ran == 1, f"a task that ran at the restart was run {ran} times")
    finally:
        mark.unlink(missing_ok=True)


def asked_to_stop(stage: Stage) -> None:
    if not stage.restart:
        raise Skipped("no --restart-command was given")
    stage.daemon.ask("stop", None)
    deadline = time.monotonic() + UP_S
    try:
        while True:
            try:
                stage.send("GET", HEALTH)
            except OSError:
                return
            except Failed:
                pass  # cut off in mid-answer: the next one tells whether it is gone
            if time.monotonic() > deadline:
                raise Failed(f"it still answers {UP_S:g} s after the daemon asked it to stop")
            time.sleep(0.1)
    finally:
        _restart(stage)


def tells_kinds(stage: Stage) -> None:
    if not stage.restart:
        raise Skipped("no --restart-command was given")
    told = [one["body"] for one in stage.daemon.records if one["kind"] == "kinds"]
    expect(told, "no record `kinds` came with a start")
    kinds = [one.get("kind") for one in told[-1].get("kinds", []) if isinstance(one, dict)]
    expect("script" in kinds, f"the record `kinds` names {kinds}")


def same_epoch(stage: Stage) -> None:
    if not stage.restart:
        raise Skipped("no --restart-command was given")
    epochs = stage.daemon.epochs
    expect(len(epochs) == 1, f"the epoch changed with a restart: {epochs}; it belongs to the ledger's file")
    expect(not stage.daemon.breaches, "; ".join(stage.daemon.breaches[:3]))


CHECKS = (
    ("it remembers commands and nonces over a restart", remembers),
    ("it ends a task that ran at a restart once, and never runs it again", running),
    ("it ends when the daemon asks it to stop", asked_to_stop),
    ("it tells its kinds of task when it starts", tells_kinds),
    ("it keeps its epoch over a restart", same_epoch),
)
