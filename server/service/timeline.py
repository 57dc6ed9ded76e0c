"""The timeline of a node (M1): what befell it and what was done to it, out of every table that has a word on it, newest first.

Each source is asked over an index for no more than a page holds, and they are merged. An entry's place is its time, then its
source's, then its key: a cursor names the last place that was shown, so that older pages have no gap and nothing twice, whatever
comes in meanwhile. A command stands where it was given, an update where it began: what becomes of it changes its words, not
its place. What a host tells late, with a time that was turned over already, is met from the top only.
"""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.auth import ALERT_READ, AUDIT_READ, COMMAND_READ, NODE_READ, Caller
from server.db import Db, Row
from server.errors import BadInput
from server.queries import Query
from server.service.audit import ACTION, IDENTITY
from server.service.nodes import CONFIGURATION_EVENT, Nodes, change_of

KINDS = ("identity", "state", "command", "update", "configuration", "alert", "event", "action")
MOST = 200
END = 2**53
DAY_MS = 86_400_000
_LAST, _FIRST = "~", ""  # after and before every id
_CURSOR = re.compile(r"([0-9]{1,16})\.([a-z]{1,16})\.([0-9A-Za-z.]{1,60})")
_NUMBER = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True)
class Entry:
    """`name` says what of its kind: a state, an outcome, an audit action. `actor`: who did it, empty for nobody. `ref`: id of the
    command or alert that has more to tell. `at` in UTC ms."""

    id: str
    at: int
    kind: str
    name: str
    actor: str = ""
    ref: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Timeline:
    """`next`: cursor of what is older, empty when there is none. `kept`: kind → UTC ms since when it is kept, for those of which
    the node has had time to lose something."""

    entries: list[Entry]
    next: str
    kept: dict[str, int]


@dataclass(frozen=True)
class Source:
    """`key`: what orders its rows within a millisecond. `days`: how long they are kept, 0 for as long as the node is."""

    name: str
    kind: str
    permission: str
    query: Query
    entry: Callable[[Row, Caller], Mapping[str, Any]]
    key: Callable[[Row], str] = lambda row: str(row["id"])
    more: Mapping[str, Any] = field(default_factory=dict)
    days: int = 0


class Timelines:
    def __init__(self, db: Db, nodes: Nodes, metrics_days: int, alert_days: int) -> None:
        self._db, self._nodes = db, nodes
        q, named = db.q.timeline, {"name": CONFIGURATION_EVENT}
        self._sources = (
            Source("alert", "alert", ALERT_READ, q.alerts, _alert, days=alert_days),
            Source("event", "event", NODE_READ, q.events, _event, _event_key, named, metrics_days),
            Source("inforce", "configuration", NODE_READ, q.events_named, _in_force, _event_key, named, metrics_days),
            Source("push", "configuration", COMMAND_READ, q.pushes, _command),
            Source("update", "update", NODE_READ, q.updates, _update),
            Source("command", "command", COMMAND_READ, q.commands, _command),
            Source("state", "state", NODE_READ, q.states, lambda row, caller: {"name": row["state"]}, days=metrics_days),
            Source("action", "action", NODE_READ, q.audit, _audit, more={"topic": ACTION}),
            Source("identity", "identity", NODE_READ, q.audit, _audit, more={"topic": IDENTITY}),
        )

    async def page(
        self,
        caller: Caller,
        node_id: str,
        now: int,
        *,
        kind: str = "",
        since: int = 0,
        until: int | None = None,
        before: str = "",
        limit: int = 50,
    ) -> Timeline:
        """The newest `limit` entries from `since` to `until` (UTC ms, both included), older than the cursor `before`.

        What the caller may not read elsewhere is left out. Raises NodeUnknown, BadInput (`kind`, `before`, `since`).
        """
        if kind and kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")
        if until is not None and since > until:
            raise BadInput("since: later than until", field="since")
        node = await self._nodes.get(node_id)
        sources = [one for one in self._sources if kind in ("", one.kind) and caller.may(one.permission)]
        at, place = self._place(before, END if until is None else until)
        if until is not None and at > until:
            at, place = until, {}
        found: list[list[tuple[int, int, Entry]]] = []
        for source in sources:
            rank = self._sources.index(source)
            values = {"node_id": node_id, "since": since, "at": at, "limit": limit + 1, **source.more, **_keys(place, rank)}
            rows = await self._db.rows(source.query, values)
            found.append([(-row["at"], rank, _made(source, row, caller)) for row in rows])
        # Each list is in order already, by a key that is the database's to compare.
        merged = list(heapq.merge(*found, key=lambda one: one[:2]))
        shown = [entry for _, _, entry in merged[:limit]]
        more = len(merged) > limit
        kept = {one.kind: now - one.days * DAY_MS for one in sources if one.days and now - one.days * DAY_MS > node["created_at"]}
        return Timeline(shown, f"{shown[-1].at}.{shown[-1].id}" if more else "", kept)

    def _place(self, before: str, newest: int) -> tuple[int, dict[str, Any]]:
        """The time of the last entry shown, with its source's rank and its key. Raises BadInput."""
        if not before:
            return newest, {}
        names = [one.name for one in self._sources]
        match = _CURSOR.fullmatch(before)
        if match is None or match[2] not in names or not _good(match[2], match[3]):
            raise BadInput(f"before: {before[:60]!r} is not the 'next' of an answer", field="before")
        return int(match[1]), {"rank": names.index(match[2]), "key": match[3]}


def _good(source: str, key: str) -> bool:
    parts = key.split(".")
    if source in ("event", "inforce"):
        return len(parts) == 3 and all(_NUMBER.fullmatch(part) for part in parts[1:])
    return len(parts) == 1 and (source not in ("action", "identity") or _NUMBER.fullmatch(key) is not None)


def _keys(place: Mapping[str, Any], rank: int) -> dict[str, Any]:
    """What a source of this rank may still show of the cursor's own millisecond: all of it, nothing, or what is before the key."""
    if not place or rank > place["rank"]:
        return {"key": _LAST, "number": END, "lane": _LAST, "epoch": END, "seq": END}
    if rank < place["rank"]:
        return {"key": _FIRST, "number": -1, "lane": _FIRST, "epoch": -1, "seq": -1}
    lane, _, rest = place["key"].partition(".")
    epoch, _, seq = rest.partition(".")
    number = int(place["key"]) if _NUMBER.fullmatch(place["key"]) else -1
    return {"key": place["key"], "number": number, "lane": lane, "epoch": int(epoch or -1), "seq": int(seq or -1)}


def _made(source: Source, row: Row, caller: Caller) -> Entry:
    return Entry(id=f"{source.name}.{source.key(row)}", at=row["at"], kind=source.kind, **source.entry(row, caller))


def _event_key(row: Row) -> str:
    return f"{row['lane']}.{row['epoch']}.{row['seq']}"


def _command(row: Row, caller: Caller) -> Mapping[str, Any]:
    detail = {name: row[name] for name in ("kind", "reason", "started_at", "finished_at", "exit_code")}
    detail |= {"task": row["task_name"] or ""}
    return {"name": row["state"], "actor": row["actor"] or "", "ref": row["id"], "detail": detail}


def _alert(row: Row, caller: Caller) -> Mapping[str, Any]:
    detail = {name: row[name] for name in ("rule_name", "severity", "subject", "summary", "note")}
    return {"name": row["kind"], "actor": row["who"], "ref": row["alert_id"], "detail": detail}


def _update(row: Row, caller: Caller) -> Mapping[str, Any]:
    return {"name": row["state"], "detail": {name: row[name] for name in ("component", "from_version", "to_version", "finished_at")}}


def _event(row: Row, caller: Caller) -> Mapping[str, Any]:
    return {"name": row["name"], "detail": {"text": row["detail"]}}


def _in_force(row: Row, caller: Caller) -> Mapping[str, Any]:
    change = change_of(row["detail"])
    return {"name": "in-force", "detail": {"hash": change.hash, "note": change.note} if change else {"text": row["detail"]}}


def _audit(row: Row, caller: Caller) -> Mapping[str, Any]:
    """Who did what; with what, only for those who may read the audit log."""
    return {"name": row["action"], "actor": row["actor"], "detail": _detail(row["detail"]) if caller.may(AUDIT_READ) else {}}


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"text": text}  # long details are cut where they are stored
    if not isinstance(found, dict):
        return {"text": text}
    if "count" in found:
        found.pop("nodes", None)  # of many: how many says it
        if found["count"] == 1:
            found.pop("count")
    return found
