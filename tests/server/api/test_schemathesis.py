"""schemathesis against a running manager: whatever is sent, the answer is one that the description has, and never a 5xx.

The same requests each time. OPS_FULL=1 (`./ops test --full`) sends many more, and sequences of calls too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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
    ids = {"nodes": host.id, "commands": run.commands[host.id], "groups": group, "fields": "rack", "files": file}
    found = []
    for noun, known in ids.items():
        found.append(f'[[operations]]\ninclude-path-regex = "^/api/v1/{noun}/\\\\{{id\\\\}}"\nexclude-method = "DELETE"\n')
        found.append(f'parameters = {{ "path.id" = "{known}" }}\n')
    return "\n".join(found)


def test_whatever_is_sent_the_answer_is_a_described_one(tmp_path: Path) -> None:
    with running(tmp_path, "") as manager:
        settings = tmp_path / "schemathesis.toml"
        settings.write_text(config(manager.host("web-1"), manager))
        token = manager.user("ada", "admin").secret
        command = [str(Path(sys.executable).with_name("st")), "--config-file", str(settings), "run", f"{manager.url}/api/v1/openapi.json"]
        command += ["-H", f"Authorization: Bearer {token}", "--checks", ",".join(CHECKS), "--generation-deterministic", "--no-color"]
        # Signing out would end what everything else is sent with.
        command += ["--exclude-path", "/api/v1/logout", *(LONG if FULL else QUICK)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1000 if FULL else 120, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
