"""A new certificate by the whole chain: the short-lived process, the manager, and the daemon that takes it up."""

from __future__ import annotations

import http.client
import shutil
import ssl
import subprocess
import time
from pathlib import Path

from host.wire.protocol import POLL_PATH
from tests.stack import BIN, whole


def test_a_renewed_certificate_serves_and_the_old_one_is_refused_from_then_on(folder: Path) -> None:
    with whole(folder / "renewal") as stack:
        identity, old = stack.folder / "host/var/identity", stack.folder / "old"
        shutil.copytree(identity, old)
        config = stack.folder / "host/etc/daemon.yaml"
        subprocess.run([BIN / "ops-daemon", "renew", "--config", config], check=True, capture_output=True)
        assert stack.finish(stack.run("echo still here"))[1] == "still here\n"
        stack.kill("daemon")
        assert stack.finish(stack.run("echo with the new one"), 15)[1] == "with the new one\n"
        until = time.monotonic() + 15
        while "certificate" not in str(actions := stack.api("GET", "/audit?size=20")["items"]) and time.monotonic() < until:
            time.sleep(0.1)
        assert any("certificate" in entry["action"] for entry in actions)
        context = ssl.create_default_context(cafile=str(old / "ca.crt"))
        context.load_cert_chain(old / "node.crt", old / "node.key")
        connection = http.client.HTTPSConnection("127.0.0.1", stack.node_port, context=context, timeout=10)
        connection.request("POST", POLL_PATH, '{"protocol": 1, "daemon_version": "0"}')
        answer = connection.getresponse()
        assert (answer.status, "revoked" in answer.read().decode()) == (401, True)
        connection.close()
