"""The examples of docs/notifications.md, run on messages that the product sent: they take those, and nothing that was changed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from server.outbound.signing import new_secret, signed
from server.service.receivers import Change
from tests.conftest import Manager
from tests.server.delivery.conftest import event, go, tell
from tests.server.delivery.http_receiver import Receiver
from tests.stack import ROOT

NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")
RUNS = {
    "python": "\nimport json, sys\nheaders, body, secret = json.loads(sys.argv[1]), open(sys.argv[2], 'rb').read(), sys.argv[3]\n"
    "sys.exit(0 if verified(headers, body, secret) else 1)\n",
    "javascript": "\nconst [headers, body, secret] = process.argv.slice(2);\n"
    "process.exit(verified(JSON.parse(headers), require('node:fs').readFileSync(body), secret) ? 0 : 1);\n",
    "sh": '\nverified "$@"\n',
}


@dataclass(frozen=True)
class Message:
    headers: Mapping[str, str]
    body: bytes
    secret: str

    def of(self, **headers: str) -> Message:
        return replace(self, headers={**self.headers, **{f"webhook-{name}": value for name, value in headers.items()}})


def example(language: str) -> str:
    found = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "docs/notifications.md").read_text(), re.DOTALL | re.MULTILINE)
    assert len(found) == 1, f"one example in {language}"
    return str(found[0]) + RUNS[language]


def takes(language: str, message: Message, folder: Path) -> bool:
    program, body = folder / "program", folder / "body"
    program.write_text(example(language))
    body.write_bytes(message.body)
    interpreter = {"python": sys.executable, "javascript": "node", "sh": "sh"}[language]
    arguments = [json.dumps(message.headers), str(body), message.secret]
    if language == "sh":
        arguments = [*(message.headers[name] for name in NAMES), str(body), message.secret]
    done = subprocess.run([interpreter, program, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) in ((0, ""), (1, "")), done.stderr
    return done.returncode == 0


@pytest.mark.parametrize("empty_database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("language", list(RUNS))
async def test_the_documented_examples_take_what_was_sent_and_nothing_else(
    manager: Manager, hook: Receiver, language: str, tmp_path: Path
) -> None:
    # The examples look at their machine's clock, so the manager speaks at its time.
    manager.time.now = int(subprocess.run(["date", "+%s000"], capture_output=True, text=True, check=True).stdout)
    receiver, old = await manager.services.receivers.make(
        manager.admin, "webhook", Change(name="hook", settings={"url": hook.url}), manager.time()
    )
    new = await manager.services.receivers.rotate(manager.admin, receiver, 1, manager.time())
    await tell(manager, event(manager, summary="磁盘 97 % full: 'quotes' \"and\" $(more)"))
    await go(manager)
    [request] = hook.got
    sent = Message({name: request.headers[name] for name in NAMES}, request.body, new)
    stamp = int(sent.headers["webhook-timestamp"])
    assert takes(language, sent, tmp_path)
    assert takes(language, replace(sent, secret=old), tmp_path), "for a day the secret before signs too"
    for changed in (
        replace(sent, secret=new_secret()),
        replace(sent, body=sent.body + b" "),
        replace(sent, body=sent.body.replace(b"97", b"98")),
        sent.of(id="01OTHER"),
        sent.of(timestamp=str(stamp + 1)),
        sent.of(timestamp=str(stamp - 600)),
        sent.of(signature="v1,"),
        sent.of(signature=sent.headers["webhook-signature"].replace("v1,", "v2,")),
    ):
        assert not takes(language, changed, tmp_path), changed


@pytest.mark.parametrize("language", list(RUNS))
def test_the_documented_examples_refuse_what_is_signed_well_and_stale(language: str, tmp_path: Path) -> None:
    secret = new_secret()
    assert not takes(language, Message(signed("01OLD", 1_700_000_000, b"{}", [secret]), b"{}", secret), tmp_path)
