"""People: accounts, sign-in, sessions, API tokens (M7). Sessions and tokens are rows, so ending one ends it at once.

What decides who may what is sealed (server/seals.py): a row that somebody else wrote or changed is nobody's.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from dataclasses import dataclass

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from server.auth import PEOPLE, Caller, nobody
from server.db import Db, Row, Session
from server.errors import BadInput, Conflict, NotAuthenticated, TooMany
from server.ids import new_id, new_secret
from server.seals import Seals
from server.service.audit import Audit

MIN_PASSWORD = 10
FREE_FAILURES = 5
LONGEST_WAIT_S = 60
FORGET_FAILURES_MS = 3_600_000
TOKEN_DAYS = 90
log = logging.getLogger("server.people")
_SEALED = ("id", "name", "role", "password_hash", "disabled_at")
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True)
class Granted:
    """A new session or token: the secret is shown once and stored only as a hash."""

    secret: str
    user_id: str
    name: str
    role: str
    expires_at: int


class People:
    def __init__(self, db: Db, audit: Audit, seals: Seals, session_hours: int, hasher: PasswordHasher) -> None:
        self._db, self._q, self._audit, self._seals = db, db.q.people, audit, seals
        self._session_ms = session_hours * 3_600_000
        self._hasher = hasher
        # Two at once: argon2 is meant to be slow, and guessing must not take every core.
        self._hashing = asyncio.Semaphore(2)
        self._nobody_hash = self._hasher.hash(secrets.token_hex(16))

    async def ensure_first_admin(self, now: int) -> str | None:
        """Make the account `admin` in an empty database; its password, shown once, or None if there are accounts."""
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
        password_hash = await self._hash(password)

        async def work(session: Session) -> bool:
            if await session.row(self._q.any_user):
                return False
            await self._insert(session, "admin", password_hash, "admin", True, now)
            await self._audit.record(session, Caller("admin", name="ops-manager"), "user.create", "user admin", {"role": "admin"}, now)
            return True

        return password if await self._db.transaction(work) else None

    async def create(self, caller: Caller, name: str, password: str, role: str, now: int) -> None:
        """A new account. Raises BadInput, Conflict."""
        _check_password(password)
        if not (name.isascii() and name.replace("-", "").replace("_", "").replace(".", "").isalnum() and len(name) <= 64):
            raise BadInput("name: 1 to 64 letters, digits, dots or dashes", field="name")
        if role not in PEOPLE:
            raise BadInput(f"role: {role!r} is unknown; use one of {', '.join(PEOPLE)}", field="role")
        password_hash = await self._hash(password)

        async def work(session: Session) -> None:
            if await session.row(self._q.user_by_name, {"name": name}):
                raise Conflict(f"name: there is a user {name!r} already", field="name")
            await self._insert(session, name, password_hash, role, False, now)
            await self._audit.record(session, caller, "user.create", f"user {name}", {"role": role}, now)

        await self._db.transaction(work)

    async def sign_in(self, name: str, password: str, ip: str, now: int) -> Granted:
        """A session. Raises NotAuthenticated, TooMany; both are answered alike for known and unknown names."""
        user = await self._check(name, password, ip, now)
        secret, expires = new_secret("s_"), now + self._session_ms
        caller = _caller(user, ip)

        async def work(session: Session) -> None:
            await session.execute(self._q.delete_expired_sessions, {"now": now})
            row = self._granted(secret, user["id"], expires)
            await session.execute(self._q.insert_session, row | {"ip": ip, "now": now})
            await self._audit.record(session, caller, "session.open", f"user {name}", {}, now)

        await self._db.transaction(work)
        return Granted(secret, user["id"], name, user["role"], expires)

    async def issue_token(self, name: str, password: str, label: str, ip: str, now: int) -> Granted:
        """An API token for whoever knows the password; for `opsctl login` and scripts."""
        user = await self._check(name, password, ip, now)
        secret, expires, token_id = new_secret("opst_"), now + TOKEN_DAYS * 86_400_000, new_id(now)

        async def work(session: Session) -> None:
            row = self._granted(secret, user["id"], expires)
            await session.execute(self._q.insert_token, row | {"id": token_id, "name": label[:128], "now": now})
            await self._audit.record(session, _caller(user, ip), "token.create", f"token {token_id}", {"name": label[:128]}, now)

        await self._db.transaction(work)
        return Granted(secret, user["id"], name, user["role"], expires)

    async def by_session(self, secret: str, ip: str, now: int) -> Caller:
        """Who holds this cookie; nobody when it is unknown, over, or its account is disabled."""
        row = await self._db.row(self._q.session, {"hash": self._seals.token(secret), "now": now}) if secret else None
        return _caller(row, ip, row["hash"]) if row and self._genuine(row) else nobody(ip)

    async def by_token(self, secret: str, ip: str, now: int) -> Caller:
        row = await self._db.row(self._q.token, {"hash": self._seals.token(secret), "now": now}) if secret else None
        return _caller(row, ip, row["token_id"]) if row and self._genuine(row) else nobody(ip)

    async def by_id(self, user_id: str) -> Caller:
        """The account as it stands now, for what it asked for earlier; nobody when it is gone, disabled or not as it was written."""
        user = await self._db.row(self._q.user_by_id, {"id": user_id}) if user_id else None
        if user is None or user["disabled_at"] is not None or not self._seals.holds(user["seal"], "user", *(user[n] for n in _SEALED)):
            return nobody("")
        return _caller(user, "")

    async def sign_out(self, caller: Caller, now: int) -> None:
        async def work(session: Session) -> None:
            await session.execute(self._q.delete_session, {"hash": caller.credential})
            await self._audit.record(session, caller, "session.close", f"user {caller.name}", {}, now)

        await self._db.transaction(work)

    async def revoke_token(self, caller: Caller, now: int) -> None:
        """End the token that `caller` used."""

        async def work(session: Session) -> None:
            await session.execute(self._q.revoke_token, {"id": caller.credential, "now": now})
            await self._audit.record(session, caller, "token.revoke", f"token {caller.credential}", {}, now)

        await self._db.transaction(work)

    async def accounts(self) -> list[Row]:
        """Name, role and times of every account, by name."""
        return await self._db.rows(self._q.accounts)

    async def set_disabled(self, caller: Caller, name: str, disabled: bool, now: int) -> None:
        """Shut an account out, with all its sessions and tokens, or let it in again. Raises BadInput."""
        user = await self._db.row(self._q.user_by_name, {"name": name})
        if user is None:
            raise BadInput(f"name: there is no user {name!r}", field="name")
        at = now if disabled else None

        async def work(session: Session) -> None:
            row = {"id": user["id"], "disabled_at": at, "now": now, "seal": self._seal({**user, "disabled_at": at})}
            await session.execute(self._q.set_disabled, row)
            await session.execute(self._q.delete_sessions_of_user, {"user_id": user["id"]})
            await session.execute(self._q.revoke_tokens_of_user, {"user_id": user["id"], "now": now})
            await self._audit.record(session, caller, "user.disable" if disabled else "user.enable", f"user {name}", {}, now)

        await self._db.transaction(work)

    async def change_password(self, caller: Caller, old: str, new: str, now: int) -> None:
        """Ends every session and token of the account. Raises BadInput, NotAuthenticated, TooMany."""
        _check_password(new)
        user = await self._check(caller.name, old, caller.ip, now)
        await self._set_password(caller, user, new, False, now)

    async def reset_password(self, caller: Caller, name: str, now: int) -> str:
        """A new one-time password for `name`, for whoever has the manager's shell. Raises BadInput."""
        user = await self._db.row(self._q.user_by_name, {"name": name})
        if user is None:
            raise BadInput(f"name: there is no user {name!r}", field="name")
        password = "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))
        await self._set_password(caller, user, password, True, now)
        return password

    async def set_language(self, caller: Caller, language: str, now: int) -> None:
        """A person's own choice; `language` is checked by who offers it."""

        async def work(session: Session) -> None:
            await session.execute(self._q.set_language, {"id": caller.id, "language": language, "now": now})

        await self._db.transaction(work)

    async def _set_password(self, caller: Caller, user: Row, password: str, initial: bool, now: int) -> None:
        password_hash = await self._hash(password)

        async def work(session: Session) -> None:
            row = {"id": user["id"], "password_hash": password_hash, "initial": int(initial), "now": now}
            row["seal"] = self._seal({**user, "password_hash": password_hash})
            await session.execute(self._q.set_password, row)
            await session.execute(self._q.delete_sessions_of_user, {"user_id": user["id"]})
            await session.execute(self._q.revoke_tokens_of_user, {"user_id": user["id"], "now": now})
            await self._audit.record(session, caller, "user.password", f"user {user['name']}", {}, now)

        await self._db.transaction(work)

    async def _insert(self, session: Session, name: str, password_hash: str, role: str, initial: bool, now: int) -> None:
        row = {"id": new_id(now), "name": name, "password_hash": password_hash, "initial": int(initial), "role": role, "now": now}
        await session.execute(self._q.insert_user, row | {"seal": self._seal(row | {"disabled_at": None})})

    def _seal(self, user: Row) -> str:
        return self._seals.of("user", *(user[name] for name in _SEALED))

    def _granted(self, secret: str, user_id: str, expires_at: int) -> Row:
        """What sessions and tokens have in common."""
        token = self._seals.token(secret)
        seal = self._seals.of("grant", token, user_id, expires_at)
        return {"hash": token, "user_id": user_id, "expires_at": expires_at, "seal": seal}

    def _genuine(self, row: Row) -> bool:
        """Whether a session or token, and its user, are as the manager wrote them."""
        granted = self._seals.holds(row["grant_seal"], "grant", row["hash"], row["id"], row["expires_at"])
        if granted and self._seals.holds(row["seal"], "user", *(row[name] for name in _SEALED)):
            return True
        log.error("the account %s or a session of it was changed outside the manager and is refused; reset its password here", row["name"])
        return False

    async def _check(self, name: str, password: str, ip: str, now: int) -> Row:
        subjects = [f"name {name[:64]}", f"ip {ip}"]
        await self._refuse_while_waiting(subjects, now)
        async with self._hashing:
            # Again: of a hundred guesses sent at once, each must see those before it counted.
            await self._refuse_while_waiting(subjects, now)
            user = await self._db.row(self._q.user_by_name, {"name": name[:64]})
            if user and user["name"] != name:
                user = None  # MySQL takes "admin " for "admin", and the two are not counted as one
            good = await self._verify(user["password_hash"] if user else self._nobody_hash, password)
            if not good or user is None or user["disabled_at"] is not None or user["seal"] != self._seal(user):
                await self._count_failure(subjects, name, ip, now)
                raise NotAuthenticated("name or password is wrong")

        async def forget(session: Session) -> None:
            await session.execute(self._q.forget_failures, {"subjects": subjects})

        await self._db.transaction(forget)
        return user

    async def _refuse_while_waiting(self, subjects: list[str], now: int) -> None:
        for row in await self._db.rows(self._q.failures, {"subjects": subjects}):
            over = row["failures"] - FREE_FAILURES
            wait_ms = min(2**over, LONGEST_WAIT_S) * 1000 if over >= 0 else 0
            left = row["last_at"] + wait_ms - now
            if left > 0:
                raise TooMany(f"too many wrong passwords; try again in {left // 1000 + 1} s", retry_after=left / 1000)

    async def _count_failure(self, subjects: list[str], name: str, ip: str, now: int) -> None:
        async def work(session: Session) -> None:
            for subject in subjects:
                row = {"subject": subject, "now": now, "since": now - FORGET_FAILURES_MS}
                # Counted by the database: two guesses at once must be two. A first one that came second is not the first.
                if not await session.execute(self._q.next_failure, row) and not await session.execute(self._q.first_failure, row):
                    await session.execute(self._q.next_failure, row)
            await self._audit.record(session, nobody(ip), "session.refused", f"user {name[:64]}", {}, now)

        await self._db.transaction(work)

    async def _hash(self, password: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return await asyncio.to_thread(self._hasher.verify, password_hash, password)
        except (VerificationError, InvalidHashError):
            return False


def _caller(row: Row, ip: str, credential: str = "") -> Caller:
    initial = bool(row.get("password_is_initial"))
    return Caller(row["role"], row["id"], row["name"], ip, row["language"], credential, initial)


def _check_password(password: str) -> None:
    if not MIN_PASSWORD <= len(password) <= 1024:
        raise BadInput(f"password: use {MIN_PASSWORD} characters or more", field="password")
