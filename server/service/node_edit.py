"""One node edited as a whole (M1): its tags, its groups and its fields together, or nothing of it.

It names the version that it was made of: whoever comes second is told who was first, and when. Every change of these by people
makes another version, changes of many nodes too (node_edits.py, groups.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.auth import Caller
from server.db import Db, Row, Session
from server.errors import BadInput, NodeUnknown, NotFound
from server.service.audit import Audit
from server.service.groups import KINDS, check_version
from server.service.node_edits import check_tags, value_of, write_field
from server.service.node_index import NodeIndex
from server.service.protection import confirmed

EDITS = ("node.edit", "node.tag", "node.field", "group.put", "group.leave")
"""Actions of the audit log that make another version."""


@dataclass(frozen=True)
class NodeChange:
    """What becomes of it. `tags`: all of them; `groups`: kind → the group's id, "" for none; `fields`: name → value, "" for none.
    What is not named stays as it is."""

    tags: Mapping[str, str] | None = None
    groups: Mapping[str, str] | None = None
    fields: Mapping[str, str] | None = None


class NodeEdit:
    def __init__(self, db: Db, audit: Audit, index: NodeIndex) -> None:
        self._db, self._q, self._audit, self._index = db, db.q.node_edits, audit, index

    async def edit(self, caller: Caller, node_id: str, version: int, change: NodeChange, now: int, confirm: Sequence[str] = ()) -> int:
        """The new version. Raises NodeUnknown; BadInput naming `tags`, `group-<kind>` or `field-<name>`; Conflict: changed meanwhile,
        or `confirm` lacks the name of a protected group that holds it (protection.py)."""
        if change.tags is not None:
            check_tags(change.tags, "tags")
        if unknown := next((kind for kind in change.groups or {} if kind not in KINDS), None):
            raise BadInput(f"groups: the kind {unknown[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="groups")

        async def work(session: Session) -> int:
            for kind in sorted(change.groups or {}):
                await session.execute(self._db.q.groups.lock_tree, {"kind": kind})
            row = await self._next(session, node_id, version)
            detail: dict[str, Any] = await confirmed(session, self._db.q, [node_id], confirm)
            if change.tags is not None:
                detail |= await self._tags(session, row, change.tags, now)
            detail |= await self._groups(session, node_id, change.groups or {})
            detail |= await self._fields(session, node_id, change.fields or {})
            await self._audit.record(session, caller, "node.edit", f"node {node_id}", {"name": row["name"], **detail}, now)
            return version + 1

        return await self._db.transaction(work)

    async def _next(self, session: Session, node_id: str, version: int) -> Row:
        """The node, under its next version."""
        done = await session.execute(self._q.next_version, {"id": node_id, "version": version}) == 1
        row = await session.row(self._db.q.nodes.by_id, {"id": node_id})
        if row is None:
            raise NodeUnknown(f"there is no node {node_id[:40]!r}")
        if not done:
            last = await session.row(self._q.last_edit, {"node_id": node_id, "actions": EDITS})
            # Every change of the version is there; the database may have been restored to a moment before this page was shown.
            check_version("node", row | (last or {"updated_by": "nobody", "updated_at": row["created_at"]}), version)
        return row

    async def _tags(self, session: Session, row: Row, tags: Mapping[str, str], now: int) -> dict[str, Any]:
        before = json.loads(row["tags"])
        if before == dict(tags):
            return {}
        text = json.dumps(dict(tags), ensure_ascii=False)
        await session.execute(self._q.set_tags, {"id": row["id"], "tags": text, "before": row["tags"], "now": now})
        await self._index.tags(session, row["id"], dict(tags))
        added = {name: value for name, value in tags.items() if before.get(name) != value}
        return {"add": added, "remove": [name for name in before if name not in tags]}

    async def _groups(self, session: Session, node_id: str, groups: Mapping[str, str]) -> dict[str, Any]:
        held = {row["kind"]: row for row in await session.rows(self._db.q.groups.of_nodes, {"ids": [node_id]})} if groups else {}
        changed = {}
        for kind, group_id in groups.items():
            if group_id == (held[kind]["id"] if kind in held else ""):
                continue
            group = await session.row(self._db.q.groups.by_id, {"id": group_id}) if group_id else None
            if group_id and (group is None or group["kind"] != kind):
                raise BadInput(f"group: there is no group {group_id[:40]!r} of the kind {kind}", field=f"group-{kind}")
            await session.execute(self._db.q.groups.leave, {"node_id": node_id, "kind": kind})
            if group:
                await session.execute(self._db.q.groups.join_group, {"node_id": node_id, "kind": kind, "group_id": group_id})
            changed[kind] = group["name"] if group else ""
        return {"groups": changed} if changed else {}

    async def _fields(self, session: Session, node_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        held = {row["field"]: row["value"] for row in await session.rows(self._q.field_values, {"ids": [node_id]})} if fields else {}
        changed = {}
        for name, value in fields.items():
            field = await session.row(self._q.field, {"name": name})
            if field is None:
                raise NotFound(f"there is no field {name[:64]!r}", field=f"field-{name[:64]}")
            try:
                text, number = value_of(field, value)
            except BadInput as problem:
                raise BadInput(problem.message, field=f"field-{name}") from problem
            if text == held.get(name, ""):
                continue
            await write_field(session, self._db.q, node_id, name, text, number)
            changed[name] = text
        return {"fields": changed} if changed else {}
