"""`opsctl nodes retire` and `restore`: one or many, never without a yes, never past a protected group."""

from __future__ import annotations

from tests.server.api.harness import ROOT, Manager
from tests.server.ctl.opsctl import Opsctl


def states(ctl: Opsctl, selector: str) -> dict[str, str]:
    return {one["name"]: one["state"] for one in ctl.here("nodes", "--select", selector, "--json").data["items"]}


def test_many_are_retired_and_taken_back_by_a_selector(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    for number in range(3):
        manager.host(f"farm-{number}", {"farm": "f1"})
    assert (ada.here("nodes", "retire").code, ada.here("nodes", "retire", "farm-0", "--select", "all").code) == (2, 2)
    asked = ada.here("nodes", "retire", "--select", "farm=f1")
    assert (asked.code, "3 to retire: farm-0, farm-1, farm-2" in asked.err, "--yes" in asked.err) == (2, True, True)
    assert set(states(ada, "farm=f1").values()) == {"offline"}
    assert vic.here("nodes", "retire", "--select", "farm=f1", "--yes").code == 4
    done = ada.here("nodes", "retire", "--select", "farm=f1", "--yes")
    assert (done.code, done.err) == (0, "3 changed\n")
    assert set(states(ada, "retired and farm=f1").values()) == {"retired"}
    back = ada.here("nodes", "restore", "--select", "retired and farm=f1", "--json")
    assert (back.code, back.data["changed"]) == (0, 3)
    some = ada.here("nodes", "restore", "farm-0")
    assert (some.code, "is offline and not retired" in some.err) == (1, True)


def test_a_retired_node_comes_back_or_goes_for_good_by_its_name(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("gone-1")
    for back in (("restore", "gone-1"), ("nodes", "restore", "Gone-1"), ("restore", host.id)):
        assert ada.here("nodes", "retire", "gone-1", "--yes").code == 0
        lost = ada.here("node", "gone-1")
        assert (lost.code, f"no node 'gone-1' in service; retired: gone-1 ({host.id})" in lost.err) == (1, True)
        assert ada.here(*back).code == 0
        assert ada.here("node", "gone-1").code == 0
    in_service = ada.here("restore", "gone-1")
    assert (in_service.code, "is offline and not retired" in in_service.err) == (1, True)
    assert ada.here("delete-node", "gone-1", "--confirm", "gone-1").code == 1
    manager.run(manager.services.nodes.retire(ROOT, host.id, manager.clock()))
    twin = manager.host("GONE-1")
    manager.run(manager.services.nodes.retire(ROOT, twin.id, manager.clock()))
    unsure = ada.here("restore", "Gone-1")
    assert (unsure.code, "can be each of" in unsure.err, twin.id in unsure.err) == (1, True, True)
    wrong = ada.here("delete-node", host.id, "--confirm", "other")
    assert wrong.code in (1, 2)
    assert ada.here("delete-node", host.id, "--confirm", "gone-1").code == 0
    assert ada.here("delete-node", "GONE-1", "--confirm", "GONE-1").code == 0
    assert ada.here("restore", "gone-1").code == 1


def test_a_protected_groups_name_is_asked_for(manager: Manager, ada: Opsctl) -> None:
    host = manager.host("vault-1")
    group = manager.run(manager.services.groups.make(ROOT, "business", "Vault", "", True, manager.clock()))
    manager.run(manager.services.groups.put(ROOT, group, [host.id], manager.clock()))
    for words in (("nodes", "retire", "vault-1", "--yes"), ("collect", "vault-1", "--no-wait"), ("agent", "stop", "vault-1", "--no-wait")):
        refused = ada.here(*words)
        assert (refused.code, "protected group Vault" in refused.err) == (1, True), words
        assert ada.here(*words, "--confirm", "Vault").code == 0, words
        manager.run(manager.services.nodes.restore_all(ROOT, [host.id], manager.clock()))
