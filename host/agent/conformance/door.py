"""Who may call: signatures, expiry, other nodes, web pages, and bodies that make no sense."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
import time
import uuid
import warnings
from pathlib import Path
from typing import Any

from host.agent.conformance.caller import EXECUTE, HEALTH, STATUS, Stage, refused
from host.agent.conformance.verdict import Failed, Skipped, expect


def _mark() -> Path:
    """A file that only a script that really ran would make."""
    return Path(tempfile.gettempdir()) / f"ops-conformance-{uuid.uuid4().hex}"


def signature(stage: Stage) -> None:
    mark = _mark()
    body = json.dumps(stage.task(f"touch {mark}")).encode()
    changes: dict[str, dict[str, Any]] = {
        "signed with another key": {"key": bytes(32)},
        "signed for another path": {"path": "/api/v1/task/other"},
        "signed for another method": {"method": "GET"},
        "signed for another body": {"body": b"{}"},
        "signed for another query": {"query": "a=1"},
    }
    for what, change in changes.items():
        refused(what, stage.send("POST", EXECUTE, body, stage.sign("POST", EXECUTE, body, **change)), (401,), 1002)
    headers = stage.sign("POST", EXECUTE, body)
    later = headers | {"X-Ops-Expires": str(int(headers["X-Ops-Expires"]) + 3_600_000)}
    refused("a later expiry than was signed", stage.send("POST", EXECUTE, body, later), (401,), 1002)
    for name in [name for name in headers if name.startswith("X-Ops-")]:
        less = {key: value for key, value in headers.items() if key != name}
        refused(f"without {name}", stage.send("POST", EXECUTE, body, less), (401,), 1002)
    refused("unsigned", stage.send("GET", STATUS), (401,), 1002)
    expect(stage.send("POST", EXECUTE, body, stage.sign("POST", EXECUTE, body))[0] == 200, "a genuine request was refused afterwards")
    _until(mark)
    mark.unlink()


def _until(path: Path) -> None:
    deadline = time.monotonic() + 10
    while not path.exists():
        if time.monotonic() > deadline:
            raise Failed("a genuine script did not run within 10 s")
        time.sleep(0.02)


def expiry(stage: Stage) -> None:
    past = int(time.time() * 1000) - 120_000
    refused("an expired command", stage.post(EXECUTE, stage.task("true"), now=past), (401,), 1002)
    refused("an expired question", stage.send("GET", STATUS, headers=stage.sign("GET", STATUS, now=past)), (401,), 1002)


def other_node(stage: Stage) -> None:
    body = stage.task("true")
    refused("signed for another node", stage.post(EXECUTE, body, key_id="another-node"), (401, 403), 1003)
    refused("a body for another node", stage.post(EXECUTE, body | {"node_id": "another-node"}), (403,), 1003)


def web_pages(stage: Stage) -> None:
    for what, headers in {
        "a foreign Host": {"Host": "evil.example"},
        "a foreign Host with the agent's port": {"Host": f"evil.example:{stage.port}"},
        "an Origin": {"Origin": "https://evil.example"},
    }.items():
        refused(f"{what} (health)", stage.send("GET", HEALTH, headers=headers), (403,), 1003)
        refused(f"{what} (signed)", stage.send("GET", STATUS, headers=stage.sign("GET", STATUS) | headers), (403,), 1003)
    body = json.dumps(stage.task("true")).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        headers = stage.sign("POST", EXECUTE, body) | {"Content-Type": kind}
        refused(f"a body of type {kind}", stage.send("POST", EXECUTE, body, headers), (403, 415), 1001)


def bodies(stage: Stage) -> None:
    for what, body in {
        "no JSON": b"{",
        "no object": b"[1]",
        "no UTF-8": b"\xff\xfe",
        "100,000 brackets": b"[" * 100_000,
        "an empty object": b"{}",
    }.items():
        refused(what, stage.send("POST", EXECUTE, body, stage.sign("POST", EXECUTE, body)), (400, 403), 1001)
    for what, task in {
        "an unknown kind": stage.task("true") | {"kind": "no-such-kind"},
        "an empty script": stage.task(""),
        "a timeout of 0": stage.task("true", timeout=0),
        "a timeout of the wrong type": stage.task("true", timeout="5"),
        "an unknown field of the content": stage.task("true", dry_rum=True),
    }.items():
        refused(what, stage.post(EXECUTE, task), (400,), 1001)
    refused("a nonce that cannot be an id", stage.execute("true", "../../x"), (400,), 1001)
    status, _ = stage.post(EXECUTE, stage.task("true") | {"new_thing": 1})
    expect(status == 200, f"an unknown field beside kind and content was answered HTTP {status}: the manager may be newer")
    large = b" " * (1024 * 1024 + 1)
    refused("a body past 1 MiB", stage.send("POST", EXECUTE, large, stage.sign("POST", EXECUTE, large)), (413,), 1001)


def addresses(stage: Stage) -> None:
    refused("an unknown address", stage.get("/api/v1/nothing"), (404,), 1001)
    refused("another method", stage.send("DELETE", EXECUTE), (405,), 1001)
    refused("an unknown task", stage.get(f"/api/v1/task/{uuid.uuid4().hex}/status"), (404,), 1001)


def old_tls(stage: Stage) -> None:
    context = ssl.create_default_context(cafile=str(stage.certificate))
    context.check_hostname = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.set_ciphers("DEFAULT@SECLEVEL=0")
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    except (ssl.SSLError, ValueError) as problem:
        raise Skipped(f"this machine's OpenSSL speaks no TLS 1.1 ({problem})") from problem
    with socket.create_connection((stage.host, stage.port), 10) as plain:
        try:
            context.wrap_socket(plain, server_hostname=stage.host).close()
        except (ssl.SSLError, ConnectionError):
            return
    raise Failed("TLS 1.1 was spoken")


def identity(stage: Stage) -> None:
    mode = os.stat(stage.certificate.parent / "dispatch.key").st_mode
    expect(not mode & 0o007, f"dispatch.key can be used by everybody (mode {mode & 0o777:o})")


CHECKS = (
    ("it takes signed requests only, and no change of one", signature),
    ("it refuses what has expired", expiry),
    ("it refuses what is for another node", other_node),
    ("it cannot be reached from a web page", web_pages),
    ("it refuses bodies that make no sense, with code 1001", bodies),
    ("it answers unknown addresses with an envelope", addresses),
    ("it speaks no TLS older than 1.2", old_tls),
    ("its key is not open to everybody", identity),
)
