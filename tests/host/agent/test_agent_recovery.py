"""Agent killed, daemon gone: nothing is lost, nothing is told or done twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from host.wire.records import Execution
from tests.host.agent.harness import ROOT, Agent, alive, gone

Maker = Callable[..., Agent]


def test_a_task_goes_on_while_the_agent_is_dead_and_is_followed_to_its_end(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    mark, gate = tmp_path / "mark", tmp_path / "gate"
    more = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    command = it.run(f"echo x >>{mark}; echo up; echo oops >&2; while [ ! -e {gate} ]; do sleep 0.02; done; {more}; exit 3")
    it.daemon.wait(lambda: it.daemon.output(command) == b"up\n")
    it.end(signal.SIGKILL)
    gate.touch()
    it.start()
    end = it.daemon.ended(command)
    whole = b"up\n" + b"".join(b"line %d\n" % number for number in range(20000))
    assert (end["state"], end["exit_code"], end["stdout_bytes"]) == ("failed", 3, len(whole))
    assert it.daemon.output(command) == whole
    assert it.daemon.output(command, "stderr") == b"oops\n"
    assert mark.read_text() == "x\n"
    it.end()
    it.start()
    it.daemon.ended(it.run("true"))
    assert it.daemon.states(command) == ["started", "failed"]
    assert not list((it.work / "spool").iterdir())


def test_how_a_task_ended_while_the_agent_was_dead_is_told(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    gate, late = tmp_path / "gate", it.run("sleep 600", timeout=1)
    command = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo done; kill -USR1 $$")
    it.daemon.started(command)
    it.daemon.started(late)
    keepers = [it.keeper(one)["keeper"] for one in (command, late)]
    it.end(signal.SIGKILL)
    gate.touch()
    assert all(gone(pid) for pid in keepers)
    it.start()
    end = it.daemon.ended(command)
    assert (end["state"], end["signal"], end["reason"]) == ("failed", signal.SIGUSR1, "ended by signal 10 (SIGUSR1)")
    assert it.daemon.output(command) == b"done\n"
    end = it.daemon.ended(late)
    assert (end["state"], end["reason"]) == ("timed_out", "it ran longer than 1 s and was stopped")


def test_a_task_of_an_earlier_agent_can_be_canceled(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    command = it.run("sleep 600")
    it.daemon.started(command)
    pid = it.keeper(command)["pid"]
    it.end(signal.SIGKILL)
    it.start()
    cancel = it.cancel(command)
    assert it.daemon.ended(cancel)["state"] == "succeeded"
    assert it.daemon.ended(command)["state"] == "canceled"
    assert gone(pid)


def test_a_task_whose_keeper_died_with_the_agent_is_interrupted_and_not_run_again(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    mark, pid = tmp_path / "mark", tmp_path / "pid"
    command = it.run(f"echo x >>{mark}; sleep 600 & echo $! >{pid}; echo up; wait; echo x >>{mark}")
    it.daemon.wait(lambda: it.daemon.output(command) == b"up\n")
    facts = it.keeper(command)
    it.end(signal.SIGKILL)
    for one in (facts["keeper"], facts["pid"]):
        os.kill(one, signal.SIGKILL)
    assert alive(int(pid.read_text()))
    it.start()
    end = it.daemon.ended(command)
    assert (end["state"], end["reason"], end["stdout_bytes"]) == ("interrupted", "the process that kept it was killed", 3)
    assert gone(int(pid.read_text()))
    assert mark.read_text() == "x\n"
    assert it.daemon.states(command) == ["started", "interrupted"]


def test_a_keeper_that_is_killed_leaves_nothing_running(agent: Agent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = agent.run(f"sleep 600 & echo $! >{pid}; echo up; wait")
    agent.daemon.wait(lambda: agent.daemon.output(command) == b"up\n")
    os.kill(agent.keeper(command)["keeper"], signal.SIGKILL)
    end = agent.daemon.ended(command)
    assert (end["state"], end["reason"]) == ("interrupted", "the process that kept it was killed")
    assert gone(int(pid.read_text()))


def test_a_stranger_with_the_same_pid_is_left_alone(make_agent: Maker) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    command = it.run("sleep 600")
    it.daemon.started(command)
    stranger = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        it.end(signal.SIGKILL)
        facts = it.keeper(command)
        os.kill(facts["keeper"], signal.SIGKILL)
        os.killpg(facts["pid"], signal.SIGKILL)
        (it.work / "spool" / command / "process.json").write_text(json.dumps({**facts, "pid": stranger.pid}))
        it.start()
        assert it.daemon.ended(command)["state"] == "interrupted"
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_process_whose_pid_could_not_be_noted_is_found(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    gate = tmp_path / "gate"
    command = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo found")
    it.daemon.started(command)
    it.end(signal.SIGKILL)
    with sqlite3.connect(it.work / "ledger.db") as ledger:
        ledger.execute("UPDATE tasks SET pid = NULL, start_ticks = NULL WHERE id = ?", (command,))
    it.start()
    gate.touch()
    assert it.daemon.ended(command)["state"] == "succeeded"
    assert it.daemon.output(command) == b"found\n"


def test_what_was_cut_off_before_its_process_began_is_run_after_all_and_only_on_the_same_boot(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1, "shutdown_wait": "100ms"})
    it.daemon.start()
    it.start()
    it.daemon.started(it.run("sleep 600"))
    mark = tmp_path / "mark"
    same, before, begun = (it.run(f"echo {name} >>{mark}") for name in ("same", "before", "begun"))
    it.end(signal.SIGKILL)
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with sqlite3.connect(it.work / "ledger.db") as ledger:
        for command, its_boot in ((same, boot), (before, "another"), (begun, boot)):
            ledger.execute("UPDATE tasks SET state = 'started', boot_id = ? WHERE id = ?", (its_boot, command))
    (it.work / "spool" / begun).mkdir()
    (it.work / "spool" / begun / "begun").touch()
    it.start()
    it.cancel(next(path.parent.name for path in (it.work / "spool").glob("*/process.json")))
    assert it.daemon.ended(same)["state"] == "succeeded"
    assert it.daemon.ended(before)["state"] == "interrupted"
    assert it.daemon.ended(begun)["state"] == "interrupted"
    assert it.daemon.states(same) == ["started", "succeeded"]
    assert mark.read_text() == "same\n"


def test_what_runs_without_its_folder_is_never_taken_for_never_begun(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    mark = tmp_path / "mark"
    command = it.run(f"echo x >>{mark}; exec sleep 600")
    it.daemon.started(command)
    pid = it.keeper(command)["pid"]
    it.end(signal.SIGKILL)
    with sqlite3.connect(it.work / "ledger.db") as ledger:
        ledger.execute("UPDATE tasks SET pid = NULL, start_ticks = NULL WHERE id = ?", (command,))
    shutil.rmtree(it.work / "spool" / command)
    it.start()
    assert it.daemon.ended(command)["state"] == "interrupted"
    assert gone(pid)
    assert mark.read_text() == "x\n"


def test_a_task_of_the_boot_before_is_interrupted(make_agent: Maker) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    command = it.run("sleep 600")
    it.daemon.started(command)
    it.end(signal.SIGKILL)
    with sqlite3.connect(it.work / "ledger.db") as ledger:
        ledger.execute("UPDATE tasks SET boot_id = 'another' WHERE id = ?", (command,))
    os.kill(it.keeper(command)["keeper"], signal.SIGKILL)
    os.killpg(it.keeper(command)["pid"], signal.SIGKILL)
    it.start()
    end = it.daemon.ended(command)
    assert (end["state"], end["reason"]) == ("interrupted", "the host was started anew while it ran")


def test_what_was_accepted_but_not_started_runs_after_the_agents_death(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1})
    it.daemon.start()
    it.start()
    mark = tmp_path / "mark"
    gate = tmp_path / "gate"
    running = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done")
    waiting = it.run(f"echo x >>{mark}")
    late = it.run(f"echo late >>{mark}", life_ms=300)
    it.daemon.started(running)
    it.end(signal.SIGKILL)
    time.sleep(0.4)
    it.start()
    gate.touch()
    assert it.daemon.ended(waiting)["state"] == "succeeded"
    assert it.daemon.ended(running)["state"] == "succeeded"
    end = it.daemon.ended(late)
    assert (end["state"], end["reason"]) == ("refused", "its time was over when the agent came back; it was never run")
    assert mark.read_text() == "x\n"


def test_while_the_daemon_is_away_everything_waits_and_arrives_once(make_agent: Maker) -> None:
    it = make_agent()
    it.start()
    first = it.run("echo one; exit 3")
    it.daemon.start()
    assert it.daemon.ended(first)["exit_code"] == 3
    assert it.daemon.output(first) == b"one\n"
    it.daemon.confirm = False  # stored, but the answer is lost
    second = it.run("echo two")
    it.daemon.started(second)
    it.daemon.stop()
    third = it.run("echo three")
    it.daemon.confirm = True
    it.daemon.start()
    assert it.daemon.ended(third)["state"] == "succeeded"
    assert [it.daemon.states(command) for command in (first, second, third)] == [["started", "failed"]] + [["started", "succeeded"]] * 2
    assert it.daemon.output(second) == b"two\n"
    assert it.daemon.sent_again > 0
    numbers = [record["seq"] for record in it.daemon.records]
    assert numbers == list(range(1, len(numbers) + 1))
    deadline = time.monotonic() + 5
    while it.get("/api/v1/status")[1]["data"]["undelivered"] and time.monotonic() < deadline:
        time.sleep(0.02)
    assert it.get("/api/v1/status")[1]["data"]["undelivered"] == 0


def test_results_survive_the_agents_death_while_the_daemon_is_away(make_agent: Maker) -> None:
    it = make_agent()
    it.start()
    command = it.run("echo kept")
    deadline = time.monotonic() + 5
    while it.get(f"/api/v1/task/{command}/status")[1]["data"]["state"] != "succeeded":
        assert time.monotonic() < deadline
    it.end(signal.SIGKILL)
    it.daemon.start()
    it.start()
    assert it.daemon.ended(command)["state"] == "succeeded"
    assert it.daemon.output(command) == b"kept\n"


def test_output_past_the_backlog_is_cut_but_results_never_are(make_agent: Maker) -> None:
    it = make_agent(tasks={"max_backlog_bytes": 65536})
    it.start()
    commands = [it.run("head -c 200000 /dev/zero") for _ in range(2)]

    def until_ended(command: str) -> None:
        deadline = time.monotonic() + 10
        while it.get(f"/api/v1/task/{command}/status")[1]["data"]["state"] != "succeeded":
            assert time.monotonic() < deadline
            time.sleep(0.02)

    for command in commands:
        until_ended(command)
    after = it.run("echo no room")
    until_ended(after)
    it.daemon.start()
    ends = [it.daemon.ended(command) for command in (*commands, after)]
    assert [end["state"] for end in ends] == ["succeeded"] * 3
    assert ends[2]["truncated"]
    assert ends[2]["stdout_bytes"] == 8
    assert it.daemon.output(after) == b""


def test_heartbeats_and_warnings_reach_the_daemon(make_agent: Maker) -> None:
    it = make_agent(more="heartbeat_interval: 100ms")
    it.daemon.start()
    it.start()
    it.daemon.wait(lambda: len(it.daemon.beats) >= 3)
    beat = it.daemon.beats[-1]
    assert it.process
    assert beat["pid"] == it.process.pid
    assert beat["state"] == "running"
    assert beat["version"] == "0.1.0"
    assert 0 <= beat["cpu_percent"] < 100
    assert 10_000_000 < beat["memory_bytes"] < 60_000_000
    command = it.run("sleep 600")
    it.daemon.started(command)
    it.end(signal.SIGKILL)
    with sqlite3.connect(it.work / "ledger.db") as ledger:
        ledger.execute("UPDATE tasks SET boot_id = 'another' WHERE id = ?", (command,))
    it.start()
    body = it.daemon.wait(lambda: next((r["body"] for r in it.daemon.records if r["kind"] == "log"), None))
    assert (body["component"], body["level"], body["logger"]) == ("agent", "warning", "agent.recover")
    assert command in body["message"]


def test_a_second_agent_steps_back(agent: Agent) -> None:
    second = subprocess.run(agent.command("run", "--config", str(agent.config)), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert second.returncode == 0
    assert f"another agent runs here (pid {agent.process and agent.process.pid})" in second.stderr
    assert agent.call("GET", "/api/v1/health")[0] == 200


def say(agent: Agent, verb: str = "run") -> tuple[int, str]:
    done = subprocess.run(agent.command(verb, "--config", str(agent.config)), cwd=ROOT, capture_output=True, text=True, timeout=20)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr.strip()


def test_what_keeps_the_agent_from_starting_is_said_in_one_line(make_agent: Maker, agent: Agent) -> None:
    it = make_agent()
    (it.work / "identity/node.json").rename(it.work / "kept")
    code, text = say(it)
    assert code == 1
    assert "D3001 this host is not enrolled yet" in text
    assert len(text.splitlines()) == 1
    (it.work / "kept").rename(it.work / "identity/node.json")
    (it.work / "ledger.db").write_bytes(b"rubbish" * 1000)
    code, text = say(it)
    assert code == 1
    assert "the ledger cannot be opened" in text
    assert len(text.splitlines()) == 1
    (it.work / "ledger.db").unlink()
    it.config.write_text(it.config.read_text().replace(f":{it.port}", f":{agent.port}"))
    code, text = say(it)
    assert code == 1
    assert "Address already in use" in text
    it.config.write_text("lisen: x\n")
    code, text = say(it, "check-config")
    assert code == 2
    assert f"{it.config}:1: unknown key lisen" in text


@pytest.mark.parametrize("listen", ["0.0.0.0:9445", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:99999"])
def test_only_a_loopback_address_is_a_valid_one(make_agent: Maker, listen: str) -> None:
    it = make_agent()
    it.config.write_text(f"listen: {listen}\n")
    code, text = say(it, "check-config")
    assert code == 2
    assert "D1002" in text
    assert str(it.config) in text


def test_a_ledger_keeps_what_could_be_replayed(tmp_path: Path) -> None:
    from host.agent.ledger import Ledger

    ledger = Ledger(tmp_path / "ledger.db")
    day = 86_400_000
    for name, expires in (("old", 1), ("valid", 20 * day)):
        assert ledger.accept(name, "script", "{}", 0, expires)
        assert not ledger.accept(name, "script", "{}", 0, expires)
        assert ledger.intend(name, 0, "boot")
        assert not ledger.intend(name, 0, "boot")
        assert ledger.finish(Execution(name, "succeeded"), 5)
        assert not ledger.finish(Execution(name, "failed"), 6)
    assert ledger.accept("open", "script", "{}", 0, 1)
    assert ledger.prune(6 * day, 7 * day) == 0
    assert ledger.prune(8 * day, 7 * day) == 1
    assert ledger.find("old") is None
    assert ledger.find("valid")
    assert ledger.find("open")
    ledger.close()
