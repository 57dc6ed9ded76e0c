"""`opsctl nodes timeline`: what befell a node, as text and as the API's data."""

from __future__ import annotations

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_a_timeline_is_shown_newest_first_and_says_where_it_goes_on(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    host = manager.host("told-1")
    for number in range(3):
        manager.clock.now += 1_000
        assert ada.here("note", "told-1", f"note {number}").code == 0
    command = ada.here("run", "told-1", "--no-wait", "--", "true").out.decode().split()[0]
    host.accepts(command)
    host.starts(command)
    host.ends(command, "failed", 3, "it broke")
    lines = ada("nodes", "timeline", "told-1").out.decode().splitlines()
    assert lines[0].split() == ["WHEN", "KIND", "WHAT", "WHO", "DETAIL"]
    assert "failed" in lines[1]
    assert f"exit code 3, it broke, {command}" in lines[1]
    assert ["note 2" in lines[2], "node.enrol" in lines[5], len(lines)] == [True, True, 6]
    part = ada.here("nodes", "timeline", "told-1", "--limit", "2")
    cursor = part.err.strip().removeprefix("older ones: --before ")
    rest = ada.here("nodes", "timeline", "told-1", "--before", cursor, "--json").data
    assert [item["name"] for item in rest["items"]] == ["node.note", "node.note", "node.enrol"]
    only = vic.here("nodes", "timeline", "told-1", "--kind", "action", "--json").data["items"]
    assert [(one["name"], one["actor"], one["detail"]) for one in only] == [("node.note", "ada", {})] * 3
    wrong = vic.here("nodes", "timeline", "told-1", "--before", "yesterday")
    assert (wrong.code, "is not the 'next' of an answer" in wrong.err) == (2, True)
    assert vic.here("nodes", "timeline", "nobody-of-that-name").code == 1
    assert vic.here("nodes", "--q", "told-1").code == 0
