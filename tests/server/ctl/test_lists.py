"""What one can look up: nodes, commands, the audit log."""

from __future__ import annotations

import csv
import io
import json

import pytest

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_nodes_are_listed_as_text_and_as_the_apis_data(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("shelf-1", {"room": "r1"})
    manager.host("shelf-2")
    text = vic("nodes", "--q", "shelf-").out.decode().splitlines()
    assert text[0].split()[:2] == ["NAME", "STATE"]
    assert text[1].split()[:2] == ["shelf-1", "offline"]
    assert host.id in text[1]
    assert "room=r1" in text[1]
    data = vic.here("nodes", "--q", "shelf-", "--json").data
    assert ([item["name"] for item in data["items"]], data["total"]) == (["shelf-1", "shelf-2"], 2)
    assert vic.here("nodes", "--q", "shelf-", "--state", "online", "--json").data["items"] == []
    assert vic.here("nodes", "--state", "gone").code == 2


def test_nodes_go_into_a_spreadsheet_whole(manager: Manager, vic: Opsctl) -> None:
    for number in range(3):
        manager.host(f"sheet-{number}", {"note": "=1+1"})
    told = vic("nodes", "--select", "name:sheet-*", "--csv")
    rows = list(csv.DictReader(io.StringIO(told.out.decode(), newline="")))
    assert [row["name"] for row in rows] == ["sheet-0", "sheet-1", "sheet-2"]
    assert rows[0]["tags"] == "note==1+1"
    assert vic.here("nodes", "--select", "", "--csv").code == 2


def test_a_node_is_named_by_name_or_id_and_never_guessed(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("Rack-7")
    manager.host("rack-77")
    host.measures(42.0)
    assert "42.0 %" in vic.here("node", "Rack-7").out.decode()
    assert vic.here("node", host.id, "--json").data["name"] == "Rack-7"
    assert vic.here("node", "rack-7", "--json").data["id"] == host.id
    near = vic.here("node", "rack")
    assert (near.code, near.out) == (1, b"")
    assert "did you mean Rack-7" in near.err
    manager.host("RACK-7")
    several = vic.here("node", "rack-7")
    assert several.code == 1
    assert "each of" in several.err
    unknown = vic.here("node", "nobody-of-that-name")
    assert (unknown.code, unknown.err) == (1, "opsctl: there is no node 'nobody-of-that-name'; opsctl nodes lists them\n")
    assert vic.here("node", "01JZZZZZZZZZZZZZZZZZZZZZZZ").code == 1


def test_a_node_shows_processes_gpus_and_the_figures_of_plugins(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("gpu-1")
    gpus = [{"name": "T4", "percent": 42.0, "memory_used": 1 << 30, "memory_total": 4 << 30, "temperature": 55.0}]
    plugins = [{"plugin": "mail", "name": "sent", "value": 3.0, "unit": "mails/s"}]
    body = {"took_ms": 1.0, "gpus": gpus, "plugins": plugins, "processes": 8, "process_states": {"sleeping": 7, "zombie": 1}}
    host.tells("sample", body)
    text = " ".join(vic.here("node", "gpu-1").out.decode().split())
    assert "processes 8 (7 sleeping, 1 zombie)" in text
    assert "GPUs T4 42 %, 1.0 GiB of 4.0 GiB, 55 °C" in text
    assert "plugin mail sent 3 mails/s" in text


def test_what_a_host_calls_itself_cannot_drive_the_terminal(manager: Manager, vic: Opsctl) -> None:
    host = manager.host("evil", {"note": "\x1b]0;owned\x07\x1b[2J"})
    for arguments in (("nodes", "--q", "evil"), ("node", host.id)):
        out = vic(*arguments).out
        assert b"\x1b" not in out
        assert b"\x07" not in out


def test_a_token_for_hosts_is_alone_on_stdout(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    result = ada("enrol-token", "--uses", "2", "--hours", "0.5", "--tag", "rack=4", "--tag", "env=prod")
    [line] = result.out.decode().splitlines()
    assert line.startswith("ops1.")
    assert line.endswith(manager.services.keys.ca_pin)
    assert "good for 2 hosts until" in result.err
    assert ada.here("enrol-token", "--json").data["uses"] == 1
    assert ada.here("enrol-token", "--uses", "0").code == 2
    assert ada.here("enrol-token", "--tag", "rack").code == 2
    refused = vic.here("enrol-token")
    assert (refused.code, refused.out) == (4, b"")
    assert "viewer" in refused.err


def test_the_audit_log_is_listed_and_verified_by_who_may(ada: Opsctl, vic: Opsctl) -> None:
    assert ada.here("enrol-token", "--note", "for the audit").code == 0
    assert "for the audit" in ada.here("audit", "--limit", "5").out.decode()
    assert ada.here("audit", "--json", "--limit", "1").data["items"][0]["action"] == "enrolment.token"
    verified = ada.here("audit", "--verify", "--json")
    assert (verified.code, verified.data) == (0, {"intact": True, "first_broken": None})
    assert vic.here("audit").code == 4


def test_commands_are_listed_shown_and_canceled(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    manager.host("queue-1")
    started = ada.here("run", "queue-1", "--no-wait", "--json", "--", "uptime").data
    [command_id] = started["commands"].values()
    listed = vic.here("commands", "--node", "queue-1").out.decode()
    assert command_id in listed
    assert "waiting for the host to fetch it" in listed
    assert vic.here("commands", "--task", started["task_id"], "--json").data["total"] == 1
    shown = vic.here("output", command_id)
    assert (shown.code, shown.out) == (0, b"")
    assert "queued" in shown.err
    assert vic.here("cancel", command_id).code == 4
    assert ada.here("cancel", command_id, "--json").data == {"state": "canceled"}
    assert ada.here("cancel", command_id).code == 1
    assert ada.here("cancel", "nope").code == 1
    assert vic.here("output", "nope").code == 1


def test_help_version_and_wrong_use(stranger: Opsctl) -> None:
    assert stranger("--help").code == 0
    assert stranger("--version").out == b"opsctl 0.1.0\n"
    for arguments in ((), ("fly",), ("node",), ("nodes", "--fly"), ("run",), ("run", "web1"), ("audit", "--limit", "0")):
        result = stranger.here(*arguments)
        assert (result.code, result.out) == (2, b""), arguments
        assert result.err
    assert b"_OPSCTL_COMPLETE" in stranger(_OPSCTL_COMPLETE="bash_source").out


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_names_beyond_the_terminals_encoding_do_not_end_it(manager: Manager, vic: Opsctl, encoding: str) -> None:
    host = manager.host(f"服务器-{encoding}")
    result = vic("node", host.id, "--json", PYTHONIOENCODING=encoding)
    assert json.loads(result.out)["name"] == host.name
    assert vic("node", host.id, PYTHONIOENCODING=encoding).code == 0


def test_an_argument_that_is_no_text_is_wrong_use(vic: Opsctl) -> None:
    result = vic("node", "\udcff")
    assert (result.code, result.out) == (2, b"")
    assert "UTF-8" in result.err


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("commands", "--kind", "wish"), "command"),
        (("deliveries", "--kind", "grouped"), "delivery"),
        (("audit", "--actor", "nobody"), "entry"),
        (("alerts", "list", "--q", "nothing has this in it"), "alert"),
        (("rules", "list", "--q", "nothing has this in it"), "rule"),
        (("log", "--q", "nothing has this in it"), "line"),
        (("kinds", "--q", "nothing has this in it"), "kind"),
        (("windows", "list", "--q", "nothing has this in it"), "maintenance window"),
        (("receivers", "list", "--q", "nothing has this in it"), "receiver"),
        (("nodes", "--q", "nothing has this in it"), "node"),
    ],
)
def test_an_empty_list_says_so(manager: Manager, ada: Opsctl, words: tuple[str, ...], what: str) -> None:
    told = ada.here(*words)
    assert (told.code, told.err) == (0, f"no {what} fits\n")
