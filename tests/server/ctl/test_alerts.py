"""`opsctl alerts` and `opsctl rules`."""

from __future__ import annotations

from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_a_rule_is_tried_made_switched_and_deleted_and_its_alerts_are_acknowledged(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    host = manager.host("ctl-alert", {"of": "ctl-alert"})
    manager.run(manager.db.transaction(lambda s: manager.services.nodes.move(s, host.id, "online", manager.clock())))
    host.measures(97.5)
    given = ("rules", "make", "ctl busy", "metric", "--metric", "cpu_usage", "--threshold", "90%", "--select", "of=ctl-alert")
    tried = ada.here(*given, "--try")
    assert (tried.code, tried.out) == (0, b"")
    assert "would have fired 0 times in the last 7 days, on 0 of 1 nodes" in tried.err
    assert "beyond the threshold now: 1 nodes" in tried.err
    assert "note: 1 of 1 nodes have told nothing of it in this time" in tried.err
    assert ada.here(*given[:-2]).code == 2
    made = ada.here(*given)
    assert made.code == 0, made.err
    rule = made.out.decode().strip()
    manager.run(manager.services.alert_watch.tick(manager.clock()))
    listed = vic.here("alerts", "list", "--rule", "ctl busy", "--node", "ctl-alert", "--severity", "warning").out.decode()
    assert "CPU of ctl-alert is 97.5 %, above 90 %" in listed
    alert = listed.split()[-1]
    assert vic.here("alerts", "ack", alert).code == 4
    assert ada.here("alerts", "ack").code == 2
    assert "1 acknowledged" in ada.here("alerts", "ack", "--select", "of=ctl-alert", "--comment", "on it").err
    again = ada.here("alerts", "ack", alert)
    assert (again.code, "ada has acknowledged it already" in again.err) == (3, True)
    shown = vic.here("alerts", "show", alert).out.decode()
    assert "acknowledged by ada on it" in shown
    assert "ctl busy  on" in vic.here("rules", "list").out.decode()
    assert ada.here("rules", "change", "ctl busy", "--hold", "5m", "--clear", "80%").code == 0
    shown = vic.here("rules", "show", rule).out.decode()
    assert ("300 s" in shown, "80%" in shown) == (True, True)
    assert "beyond the threshold now: 1 nodes" in vic.here("rules", "preview", rule, "--days", "1").err
    assert vic.here("rules", "switch", "ctl busy", "off").code == 4
    assert ada.here("rules", "switch", "ctl busy", "off").code == 0
    assert "resolved" in vic.here("alerts", "list", "--history", "--rule", rule).out.decode()
    assert ada.here("rules", "delete", "ctl busy").code == 0
    assert ada.here("rules", "show", "ctl busy").code == 1
