"""`opsctl alerts` and `opsctl rules`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from host.wire.records import Kinds
from tests.browser.kinds import EVERY, HOSTILE, told
from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import Opsctl


def test_a_rule_is_tried_made_switched_and_deleted_and_its_alerts_are_acknowledged(manager: Manager, ada: Opsctl, vic: Opsctl) -> None:
    host = manager.host("ctl-alert", {"of": "ctl-alert"})
    manager.run(manager.db.transaction(lambda s: manager.services.nodes.move(s, host.id, "online", manager.clock())))
    host.measures(97.5)
    given = ("rules", "make", "ctl busy", "metric", "--metric", "cpu_usage", "--threshold", "90%", "--select", "of=ctl-alert")
    tried = ada.here(*given, "--try")
    assert tried.code == 0
    assert tried.out.decode().splitlines() == [
        "would have fired 0 times in the last 7 days, on 0 of 1 node",
        "beyond the threshold now: 1 node",
    ]
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
    assert "in the last day, on" in vic.here("rules", "preview", rule, "--days", "1").out.decode()
    assert vic.here("rules", "show", "CTL Busy").code == 0
    near = vic.here("rules", "show", "ctl bussy")
    assert (near.code, "did you mean ctl busy (" in near.err) == (1, True)
    assert vic.here("rules", "switch", "ctl busy", "off").code == 4
    assert ada.here("rules", "switch", "ctl busy", "off").code == 0
    assert "resolved" in vic.here("alerts", "list", "--history", "--rule", rule).out.decode()
    assert ada.here("rules", "delete", "ctl busy").code == 0
    assert ada.here("rules", "show", "ctl busy").code == 1


def test_a_rule_starts_a_task_of_every_kind_and_starts_nothing_any_more(manager: Manager, ada: Opsctl, tmp_path: Path) -> None:
    manager.host("ctl-starts", {"of": "ctl-starts"}).tells("kinds", Kinds(told(EVERY, HOSTILE)["kinds"]))
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")

    def started(name: str) -> tuple[str, Any] | None:
        command = ada.here("rules", "show", name, "--json").data["command"]
        return (command["kind"], command["content"]) if command else None

    given = ("rules", "make", "ctl restart", "agent-failed", "--select", "of=ctl-starts", "--starts", "service")
    made = ada.here(*given, "--command-limit", "3", "--", "--action", "restart", "--name", "nginx", "--timeout", "2m")
    assert made.code == 0, made.err
    kind, content = started("ctl restart") or ("", {})
    assert kind == "service"
    assert {"action": "restart", "name": "nginx", "timeout": 120}.items() <= content.items()
    shown = ada.here("rules", "show", "ctl restart").out.decode()
    assert re.search(r"^starts +service .*nginx.*, at most 3 an hour$", shown, re.MULTILINE), shown

    change = ("rules", "change", "ctl restart")
    backup = ("--engine", "mysql", "--database", "orders", "--tables", "a b", "--tables", "c", "--labels", "tier=gold", "--no-compress")
    done = ada.here(*change, "--starts", "plugin.backup", "--", *backup, "--set-file", f"password={secret}")
    assert done.code == 0, done.err
    kind, content = started("ctl restart") or ("", {})
    assert kind == "plugin.backup"
    assert {"tables": ["a b", "c"], "labels": {"tier": "gold"}, "compress": False}.items() <= content.items()
    assert "s3cret" not in str(content)
    assert ada.here(*change, "--severity", "critical").code == 0
    assert (started("ctl restart") or ("",))[0] == "plugin.backup", "what is not named stays"
    assert ada.here(*change, "--script", "systemctl restart nginx").code == 0
    assert (started("ctl restart") or ("", {}))[1]["script"] == "systemctl restart nginx"
    assert ada.here(*change, "--starts", "none").code == 0
    assert started("ctl restart") is None

    text = " ".join(ada(*given, "--", "--help").out.decode().split())
    assert "--action" in text
    assert "restart" in text
    for words, said in (
        (("--starts", "serfice", "--", "--name", "x"), "there is no kind 'serfice'; opsctl kinds lists them"),
        (("--starts", "service", "--", "--colour", "red"), "--colour"),
        (("--starts", "service", "--", "--action", "explode"), "explode"),
        (("--starts", "plugin.backup", "--", "--set", "password=x"), "use --set-file password=FILE"),
        (("--", "--action", "restart"), "say which kind of task with --starts"),
        (("--starts", "none", "--", "--action", "restart"), "with --starts none there are no fields"),
        (("--starts", "service", "--script", "uptime"), "give either --script or --starts"),
    ):
        refused = ada.here(*change, *words)
        assert refused.code == 2, (words, refused.err)
        assert said in refused.err, (words, refused.err)
    missing = ada.here(*change, "--starts", "service", "--", "--name", "nginx")
    assert (missing.code, "action: is missing" in missing.err) == (2, True), missing.err
    assert started("ctl restart") is None, "what was refused has changed something"
