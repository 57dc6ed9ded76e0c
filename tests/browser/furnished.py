"""A site with something true on every page: hosts that are well and that are not, commands in every state, files, alerts, windows,
receivers, people's notes. Long names and long lines are among it, because those are what breaks a page. What people and hosts have
written is in capitals, so that a text of the manager's own which was left untranslated stands out.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from host.wire import orders
from host.wire.messages import EnrollRequest, Facts
from server.errors import NotAllowed, Unavailable
from server.service.alert_drafts import Draft
from server.service.receivers import Change
from server.service.windows import Wanted
from tests.browser import kinds
from tests.browser.site import GIB, Site, now, sample
from tests.browser.test_looking_after_daemons import told
from tests.conftest import make_csr

LONG = "db-primary-with-a-very-long-name.internal.example.com"
DIFF = "--- /etc/x\n+++ /etc/x\n@@ -1 +1 @@\n-old <b>\n+new " + "w" * 300 + "\n"
NOWHERE = {"url": "https://127.0.0.1:9/hook"}
"""Where nobody listens: what is sent there fails, and says why."""

MAIL = {"to": ["ops@example.com"], "sender": "ops@example.com", "host": "mail.example.com"}


@dataclass
class Things:
    """Ids by name, of what stands on the site."""

    of: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> str:
        return self.of[name]


def furnish(site: Site) -> Things:
    """Needs the setting `receiver_networks=["127.0.0.0/8"]`."""
    made = Things()
    _hosts(site, made)
    _organised(site, made)
    _commands(site, made)
    _files(site, made)
    _windows(site, made)
    _alerts(site, made)
    site.do(site.services.rollups.work(now()))
    return made


def _hosts(site: Site, made: Things) -> None:
    node = made.of["node"] = site.enrol(LONG, {"role": "database", "env": "prod"})
    made.of["off"] = site.enrol("web-2", {"env": "prod"}, online=False)
    made.of["calm"] = site.enrol("缓存服务器-上海-01", {"env": "test"})
    site.samples(node, 90, gap=(30, 50))
    site.samples(made.calm, 90)
    site.report(made.calm, "urgent", *told(), ("kinds", now(), kinds.told()))
    ended = {"state": "failed", "version": "0.1.0", "reason": "its process is gone; restart 5 in 300 s"}
    site.report(made.calm, "urgent", ("state", now(), ended))
    log = {"component": "agent", "level": "ERROR", "logger": "x", "message": "No Space Left on Device " + "x" * 200}
    drop = {"first": site.sequence[(node, "bulk")] + 2, "why": "the outbox was full"}
    site.report(node, "bulk", ("log", now(), log), ("dropped", now(), drop))
    ill = {
        "plugins": {"queue": "It Printed Nothing " + "x" * 200, "raid": ""},
        "failing_collectors": {"disk": "D5001 /mnt/nfs Does Not Answer"},
    }
    site.report(node, "urgent", *told(**ill, dropped=812, clock_ahead_ms=95_000, certificate_not_after=now() + 86_400_000))
    gpu = {"name": "NVIDIA A100", "percent": 71.0, "memory_used": 61 * GIB, "memory_total": 80 * GIB}
    plugin = {"plugin": "queue", "name": "waiting", "value": -2.5, "unit": "jobs"}
    busy = {"percent": 97.0, "user": 97.0, "system": 0.0, "idle": 3.0, "cores": [97.0]}
    measured = {**sample(0), "cpu": busy, "gpus": [gpu], "plugins": [plugin], "process_states": {"running": 2, "zombie": 1}}
    site.report(node, "bulk", ("sample", now(), measured))
    offered = kinds.told(kinds.EVERY, kinds.HOSTILE)
    offered["refused"] = {"raid": "No Function Run " + "x" * 200}
    site.report(node, "urgent", ("kinds", now(), offered))
    asked = EnrollRequest(
        1, "", make_csr(), Facts("new-host", ["192.0.2.99"], "Debian GNU/Linux 12"), {"board_id": "B", "macs": "02:00:00:00:00:01"}
    )
    site.do(site.services.approvals.ask(asked, "192.0.2.99", now()))
    token = site.do(site.services.enrolment.create_token(site.admin, 3, 1, "", {}, now()))
    made.of["token"] = token.id
    site.enrol("came-1", token=token.token, online=False)
    site.do(
        site.services.arrivals.refuse(
            token.id, "came-2", "192.0.2.44", "the enrolment token has ended; make a new one on the manager", now()
        )
    )
    made.of["gone"] = site.enrol("gone")
    site.do(site.services.nodes.retire(site.admin, made.gone, now()))
    copied = made.of["copied"] = site.enrol("copied-1")
    own, other = "i=00000001;b=0000000a;m=00000001", "i=00000001;b=0000000b;m=00000002"
    for marks, ip, later in ((own, "192.0.2.17", 0), (other, "192.0.2.99", 0), (own, "192.0.2.17", 6_000)):
        with suppress(NotAllowed, Unavailable):
            site.do(site.services.quarantine.met(copied, marks, ip, now() + later))


def _organised(site: Site, made: Things) -> None:
    groups, edits = site.services.groups, site.services.edits
    made.of["group"] = site.do(groups.make(site.admin, "region", "中国 With A Long Name " + "x" * 30, "", True, now()))
    below = site.do(groups.make(site.admin, "region", "Shanghai", made.group, False, now()))
    site.do(edits.define(site.admin, "rack", "Rack", "choice", ["A1", "B2"], now()))
    site.do(edits.fill(site.admin, [made.node], "rack", "A1", now()))
    site.do(groups.put(site.admin, below, [made.node], now()))
    site.do(edits.note(site.admin, made.node, "a note " + "y" * 200, now()))
    site.do(site.services.selections.save(site.admin, "in China", "group:shanghai", now()))


def _commands(site: Site, made: Things) -> None:
    node, run = made.node, site.services.commands.run
    done = site.do(run(site.admin, [node, made.off], "script", {"script": "echo hello"}, "Say hello", now(), [site_group(site, made)]))
    made.of["task"], made.of["running"], made.of["queued"] = done.task_id, done.commands[node], done.commands[made.off]
    site.start(made.running, node)
    site.prints(made.running, node, 0, b"\x1b[31mred\x1b[0m \x1b[1;32mgreen\x1b[0m " + b"w" * 300 + b"\n")
    site.prints(made.running, node, 1, b"a warning\n", "stderr")

    def one(kind: str, **content: Any) -> str:
        return site.do(run(site.admin, [node], kind, content, "", now(), [site_group(site, made)])).commands[node]

    failed = made.of["failed"] = one("script", script="false")
    site.start(failed, node)
    site.ends(failed, node, "failed", exit_code=1, truncated=True)
    backup = {"engine": "mysql", "database": "orders", "password": "p", "statements": "a;\nb;"}
    dry, denied = one("plugin.backup", **backup, dry_run=True), one("plugin.backup", **backup)
    made.of |= {"dry": dry, "denied": denied}
    site.start(dry, node)
    site.prints(dry, node, 0, DIFF.encode())
    result = {"changed": True, "path": "/var/" + "x" * 200, "rows": {"a": [1, {"b": "c" * 200}]}, "tables": ["a b", "c"]}
    site.ends(dry, node, exit_code=0, stdout_bytes=len(DIFF), result=result, cpu_ms=180, memory_bytes=2**24)
    site.start(denied, node)
    site.ends(denied, node, "failed", exit_code=2, result={"error": {"code": "DENIED", "message": "Access Denied " + "x" * 200}})
    bundle = made.of["bundle"] = site.do(
        site.services.orders.give(site.admin, node, orders.DIAGNOSE, now(), confirm=[site_group(site, made)])
    )
    site.start(bundle, node)
    site.prints(bundle, node, 0, b"\x1f\x8b" + bytes(range(256)))
    site.ends(bundle, node, reason="a tar.gz of 258 bytes", stdout_bytes=258)
    confirm = [site_group(site, made)]
    made.of["order"] = site.do(site.services.orders.give(site.admin, node, orders.COLLECT, now(), confirm=confirm))


def site_group(site: Site, made: Things) -> str:
    """The name to type for the protected group."""
    return "中国 With A Long Name " + "x" * 30


def _files(site: Site, made: Things) -> None:
    """One whole file, one that is still arriving."""
    store = site.services.files
    rows = [site.do(store.create(site.admin, f"{'a-long-name-' * 12}.tar.gz", 5, now())) for _ in range(2)]
    site.do(store.put(rows[0]["id"], 0, b"hello", now()))
    site.do(store.finish(site.admin, rows[0]["id"], "", now()))
    made.of["file"] = rows[0]["id"]


def _windows(site: Site, made: Things) -> None:
    """One that is open until another day and covers what is there, one that recurs and is far away; a command that waits for the second."""
    start = datetime.now(timezone.utc) - timedelta(minutes=5)
    opened = Wanted("Kernel updates", "why", "env=prod", {"start": start.strftime("%Y-%m-%dT%H:%M"), "minutes": 1500}, "UTC")
    made.of["window"] = site.do(site.services.windows.make(site.admin, opened, now()))
    weekly = {"start": "2026-11-01T02:30", "minutes": 90, "repeat": "weekly"}
    made.of["later"] = site.do(site.services.windows.make(site.admin, Wanted("W " + "Long " * 20, "", "env=test", weekly, "host"), now()))
    asked = site.services.commands.run(site.admin, [made.calm], "script", {"script": "reboot"}, "Reboot", now(), wait_s=2_592_000)
    made.of["waiting"] = site.do(asked).commands[made.calm]


def _alerts(site: Site, made: Things) -> None:
    """A rule that is open on two nodes, one of them acknowledged, and told to a receiver that nobody answers for."""
    receivers = site.services.receivers
    made.of["receiver"] = site.do(receivers.make(site.admin, "webhook", Change(name="pager", settings=NOWHERE), now()))[0]
    long = Change(name="A Receiver With A Long Name That Somebody Chose", settings=MAIL)
    made.of["mail"] = site.do(receivers.make(site.admin, "mail", Change(**{**vars(long), "enabled": False}), now()))[0]
    # Of nodes outside the window, which would keep them silent.
    loud = [site.enrol(f"loud-{number}", {"env": "stage"}) for number in range(2)]
    for node in loud:
        site.samples(node, 120)
        busy = {"percent": 97.0, "user": 97.0, "system": 0.0, "idle": 3.0, "cores": [97.0]}
        site.report(node, "bulk", ("sample", now(), {"took_ms": 1.0, "cpu": busy}))
    draft = Draft("CPU busy", "metric", "env=stage", "cpu_usage", threshold="90%", clear="80%", severity="critical")
    made.of["rule"], _ = site.do(site.services.alert_rules.make(site.admin, draft, now()))

    async def told_of() -> None:
        await site.services.alert_watch.tick(now())
        await site.services.delivery_turns.start(now())
        await site.services.delivery_turns.settle()

    site.do(told_of())
    rows = site.do(site.services.alerts.page(rule_id=made.rule, limit=5, offset=0)).rows
    made.of["alert"], made.of["taken"] = (row["id"] for row in rows)
    made.of["loud"] = next(row["node_id"] for row in rows if row["id"] == made.taken)
    site.do(site.services.alerts.acknowledge(site.admin, [made.taken], "Looking At It " + "z" * 150, now()))
    site.do(site.services.delivery_turns.test(site.admin, made.receiver, now()))
    made.of["delivery"] = site.do(site.services.deliveries.page(made.receiver, "", 5, 0)).rows[0]["id"]
