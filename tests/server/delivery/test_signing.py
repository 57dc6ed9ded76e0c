"""Signatures as Standard Webhooks describes, two secrets at once, and secrets that nobody reads from a dump."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from server.outbound.signing import key_of, signed
from server.queries import Query
from server.service.receivers import OLD_SECRET_MS, Change
from tests.conftest import Manager
from tests.server.delivery import http_receiver as does
from tests.server.delivery.conftest import event, go, make, tell
from tests.server.delivery.http_receiver import Receiver, Request


def signs(secret: str, request: Request) -> bool:
    """As a receiver checks it, by the words of the convention and not by our code."""
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    wanted = base64.b64encode(hmac.new(base64.b64decode(secret.removeprefix("whsec_")), content, hashlib.sha256).digest()).decode()
    return f"v1,{wanted}" in request.headers["webhook-signature"].split(" ")


def test_the_signature_is_the_one_of_the_published_example() -> None:
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_for_a_day_both_secrets_sign_and_then_the_new_one_only(manager: Manager, hook: Receiver) -> None:
    made = await manager.services.receivers.make(manager.admin, "webhook", Change(name="hook", settings={"url": hook.url}), manager.time())
    receiver, old = made
    new = await manager.services.receivers.rotate(manager.admin, receiver, 1, manager.time())
    await tell(manager, event(manager))
    await go(manager)
    manager.time.now += OLD_SECRET_MS
    await tell(manager, event(manager, "resolved"))
    await go(manager)
    both, after = hook.got
    assert [signs(old, both), signs(new, both), signs(old, after), signs(new, after)] == [True, True, False, True]
    assert len(key_of(new)) == 32


async def test_no_secret_is_in_the_database_the_audit_log_or_what_is_kept_of_answers(manager: Manager, hook: Receiver) -> None:
    async def tells_it(request: Request, writer: object) -> None:
        body = f"your token {request.headers['authorization']} is bad".encode()
        writer.write(b"HTTP/1.1 403 X\r\nContent-Length: %d\r\n\r\n" % len(body) + body)  # type: ignore[attr-defined]

    token, services = "a-token-that-nobody-sees", manager.services
    hook.otherwise = tells_it
    receiver, secret = await services.receivers.make(
        manager.admin, "webhook", Change(name="hook", settings={"url": hook.url}, secrets={"token": token}), manager.time()
    )
    new = await services.receivers.rotate(manager.admin, receiver, 1, manager.time())
    await tell(manager, event(manager))
    await go(manager)
    await services.delivery_turns.test(manager.admin, receiver, manager.time())
    tables = ("receivers", "receiver_health", "deliveries", "delivery_attempts", "audit_logs")
    rows = [await manager.db.rows(Query(table, f"SELECT * FROM {table}", manager.db.dialect)) for table in tables]
    assert all(rows)
    assert "is bad" in str(rows[3])
    everything = json.dumps([[dict(row) for row in table] for table in rows], default=str)
    for one in (token, secret, new, secret.removeprefix("whsec_")):
        assert one not in everything


async def test_a_message_that_comes_again_is_signed_anew_under_its_id(manager: Manager, hook: Receiver) -> None:
    await make(manager, hook)
    hook.behave = [does.answers(500)]
    await tell(manager, event(manager))
    await go(manager)
    await go(manager, 30)
    first, second = hook.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 30
