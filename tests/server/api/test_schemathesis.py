"""schemathesis against a running manager: whatever is sent, the answer is one that the description has, and never a 5xx.

The same requests each time. OPS_FULL=1 (`./ops test --full`) sends many more, and sequences of calls too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.service.alert_drafts import Draft
from server.service.receivers import Change
from server.service.windows import Wanted
from tests.databases import fresh
from tests.server.api.harness import ROOT, Host, Manager, running

FULL = bool(os.environ.get("OPS_FULL"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
    "missing_required_header",
)
"""Not `positive_data_acceptance`: that a selector can be read, or `until` lies after `since`, no schema says. Those are 400, described."""

QUICK = ("--phases", "coverage,fuzzing", "-n", "4", "--max-time", "45")
LONG = ("--phases", "coverage,fuzzing,stateful", "-n", "60", "--max-time", "900")


def config(host: Host, manager: Manager) -> str:
    """Ids of what is there, so that calls get past 404."""
    services, now = manager.services, manager.clock()
    run = manager.run(services.commands.run(ROOT, [host.id], "script", {"script": "uptime"}, "", now))
    group = manager.run(services.groups.make(ROOT, "region", "here", "", False, now))
    manager.run(services.edits.define(ROOT, "rack", "Rack", "text", [], now))
    file = manager.run(services.files.create(ROOT, "a.conf", 6, now))["id"]
    host.measures()
    host.speaks_of_its_agent()
    host.logs("it is warm")
    hook = Change(name="hook", settings={"url": "https://hooks.example.com/x"})
    receiver, _ = manager.run(services.receivers.make(ROOT, "webhook", hook, now))
    rule, _ = manager.run(services.alert_rules.make(ROOT, Draft("busy", "metric", "all", "cpu_usage", threshold="1%"), now))
    weekly = Wanted("patches", "", "all", {"start": "2026-12-01T02:00", "minutes": 60, "repeat": "weekly"}, "UTC")
    window = manager.run(services.windows.make(ROOT, weekly, now))
    manager.run(manager.db.transaction(lambda s: services.nodes.move(s, host.id, "online", now)))
    manager.run(services.alert_watch.tick(now))
    [alert] = manager.run(services.alerts.of_node(host.id))
    [delivery] = manager.run(services.deliveries.page(receiver, "", 1, 0)).rows
    ids = {"nodes": host.id, "commands": run.commands[host.id], "groups": group, "fields": "rack", "files": file}
    ids |= {"receivers": receiver, "alert-rules": rule, "windows": window, "alerts": alert["id"], "deliveries": delivery["id"]}
    found = []
    for noun, known in ids.items():
        found.append(f'[[operations]]\ninclude-path-regex = "^/api/v1/{noun}/\\\\{{id\\\\}}"\nexclude-method = "DELETE"\n')
        found.append(f'parameters = {{ "path.id" = "{known}" }}\n')
    return "\n".join(found)


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """MariaDB is for the long run only: what it takes and refuses differs from SQLite in values, not in calls."""
    if request.param == "sqlite":
        yield ""
        return
    if not FULL:
        pytest.skip("only with OPS_FULL")
    servers: dict[str, str] = request.getfixturevalue("database_servers")
    if request.param not in servers:
        pytest.skip(f"no {request.param} on this machine")
    with fresh(servers[request.param]) as address:
        yield address


def test_whatever_is_sent_the_answer_is_a_described_one(tmp_path: Path, url: str) -> None:
    with running(tmp_path, url) as manager:
        settings = tmp_path / "schemathesis.toml"
        settings.write_text(config(manager.host("web-1"), manager))
        token = manager.user("ada", "admin").secret
        command = [str(Path(sys.executable).with_name("st")), "--config-file", str(settings), "run", f"{manager.url}/api/v1/openapi.json"]
        command += ["-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--generation-deterministic", "--no-color"]
        # Signing out would end what everything else is sent with.
        command += ["--exclude-path", "/api/v1/logout", *(LONG if FULL else QUICK)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1000 if FULL else 120, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
