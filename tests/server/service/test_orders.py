"""Orders for daemons: signed for one node, audited without secrets, shown like commands."""

from __future__ import annotations

import hashlib
import json

import pytest

from host.wire import signing
from host.wire.orders import VERBS
from server.errors import BadInput, Conflict, NodeUnknown, OpsError
from tests.conftest import Manager

TEXT = "manager:\n  address: a:1\n"
HASH = hashlib.sha256(TEXT.encode()).hexdigest()


async def test_an_order_is_a_command_that_its_nodes_key_has_signed(manager: Manager) -> None:
    node = await manager.enrol()
    command_id = await manager.services.orders.give(manager.admin, node.id, "agent-stop", manager.time())
    [command] = await manager.services.commands.mailbox(node.id, [], manager.time())
    key = manager.services.keys.dispatch_key(node.id)
    nonce = signing.verify(
        key, command.headers, key_id=node.id, now=manager.time(), method="POST", path="/daemon/v1/agent-stop", body=command.body.encode()
    )
    assert (command.id, command.path, nonce) == (command_id, "/daemon/v1/agent-stop", command_id)
    assert json.loads(command.body)["node_id"] == node.id
    page = await manager.services.commands.page(node_id=node.id, task_id="", state="", limit=10, offset=0)
    assert [(row["id"], row["kind"], row["task_id"]) for row in page.rows] == [(command_id, "agent-stop", None)]
    assert page.total == 1
    entry = (await manager.services.audit.page(1, 0)).rows[0]
    assert (entry["action"], entry["resource"]) == ("node.order", f"node {node.id}")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("configure", "log-level")])
async def test_every_verb_can_be_given(manager: Manager, verb: str) -> None:
    node = await manager.enrol()
    assert await manager.services.orders.give(manager.admin, node.id, verb, manager.time())


async def test_an_order_ends_by_the_hosts_word_and_a_cancellation_comes_too_late(manager: Manager) -> None:
    node = await manager.enrol()
    services, now = manager.services, manager.time()
    early = await services.orders.give(manager.admin, node.id, "collect", now)
    assert await services.commands.cancel(manager.admin, early, now) == "canceled"
    command_id = await services.orders.give(manager.admin, node.id, "collect", now)
    await manager.report(node, "urgent", (1, "execution", {"command_id": command_id, "state": "started"}))
    with pytest.raises(Conflict, match="cannot be called back"):
        await services.commands.cancel(manager.admin, command_id, now)
    await manager.report(node, "urgent", (2, "execution", {"command_id": command_id, "state": "failed", "reason": "no sample"}))
    row = await services.commands.get(command_id)
    assert (row["state"], row["reason"]) == ("failed", "no sample")


async def test_a_configuration_is_audited_as_a_difference_without_secrets(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "configuration", {"text": TEXT, "hash": HASH, "note": "at start"}))
    text = TEXT + "  enrolment_token: ops1.abcdefgh.0123\n  proxy: http://ann:s3cret@proxy:8080\n  timeout: 5s\n"
    await manager.services.orders.give(manager.admin, node.id, "configure", manager.time(), text=text, base=HASH)
    detail = (await manager.services.audit.page(1, 0)).rows[0]["detail"]
    assert "+  timeout: 5s" in json.loads(detail)["difference"]
    assert "abcdefgh" not in detail
    assert "s3cret" not in detail


@pytest.mark.parametrize(
    ("verb", "more", "kind", "field"),
    [
        ("reboot", {}, BadInput, "verb"),
        ("log-level", {"level": "loud"}, BadInput, "level"),
        ("collect", {"level": "debug"}, BadInput, "level"),
        ("collect", {"text": TEXT}, BadInput, "text"),
        ("configure", {"base": HASH}, BadInput, "text"),
        ("configure", {"text": TEXT}, BadInput, "base"),
        ("configure", {"text": "x" * 300_000, "base": HASH}, BadInput, "text"),
        ("configure", {"text": TEXT, "base": "0" * 64}, Conflict, "base"),
    ],
)
async def test_an_order_that_makes_no_sense_is_not_queued(
    manager: Manager, verb: str, more: dict[str, str], kind: type[OpsError], field: str
) -> None:
    node = await manager.enrol()
    await manager.report(node, "urgent", (1, "configuration", {"text": TEXT, "hash": HASH, "note": "at start"}))
    with pytest.raises(kind) as problem:
        await manager.services.orders.give(manager.admin, node.id, verb, manager.time(), **more)
    assert problem.value.field == field
    assert await manager.services.commands.mailbox(node.id, [], manager.time()) == []


async def test_no_order_for_a_node_that_is_unknown_or_retired(manager: Manager) -> None:
    node = await manager.enrol()
    with pytest.raises(NodeUnknown):
        await manager.services.orders.give(manager.admin, "01UNKNOWN", "collect", manager.time())
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    with pytest.raises(Conflict, match="retired"):
        await manager.services.orders.give(manager.admin, node.id, "collect", manager.time())
