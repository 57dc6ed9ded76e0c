"""The care for the file: whole whatever happens, owner and mode kept, backups bounded, checks asked, places closed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from host.agent.edit import original
from host.agent.policing import Policing
from host.lib import policy_file
from host.lib.policy import Policy
from host.wire.schema import build
from host.wire.tasks import Config
from tests.host.agent.harness import NODE, Agent
from tests.host.agent.tasks.configs import Here

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


# Owner, mode, links


def test_owner_mode_and_attributes_stay_with_the_file_and_go_into_the_backup(here: Here) -> None:
    path = here.write("a.yaml", "a: 1\n")
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 12345, 23456)
    os.setxattr(path, "user.note", b"kept")
    result = here.run("a.yaml", "set", path="a", value=2)
    found = path.stat()
    assert (found.st_mode & 0o7777) == 0o640
    if os.geteuid() == 0:
        assert (found.st_uid, found.st_gid) == (12345, 23456)
    assert os.getxattr(path, "user.note") == b"kept"
    (backup,) = (here.agent / "backups").rglob(result["backup"])
    assert backup.read_bytes() == b"a: 1\n"
    assert (backup.stat().st_mode & 0o7777, backup.stat().st_uid) == (0o640, found.st_uid)
    path.chmod(0o600)
    here.run("a.yaml", "restore", backup=result["backup"])
    assert path.read_bytes() == b"a: 1\n"
    assert (path.stat().st_mode & 0o7777) == 0o640


def test_a_file_that_is_made_has_the_mode_that_is_asked_for(here: Here) -> None:
    result = here.run("new.ini", "set", path="a.b", value="c", create=True, mode="0600")
    assert (here.folder / "new.ini").stat().st_mode & 0o7777 == 0o600
    assert result["sha256_before"] == ""
    assert "backup" not in result


def test_a_symbolic_link_a_folder_and_a_pipe_are_no_files_to_change(here: Here) -> None:
    here.write("real.yaml", "a: 1\n")
    (here.folder / "link.yaml").symlink_to(here.folder / "real.yaml")
    (here.folder / "folder.yaml").mkdir()
    os.mkfifo(here.folder / "pipe.yaml")
    assert here.problem("link.yaml", "set", path="a", value=2).code == "A3002"
    assert here.problem("folder.yaml", "read").code == "A3006"
    assert here.problem("pipe.yaml", "read").code == "A3006"


def test_places_outside_of_the_roots_the_agents_own_and_those_of_the_policy_are_closed(here: Here, tmp_path: Path) -> None:
    outside = tmp_path / "outside.yaml"
    outside.write_text("a: 1\n")
    here.write("open.yaml", "a: 1\n")
    (here.folder / "secret").mkdir()
    here.write("secret/it.yaml", "a: 1\n")
    assert here.problem(outside, "set", path="a", value=2).code == "A3003"
    assert here.problem(here.folder / ".." / "outside.yaml", "read").code == "A3001"
    assert here.problem(here.agent / "agent.yaml", "read").code == "A3003"
    policy = tmp_path / "policy.yaml"
    tmp_path.chmod(0o700)
    policy.write_text(f"refuse:\n  paths: [{here.folder}/secret]\n")
    policy.chmod(0o600)
    problem = here.problem("secret/it.yaml", "read")
    assert problem.code == "A3003"
    assert "policy refuses the path" in str(problem)
    assert here.run("open.yaml", "read", path="a")["value"] == 1
    assert outside.read_text() == "a: 1\n"


def test_a_file_that_is_too_large_is_not_read(here: Here) -> None:
    with here.write("big.txt", "").open("wb") as stream:
        stream.truncate(original.MAX_BYTES + 1)
    assert here.problem("big.txt", "read").code == "A4003"
    here.write("long.txt", "x" * 300_000)
    assert here.problem("long.txt", "read").code == "A4003"


# Changes by others


def test_a_change_by_somebody_else_while_the_check_runs_is_noticed_and_left_alone(here: Here) -> None:
    path = here.write("a.yaml", "a: 1\n")
    problem = here.problem("a.yaml", "set", path="a", value=2, validate=["/bin/sh", "-c", f"echo 'a: theirs' > {path}", "{}"])
    assert problem.code == "A4012"
    assert path.read_text() == "a: theirs\n"
    assert here.left() == []


def test_a_file_that_appears_while_it_is_made_is_not_replaced(here: Here) -> None:
    path = here.folder / "new.yaml"
    problem = here.problem("new.yaml", "set", path="a", value=2, create=True, validate=["/bin/sh", "-c", f"echo theirs > {path}", "{}"])
    assert problem.code == "A4012"
    assert path.read_text() == "theirs\n"
    assert here.left() == []


def test_tasks_that_change_one_file_at_the_same_time_do_not_lose_each_others_changes(here: Here, tmp_path: Path) -> None:
    path = here.write("a.yaml", "start: 0\n")
    processes = [_worker(here, {"action": "set", "file": str(path), "path": f"k{n}", "value": n}, tmp_path / f"r{n}") for n in range(8)]
    assert [one.wait(60) for one in processes] == [0] * 8
    assert sorted(path.read_text().splitlines()) == sorted(["start: 0", *(f"k{n}: {n}" for n in range(8))])


def test_a_file_that_another_task_holds_for_long_is_a_problem_and_not_a_wait_without_end(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr(original, "PATIENCE_S", 0.05)
    with here.write("a.yaml", "a: 1\n").open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert here.problem("a.yaml", "read").code == "A4012"


# Backups


def test_the_last_backups_are_kept_and_no_more(tmp_path: Path) -> None:
    here = Here(tmp_path, keep_backups=3)
    here.write("a.yaml", "a: 0\n")
    names = [here.run("a.yaml", "set", path="a", value=n)["backup"] for n in range(1, 7)]
    assert here.run("a.yaml", "backup")["backups"][:2] == names[-2:]
    assert len(list((here.agent / "backups").rglob("*Z*"))) == 3
    assert here.problem("a.yaml", "restore", backup=names[0]).code == "A4013"


def test_backups_beside_the_file_are_there_and_bounded_too(tmp_path: Path) -> None:
    here = Here(tmp_path, keep_backups=2)
    here.write("a.yaml", "a: 0\n")
    names = [here.run("a.yaml", "set", path="a", value=n, backups="beside")["backup"] for n in range(1, 5)]
    assert sorted(one.name for one in here.folder.iterdir()) == ["a.yaml", *names[-2:]]
    assert all(name.startswith("a.yaml.") and name.endswith(".bak") for name in names)


def test_restore_takes_the_newest_or_the_named_one_even_when_that_makes_it_the_one_too_many(tmp_path: Path) -> None:
    here = Here(tmp_path, keep_backups=2)
    path = here.write("a.yaml", "a: 0\n")
    first, _ = (here.run("a.yaml", "set", path="a", value=n)["backup"] for n in (1, 2))
    dry = here.run("a.yaml", "restore", dry_run=True)
    assert "-a: 2\n+a: 1" in dry["diff"]
    assert path.read_text() == "a: 2\n"
    here.run("a.yaml", "restore")
    assert path.read_text() == "a: 1\n"
    path.write_text("a: 9\n")
    here.run("a.yaml", "restore", backup=here.run("a.yaml", "backup")["backups"][0])
    assert path.read_text() in ("a: 1\n", "a: 2\n")
    assert first


def test_a_file_that_is_gone_comes_back_from_its_backup(here: Here) -> None:
    path = here.write("a.yaml", "a: 0\n")
    path.chmod(0o604)
    here.run("a.yaml", "backup")
    path.unlink()
    assert here.run("a.yaml", "restore")["changed"]
    assert path.read_text() == "a: 0\n"
    assert path.stat().st_mode & 0o777 == 0o604


def test_an_unknown_backup_names_those_that_are_there(here: Here) -> None:
    here.write("a.yaml", "a: 0\n")
    assert here.problem("a.yaml", "restore").code == "A4013"
    name = here.run("a.yaml", "backup")["backup"]
    assert name in str(here.problem("a.yaml", "diff", backup="none"))


# Differences and secrets


def test_a_difference_is_against_a_backup_or_against_a_text(here: Here) -> None:
    here.write("a.yaml", "a: 0\nb: 1\n")
    here.run("a.yaml", "set", path="a", value=5)
    assert "-a: 0\n+a: 5\n" in here.run("a.yaml", "diff")["diff"]
    assert "-a: 5\n+a: 7\n" in here.run("a.yaml", "diff", text="a: 7\nb: 1\n")["diff"]
    assert here.run("a.yaml", "diff", text="a: 5\nb: 1\n")["diff"] == ""


def test_the_numbers_of_a_difference_are_those_of_the_whole_file(here: Here) -> None:
    lines = [f"k{n}: {n}" for n in range(100)]
    here.write("a.yaml", "\n".join(lines) + "\n")
    assert "@@ -48,7 +48,7 @@" in here.run("a.yaml", "set", path="k50", value="x", dry_run=True)["diff"]


@pytest.mark.parametrize(
    ("name", "before", "path"),
    [
        ("a.yaml", "db:\n  password: |\n    hunter2-old\n    second-old\n  user: x\n", "db.password"),
        ("a.yaml", "db:\n  password: 'hunter2-old'\n", "db.password"),
        ("a.json", '{"tokens": 1, "api_key":\n"hunter2-old"}', "api_key"),
        ("a.toml", "[db]\nsecret = 'hunter2-old'\n", "db.secret"),
        ("a.ini", "[db]\npassword = hunter2-old\n", "db.password"),
        ("a.properties", "db.password hunter2-old\n", "db.password"),
        ("a.xml", "<c><password>hunter2-old</password></c>", "/c/password"),
        ("a.xml", '<c><p name="password" value="hunter2-old"/></c>', "/c/p/@value"),
    ],
)
def test_old_and_new_secrets_are_neither_said_nor_told(here: Here, name: str, before: str, path: str) -> None:
    file = here.write(name, before)
    result = here.run(name, "set", path=path, value="hunter2-new")
    told = json.dumps(result) + here.said
    assert "hunter2-new" in file.read_text()
    assert "********" in told
    assert not any(one in told for one in ("hunter2-old", "hunter2-new", "second-old"))
    for more in (here.run(name, "read"), here.run(name, "read", path=path), here.run(name, "diff")):
        assert not any(one in json.dumps(more) + here.said for one in ("hunter2-old", "hunter2-new", "second-old"))


def test_a_value_given_as_secret_is_shown_nowhere_whatever_its_key_is_called(here: Here) -> None:
    file = here.write("a.yaml", "plain: x\n")
    result = here.run("a.yaml", "set", path="plain", secret_value='can"ary-77')
    assert "can" in file.read_text()
    assert "ary-77" not in json.dumps(result) + here.said
    problem = here.problem("a.yaml", "set", path="plain", secret_value="canary-88", validate=["/bin/sh", "-c", "cat $0; exit 3", "{}"])
    assert problem.code == "A4014"
    assert "canary-88" not in str(problem)


def test_what_a_secret_takes_the_place_of_is_shown_nowhere_either(here: Here) -> None:
    here.write("a.json", '{"dsn": "old-HUNTER2", "more": {"x": ["deep-HUNTER3"]}}\n')
    for path, old in (("dsn", "HUNTER2"), ("more.x[0]", "HUNTER3")):
        for dry in (True, False):
            result = here.run("a.json", "set", path=path, secret_value="new-canary", dry_run=dry)
            assert not any(one in json.dumps(result) + here.said for one in (old, "canary"))


# Checks


@pytest.mark.parametrize("argument", [["{}"], []], ids=["before it is put in place", "after it"])
def test_when_the_check_says_no_the_old_file_stands_and_the_problem_has_its_words(here: Here, argument: list[str]) -> None:
    path = here.write("a.yaml", "a: 1\n")
    path.chmod(0o640)
    check = here.folder / "check"
    check.write_text(f'#!/bin/sh\ngrep -q "a: 2" "${{1:-{path}}}" && echo saw the new one\necho "no: $#" >&2\nexit 7\n')
    check.chmod(0o755)
    problem = here.problem("a.yaml", "set", path="a", value=2, validate=[str(check), *argument])
    assert problem.code == "A4014"
    assert "ended with 7: saw the new one" in str(problem)
    assert path.read_text() == "a: 1\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert here.left() == []
    assert here.problem("new.yaml", "set", path="a", value=2, create=True, validate=["/bin/false", *argument]).code == "A4014"
    assert not (here.folder / "new.yaml").exists()


def test_a_check_before_sees_the_new_file_under_the_same_ending_and_the_old_one_in_its_place(here: Here) -> None:
    path = here.write("a.yaml", "a: 1\n")
    seen = here.folder / "seen"
    line = f'case "$1" in *.yaml) cat "$1" {path} > {seen};; esac'
    here.run("a.yaml", "set", path="a", value=2, validate=["/bin/sh", "-c", line, "sh", "{}"])
    assert seen.read_text() == "a: 2\na: 1\n"
    assert path.read_text() == "a: 2\n"


def test_arguments_of_a_check_arrive_as_they_are_and_its_environment_is_clean(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "1")
    here.write("a b;$(touch x).yaml", "a: 1\n")
    line = '[ -z "$CANARY" ] && [ "$1" = \'; touch $(id)\' ] && [ -f "$2" ]'
    here.run("a b;$(touch x).yaml", "set", path="a", value=2, validate=["/bin/sh", "-c", line, "sh", "; touch $(id)", "{}"])


def test_a_check_that_does_not_end_is_ended_and_one_that_is_not_there_is_named(here: Here) -> None:
    path = here.write("a.yaml", "a: 1\n")
    problem = here.problem("a.yaml", "set", path="a", value=2, validate=["/bin/sh", "-c", "sleep 60", "{}"], validate_timeout=1)
    assert (problem.code, "did not end in 1 s" in str(problem)) == ("A4014", True)
    assert here.problem("a.yaml", "set", path="a", value=2, validate=["/none", "{}"]).code == "A4014"
    assert path.read_text() == "a: 1\n"


def test_a_task_that_is_stopped_while_the_check_after_runs_puts_the_old_file_back(here: Here, tmp_path: Path) -> None:
    path = here.write("a.yaml", "a: 1\n")
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    check = ["/bin/sh", "-c", f"echo > {ready}; sleep 60"]
    process = _worker(here, {"action": "set", "file": str(path), "path": "a", "value": 2, "validate": check}, tmp_path / "r")
    ready.read_text()
    assert path.read_text() == "a: 2\n"
    process.terminate()
    assert process.wait(20) != 0
    assert path.read_text() == "a: 1\n"


# Faults


def _worker(here: Here, content: dict[str, object], result: Path) -> subprocess.Popen[bytes]:
    given = {"content": content, "command_id": "c" * 32, "folder": str(here.agent), "settings": here.settings}
    environment = {**os.environ, "OPS_RESULT": str(result), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-m", "host.agent.worker", "config"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment, cwd="/"
    )
    assert process.stdin
    process.stdin.write(json.dumps(given).encode())
    process.stdin.close()
    return process


KILLING = """
import os, signal, sys, json
from pathlib import Path
at = int(sys.argv[1])
count = 0
def killing(name):
    real = getattr(os, name)
    def wrapped(*a, **k):
        global count
        count += 1
        if count == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*a, **k)
    setattr(os, name, wrapped)
from host.agent.tasks import config
from host.agent.tasks.base import Work
from host.wire.schema import build
from host.wire.tasks import Config
for name in ("open", "write", "fchmod", "fchown", "setxattr", "fsync", "rename", "link", "unlink", "listdir", "stat", "close"):
    killing(name)
given = json.loads(sys.argv[2])
config.run(build(Config, given["content"]), Work("c" * 32, Path(given["folder"]), given["settings"]))
"""


@pytest.mark.parametrize("backups", ["agent", "beside"])
def test_killed_at_any_step_leaves_the_old_or_the_new_file_whole_and_the_next_task_cleans_up(here: Here, backups: str) -> None:
    path = here.write("a.yaml", "a: 1\n")
    for _ in range(2):
        here.run("a.yaml", "backup", backups=backups)
    content = {"action": "set", "file": str(path), "path": "a", "value": 2, "backups": backups}
    given = json.dumps({"content": content, "folder": str(here.agent), "settings": here.settings})
    seen = set()
    step = 0
    while True:
        step += 1
        path.write_text("a: 1\n")
        done = subprocess.run([sys.executable, "-c", KILLING, str(step), given], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        seen.add(path.read_text())
        assert path.read_text() in ("a: 1\n", "a: 2\n")
        kept = here.run("a.yaml", "backup", backups=backups)["backups"]
        assert len(kept) <= 10
        for name in kept:
            places = [here.folder / name] if backups == "beside" else list((here.agent / "backups").rglob(name))
            assert places[0].read_text() in ("a: 1\n", "a: 2\n")
        assert here.left() == []
        if done.returncode == 0:
            break
    assert step > 15
    assert seen == {"a: 1\n", "a: 2\n"}


def test_a_full_disk_leaves_the_old_file_and_says_so(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    path = here.write("a.yaml", "a: 1\n")

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        problem = here.problem("a.yaml", "set", path="a", value=2)
    assert problem.code == "A3008"
    assert path.read_text() == "a: 1\n"
    assert here.left() == []


def test_the_worker_runs_it_and_tells_the_result_or_the_problem_in_one_line(here: Here, tmp_path: Path) -> None:
    path = here.write("a.yaml", "a: 1\n")
    result = tmp_path / "result"
    assert _worker(here, {"action": "set", "file": str(path), "path": "a", "value": 2}, result).wait(30) == 0
    told = json.loads(result.read_text())
    assert told["changed"]
    assert len(told["sha256_after"]) == 64
    assert _worker(here, {"action": "read", "file": str(path), "path": "b"}, result).wait(30) == 1
    assert json.loads(result.read_text())["error"]["code"] == "A4008"


def test_a_real_agent_runs_it_backs_up_in_its_own_folder_and_tells_the_result(make_agent: Callable[..., Agent], tmp_path: Path) -> None:
    path = tmp_path / "app.yaml"
    path.write_text("port: 80 # http\n")
    agent = make_agent()
    agent.daemon.start()
    agent.start()
    for content in ({"action": "set", "path": "port", "value": 8080}, {"action": "read", "path": "none"}):
        body = {"node_id": NODE, "kind": "config", "content": {"file": str(path), **content}}
        command_id = uuid.uuid4().hex
        status, answer = agent.post("/api/v1/task/execute", body, command_id)
        assert status == 200, answer
        end = agent.daemon.ended(command_id)
        if content["action"] == "set":
            assert end["state"] == "succeeded", end
            assert end["result"]["changed"]
            assert (agent.work / "backups").is_dir()
        else:
            assert end["state"] == "failed"
            assert end["reason"].startswith("A4008")
    assert path.read_text() == "port: 8080 # http\n"


def test_a_policy_that_refuses_scripts_refuses_a_configuration_with_a_check(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    policy = tmp_path / "policy.yaml"
    policy.write_text("refuse:\n  kinds: [script]\n  paths: [/srv/secret]\n")
    policy.chmod(0o600)
    ask = Policing(Policy(policy, policy_file.read, os.geteuid()))
    content = {"action": "set", "file": "/srv/open.yaml", "path": "a", "value": 1}
    assert ask("config", content) == ""
    assert "kind script" in ask("config", content | {"validate": ["/bin/sh", "-c", "id", "{}"]})
    assert "path /srv/secret/a.yaml" in ask("config", content | {"file": "/srv/secret/a.yaml"})


# What is refused before anything is done


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"action": "set", "file": "/a.yaml", "path": "a"}, "value: is missing"),
        ({"action": "set", "file": "/a.yaml", "value": 1}, "path: is missing"),
        ({"action": "remove", "file": "/a.yaml"}, "path: is missing"),
        ({"action": "read", "file": "a.yaml"}, "file: 'a.yaml' is not the absolute path"),
        ({"action": "chmod", "file": "/a.yaml"}, "action: 'chmod' is unknown"),
        ({"action": "read", "file": "/a.yaml", "value": 1}, "value: goes only with action set"),
        ({"action": "read", "file": "/a.yaml", "dry_run": True}, "dry_run: goes only with"),
        (
            {"action": "set", "file": "/a.yaml", "path": "a", "value": 1, "secret_value": "x"},
            "value: goes only with action set and secret_value ",
        ),
        ({"action": "set", "file": "/a.yaml", "path": "a", "value": 1, "mode": "abc"}, "mode: 'abc' is not octal"),
        (
            {"action": "set", "file": "/a.yaml", "path": "a", "value": 1, "validate": ["nginx", "-t"]},
            "validate: 'nginx' is not the absolute",
        ),
        ({"action": "restore", "file": "/a.yaml", "backup": "../x"}, "backup: '../x' is not the name"),
        ({"action": "set", "file": "/a.yaml", "path": "a", "value": 1, "format": "word"}, "format: 'word' is unknown"),
    ],
)
def test_content_that_makes_no_sense_is_refused_with_the_field(content: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=r"^[a-z_]+: ") as refused:
        build(Config, content)
    assert words in str(refused.value)
