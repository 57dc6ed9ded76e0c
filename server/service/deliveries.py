"""Deliveries: what was to be told to whom, written with the alert itself; the log of it; and trying again (issue 6).

No alert without its deliveries: `enqueue` runs in the transaction that changes the alert. Each row ends as `sent` or as
`failed` with the reason; a day after it was written at the latest. Sending is delivery_turns.py's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, BadSelector, Conflict, NotFound
from server.ids import new_id
from server.outbound.shapes import TEST
from server.service.alert_events import GROUPED, KINDS, RESOLVED, AlertEvent
from server.service.audit import Audit
from server.service.page import Order, Page, filtered, ordered
from server.service.receiver_rows import SEVERITIES, readable
from server.service.receiver_settings import ALERTMANAGER
from server.service.selections import Selections

WAITING, SENT, FAILED = "waiting", "sent", "failed"
STATES = (WAITING, SENT, FAILED)
TOLD = (*KINDS, TEST)
"""Kinds of event that a delivery can be of."""

SORTS = {"created_at": "d.created_at"}
FILTERS = {name: f"d.{name} = :{name}" for name in ("receiver_id", "state", "alert_id", "event_kind")}
FILTERS |= {"since": "d.created_at >= :since", "until": "d.created_at < :until"}
DAY_MS = 86_400_000
CHUNK = 500
"""Ids in one statement."""

RESOLVED_MS = 900_000
"""How long Alertmanager is told that an alert is over."""

_SELECTOR = "its selector cannot be read any more, so it is told of all nodes: "


class Deliveries:
    def __init__(self, db: Db, audit: Audit, selections: Selections) -> None:
        self._db, self._q, self._audit, self._selections = db, db.q.deliveries, audit, selections

    async def enqueue(self, session: Session, events: Sequence[AlertEvent]) -> None:
        """One delivery for each event and each receiver that wants it, in the running transaction."""
        receivers = await session.rows(self._q.wanting) if events else []
        if not receivers:
            return
        known: dict[str, Row] = {}
        alerts = list(dict.fromkeys(event.alert_id for event in events))
        for start in range(0, len(alerts), CHUNK):
            rows = await session.rows(self._q.places, {"alerts": alerts[start : start + CHUNK]})
            known |= {row["alert_id"]: row for row in rows}
        numbered: list[tuple[AlertEvent, int, int]] = []
        for event in events:
            # The clock of the manager that spoke of it before may be ahead of this one's: order counts, not the clock.
            before = known.get(event.alert_id, {"place": 0, "newest": 0})
            now = {"place": before["place"] + 1, "newest": max(event.at, before["newest"])}
            known[event.alert_id] = {"alert_id": event.alert_id, **now}
            numbered.append((event, now["place"], now["newest"]))
        for receiver in receivers:
            await self._enqueue_for(session, receiver, numbered)

    async def _enqueue_for(self, session: Session, receiver: Row, numbered: Sequence[tuple[AlertEvent, int, int]]) -> None:
        sound = readable(receiver)
        kinds, least = sound.events, SEVERITIES.index(sound.min_severity)
        wanted = [one for one in numbered if one[0].kind in kinds and _rank(one[0].severity) >= least]
        if wanted and receiver["selector"]:
            meant = await self._meant(session, receiver, [event.node_id for event, _, _ in wanted])
            wanted = [one for one in wanted if not one[0].node_id or one[0].node_id in meant]
        if not wanted:
            return
        if receiver["kind"] == ALERTMANAGER:
            events = await self._keep_firing(session, receiver["id"], [event for event, _, _ in wanted])
            wanted = [(event, place, at) for event, (_, place, at) in zip(events, wanted, strict=True)]
        await session.insert_rows(self._q.insert, [_row(receiver, event, place, at) for event, place, at in wanted])

    async def _meant(self, session: Session, receiver: Row, node_ids: Sequence[str]) -> set[str]:
        ids = list(dict.fromkeys(one for one in node_ids if one))
        found: set[str] = set()
        try:
            for start in range(0, len(ids), CHUNK):
                found |= await self._selections.among(session, receiver["selector"], ids[start : start + CHUNK])
        except BadSelector as problem:
            # Told too much rather than nothing; the receiver's page says why.
            await session.execute(self._q.mark_problem, {"id": receiver["id"], "problem": (_SELECTOR + problem.message)[:500]})
            return set(ids)
        return found

    async def _keep_firing(self, session: Session, receiver_id: str, events: Sequence[AlertEvent]) -> list[AlertEvent]:
        """Note what is to be repeated; the events, named as the alert's first one was: by that Alertmanager knows it."""
        first: dict[str, AlertEvent] = {}
        alerts = list(dict.fromkeys(event.alert_id for event in events))
        for start in range(0, len(alerts), CHUNK):
            part = {"receivers": [receiver_id], "alerts": alerts[start : start + CHUNK]}
            first |= {row["alert_id"]: event_of(row["event"]) for row in await session.rows(self._q.firing_of, part)}
            await session.execute(self._q.delete_firing, part)
        named = []
        for event in events:
            known = first.setdefault(event.alert_id, event)
            same = replace(event, rule_name=known.rule_name, rule_kind=known.rule_kind, severity=known.severity)
            named.append(replace(same, node_name=known.node_name, subject=known.subject))
        newest = {event.alert_id: event for event in named if event.kind != GROUPED}
        rows = [
            {"receiver_id": receiver_id, "alert_id": one, "event": text_of(event), "resolved_at": event.at if event.kind == RESOLVED else 0}
            for one, event in newest.items()
        ]
        await session.insert_rows(self._q.insert_firing, rows)
        return named

    async def page(
        self,
        receiver_id: str,
        state: str,
        limit: int,
        offset: int,
        order: Order = (),
        *,
        alert_id: str = "",
        kind: str = "",
        since: int | None = None,
        until: int | None = None,
    ) -> Page:
        """The newest first, as `get`. `kind`: of the event; written in [`since`, `until`) UTC ms. Raises BadInput."""
        if state not in ("", *STATES):
            raise BadInput(f"state: {state[:20]!r} is unknown; use one of {', '.join(STATES)}", field="state")
        if kind not in ("", *TOLD):
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(TOLD)}", field="kind")
        wanted = {"receiver_id": receiver_id, "state": state, "alert_id": alert_id, "event_kind": kind, "since": since, "until": until}
        page, params = filtered(self._q.page, FILTERS, wanted)
        rows = await self._db.rows(ordered(page, SORTS, order), params | {"limit": limit, "offset": offset})
        total = await self._db.row(filtered(self._q.total, FILTERS, wanted)[0], params)
        return Page([_shown(row) for row in rows], total["total"] if total else 0)

    async def of_alert(self, alert_id: str, limit: int = 100) -> Page:
        """Where this alert was told, and what came of it: for its own page. The newest first."""
        rows = await self._db.rows(self._q.of_alert, {"alert_id": alert_id, "limit": limit})
        total = await self._db.row(self._q.total_of_alert, {"alert_id": alert_id})
        return Page([_shown(row) for row in rows], total["total"] if total else 0)

    async def get(self, delivery_id: str) -> Row:
        """With `attempts_log` (each `begun_at`, `took_ms`, `status`, `good`, `answer`), `together`: what else is in the same message,
        and `repeatable`: whether it can be sent again, which a test cannot, nor what a receiver that is switched off or gone was told."""
        row = await self._db.row(self._q.by_id, {"id": delivery_id})
        if row is None:
            raise NotFound(f"there is no delivery {delivery_id[:40]!r}")
        attempts = await self._db.rows(self._q.attempts, {"message_id": row["message_id"]})
        together = [
            _shown(one) for one in await self._db.rows(self._q.of_message, {"message_id": row["message_id"]}) if one["id"] != row["id"]
        ]
        takes = bool(row.pop("takes"))
        row["repeatable"] = takes and row["state"] == FAILED and row["event_kind"] != "test"
        return _shown(row) | {"attempts_log": [{**one, "good": bool(one["good"])} for one in attempts], "together": together}

    async def again(self, caller: Caller, delivery_id: str, now: int, along: Along[str] | None = None) -> str:
        """Try a failed one for another day, under the same id; with all that is in the same message; its id. Raises NotFound, Conflict."""

        async def work(session: Session) -> str:
            row = await session.row(self._q.by_id, {"id": delivery_id})
            if row is None:
                raise NotFound(f"there is no delivery {delivery_id[:40]!r}")
            receiver = await session.row(self._q.receiver_of, {"id": row["receiver_id"]})
            if receiver is None or not receiver["enabled"]:
                raise Conflict(
                    f"the receiver {row['receiver_name']} is {'switched off' if receiver else 'deleted'}; nothing can be sent to it"
                )
            if row["event_kind"] == TEST:
                raise Conflict("a test is not sent again; send another one")
            params = {"message_id": row["message_id"], "now": now, "deadline_at": now + DAY_MS}
            count = await session.execute(self._q.again, params)
            if count == 0:
                raise Conflict(f"only what has failed is sent again; this one is {row['state']}")
            detail = {"receiver": row["receiver_name"], "count": count}
            await self._audit.record(session, caller, "delivery.again", f"delivery {delivery_id}", detail, now)
            return delivery_id

        return await self._db.transaction(work, along)

    async def end_overdue(self, now: int) -> None:
        """What could not be delivered for a day has failed, and says so."""
        if not await self._db.row(self._q.overdue, {"now": now}):
            return
        why = "it could not be delivered within a day"
        await self._db.transaction(lambda session: session.execute(self._q.expire, {"now": now, "reason": why}))

    async def forget(self, before: int, now: int) -> None:
        """Drop what ended and was written before that."""

        async def work(session: Session) -> None:
            await session.execute(self._q.forget, {"before": before})
            await session.execute(self._q.forget_attempts, {"before": before})
            await session.execute(self._q.forget_firing, {"before": now - RESOLVED_MS})

        await self._db.transaction(work)


def event_of(text: str) -> AlertEvent:
    return AlertEvent(**json.loads(text))


def text_of(event: AlertEvent) -> str:
    return json.dumps(asdict(event), ensure_ascii=False)


def _row(receiver: Mapping[str, Any], event: AlertEvent, place: int, at: int) -> Row:
    one = new_id(at)
    return {
        "id": one,
        "message_id": one,
        "receiver_id": receiver["id"],
        "receiver_name": receiver["name"],
        "alert_id": event.alert_id,
        "place": place,
        "event_kind": event.kind,
        "severity": event.severity,
        "event": text_of(event),
        "created_at": at,
        "next_at": event.at,
        "deadline_at": event.at + DAY_MS,
    }


def _shown(row: Row) -> Row:
    return {**row, "event": json.loads(row["event"])}


def _rank(severity: str) -> int:
    """An unknown one counts as the worst: it is told rather than lost."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
