"""Waiting, cancelling and stopping: each command ends in exactly one final state."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.host.agent.harness import NODE, Agent, gone

Maker = Callable[..., Agent]


def test_a_running_script_is_canceled_with_its_group(agent: Agent, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    command = agent.run(f"sleep 600 & echo $! >{pid}; echo up; wait")
    agent.daemon.wait(lambda: agent.daemon.output(command) == b"up\n")
    cancel = agent.cancel(command)
    assert agent.daemon.ended(command)["state"] == "canceled"
    assert agent.daemon.ended(cancel)["state"] == "succeeded"
    assert gone(int(pid.read_text()))
    assert agent.daemon.states(command) == ["started", "canceled"]
    assert agent.daemon.states(cancel) == ["started", "succeeded"]


def test_what_is_canceled_before_it_comes_is_never_run(agent: Agent, tmp_path: Path) -> None:
    """The daemon held the command while the agent was away, and somebody thought better of it."""
    mark = tmp_path / "mark"
    cancel = agent.cancel("yet-to-come")
    assert agent.daemon.ended(cancel)["state"] == "succeeded"
    assert agent.daemon.ended("yet-to-come")["state"] == "canceled"
    body = {"node_id": NODE, "kind": "script", "content": {"script": f"touch {mark}"}}
    status, answer = agent.post("/api/v1/task/execute", body, "yet-to-come")
    assert (status, answer["data"]) == (200, {"id": "yet-to-come", "state": "canceled", "known": True})
    agent.daemon.ended(agent.run("true"))
    assert not mark.exists()
    assert agent.daemon.states("yet-to-come") == ["canceled"]


def test_cancelling_what_is_over_fails_in_words(agent: Agent) -> None:
    command = agent.run("true")
    agent.daemon.ended(command)
    end = agent.daemon.ended(agent.cancel(command))
    assert end["state"] == "failed"
    assert "has ended already" in end["reason"]
    assert agent.daemon.states(command) == ["started", "succeeded"]


def test_a_cancel_delivered_again_is_known(agent: Agent) -> None:
    cancel = agent.cancel("nothing")
    status, answer = agent.post("/api/v1/task/nothing/cancel", {"node_id": NODE}, cancel)
    assert status == 200
    assert answer["data"] == {"id": cancel, "state": "succeeded", "known": True}
    agent.daemon.ended(agent.run("true"))
    assert agent.daemon.states(cancel) == ["started", "succeeded"]


def test_a_waiting_script_is_canceled_without_ever_running(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1, "max_queued": 2})
    it.daemon.start()
    it.start()
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    first = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done")
    waiting = it.run(f"echo canceled >>{mark}")
    last = it.run(f"echo ran >>{mark}")
    body = {"node_id": NODE, "kind": "script", "content": {"script": "true"}}
    status, answer = it.post("/api/v1/task/execute", body)
    assert (status, answer["code"]) == (429, 3001)
    assert "max_queued" in answer["message"]
    figures = it.get("/api/v1/status")[1]["data"]
    assert (figures["running"], figures["queued"]) == (1, 2)
    cancel = it.cancel(waiting)
    assert it.daemon.ended(waiting)["reason"] == "canceled by a command before it was started"
    assert it.daemon.ended(cancel)["state"] == "succeeded"
    gate.touch()
    assert it.daemon.ended(first)["state"] == it.daemon.ended(last)["state"] == "succeeded"
    assert mark.read_text() == "ran\n"
    assert it.daemon.states(waiting) == ["canceled"]


def test_a_clean_stop_lets_what_runs_end_and_keeps_what_waits(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1})
    it.daemon.start()
    it.start()
    gate, mark = tmp_path / "gate", tmp_path / "mark"
    running = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done; echo end")
    waiting = it.run(f"echo x >>{mark}")
    it.daemon.started(running)
    assert it.process
    it.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 5
    while it.call("GET", "/api/v1/health")[0] != 503:
        assert time.monotonic() < deadline
    body = {"node_id": NODE, "kind": "script", "content": {"script": "true"}}
    assert it.post("/api/v1/task/execute", body)[0] == 503
    gate.touch()
    assert it.process.wait(10) == 0
    assert it.daemon.ended(running)["state"] == "succeeded"
    assert it.daemon.output(running) == b"end\n"
    assert not mark.exists()
    it.start()
    assert it.daemon.ended(waiting)["state"] == "succeeded"
    assert mark.read_text() == "x\n"


def test_a_clean_stop_ends_what_does_not_end_and_says_so(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"shutdown_wait": "200ms"})
    it.daemon.start()
    it.start()
    pid = tmp_path / "pid"
    command = it.run(f"sleep 600 & echo $! >{pid}; echo up; wait")
    it.daemon.wait(lambda: it.daemon.output(command) == b"up\n")
    assert it.end() == 0
    end = it.daemon.ended(command)
    assert (end["state"], end["reason"]) == ("interrupted", "the agent was stopped while it ran")
    assert gone(int(pid.read_text()))
    it.start()
    it.daemon.ended(it.run("true"))
    assert it.daemon.states(command) == ["started", "interrupted"]


def test_the_daemon_can_ask_how_it_stands_and_for_a_clean_end(make_agent: Maker) -> None:
    it = make_agent()
    it.daemon.start()
    it.start()
    it.daemon.wait(lambda: it.daemon.beats)
    it.daemon.ask("status", 1)
    it.daemon.ask("dance", 2)
    it.daemon.wait(lambda: len(it.daemon.answers) == 2)
    by_number = {answer["id"]: answer for answer in it.daemon.answers}
    assert it.process
    assert by_number[1]["result"]["pid"] == it.process.pid
    assert by_number[1]["result"]["state"] == "running"
    assert by_number[2]["error"]["code"] == -32601
    command = it.run("sleep 0.2; echo done")
    it.daemon.started(command)
    it.daemon.ask("stop")
    assert it.process.wait(15) == 0
    assert it.daemon.ended(command)["state"] == "succeeded"
