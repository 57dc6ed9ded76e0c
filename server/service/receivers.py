"""Receivers: who is told of alerts, by which way, of which of them; and how well they take what they are given.

Secrets are locked with a key that is no row, are never shown again, and are named, not told, in the audit log (S5). One that
fails is shown and never switched off by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NotFound
from server.ids import new_id
from server.outbound import signing
from server.outbound.addresses import Policy
from server.seals import Broken, Seals
from server.service.alert_events import KINDS as EVENT_KINDS
from server.service.audit import Audit
from server.service.groups import check_version
from server.service.receiver_rows import SEVERITIES, readable, settings_stored
from server.service.receiver_settings import KINDS, SECRETS, WEBHOOK, check, secrets_of, settings_of
from server.service.selections import Selections

MOST = 100
"""So many that each can be sent to at the same time: none waits for another."""

MAX_NAME = 64
OLD_SECRET_MS = 86_400_000
"""How long the secret before signs as well."""

FAILING_MS = 3_600_000
"""From then on a failing receiver needs somebody's attention; before, it may be a restart."""

STUCK_MS = 3_600_000
SECRETS_BROKEN = "its secrets were changed outside the manager and cannot be read: enter them anew and save"
OFF, FAILING, FINE, UNTRIED = "off", "failing", "fine", "untried"
HEALTH = (FINE, FAILING, UNTRIED, OFF)


@dataclass(frozen=True)
class Change:
    """What is wanted of a receiver; None leaves it as it is. `settings` and `secrets`: only those that are named."""

    name: str | None = None
    enabled: bool | None = None
    min_severity: str | None = None
    selector: str | None = None
    events: Sequence[str] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Open:
    """A receiver with its secrets, for sending."""

    id: str
    name: str
    kind: str
    settings: Mapping[str, Any]
    secrets: Mapping[str, str]


class Receivers:
    def __init__(self, db: Db, audit: Audit, seals: Seals, selections: Selections, policy: Policy) -> None:
        self._db, self._q, self._audit, self._seals = db, db.q.receivers, audit, seals
        self._selections, self._policy = selections, policy

    async def all(self) -> list[Row]:
        """By name, as `get`."""
        waiting = {row["receiver_id"]: row for row in await self._db.rows(self._q.waiting_by_receiver)}
        return [self._shown(row, waiting.get(row["id"])) for row in await self._db.rows(self._q.all)]

    async def names(self) -> list[Row]:
        """`id` and `name` of each."""
        return await self._db.rows(self._q.names)

    async def get(self, receiver_id: str) -> Row:
        """With `health` (off, failing, fine, untried), `waiting`, and the names of its `secrets`, never their values. Raises NotFound."""
        waiting = {row["receiver_id"]: row for row in await self._db.rows(self._q.waiting_by_receiver)}
        return self._shown(_there(await self._db.row(self._q.by_id, {"id": receiver_id}), receiver_id), waiting.get(receiver_id))

    async def opened(self, receiver_id: str) -> Open:
        """Raises NotFound; seals.Broken for one that was changed outside the manager."""
        row = _there(await self._db.row(self._q.by_id, {"id": receiver_id}), receiver_id)
        sound = readable(row)
        if sound.damaged:
            raise Broken(sound.damaged)
        return Open(row["id"], row["name"], row["kind"], sound.settings, self._secrets(row))

    async def attention(self, now: int) -> list[Row]:
        """Those that somebody should look at, with `why`: `failing` since an hour, or `stuck`: something has waited that long."""
        found = []
        for row in await self.all():
            if row["enabled"] and row["failing_since"] and now - row["failing_since"] >= FAILING_MS:
                found.append({**row, "why": "failing"})
            elif row["enabled"] and row["waiting"] and now - row["oldest_waiting"] >= STUCK_MS:
                found.append({**row, "why": "stuck"})
        return found

    async def make(
        self, caller: Caller, kind: str, wanted: Change, now: int, along: Along[tuple[str, str]] | None = None
    ) -> tuple[str, str]:
        """A new receiver: its id, and the secret that was made for a webhook, shown this once. Raises BadInput, BadSelector, Conflict."""
        if kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")
        given = dict(wanted.secrets)
        made = signing.new_secret() if kind == WEBHOOK and not given.get("secret") else ""
        if made:
            given["secret"] = made
        receiver_id = new_id(now)
        row = await self._checked(kind, {"enabled": 1, "min_severity": "info", "selector": ""}, wanted, {}, secrets_of(kind, given, {}))
        secrets = row.pop("opened")
        row |= {"id": receiver_id, "kind": kind, "secrets": self._locked(receiver_id, secrets), "now": now, "who": caller.name}

        async def work(session: Session) -> tuple[str, str]:
            known = await session.rows(self._q.names)
            if len(known) >= MOST:
                raise Conflict(f"there are {MOST} receivers already; delete some")
            _check_name(known, "", row["name"])
            await session.execute(self._q.insert, row)
            await session.execute(self._q.insert_health, {"id": receiver_id})
            detail = {"name": row["name"], "kind": kind, **json.loads(row["settings"]), "secrets": sorted(secrets)}
            await self._audit.record(session, caller, "receiver.make", f"receiver {receiver_id}", detail, now)
            return receiver_id, made

        return await self._db.transaction(work, along)

    async def change(self, caller: Caller, receiver_id: str, version: int, wanted: Change, now: int) -> int:
        """The new version. What waits is tried at once; switched off, it fails. Raises BadInput, BadSelector, NotFound, Conflict."""
        before = _there(await self._db.row(self._q.by_id, {"id": receiver_id}), receiver_id)
        sound = readable(before)
        if sound.kind != before["kind"]:
            raise Conflict("its kind was damaged outside the manager: delete the receiver, and make it anew")
        known = before | {"event_kinds": json.dumps(sound.events), "min_severity": sound.min_severity}
        secrets = secrets_of(before["kind"], wanted.secrets, self._kept(before))
        after = await self._checked(before["kind"], known, wanted, sound.settings, secrets)
        secrets = after.pop("opened")
        after["secrets"] = self._locked(receiver_id, secrets)

        async def work(session: Session) -> None:
            row = _there(await session.row(self._q.by_id, {"id": receiver_id}), receiver_id)
            check_version("receiver", row, version)
            if before["version"] != row["version"]:
                raise Conflict("the receiver was changed a moment ago; load it again")
            _check_name(await session.rows(self._q.names), receiver_id, after["name"])
            if await session.execute(self._q.update, after | {"id": receiver_id, "version": version, "now": now, "who": caller.name}) != 1:
                raise Conflict("the receiver was changed a moment ago; load it again")
            await session.execute(self._q.try_soon, {"id": receiver_id})
            ended = 0
            if before["enabled"] and not after["enabled"]:
                why = f"the receiver was switched off by {caller.name}"
                ended = await session.execute(self._q.end_waiting, {"id": receiver_id, "reason": why[:500], "now": now})
            detail = {**_difference(before, after), "secrets": sorted(set(wanted.secrets)), "given_up": ended}
            await self._audit.record(session, caller, "receiver.change", f"receiver {receiver_id}", {"name": before["name"], **detail}, now)

        await self._db.transaction(work)
        return version + 1

    async def rotate(self, caller: Caller, receiver_id: str, version: int, now: int, along: Along[str] | None = None) -> str:
        """A new secret for a webhook, shown this once; the one before signs as well for a day. Raises BadInput, NotFound, Conflict."""
        before = _there(await self._db.row(self._q.by_id, {"id": receiver_id}), receiver_id)
        if before["kind"] != WEBHOOK:
            raise BadInput("only webhooks are signed", field="kind")
        kept, made = self._kept(before), signing.new_secret()
        secrets = {**kept, "secret": made}
        if "secret" in kept:
            secrets |= {"previous": kept["secret"], "previous_until": str(now + OLD_SECRET_MS)}
        row = {name: before[name] for name in ("name", "enabled", "min_severity", "selector", "event_kinds", "settings")}
        row |= {"secrets": self._locked(receiver_id, secrets), "id": receiver_id, "version": version, "now": now, "who": caller.name}

        async def work(session: Session) -> str:
            check_version("receiver", _there(await session.row(self._q.by_id, {"id": receiver_id}), receiver_id), version)
            if before["version"] != version or await session.execute(self._q.update, row) != 1:
                raise Conflict("the receiver was changed a moment ago; load it again")
            detail = {"name": before["name"], "both_until": now + OLD_SECRET_MS}
            await self._audit.record(session, caller, "receiver.rotate", f"receiver {receiver_id}", detail, now)
            return made

        return await self._db.transaction(work, along)

    async def delete(self, caller: Caller, receiver_id: str, version: int, now: int) -> None:
        """What was waiting fails, and the log of deliveries stays. Raises NotFound, Conflict."""

        async def work(session: Session) -> None:
            row = _there(await session.row(self._q.by_id, {"id": receiver_id}), receiver_id)
            check_version("receiver", row, version)
            if await session.execute(self._q.delete, {"id": receiver_id, "version": version}) != 1:
                raise Conflict("the receiver was changed a moment ago; load it again")
            why = f"the receiver was deleted by {caller.name}"
            ended = await session.execute(self._q.end_waiting, {"id": receiver_id, "reason": why[:500], "now": now})
            await session.execute(self._q.delete_health, {"id": receiver_id})
            await session.execute(self._q.delete_firing, {"id": receiver_id})
            detail = {"name": row["name"], "kind": row["kind"], "given_up": ended}
            await self._audit.record(session, caller, "receiver.delete", f"receiver {receiver_id}", detail, now)

        await self._db.transaction(work)

    async def _checked(
        self, kind: str, before: Mapping[str, Any], wanted: Change, settings: Mapping[str, Any], secrets: dict[str, str]
    ) -> Row:
        """The row as it will be, `opened` being its secrets. Raises BadInput, BadSelector."""
        name = " ".join((before.get("name", "") if wanted.name is None else wanted.name).split())
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise BadInput(f"name: 1 to {MAX_NAME} characters", field="name")
        severity = before["min_severity"] if wanted.min_severity is None else wanted.min_severity
        if severity not in SEVERITIES:
            raise BadInput(f"min_severity: {severity[:20]!r} is unknown; use one of {', '.join(SEVERITIES)}", field="min_severity")
        events = json.loads(before.get("event_kinds", json.dumps(EVENT_KINDS))) if wanted.events is None else wanted.events
        if not events or not set(events) <= set(EVENT_KINDS):
            raise BadInput(f"events: choose one or more of {', '.join(EVENT_KINDS)}", field="events")
        selector = (before["selector"] if wanted.selector is None else wanted.selector).strip()
        if selector:
            await self._selections.read(selector, "selector")
        made = settings_of(kind, wanted.settings, settings)
        check(kind, made, secrets, self._policy)
        return {
            "name": name,
            "enabled": int(before["enabled"] if wanted.enabled is None else wanted.enabled),
            "min_severity": severity,
            "selector": selector,
            "event_kinds": json.dumps([one for one in EVENT_KINDS if one in events]),
            "settings": json.dumps(made, ensure_ascii=False, sort_keys=True),
            "opened": secrets,
        }

    def _locked(self, receiver_id: str, secrets: Mapping[str, str]) -> str:
        return self._seals.lock(json.dumps(secrets), f"receiver {receiver_id}")

    def _kept(self, row: Row) -> dict[str, str]:
        """Its secrets; none where they cannot be read, so that they can be entered anew."""
        try:
            return self._secrets(row)
        except Broken:
            return {}

    def _secrets(self, row: Row) -> dict[str, str]:
        try:
            return dict(json.loads(self._seals.unlock(row["secrets"], f"receiver {row['id']}")))
        except Broken as problem:
            raise Broken(SECRETS_BROKEN) from problem

    def _shown(self, row: Row, waiting: Row | None) -> Row:
        try:
            secrets, problem = self._secrets(row), row["problem"]
        except Broken:
            # Shown all the same, so that somebody can enter them anew.
            secrets, problem = {}, SECRETS_BROKEN
        sound = readable(row)
        problem = sound.damaged or problem
        shown = {name: value for name, value in row.items() if name not in ("secrets", "event_kinds")}
        health = OFF if not row["enabled"] else FAILING if row["failing_since"] or sound.damaged else FINE if row["ok_at"] else UNTRIED
        return shown | {
            "enabled": bool(row["enabled"]),
            "kind": sound.kind,
            "min_severity": sound.min_severity,
            "events": sound.events,
            "settings": sound.settings,
            "secrets": [name for name in SECRETS[sound.kind] if name in secrets],
            "both_until": int(secrets.get("previous_until", "0")),
            "health": health,
            "problem": problem,
            "waiting": waiting["total"] if waiting else 0,
            "oldest_waiting": waiting["oldest"] if waiting else 0,
        }


def _there(row: Row | None, receiver_id: str) -> Row:
    if row is None:
        raise NotFound(f"there is no receiver {receiver_id[:40]!r}")
    return row


def _check_name(known: Sequence[Row], receiver_id: str, name: str) -> None:
    if any(one["id"] != receiver_id and one["name"].lower() == name.lower() for one in known):
        raise Conflict(f"name: there is a receiver {name!r} already", field="name")


def _difference(before: Row, after: Row) -> dict[str, Any]:
    """Setting → before and after, of those that changed."""
    plain = ("name", "enabled", "min_severity", "selector", "event_kinds")
    found: dict[str, Any] = {name: [before[name], after[name]] for name in plain if before[name] != after[name]}
    old, new = settings_stored(before), settings_stored(after)
    found |= {name: [old.get(name), value] for name, value in new.items() if old.get(name) != value and name != "ca"}
    return found | ({"ca": "changed"} if old.get("ca") != new.get("ca") else {})
