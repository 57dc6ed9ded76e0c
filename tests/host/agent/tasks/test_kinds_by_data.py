"""Services, packages and HTTP checks by data files (`given`): every command line, every outcome."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.http.fetch import Answer
from host.agent.tasks.http.judge import judge
from host.agent.tasks.package import choose
from host.agent.tasks.package.steps import carry_out as change_packages
from host.agent.tasks.service.steps import carry_out
from host.agent.tasks.service.systemd import Systemd
from host.agent.tasks.service.sysv import SysV
from host.wire.schema import build
from host.wire.tasks import Http, Package, Service
from tests.host.agent.tasks.given import Host, TurnedClock, cases

LOOKS = (
    "show",
    "is-enabled",
    "status",
    "policy",
    "showhold",
    "-s",
    "--show",
    "--query",
    "--assumeno",
    "--dry-run",
    "check-update",
    "journalctl",
)


def _ids(value: Any) -> str:
    return value if isinstance(value, str) else str(value["title"])


def _changing(host: Host) -> list[str]:
    return [line for line in host.lines if not set(line.split()) & {*LOOKS, "--print-architecture"}]


def _check(case: dict[str, Any], do: Any, said: list[str]) -> None:
    if "error" in case:
        with pytest.raises(TaskProblem) as caught:
            do()
        assert case["error"] in str(caught.value)
        assert caught.value.mend
    else:
        result = do()
        assert {name: result[name] for name in case.get("result", {})} == case.get("result", {})
    assert case.get("said", "") in "\n".join(said)


@pytest.mark.parametrize(("file", "case"), cases("service"), ids=_ids)
def test_a_service(file: str, case: dict[str, Any], tmp_path: Path) -> None:
    content = build(Service, case["arguments"])
    host = Host({line.replace("FOLDER", str(tmp_path)): answer for line, answer in case["facts"].items()})
    clock = TurnedClock(content.timeout)
    script = tmp_path / "init.d/web"
    script.parent.mkdir()
    script.touch(0o755)
    manager = Systemd(host.run, clock) if file == "systemd" else SysV(host.run, clock, script.parent, ["update-rc.d"], tmp_path)
    said: list[str] = []
    _check(case, lambda: carry_out(content, manager, clock, said.append), said)
    assert [line.replace(str(tmp_path), "FOLDER") for line in _changing(host)] == case["commands"]


@pytest.mark.parametrize(("file", "case"), cases("package"), ids=_ids)
def test_packages(file: str, case: dict[str, Any]) -> None:
    content = build(Package, case["arguments"])
    host, clock, said = Host(case["facts"]), TurnedClock(content.timeout), list[str]()
    manager = choose(case["manager"], host.run, clock, lambda program: True)
    _check(case, lambda: change_packages(content, manager, clock, said.append), said)
    assert _changing(host) == case["commands"]


@pytest.mark.parametrize(("file", "case"), cases("http"), ids=_ids)
def test_an_answer(file: str, case: dict[str, Any]) -> None:
    given = case["answer"]
    answer = Answer(given["status"], given["body"].encode(), given.get("complete", True), 1, None)
    _check({"result": {}, **case}, lambda: judge(build(Http, case["arguments"]), answer, 0) or {}, [])


BAD = [";id", "$(id)", "`id`", "-o", "--root=/x", "a\nb", "a b", "", "../x", "a/b", "x*", "x?", "a|b", "a\0b", "ä", "x" * 300]


@pytest.mark.parametrize("name", BAD)
def test_a_name_that_could_be_an_option_a_path_a_pattern_or_a_shell_line_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^name: "):
        build(Service, {"action": "stop", "name": name})
    for one in (name, f"tree={name}", "tree-", "tree=1=2"):
        with pytest.raises(ValueError, match=r"^names: "):
            build(Package, {"action": "install", "names": ["bash", one]})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"url": "file:///etc/passwd"}, "does not begin with http"),
        ({"url": "http://user:pw@x/"}, "Authorization"),
        ({"url": "http://"}, "names no host"),
        ({"url": "http://x:99999/"}, "is no address"),
        ({"url": "http://x/", "headers": {"A": "b\r\nC: d"}}, "headers: 'A'"),
        ({"url": "http://x/", "headers": {"A b": "c"}}, "headers: 'A b'"),
        ({"url": "http://x/", "expect_status": ["ok"]}, "expect_status"),
        ({"url": "http://x/", "expect_pattern": "("}, "expect_pattern"),
        ({"url": "http://x/", "json_equals": "1"}, "json_path"),
        ({"url": "http://x/", "ca_file": "ca.pem"}, "ca_file"),
    ],
)
def test_a_check_that_makes_no_sense_is_refused_in_words(content: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build(Http, content)


def test_an_upgrade_of_everything_is_never_meant_by_leaving_the_names_away() -> None:
    with pytest.raises(ValueError, match="set everything"):
        build(Package, {"action": "upgrade"})
