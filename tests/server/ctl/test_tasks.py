"""Tasks of every kind from the command line: options made of schemas, results, secrets that are on no command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from host.wire.records import Execution, Kinds
from server.ctl.outcome import word
from tests.browser.kinds import EVERY, HOSTILE, told
from tests.server.api.harness import Host, Manager
from tests.server.ctl.opsctl import Opsctl

Act = Callable[[Host, Callable[[Host, str], None]], None]


@pytest.fixture(scope="module")
def host(manager: Manager) -> Host:
    host = manager.host("tasks-1")
    host.tells("kinds", Kinds(told(EVERY, HOSTILE)["kinds"], {"raid": "no \x1b[31mfunction"}))
    return host


def body(host: Host, command_id: str) -> Any:
    return json.loads(next(command.body for command in host.waiting() if command.id == command_id))["content"]


def test_the_options_of_a_kind_are_those_of_its_schema(ada: Opsctl, host: Host) -> None:
    text = " ".join(ada("task", "plugin.backup", "--help").out.decode().split())
    for part in (
        "--engine [mysql|postgresql]",
        "Database: Its name on the server.; required",
        "--compress / --no-compress",
        "1..9",
        "with compress True",
        "default /var/backups",
        "--labels NAME=VALUE",
        "may be given again",
        "--timeout DURATION",
        "settings, password",
    ):
        assert part in text, part
    assert "--password" not in text
    listed = ada("task", "--help").out.decode()
    assert "script" in listed
    assert "plugin.backup" in listed


def test_every_type_of_field_arrives_as_it_was_meant(ada: Opsctl, host: Host, tmp_path: Path) -> None:
    secret, settings = tmp_path / "password", tmp_path / "settings"
    secret.write_text("s3cret\n")
    settings.write_text("ssl-key=a=b\nhost=db\n")
    seed = ada("files", "put", str(settings)).out.decode().strip()
    arguments = ["--engine", "mysql", "--database", "orders", "--no-compress", "--share", "0.5", "--zone", "b", "--dry-run"]
    arguments += ["--tables", "a b", "--tables", "c", "--labels", "tier=gold", "--labels", "x=", "--hook", '{"url": 1}', "--timeout", "2m"]
    arguments += ["--set-file", f"password={secret}", "--set-file", "settings=-", "--set", f"seed={seed}", "--title", "Nightly"]
    given = ada("task", "plugin.backup", "tasks-1", *arguments, "--no-wait", stdin=settings.read_bytes())
    assert given.code == 0, given.err
    command_id = given.out.decode().strip()
    assert body(host, command_id) == {
        "engine": "mysql",
        "database": "orders",
        "compress": False,
        "share": 0.5,
        "zone": "b",
        "dry_run": True,
        "tables": ["a b", "c"],
        "labels": {"tier": "gold", "x": ""},
        "hook": {"url": 1},
        "timeout": 120,
        "password": "s3cret",
        "settings": {"ssl-key": "a=b", "host": "db"},
        "seed": seed,
    }
    assert "Nightly" in ada.here("commands", "--node", "tasks-1").out.decode()


def test_a_result_is_printed_and_the_tasks_own_reason_is_said(manager: Manager, ada: Opsctl, act: Act) -> None:
    hosts = [manager.host(f"results-{number}") for number in (1, 2)]

    def work(host: Host, command_id: str) -> None:
        host.starts(command_id)
        if host.name == "results-1":
            host.tells("execution", Execution(command_id, "succeeded", exit_code=0, result={"changed": True, "rows\x1b[2J": {"a": 1}}))
        else:
            error = {"code": "BACKUP_DENIED", "message": "access denied"}
            host.tells("execution", Execution(command_id, "failed", exit_code=2, result={"error": error}))

    for one in hosts:
        one.tells("kinds", Kinds(told(EVERY)["kinds"]))
        act(one, work)
    wanted = ["--engine", "mysql", "--database", "d"]
    one = ada("task", "plugin.backup", "results-1", *wanted)
    assert (one.code, one.out.decode()) == (0, 'changed   true\nrows\ufffd[2J  {"a": 1}\n')
    both = ada("task", "plugin.backup", "results-1", "results-2", *wanted)
    assert both.code == 3
    assert "results-2: failed: access denied (BACKUP_DENIED)" in both.err
    assert both.out.decode().splitlines()[:2] == ["NODE       NAME      VALUE", "results-1  changed   true"]
    data = ada("task", "plugin.backup", "results-2", *wanted, "--json")
    assert data.code == 1
    assert data.data["results"][0]["result"] == {"error": {"code": "BACKUP_DENIED", "message": "access denied"}}


def test_kinds_are_listed_with_what_was_refused(ada: Opsctl, vic: Opsctl, host: Host) -> None:
    own = vic.here("kinds", "tasks-1")
    assert own.code == 0
    assert "plugin.backup  Back up a database" in own.out.decode()
    assert "refused: raid: no \ufffd[31mfunction" in own.err
    assert "NODES" in ada.here("kinds").out.decode()
    assert {item["kind"] for item in ada("kinds", "--json").data["items"]} >= {"script", "plugin.backup"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["plugin.none", "tasks-1"], 2, "there is no kind 'plugin.none'"),
        (["plugin.backup", "tasks-1", "--engine", "oracle"], 2, "'oracle' is not one of"),
        (
            ["plugin.backup", "tasks-1", "--engine", "mysql", "--database", "d", "--level", "0"],
            2,
            "content.level: 0 is not between 1 and 9",
        ),
        (["plugin.backup", "tasks-1", "--set", "colour=red"], 2, "there is no field 'colour'"),
        (["plugin.backup", "tasks-1", "--set", "password=s3cret"], 2, "use --set-file password=FILE"),
        (["plugin.backup", "tasks-1", "--set", "nothing"], 2, "write it as NAME=VALUE"),
        (["plugin.backup", "tasks-1", "--set-file", "password=/no/such"], 2, "No such file"),
        (["plugin.backup", "nobody-here", "--engine", "mysql", "--database", "d"], 1, "there is no node 'nobody-here'"),
        (["plugin.backup"], 2, "say where"),
    ],
)
def test_what_cannot_be_run_is_said_in_one_line(ada: Opsctl, host: Host, arguments: list[str], code: int, said: str) -> None:
    result = ada.here("task", *arguments)
    assert (result.code, said in result.err) == (code, True), result.err
    assert "s3cret" not in result.err


def test_a_viewer_may_not_run_one_and_a_stranger_is_told_to_sign_in(vic: Opsctl, stranger: Opsctl, host: Host) -> None:
    assert vic.here("task", "plugin.backup", "tasks-1", "--engine", "mysql", "--database", "d").code == 4
    assert stranger.here("task", "plugin.backup", "tasks-1").code in (2, 4)
    assert stranger.here("kinds").code in (2, 4)


def test_a_field_called_name_has_its_option_like_all_others(ada: Opsctl, host: Host) -> None:
    given = ada("task", "service", "tasks-1", "--action", "restart", "--name", "nginx", "--title", "After the change", "--no-wait")
    assert given.code == 0, given.err
    assert body(host, given.out.decode().strip()) == {"action": "restart", "name": "nginx"}


def test_the_option_that_a_secret_field_has_not_says_how_it_is_given(ada: Opsctl, host: Host) -> None:
    for words in (("--password", "s3cret"), ("--set", "password=s3cret")):
        refused = ada("task", "plugin.backup", "tasks-1", "--engine", "mysql", "--database", "d", *words)
        assert (refused.code, "s3cret" in refused.err) == (2, False)
        assert "password is secret and would be seen in the list of processes; use --set-file password=FILE" in refused.err


def test_a_code_that_the_message_has_already_is_not_said_twice() -> None:
    item = {"state": "failed", "result": {"error": {"code": "A5001", "message": "A5001 there is no such service"}}}
    assert word(item) == "failed: A5001 there is no such service"
    item["result"] = {"error": {"code": "DENIED", "message": "access denied"}}
    assert word(item) == "failed: access denied (DENIED)"
