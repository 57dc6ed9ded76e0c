"""What a task may use, whom it runs as, who goes first, what it returns, and what is kept of its output."""

from __future__ import annotations

import base64
import json
import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.host.agent.harness import NODE, Agent, gone

Maker = Callable[..., Agent]
DEEP = "b=$(printf '%700s' | tr ' ' '['); e=$(printf '%700s' | tr ' ' ']'); echo \"{\\\"x\\\": $b$e}\" >$OPS_RESULT"
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_those_with_a_higher_priority_go_first_and_equals_in_their_order(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1})
    it.daemon.start()
    it.start()
    gate, order = tmp_path / "gate", tmp_path / "order"
    first = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done")
    it.daemon.started(first)
    waiting = [
        it.run(f"echo {name} >>{order}", priority=priority) for name, priority in (("a", 0), ("b", 5), ("c", -5), ("d", 5), ("e", 0))
    ]
    gate.touch()
    for command in waiting:
        assert it.daemon.ended(command)["state"] == "succeeded"
    assert order.read_text().split() == ["b", "d", "a", "e", "c"]


def test_priorities_hold_over_a_restart(make_agent: Maker, tmp_path: Path) -> None:
    it = make_agent(tasks={"max_concurrent": 1, "shutdown_wait": "100ms"})
    it.daemon.start()
    it.start()
    order = tmp_path / "order"
    it.daemon.started(it.run("sleep 600"))
    waiting = [it.run(f"echo {name} >>{order}", priority=priority) for name, priority in (("low", -1), ("high", 1))]
    it.end()
    it.start()
    for command in waiting:
        it.daemon.ended(command)
    assert order.read_text().split() == ["high", "low"]


def test_niceness_and_memory_limit_hold_for_children_too(agent: Agent) -> None:
    base = os.getpriority(os.PRIO_PROCESS, 0)
    command = agent.run("nice; sh -c 'nice; ulimit -v'", nice=5, memory_limit=512 * 1024 * 1024)
    assert agent.daemon.ended(command)["state"] == "succeeded"
    assert agent.daemon.output(command).split() == [b"%d" % (base + 5)] * 2 + [b"524288"]


def test_a_task_past_its_memory_limit_fails_and_says_why(agent: Agent) -> None:
    command = agent.run("x = bytearray(400_000_000)", interpreter="python", memory_limit=200 * 1024 * 1024)
    assert agent.daemon.ended(command)["state"] == "failed"
    assert b"MemoryError" in agent.daemon.output(command, "stderr")


def test_what_a_task_used_is_told_with_its_end(agent: Agent) -> None:
    script = """
import time
pages = bytearray(80_000_000)
for place in range(0, len(pages), 4096):
    pages[place] = 1
while time.process_time() < 0.3:
    pass
"""
    end = agent.daemon.ended(agent.run(script, interpreter="python"))
    assert end["state"] == "succeeded"
    assert 300 <= end["cpu_ms"] < 5000
    assert 80_000_000 < end["memory_bytes"] < 200_000_000
    small = agent.daemon.ended(agent.run("true"))
    assert "memory_bytes" not in small, "what is the keeper's own is not told as the task's"


@as_root
def test_a_script_runs_as_the_user_it_names_with_all_that_is_his(agent: Agent) -> None:
    nobody = pwd.getpwnam("nobody")
    script = (
        "id -u; id -g; id -G; echo $HOME $USER; cat /dev/null >/dev/stderr && echo reopened; echo '{\"ok\": true}' >$OPS_RESULT; ulimit -n"
    )
    command = agent.run(script, user="nobody")
    end = agent.daemon.ended(command)
    lines = agent.daemon.output(command).decode().splitlines()
    assert (end["state"], end.get("result")) == ("succeeded", {"ok": True})
    assert lines[:2] == [str(nobody.pw_uid), str(nobody.pw_gid)]
    assert lines[2].split() == [str(number) for number in os.getgrouplist("nobody", nobody.pw_gid)]
    assert lines[3:5] == [f"{nobody.pw_dir} nobody", "reopened"]
    assert not [path for path in Path("/tmp").glob("ops-task-*") if path.stat().st_uid == nobody.pw_uid]


@as_root
def test_a_user_cannot_reach_what_is_the_agents(agent: Agent) -> None:
    key = agent.work / "identity/dispatch.key"
    command = agent.run(f"cat {key}; ls {agent.work}/spool; ls /proc/self/fd | wc -l", user="nobody")
    agent.daemon.ended(command)
    output = agent.daemon.output(command).decode().split()
    assert output == ["4"]  # stdin, stdout, stderr, and the folder that ls itself reads
    assert key.read_text() not in agent.daemon.output(command, "stderr").decode()


def test_an_unknown_user_is_named(agent: Agent) -> None:
    end = agent.daemon.ended(agent.run("true", user="nobody-of-that-name"))
    assert (end["state"], end["reason"]) == ("failed", "A2002 there is no user 'nobody-of-that-name' on this host — name one that exists")


@pytest.mark.parametrize(
    ("script", "result", "reason"),
    [
        ('echo \'{"answer": 42, "文": [1]}\' >$OPS_RESULT', {"answer": 42, "文": [1]}, ""),
        ("true", None, ""),
        ("echo nonsense >$OPS_RESULT", None, "what it returned is not JSON and was left out"),
        ("echo '[1]' >$OPS_RESULT", None, "what it returned is no JSON object and was left out"),
        ("head -c 70000 /dev/zero >$OPS_RESULT", None, "what it returned is larger than 65536 bytes and was left out"),
        ("echo '{\"x\": NaN}' >$OPS_RESULT", None, "what it returned is not JSON and was left out"),
        (DEEP, None, "what it returned is nested more than 32 deep and was left out"),
        ("rm $OPS_RESULT; ln -s /etc/passwd $OPS_RESULT", None, ""),
        ("rm $OPS_RESULT; mkfifo $OPS_RESULT", None, ""),
    ],
)
def test_a_script_returns_a_value_through_its_file(agent: Agent, script: str, result: object, reason: str) -> None:
    end = agent.daemon.ended(agent.run(script))
    assert (end["state"], end.get("result"), end["reason"]) == ("succeeded", result, reason)


def test_a_script_says_itself_why_it_failed(agent: Agent) -> None:
    end = agent.daemon.ended(agent.run("""echo '{"error": {"code": "X1", "message": "no cheese left"}}' >$OPS_RESULT; exit 7"""))
    assert (end["state"], end["exit_code"], end["reason"]) == ("failed", 7, "no cheese left")


def read_output(agent: Agent, command: str, stream: str, offset: int, limit: int) -> tuple[int, bytes, dict[str, object]]:
    path = f"/api/v1/task/{command}/output"
    query = f"stream={stream}&offset={offset}&limit={limit}"
    status, answer = agent.call("GET", f"{path}?{query}", headers=agent.headers("GET", path, query=query))
    data = answer["data"] or {}
    return status, base64.b64decode(data.pop("data", "")), data


def test_what_is_past_the_limit_stays_on_the_host_and_is_read_by_offset(agent: Agent) -> None:
    command = agent.run("seq 1 20000; seq 5 >&2", output_limit=1000)
    end = agent.daemon.ended(command)
    whole = b"".join(b"%d\n" % number for number in range(1, 20001))
    assert end["truncated"]
    assert end["stdout_bytes"] == len(whole)
    assert len(agent.daemon.output(command)) <= 1000
    status, data, rest = read_output(agent, command, "stdout", 0, 1024 * 1024)
    assert (status, data, rest) == (200, whole, {"offset": 0, "size": len(whole), "done": True})
    assert read_output(agent, command, "stdout", 50_000, 10)[1] == whole[50_000:50_010]
    assert read_output(agent, command, "stderr", 0, 100)[1] == b"1\n2\n3\n4\n5\n"
    assert read_output(agent, command, "stdin", 0, 100)[0] == 400
    assert read_output(agent, command, "stdout", 0, 2 * 1024 * 1024)[0] == 400
    short = agent.run("echo all of it was sent")
    agent.daemon.ended(short)
    assert read_output(agent, short, "stdout", 0, 100)[0] == 404


def test_no_more_of_a_flood_is_kept_than_the_settings_allow(make_agent: Maker) -> None:
    it = make_agent(tasks={"keep_bytes": 300_000})
    it.daemon.start()
    it.start()
    command = it.run("head -c 3000000 /dev/zero", output_limit=1000)
    end = it.daemon.ended(command)
    assert (end["state"], end["stdout_bytes"], end["truncated"]) == ("succeeded", 3_000_000, True)
    assert read_output(it, command, "stdout", 0, 1)[2]["size"] == 300_000


def test_kept_output_is_bounded_in_age_and_size(tmp_path: Path) -> None:
    from host.agent.kept import KeptOutput

    kept = KeptOutput(tmp_path / "spool", tmp_path / "kept", 250)
    for number, name in enumerate(("oldest", "old", "new")):
        place = tmp_path / "spool" / name
        place.mkdir(parents=True)
        (place / "stdout").write_bytes(b"x" * 100)
        kept.keep(place)
        os.utime(tmp_path / "kept" / name, (1000 + number, 1000 + number))
    kept.prune(0)
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["new", "old"]
    kept.prune(1_001_500)
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["new"]
    assert kept.read("../kept/new", "stdout", 0, 10) is None
    assert kept.read("new", "stdout", 98, 10) == (b"xx", 100)


def test_a_tree_of_forks_ends_with_its_task(agent: Agent, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    leaf = f"sh -c 'echo $$ >>{pids}; exec sleep 600' &"
    grow = f"f() {{ {leaf} if [ $1 -gt 0 ]; then f $(($1-1)) & f $(($1-1)) & fi; wait; }}; trap '' TERM; f 5"
    command = agent.run(grow)
    agent.daemon.started(command)
    agent.daemon.wait(lambda: pids.exists() and len(pids.read_text().split()) == 63)
    agent.cancel(command)
    assert agent.daemon.ended(command)["state"] == "canceled"
    assert all(gone(int(pid)) for pid in pids.read_text().split())


def test_an_unknown_field_is_refused_because_it_may_have_meant_a_dry_run(agent: Agent) -> None:
    body = {"node_id": NODE, "kind": "script", "content": {"script": "true", "dry": True}}
    status, answer = agent.post("/api/v1/task/execute", body)
    assert (status, answer["code"]) == (400, 1001)
    assert answer["message"].startswith("dry: script has no such field")


def test_interpreters_of_the_settings_are_offered_and_run(make_agent: Maker, tmp_path: Path) -> None:
    shell = tmp_path / "mysh"
    shell.write_text('#!/bin/sh\necho "mine: $1"; exec /bin/sh "$2"\n')
    shell.chmod(0o755)
    it = make_agent(more=f"interpreters:\n  others:\n    mine: {shell} -x\n    absent: /opt/none/x")
    it.daemon.start()
    it.start()
    command = it.run("echo inside", interpreter="mine")
    assert it.daemon.ended(command)["state"] == "succeeded"
    assert it.daemon.output(command) == b"mine: -x\ninside\n"
    assert it.daemon.ended(it.run("true", interpreter="absent"))["reason"].startswith("A2001 the interpreter /opt/none/x is missing")
    body = {"node_id": NODE, "kind": "script", "content": {"script": "true", "interpreter": "unheard-of"}}
    status, answer = it.post("/api/v1/task/execute", body)
    assert status == 400
    assert "use one of absent, mine, powershell, python, shell" in json.dumps(answer) or "unheard-of" in answer["message"]


def test_the_keeper_holds_nothing_of_the_agents(agent: Agent) -> None:
    command = agent.run("sleep 600")
    agent.daemon.started(command)
    keeper = agent.keeper(command)["keeper"]
    targets = {os.readlink(f"/proc/{keeper}/fd/{number}") for number in os.listdir(f"/proc/{keeper}/fd")}
    mine = {
        target
        for target in targets
        if not target.startswith(("/dev/null", "pipe:", "anon_inode:[pidfd]", str(agent.work / "spool" / command)))
    }
    assert not mine
    agent.cancel(command)
    agent.daemon.ended(command)


@as_root
def test_a_users_folder_is_ours_until_all_is_laid_into_it_and_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    from host.agent import folders
    from host.agent.tasks.base import TaskProblem

    nobody = pwd.getpwnam("nobody").pw_uid
    folder = folders.make(tmp_path, "one", "nobody")
    (folder.home / "script").write_text("true")
    assert [path.stat().st_uid for path in (folder.home, *folder.home.iterdir())] == [0, 0, 0]
    folders.hand_over(folder, "nobody")
    assert [path.stat().st_uid for path in (folder.home, *folder.home.iterdir())] == [nobody] * 3
    folders.remove(folder.place)
    assert not folder.home.exists()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "result").write_text('{"secret": 1}')
    folder = folders.make(tmp_path, "two", "nobody")
    (folder.home / "result").unlink()
    folder.home.rmdir()
    folder.home.symlink_to(elsewhere)
    with pytest.raises(TaskProblem, match="A2003"):
        folders.hand_over(folder, "nobody")
    assert folders.result_of(folder) == (None, "")
    folders.remove(folder.place)
    folder.home.unlink()
    assert (elsewhere / "result").stat().st_uid == 0


def test_folders_in_folders_without_end_are_no_reason_to_fail(tmp_path: Path) -> None:
    from host.agent import folders

    folder = folders.make(tmp_path, "one", "")
    here = os.open(folder.place, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    folders.remove(folder.place)
    deadline = time.monotonic() + 10
    while folder.place.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
