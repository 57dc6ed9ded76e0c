"""Plugins as kinds of task, on a real agent: they come and go without a restart, and a bad one harms nobody."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host.agent.plugins.shape import make
from tests.host.agent.harness import NODE, Agent

EXAMPLES = Path(__file__).resolve().parents[3] / "packaging/host/tasks"
EXECUTE = "/api/v1/task/execute"
GREET = 'SCHEMA = {"fields": [{"name": "name", "default": "you"}]}\ndef run(content, work):\n    work.say("hello " + content["name"])\n'
ECHO = """#!/bin/sh
[ "$1" = --schema ] && { echo '{"fields": [{"name": "text", "required": true}]}'; exit; }
content=$(cat)
echo '{"say": "said"}'
echo "plain $content"
echo '{"progress": 40}'
echo '{"unknown": 1}'
echo oops >&2
echo '{"result": {"seen": true}}'
"""
BAD = {
    "no_syntax.py": ("def run(:\n", "line 1"),
    "no_schema.py": ("def run(content, work): pass\n", "it defines no SCHEMA"),
    "no_run.py": ("SCHEMA = {}\n", "it defines no function run"),
    "no_object.py": ("SCHEMA = 5\ndef run(c, w): pass\n", "its schema is no object"),
    "no_field.py": ('SCHEMA = {"fields": [{"name": "A"}]}\ndef run(c, w): pass\n', "a field must be an object whose name"),
    "raises.py": ("1 / 0\n", "it cannot be loaded: ZeroDivisionError"),
    "limits.py": ('SCHEMA = {"fields": [{"name": "timeout"}]}\ndef run(c, w): pass\n', "every task has one of that name"),
    "other.py": ('SCHEMA = {"kind": "script"}\ndef run(c, w): pass\n', "its kind is 'script'"),
    "Name.py": (GREET, "a plugin's name begins with a small letter"),
    "no json": ("#!/bin/sh\necho hello\n", "a plugin's name begins with a small letter"),
    "nojson": ("#!/bin/sh\necho hello\n", "its schema is not JSON"),
    "nothing": ("#!/bin/sh\nexit 4\n", "exit code 4"),
    "floods": ("#!/bin/sh\nyes\n", "it printed more than"),
    "hangs": ("#!/bin/sh\nsleep 600\n", "it did not end within 5 s"),
}


def put(folder: Path, name: str, text: str, mode: int = 0o755) -> Path:
    """Whole or not at all, as an operator's tool would."""
    path = folder / name
    new = folder / f".{name}.new"
    new.write_text(text)
    new.chmod(mode)
    new.rename(path)
    return path


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    top = tmp_path_factory.mktemp("plugins")
    folder = top / "tasks"
    folder.mkdir(mode=0o755)
    put(folder, "greet.py", GREET)
    put(folder, "echo", ECHO)
    for name, (text, _) in BAD.items():
        put(folder, name, text)
    put(folder, "loose.py", GREET, 0o777)
    (folder / "link.py").symlink_to(folder / "greet.py")
    shutil.copy(EXAMPLES / "largest_files.py", folder)
    shutil.copy(EXAMPLES / "port_check.sh", folder)
    agent = Agent(top / "agent", more=f"plugins: {{folder: {folder}}}")
    agent.daemon.start()
    agent.start()
    yield agent
    agent.close()


def folder_of(agent: Agent) -> Path:
    return agent.folder.parent / "tasks"


def kinds(agent: Agent) -> dict[str, Any]:
    """The newest record."""
    told = [record["body"] for record in agent.daemon.records if record["kind"] == "kinds"]
    return (
        {"kinds": {one["kind"]: one for one in told[-1]["kinds"]}, "refused": told[-1]["refused"]} if told else {"kinds": {}, "refused": {}}
    )


def run(agent: Agent, kind: str, **content: Any) -> str:
    command = uuid.uuid4().hex
    status, answer = agent.post(EXECUTE, {"node_id": NODE, "kind": kind, "content": content}, command)
    assert status == 200, answer
    return command


def test_a_start_tells_all_kinds_with_the_common_limits_and_why_others_are_refused(host: Agent) -> None:
    host.daemon.wait(lambda: kinds(host)["kinds"])
    told = kinds(host)
    assert set(told["kinds"]) >= {"script", "plugin.greet", "plugin.echo", "plugin.largest_files", "plugin.port_check"}
    fields = [one["name"] for one in told["kinds"]["plugin.greet"]["fields"]]
    assert fields == ["name", "timeout", "output_limit", "priority", "nice", "memory_limit"]
    for file, (_, reason) in BAD.items():
        name = file if file == "no json" else Path(file).stem
        assert reason in told["refused"][name], (file, told["refused"].get(name))
    assert "others may write it" in told["refused"]["loose"]
    assert "symbolic link" in told["refused"]["link"]
    assert "Traceback" not in host.log()


def test_a_refusal_is_logged_once_and_the_same_kinds_are_told_once(host: Agent) -> None:
    host.daemon.wait(lambda: kinds(host)["kinds"])
    before = len([record for record in host.daemon.records if record["kind"] == "kinds"])
    put(folder_of(host), "later.py", GREET)
    host.daemon.wait(lambda: "plugin.later" in kinds(host)["kinds"])
    assert len([record for record in host.daemon.records if record["kind"] == "kinds"]) == before + 1
    assert host.log().count("plugin hangs is refused") == 1


def test_a_python_plugin_runs_with_its_defaults_and_returns_a_value(host: Agent) -> None:
    command = run(host, "plugin.greet")
    assert host.daemon.ended(command)["state"] == "succeeded"
    assert host.daemon.output(command) == b"hello you\n"
    command = run(host, "plugin.largest_files", folder=str(folder_of(host)), count=1)
    end = host.daemon.ended(command)
    assert (end["state"], len(end["result"]["files"])) == ("succeeded", 1)
    end = host.daemon.ended(run(host, "plugin.largest_files", folder="/no/such"))
    assert (end["state"], end["result"]["error"]["code"]) == ("failed", "no-folder")
    assert "/no/such is no folder on this host" in end["reason"]


def test_an_executable_speaks_json_lines_and_the_rest_is_output(host: Agent) -> None:
    command = run(host, "plugin.echo", text="a 中")
    end = host.daemon.ended(command)
    assert (end["state"], end["result"]) == ("succeeded", {"seen": True})
    output = host.daemon.output(command).decode()
    assert output == 'said\nplain {"text": "a 中"}\n[40 %]\n{"unknown": 1}\n'
    assert host.daemon.output(command, "stderr") == b"oops\n"


def test_the_example_in_shell_says_whether_a_port_is_open(host: Agent) -> None:
    end = host.daemon.ended(run(host, "plugin.port_check", host="127.0.0.1", port=host.port))
    assert (end["state"], end["result"]) == ("succeeded", {"open": True})
    end = host.daemon.ended(run(host, "plugin.port_check", host="$(touch /tmp/x)", port=1))
    assert (end["state"], end["result"]["error"]["code"], end["exit_code"]) == ("failed", "bad-host", 2)


@pytest.mark.parametrize(
    ("content", "words"),
    [({}, "text: is missing"), ({"text": 5}, "text: has the wrong type"), ({"text": "a", "timeout": 0}, "timeout: 0 is not between")],
)
def test_content_that_does_not_fit_the_schema_is_refused(host: Agent, content: dict[str, Any], words: str) -> None:
    status, answer = host.post(EXECUTE, {"node_id": NODE, "kind": "plugin.echo", "content": content})
    assert (status, words in answer["message"]) == (400, True), answer


def test_the_common_limits_hold_for_a_plugin(host: Agent) -> None:
    put(folder_of(host), "slow.py", "SCHEMA = {}\nimport time\ndef run(content, work):\n    work.say('on')\n    time.sleep(60)\n")
    host.daemon.wait(lambda: "plugin.slow" in kinds(host)["kinds"])
    command = run(host, "plugin.slow", timeout=1)
    assert host.daemon.ended(command)["state"] == "timed_out"
    assert host.daemon.output(command) == b"on\n"


def test_a_change_takes_effect_for_the_next_task_and_a_bad_change_is_refused(host: Agent) -> None:
    folder = folder_of(host)
    put(folder, "change.py", GREET)
    host.daemon.wait(lambda: "plugin.change" in kinds(host)["kinds"])
    put(folder, "change.py", GREET.replace("hello", "bye").replace('"name": "name"', '"name": "who"').replace('["name"]', '["who"]'))
    host.daemon.wait(lambda: kinds(host)["kinds"]["plugin.change"]["fields"][0]["name"] == "who")
    command = run(host, "plugin.change", who="all")
    host.daemon.ended(command)
    assert host.daemon.output(command) == b"bye all\n"
    put(folder, "change.py", "nonsense(")
    host.daemon.wait(lambda: "change" in kinds(host)["refused"])
    status, answer = host.post(EXECUTE, {"node_id": NODE, "kind": "plugin.change", "content": {}})
    assert (status, "the plugin 'change' cannot be run on this host: " in answer["message"]) == (400, True)
    assert host.daemon.ended(run(host, "plugin.greet"))["state"] == "succeeded"


def test_a_task_whose_plugin_went_away_fails_with_a_named_reason(host: Agent) -> None:
    path = put(folder_of(host), "leaving.py", GREET)
    host.daemon.wait(lambda: "plugin.leaving" in kinds(host)["kinds"])
    # A file is taken from under the agent before it has looked again.
    path.unlink()
    status, answer = host.post(EXECUTE, {"node_id": NODE, "kind": "plugin.leaving", "content": {}}, command := uuid.uuid4().hex)
    assert status == 200, answer
    end = host.daemon.ended(command)
    assert (end["state"], end["reason"].startswith("A2005 the plugin leaving cannot be run any more")) == ("failed", True)
    host.daemon.wait(lambda: "plugin.leaving" not in kinds(host)["kinds"])
    assert "'leaving' cannot be run on this host: it is not in the plugin folder" in str(
        host.post(EXECUTE, {"node_id": NODE, "kind": "plugin.leaving", "content": {}})[1]
    )


def test_a_plugin_that_fails_gives_one_line_with_its_place(host: Agent) -> None:
    put(folder_of(host), "breaks.py", "SCHEMA = {}\ndef run(content, work):\n    return content['x']\n")
    put(folder_of(host), "wrong.py", "SCHEMA = {}\ndef run(content, work):\n    return [1]\n")
    host.daemon.wait(lambda: {"plugin.breaks", "plugin.wrong"} <= set(kinds(host)["kinds"]))
    end = host.daemon.ended(run(host, "plugin.breaks"))
    assert (end["state"], end["reason"]) == ("failed", "A9001 the plugin failed at line 3: KeyError: 'x'")
    assert "returned list" in host.daemon.ended(run(host, "plugin.wrong"))["reason"]


def test_a_folder_that_others_can_write_offers_nothing(host: Agent) -> None:
    folder = folder_of(host)
    folder.chmod(0o777)
    try:
        host.daemon.wait(lambda: "(folder)" in kinds(host)["refused"])
        assert set(kinds(host)["kinds"]) == {name for name in kinds(host)["kinds"] if not name.startswith("plugin.")}
    finally:
        folder.chmod(0o755)
    host.daemon.wait(lambda: "plugin.greet" in kinds(host)["kinds"])


def test_what_waited_when_the_agent_was_killed_runs_though_it_is_a_plugins(make_agent: Callable[..., Agent], tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    put(tmp_path, "greet.py", GREET)
    it = make_agent(tasks={"max_concurrent": 1}, more=f"plugins: {{folder: {tmp_path}}}")
    it.start()
    gate = it.folder / "gate"
    first = it.run(f"while [ ! -e {gate} ]; do sleep 0.02; done")
    waiting = run(it, "plugin.greet", name="later")
    it.end(signal.SIGKILL)
    gate.touch()
    it.daemon.start()
    it.start()
    assert it.daemon.ended(waiting)["state"] == "succeeded"
    assert it.daemon.output(waiting) == b"hello later\n"
    assert it.daemon.ended(first)["state"] in ("succeeded", "interrupted")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"fields": [{"name": "a", "type": "integer", "default": "x"}]}, "the default of field a: has the wrong type"),
        ({"fields": [{"name": "a", "required": True, "default": "x"}]}, "what is required has no default"),
        ({"colour": 1}, "'colour' is unknown"),
        ({"fields": [{"name": f"f{n}", "help": "x" * 512} for n in range(64)]}, "larger than"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make("one", json.loads(json.dumps(schema)))


def test_nothing_of_a_plugin_is_loaded_into_the_agent(host: Agent) -> None:
    marker = folder_of(host).parent / "loaded"
    put(
        folder_of(host),
        "spy.py",
        f"import os\nopen({str(marker)!r}, 'a').write(f'{{os.getpid()}}\\n')\nSCHEMA = {{}}\ndef run(c, w): pass\n",
    )
    host.daemon.wait(lambda: "plugin.spy" in kinds(host)["kinds"])
    assert host.process
    assert str(host.process.pid) not in marker.read_text().split()
    deadline = time.monotonic() + 5
    while children(host.process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not children(host.process.pid)


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if os.path.exists(f"/proc/{pid}") else []
