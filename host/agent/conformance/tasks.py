"""What becomes of a task: states in order, output whole, exit codes, limits, cancel."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from pathlib import Path

from host.agent.conformance.caller import Stage
from host.agent.conformance.verdict import Failed, expect


def _is(end: dict[str, object], **wanted: object) -> None:
    for name, value in wanted.items():
        expect(end.get(name) == value, f"the final record has {name} {end.get(name)!r}, not {value!r}")


def succeeds(stage: Stage) -> None:
    command = stage.run("echo out; echo err >&2; echo more")
    end = stage.daemon.ended(command)
    _is(end, state="succeeded", exit_code=0, stdout_bytes=9, stderr_bytes=4, truncated=False)
    expect(stage.daemon.states(command) == ["started", "succeeded"], f"its records were {stage.daemon.states(command)}")
    seen = stage.daemon.output(command), stage.daemon.output(command, "stderr")
    expect(seen == (b"out\nmore\n", b"err\n"), f"its output was {seen}")
    order = [one["kind"] for one in stage.daemon.records if one["body"].get("command_id") == command]
    expect(order[-1] == "execution", "output was told after the final record")


def exit_codes(stage: Stage) -> None:
    _is(stage.daemon.ended(stage.run("exit 3")), state="failed", exit_code=3)
    end = stage.daemon.ended(stage.run("kill -9 $$"))
    _is(end, state="failed", signal=9)
    expect(end.get("exit_code") is None, f"a script ended by a signal has the exit code {end.get('exit_code')}")


def arguments(stage: Stage) -> None:
    given = ["a b", "$(id)", "-x", "", "中文", "'\"\\"]
    command = stage.run('printf "%s|" "$@" "$GREETING"', arguments=given, environment={"GREETING": "hé; exit 9"})
    _is(stage.daemon.ended(command), state="succeeded")
    seen, wanted = stage.daemon.output(command).decode(), "|".join([*given, "hé; exit 9", ""])
    expect(seen == wanted, f"arguments and environment arrived as {seen!r}")
    command = stage.run("env; pwd")
    stage.daemon.ended(command)
    lines = stage.daemon.output(command).decode().splitlines()
    strange = {line.partition("=")[0] for line in lines if "=" in line} & {"LD_PRELOAD", "PYTHONPATH", "NODE_OPTIONS", "SUPERVISOR_ENABLED"}
    expect(not strange, f"the task sees the agent's own environment: {', '.join(sorted(strange))}")
    expect(f"OPS_COMMAND_ID={command}" in lines, "OPS_COMMAND_ID is not in the environment of the task")
    expect(lines[-1] == "/", f"the task works in {lines[-1]}, not in /")


def large_output(stage: Stage) -> None:
    command = stage.run("i=0; while [ $i -lt 20000 ]; do echo line $i of a long output; i=$((i+1)); done", output_limit=1024 * 1024)
    end = stage.daemon.ended(command, 60)
    wanted = b"".join(b"line %d of a long output\n" % number for number in range(20000))
    _is(end, state="succeeded", stdout_bytes=len(wanted), truncated=False)
    expect(stage.daemon.output(command) == wanted, "the output is not what was printed")
    command = stage.run(r"printf '\377\000\200ok\303'")
    stage.daemon.ended(command)
    expect(stage.daemon.output(command) == b"\xff\x00\x80ok\xc3", "bytes that are no text did not pass unchanged")


def output_limit(stage: Stage) -> None:
    command = stage.run("head -c 300000 /dev/zero; echo x >&2", output_limit=100_000)
    _is(stage.daemon.ended(command), state="succeeded", stdout_bytes=300_000, stderr_bytes=2, truncated=True)
    told = len(stage.daemon.output(command)) + len(stage.daemon.output(command, "stderr"))
    expect(told <= 100_000, f"{told} bytes were told of a limit of 100000")
    expect(told >= 99_990, f"only {told} bytes were told of a limit of 100000")


def live(stage: Stage) -> None:
    gate = _path()
    command = stage.run(f"echo first; while [ ! -e {gate} ]; do sleep 0.05; done; echo second")
    try:
        stage.daemon.wait(lambda: stage.daemon.output(command) == b"first\n", 5, "output of a script that still runs")
        expect(stage.daemon.states(command) == ["started"], f"its records were {stage.daemon.states(command)} while it ran")
        gate.touch()
        _is(stage.daemon.ended(command), state="succeeded")
        expect(stage.daemon.output(command) == b"first\nsecond\n", "the output is not what was printed")
    finally:
        gate.unlink(missing_ok=True)


def timeout(stage: Stage) -> None:
    pid = _path()
    command = stage.run(f"sleep 300 & echo $! >{pid}; wait", timeout=1)
    try:
        end = stage.daemon.ended(command, 30)
        _is(end, state="timed_out")
        _gone(pid, "a child of a task that was stopped for its time")
    finally:
        pid.unlink(missing_ok=True)


def cancel(stage: Stage) -> None:
    pid = _path()
    command = stage.run(f"trap '' TERM; sleep 300 & echo $! >{pid}; while :; do wait; done", timeout=120)
    try:
        stage.daemon.started(command)
        _until(pid)
        order = stage.cancel(command)
        _is(stage.daemon.ended(order), state="succeeded")
        _is(stage.daemon.ended(command, 30), state="canceled")
        _gone(pid, "a child of a canceled task")
    finally:
        pid.unlink(missing_ok=True)
    _is(stage.daemon.ended(stage.cancel(command)), state="failed")


def cancel_before(stage: Stage) -> None:
    mark, target = _path(), uuid.uuid4().hex
    order = stage.cancel(target)
    _is(stage.daemon.ended(order), state="succeeded")
    _is(stage.daemon.ended(target), state="canceled")
    status, answer = stage.execute(f"touch {mark}", target)
    expect(status == 200 and answer["data"] == {"id": target, "state": "canceled", "known": True}, f"it was answered {answer['data']}")
    stage.daemon.ended(stage.run("true"))
    expect(not mark.exists(), "a command that was canceled before it came was run")


def at_once(stage: Stage) -> None:
    folder = _path()
    folder.mkdir()
    try:
        script = f"touch {folder}/$1; while [ $(ls {folder} | wc -l) -lt 10 ]; do sleep 0.05; done"
        commands = [stage.run(script, arguments=[str(number)], timeout=20) for number in range(10)]
        for command in commands:
            _is(stage.daemon.ended(command, 40), state="succeeded")
    finally:
        for one in folder.iterdir():
            one.unlink()
        folder.rmdir()


def status(stage: Stage) -> None:
    command = stage.run("exit 4")
    stage.daemon.ended(command)
    code, answer = stage.get(f"/api/v1/task/{command}/status")
    data = answer["data"] or {}
    expect(code == 200, f"HTTP {code}")
    seen = data.get("id"), data.get("kind"), data.get("state"), data.get("exit_code")
    expect(seen == (command, "script", "failed", 4), f"id, kind, state and exit_code are {seen}")
    expect("content" not in data, "the content of a task, which may hold secrets, is told")
    data = stage.get("/api/v1/status")[1]["data"] or {}
    expect(data.get("node_id") == stage.node_id and isinstance(data.get("running"), int), f"status: {data}")


def _path() -> Path:
    return Path(tempfile.gettempdir()) / f"ops-conformance-{uuid.uuid4().hex}"


def _until(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not (path.exists() and path.read_text().strip()):
        if time.monotonic() > deadline:
            raise Failed("the script did not begin within 10 s")
        time.sleep(0.02)


def _gone(path: Path, what: str) -> None:
    number = int(path.read_text())
    deadline = time.monotonic() + 5
    while _alive(number):
        if time.monotonic() > deadline:
            raise Failed(f"{what} still runs")
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return os.path.exists(f"/proc/{pid}")


CHECKS = (
    ("it tells started, output and succeeded, in that order", succeeds),
    ("it tells exit codes and signals", exit_codes),
    ("it passes arguments and environment as they are, into a clean environment", arguments),
    ("it tells long and binary output whole and in order", large_output),
    ("it counts output past the limit and does not tell it", output_limit),
    ("it tells output while the task runs", live),
    ("it ends a task that runs too long, with its children", timeout),
    ("it ends a canceled task, with its children, and says when there is nothing to cancel", cancel),
    ("it never runs what was canceled before it came", cancel_before),
    ("it runs ten tasks at once", at_once),
    ("it says how a task stands, without its content", status),
)
