"""A copied node, resolved from a terminal."""

from __future__ import annotations

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_machines_are_listed_and_a_node_is_split_by_address(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    host = manager.host("ctl-copied-1")
    own, other = host.is_copied()
    shown = vic.here("machines", "ctl-copied-1")
    assert own in shown.out.decode()
    assert "opsctl split NODE --keep" in shown.err
    assert [one["marks"] for one in vic.here("machines", host.id, "--json").data["items"]] == [own, other]
    assert vic.here("split", host.id, "--keep", own).code == 4
    wrong = ada.here("split", host.id, "--keep", "10.9.9.9")
    assert (wrong.code, "is not one of the machines" in wrong.err) == (1, True)
    assert ada.here("split", "ctl-copied-1", "--keep", "10.0.0.1").code == 0
    assert "was split off" in vic.here("machines", host.id).out.decode()
    again = ada.here("merge", host.id, "--machine", other)
    assert (again.code, "not in quarantine" in again.err) == (1, True)


def test_a_node_is_merged(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("ctl-copied-2")
    _, other = host.is_copied()
    assert ada.here("merge", host.id, "--machine", other).code == 0
    assert ada.here("node", host.id, "--json").data["state"] == "offline"
    manager.host("ctl-alone")
    assert "no other machine" in ada.here("machines", "ctl-alone").err
