"""docs/agent-contract.md: its worked example is true, and every route stands in it."""

from __future__ import annotations

import re
from pathlib import Path

from host.agent.operations import OPERATIONS
from host.wire import signing

DOCS = (Path(__file__).parents[2] / "docs/agent-contract.md").read_text(encoding="utf-8")


def test_the_worked_example_of_a_signature_is_what_the_code_makes() -> None:
    body = re.search(r"the body `(.+)`, this text", DOCS)
    assert body
    headers = signing.sign(
        bytes(range(32)),
        key_id="n-1",
        nonce="cmd-1",
        now=1_800_000_000_000,
        expires=1_800_003_600_000,
        method="POST",
        path="/api/v1/task/execute",
        body=body[1].encode(),
    )
    for name, value in headers.items():
        assert f"    {name}: {value}\n" in DOCS, name


def test_every_route_is_named() -> None:
    for one in OPERATIONS:
        assert one.path in DOCS or one.handler == "openapi", one.path
