"""Sign-in, sessions, tokens and the audit log, on every database, in simulated time."""

from __future__ import annotations

import asyncio
import hashlib

import pytest

from server.db import Session
from server.errors import BadInput, Conflict, NotAuthenticated, TooMany
from tests.conftest import Manager


async def test_the_first_password_is_made_once(manager: Manager) -> None:
    assert await manager.services.people.ensure_first_admin(manager.time()) is None
    assert manager.admin.password_is_initial


async def test_a_session_ends_with_its_time_and_with_sign_out(manager: Manager) -> None:
    people = manager.services.people
    granted = await people.sign_in("admin", manager.password, "192.0.2.8", manager.time())
    assert (await people.by_session(granted.secret, "", granted.expires_at - 1)).role == "admin"
    assert (await people.by_session(granted.secret, "", granted.expires_at)).role == "anonymous"
    caller = await people.by_session(granted.secret, "", manager.time())
    await people.sign_out(caller, manager.time())
    assert (await people.by_session(granted.secret, "", manager.time())).role == "anonymous"


async def test_a_new_password_ends_every_session_and_token(manager: Manager) -> None:
    people = manager.services.people
    session = await people.sign_in("admin", manager.password, "192.0.2.8", manager.time())
    token = await people.issue_token("admin", manager.password, "script", "192.0.2.8", manager.time())
    await people.change_password(manager.admin, manager.password, "a new, long one", manager.time())
    assert (await people.by_session(session.secret, "", manager.time())).role == "anonymous"
    assert (await people.by_token(token.secret, "", manager.time())).role == "anonymous"
    with pytest.raises(NotAuthenticated):
        await people.sign_in("admin", manager.password, "192.0.2.8", manager.time())
    await people.sign_in("admin", "a new, long one", "192.0.2.8", manager.time())


async def test_guessing_gets_slower_and_nobody_is_locked_out_for_good(manager: Manager) -> None:
    people = manager.services.people
    for address in range(5):
        with pytest.raises(NotAuthenticated):
            await people.sign_in("admin", "wrong password", f"192.0.2.{100 + address}", manager.time())
    with pytest.raises(TooMany, match="try again in"):
        await people.sign_in("admin", manager.password, "192.0.2.200", manager.time())
    manager.time.now += 61_000
    await people.sign_in("admin", manager.password, "192.0.2.200", manager.time())


async def test_unknown_and_known_names_are_answered_alike(manager: Manager) -> None:
    texts = []
    for name in ("admin", "nobody-of-that-name"):
        with pytest.raises(NotAuthenticated) as caught:
            await manager.services.people.sign_in(name, "wrong password", "192.0.2.8", manager.time())
        texts.append(caught.value.message)
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("name", "password", "role"), [("", "long enough pw", "viewer"), ("x", "short", "viewer"), ("x", "long enough pw", "god")]
)
async def test_a_bad_account_is_refused(manager: Manager, name: str, password: str, role: str) -> None:
    with pytest.raises(BadInput):
        await manager.services.people.create(manager.admin, name, password, role, manager.time())


async def test_no_secret_is_stored_as_it_is(manager: Manager) -> None:
    people = manager.services.people
    session = await people.sign_in("admin", manager.password, "192.0.2.8", manager.time())
    token = await people.issue_token("admin", manager.password, "script", "192.0.2.8", manager.time())
    enrol = await manager.services.enrolment.create_token(manager.admin, 1, 1, "", {}, manager.time())
    secrets = [manager.password, session.secret, token.secret, enrol.token.split(".")[1]]
    stored: list[str] = []

    async def work(found: Session) -> None:
        for table in ("users", "sessions", "api_tokens", "enrolment_tokens", "audit_logs", "sign_in_failures"):
            async with found._cursor() as cursor:
                await cursor.execute(f"SELECT * FROM {table}")
                stored.append(str(await cursor.fetchall()))

    await manager.db.transaction(work)
    assert not [secret for secret in secrets if secret in "".join(stored)]


async def test_every_action_is_in_the_audit_log_in_order(manager: Manager) -> None:
    node = await manager.enrol()
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    page = await manager.services.audit.page(50, 0)
    actions = [row["action"] for row in reversed(page.rows)]
    assert actions == ["user.create", "session.open", "enrolment.token", "node.enrol", "node.retire"]
    assert await manager.services.audit.first_broken() is None


@pytest.mark.parametrize(
    ("change", "entry"),
    [
        ("UPDATE audit_logs SET actor = 'somebody' WHERE id = 2", 2),
        ("UPDATE audit_logs SET detail = '{}' WHERE id = 3", 3),
        ("DELETE FROM audit_logs WHERE id = 3", 3),
        ("DELETE FROM audit_logs WHERE id = 4", 4),
        ("UPDATE audit_head SET entries = 2", 5),
    ],
)
async def test_a_changed_or_missing_entry_is_named(manager: Manager, change: str, entry: int) -> None:
    await manager.enrol()
    await manager.db.transaction(lambda session: session.raw_statement(change))
    assert await manager.services.audit.first_broken() == entry


async def test_without_an_audit_entry_nothing_happens(manager: Manager) -> None:
    node = await manager.enrol()
    # The next entry's number is taken: it cannot be written.
    taken = (
        "INSERT INTO audit_logs SELECT id + 1, created_at, user_id, actor, action, resource, detail, ip, hash FROM audit_logs WHERE id = 4"
    )
    await manager.db.transaction(lambda session: session.raw_statement(taken))
    with pytest.raises(Conflict):
        await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    assert (await manager.services.nodes.get(node.id))["state"] == "online"


async def test_a_hundred_guesses_at_once_are_not_more_than_a_few(manager: Manager) -> None:
    people = manager.services.people
    guesses = [people.sign_in("admin", f"wrong {i}", f"192.0.2.{i}", manager.time()) for i in range(40)]
    results = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(result, NotAuthenticated) for result in results) <= 7
    assert sum(isinstance(result, TooMany) for result in results) >= 33


async def test_a_name_with_a_space_behind_it_is_another_name(manager: Manager) -> None:
    """MySQL compares as if it were the same: then guesses would not be counted."""
    with pytest.raises(NotAuthenticated):
        await manager.services.people.sign_in("admin ", manager.password, "192.0.2.8", manager.time())


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET role = 'admin' WHERE name = 'vera'",
        "UPDATE users SET password_hash = (SELECT hash FROM (SELECT password_hash AS hash FROM users WHERE name = 'admin') a) "
        "WHERE name = 'vera'",
        "UPDATE api_tokens SET user_id = (SELECT id FROM users WHERE name = 'admin')",
        "UPDATE sessions SET user_id = (SELECT id FROM users WHERE name = 'admin')",
        "UPDATE api_tokens SET expires_at = expires_at + 1",
    ],
)
async def test_whoever_writes_to_the_database_gains_no_rights(manager: Manager, change: str) -> None:
    people = manager.services.people
    await people.create(manager.admin, "vera", "a long enough one", "viewer", manager.time())
    token = await people.issue_token("vera", "a long enough one", "script", "", manager.time())
    session = await people.sign_in("vera", "a long enough one", "", manager.time())
    assert (await people.by_token(token.secret, "", manager.time())).role == "viewer"
    await manager.db.transaction(lambda found: found.raw_statement(change))
    roles = {
        (await people.by_token(token.secret, "", manager.time())).role,
        (await people.by_session(session.secret, "", manager.time())).role,
    }
    assert "admin" not in roles
    assert "anonymous" in roles


async def test_a_session_made_in_the_database_is_nobodys(manager: Manager) -> None:
    secret = "s_of-my-own"
    row = {"hash": hashlib.sha256(secret.encode()).hexdigest(), "user_id": manager.admin.id, "ip": "", "now": manager.time()}
    row |= {"expires_at": manager.time() + 1000, "seal": "0" * 64}
    await manager.db.transaction(lambda session: session.execute(manager.db.q.people.insert_session, row))
    assert (await manager.services.people.by_session(secret, "", manager.time())).role == "anonymous"


async def test_a_cut_off_end_of_the_audit_log_is_noticed_up_to_the_checkpoint(manager: Manager) -> None:
    await manager.enrol()
    audit = manager.services.audit
    await audit.keep_checkpoint()
    assert await audit.first_broken() is None

    async def cut(session: Session) -> None:
        await session.raw_statement("DELETE FROM audit_logs WHERE id > 2")
        await session.raw_statement("UPDATE audit_head SET entries = 2, hash = (SELECT hash FROM audit_logs WHERE id = 2)")

    await manager.db.transaction(cut)
    assert await audit.first_broken() == 3
    await audit.keep_checkpoint()
    assert await audit.first_broken() == 3


async def test_a_disabled_account_is_out_at_once_and_can_be_let_in_again(manager: Manager) -> None:
    people = manager.services.people
    await people.create(manager.admin, "vera", "a long enough one", "viewer", manager.time())
    token = await people.issue_token("vera", "a long enough one", "script", "", manager.time())
    await people.set_disabled(manager.admin, "vera", True, manager.time())
    assert (await people.by_token(token.secret, "", manager.time())).role == "anonymous"
    with pytest.raises(NotAuthenticated):
        await people.sign_in("vera", "a long enough one", "", manager.time())
    assert [(row["name"], row["disabled_at"]) for row in await people.accounts()] == [("admin", None), ("vera", manager.time())]
    await people.set_disabled(manager.admin, "vera", False, manager.time())
    granted = await people.sign_in("vera", "a long enough one", "", manager.time())
    assert (await people.by_session(granted.secret, "", manager.time())).role == "viewer"
