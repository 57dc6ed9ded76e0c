"""Files by the whole chain: put into the store, brought to the host, sent back, and nobody else gets at them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import requests

from tests.stack import Stack

DATA = os.urandom(3_000_000)


def call(stack: Stack, method: str, path: str, data: bytes = b"") -> bytes:
    headers = {"Authorization": f"Bearer {stack.token}"}
    answer = requests.request(method, f"{stack.url}/api/v1{path}", data=data, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.content


def put(stack: Stack, data: bytes) -> str:
    item = stack.api("POST", "/files", {"name": "app.bin", "size": len(data)})
    for offset in range(0, len(data), 1 << 20):
        call(stack, "PUT", f"/files/{item['id']}/content?offset={offset}", data[offset : offset + (1 << 20)])
    stack.api("POST", f"/files/{item['id']}/finish", {"sha256": hashlib.sha256(data).hexdigest()})
    return str(item["id"])


def task(stack: Stack, **content: Any) -> tuple[dict[str, Any], str]:
    body = {"nodes": [stack.node_id], "type": "file", "content": content}
    return stack.finish(stack.api("POST", "/commands", body)["commands"][stack.node_id])


def test_a_file_goes_to_the_host_and_comes_back_byte_for_byte(stack: Stack) -> None:
    target = stack.folder / "on-the-host.bin"
    target.write_bytes(b"old")
    target.chmod(0o640)
    refused, text = task(stack, action="upload", path=str(target), file=put(stack, DATA))
    assert (refused["state"], "A3005" in refused["reason"]) == ("failed", True), text
    assert target.read_bytes() == b"old"
    done, text = task(stack, action="upload", path=str(target), file=put(stack, DATA), overwrite=True)
    assert done["state"] == "succeeded", (done["reason"], text)
    assert done["result"]["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert target.read_bytes() == DATA
    assert target.stat().st_mode & 0o777 == 0o640
    sent, text = task(stack, action="download", path=str(target))
    assert sent["state"] == "succeeded", (sent["reason"], text)
    assert call(stack, "GET", f"/files/{sent['result']['file']}/content") == DATA
    listed = next(one for one in stack.api("GET", "/files")["items"] if one["id"] == sent["result"]["file"])
    assert (listed["name"], listed["node_id"], listed["state"]) == ("on-the-host.bin", stack.node_id, "ready")


def test_a_dry_run_shows_the_difference_and_changes_nothing(stack: Stack) -> None:
    target = stack.folder / "app.conf"
    target.write_text("workers = 2\n")
    done, text = task(stack, action="upload", path=str(target), file=put(stack, b"workers = 4\n"), overwrite=True, dry_run=True)
    assert (done["state"], done["result"]["dry_run"]) == ("succeeded", True)
    assert "-workers = 2\n+workers = 4" in text
    assert target.read_text() == "workers = 2\n"


def test_the_agents_own_secrets_are_out_of_reach(stack: Stack) -> None:
    for path in (f"{stack.folder}/host/var/identity/dispatch.key", "/proc/self/environ", f"{stack.folder}/host/etc/policy.yaml"):
        done, _ = task(stack, action="download", path=path)
        assert (done["state"], "A3003" in done["reason"]) == ("failed", True), done


def test_another_nodes_certificate_gets_nothing(stack: Stack) -> None:
    """This node's own certificate, for a file that no command of it names: as good as another node's."""
    file_id, identity = put(stack, b"secret"), Path(stack.folder) / "host/var/identity"
    answer = requests.post(
        f"https://127.0.0.1:{stack.node_port}/node/v1/files/{file_id}/read",
        json={"offset": 0, "length": 100},
        cert=(str(identity / "node.crt"), str(identity / "node.key")),
        verify=str(identity / "ca.crt"),
        timeout=10,
    )
    assert (answer.status_code, answer.json()["code"]) == (403, 1003)


def test_what_a_command_printed_past_its_limit_is_fetched_whole(stack: Stack) -> None:
    command_id = stack.run("seq 1 200000; echo oops >&2", output_limit=1000)
    command, text = stack.finish(command_id)
    whole = b"".join(b"%d\n" % number for number in range(1, 200_001))
    assert (command["state"], command["truncated"], command["stdout_bytes"]) == ("succeeded", True, len(whole))
    assert len(text) <= 1000
    for stream, data in (("stdout", whole), ("stderr", b"oops\n")):
        body = {"nodes": [stack.node_id], "type": "output", "content": {"command": command_id, "stream": stream}}
        sent, text = stack.finish(stack.api("POST", "/commands", body)["commands"][stack.node_id])
        assert sent["state"] == "succeeded", (sent["reason"], text)
        assert call(stack, "GET", f"/files/{sent['result']['file']}/content") == data
    body["content"]["command"] = "unknown"
    refused, _ = stack.finish(stack.api("POST", "/commands", body)["commands"][stack.node_id])
    assert (refused["state"], refused["reason"][:5]) == ("failed", "A2006")
