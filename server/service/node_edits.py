"""What people write on nodes: tags, custom fields, notes (M1). Of many at once, with what became of each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NodeUnknown, NotFound
from server.ids import new_id
from server.queries import Queries
from server.selector.ast import RESERVED
from server.selector.values import date_of, fold, number_of
from server.service.audit import Audit
from server.service.groups import check_version
from server.service.node_index import NodeIndex
from server.service.outcomes import AUDIT_NODES, Outcome, known_nodes
from server.service.protection import confirmed
from server.service.selections import FIELD_TYPES, choices_of

MAX_TAGS = 64
MAX_TAG_NAME, MAX_VALUE = 64, 255
MAX_NOTE = 4_000
MAX_NOTES = 200
MAX_FIELDS = 100
MAX_CHOICES = 100
YES_NO = ("yes", "no")


class NodeEdits:
    def __init__(self, db: Db, audit: Audit, index: NodeIndex) -> None:
        self._db, self._q, self._audit, self._index = db, db.q.node_edits, audit, index

    # -- tags -------------------------------------------------------------------------------------------------------

    async def tag(
        self,
        caller: Caller,
        node_ids: Sequence[str],
        add: Mapping[str, str],
        remove: Sequence[str],
        now: int,
        confirm: Sequence[str] = (),
    ) -> list[Outcome]:
        """Set the tags `add` and remove those named in `remove`; what became of each node.

        Raises BadInput; Conflict where `confirm` lacks the name of a protected group that holds any of them (protection.py).
        """
        check_tags(add)
        if not add and not remove:
            raise BadInput("add: name a tag to add, or one to remove", field="add")
        if both := set(add) & set(remove):
            raise BadInput(f"remove: {sorted(both)[0]!r} cannot be added and removed at once", field="remove")

        async def work(session: Session) -> list[Outcome]:
            done = await known_nodes(session, self._db, node_ids)
            guards = await confirmed(session, self._db.q, node_ids, confirm)
            rows = {row["id"]: row for row in await session.rows(self._q.tags_of, {"ids": [one.id for one in done if one.ok]})}
            done = [await self._tag_one(session, one, rows[one.id], add, remove, now) if one.ok else one for one in done]
            changed = [one.id for one in done if one.ok]
            if changed:
                detail = {"add": dict(add), "remove": list(remove), "nodes": changed[:AUDIT_NODES], "count": len(changed), **guards}
                what = f"node {changed[0]}" if len(changed) == 1 else "nodes"
                await session.execute(self._q.next_versions, {"ids": changed})
                await self._audit.record(session, caller, "node.tag", what, detail, now, nodes=changed)
            return done

        return await self._db.transaction(work)

    async def _tag_one(self, session: Session, one: Outcome, row: Row, add: Mapping[str, str], remove: Sequence[str], now: int) -> Outcome:
        tags = {name: value for name, value in json.loads(row["tags"]).items() if name not in remove}
        folded = {fold(name) for name in add}
        tags = {name: value for name, value in tags.items() if fold(name) not in folded} | dict(add)
        if len(tags) > MAX_TAGS:
            return replace(one, ok=False, message=f"it would have more than {MAX_TAGS} tags")
        text = json.dumps(tags, ensure_ascii=False)
        if text != row["tags"]:
            if await session.execute(self._q.set_tags, {"id": one.id, "tags": text, "before": row["tags"], "now": now}) != 1:
                return replace(one, ok=False, message="its tags were changed at the same moment; try again")
            await self._index.tags(session, one.id, tags)
        return one

    # -- notes ------------------------------------------------------------------------------------------------------

    async def notes(self, node_id: str) -> list[Row]:
        """Newest first: `id`, `text`, `author`, `created_at`."""
        return await self._db.rows(self._q.notes, {"node_id": node_id})

    async def note(self, caller: Caller, node_id: str, text: str, now: int, along: Along[str] | None = None) -> str:
        """Keep a note; its id. Raises BadInput, NodeUnknown, Conflict (too many)."""
        text = text.strip()
        if not 1 <= len(text) <= MAX_NOTE or "\0" in text:
            raise BadInput(f"text: 1 to {MAX_NOTE} characters", field="text")
        note_id = new_id(now)

        async def work(session: Session) -> str:
            [one] = await known_nodes(session, self._db, [node_id])
            if not one.ok:
                raise NodeUnknown(one.message)
            if len(await session.rows(self._q.notes, {"node_id": node_id})) >= MAX_NOTES:
                raise Conflict(f"the node has {MAX_NOTES} notes already; delete some")
            row = {"id": note_id, "node_id": node_id, "text": text, "author": caller.name, "now": now}
            await session.execute(self._q.insert_note, row)
            await self._audit.record(session, caller, "node.note", f"node {node_id}", {"note": note_id, "text": text[:200]}, now)
            return note_id

        return await self._db.transaction(work, along)

    async def delete_note(self, caller: Caller, node_id: str, note_id: str, now: int) -> None:
        """Raises NotFound."""

        async def work(session: Session) -> None:
            if await session.execute(self._q.delete_note, {"id": note_id, "node_id": node_id}) != 1:
                raise NotFound(f"there is no note {note_id[:40]!r} on this node")
            await self._audit.record(session, caller, "node.note", f"node {node_id}", {"deleted": note_id}, now)

        await self._db.transaction(work)

    # -- custom fields ----------------------------------------------------------------------------------------------

    async def fields(self) -> list[Row]:
        """By name: `name`, `title`, `type`, `choices`, `version`, `updated_at`, `updated_by`."""
        return [{**row, "choices": choices_of(row)} for row in await self._db.rows(self._db.q.organising.fields)]

    async def field(self, name: str) -> Row:
        """One of them. Raises NotFound."""
        row = await self._db.row(self._q.field, {"name": name})
        if row is None:
            raise NotFound(f"there is no field {name[:64]!r}")
        return {**row, "choices": choices_of(row)}

    async def define(
        self, caller: Caller, name: str, title: str, kind: str, choices: Sequence[str], now: int, along: Along[int] | None = None
    ) -> int:
        """A new field; its version. Raises BadInput, Conflict (there is one of that name)."""
        name = fold(name)
        if not name or len(name) > 64 or not all(c.isalnum() or c in "_-." for c in name):
            raise BadInput("name: 1 to 64 letters, digits, _ - or .", field="name")
        if name in RESERVED:
            raise BadInput(f"name: {name!r} has a meaning in selectors already; take another", field="name")
        if kind not in FIELD_TYPES:
            raise BadInput(f"type: {kind[:20]!r} is unknown; use one of {', '.join(FIELD_TYPES)}", field="type")
        row = {"name": name, "title": _title(title or name), "type": kind, "choices": _choices(kind, choices)}

        async def work(session: Session) -> int:
            if await session.row(self._q.field, {"name": name}):
                raise Conflict(f"name: there is a field {name!r} already", field="name")
            if len(await session.rows(self._db.q.organising.fields)) >= MAX_FIELDS:
                raise Conflict(f"there are {MAX_FIELDS} fields already")
            await session.execute(self._q.insert_field, row | {"now": now, "who": caller.name})
            await self._audit.record(session, caller, "field.make", f"field {name}", {"type": kind, "choices": list(choices)}, now)
            return 1

        return await self._db.transaction(work, along)

    async def redefine(self, caller: Caller, name: str, version: int, title: str, choices: Sequence[str], now: int) -> int:
        """Another title or other choices; the type stays. The new version.

        Raises NotFound, BadInput, Conflict: changed meanwhile, or a choice that nodes have would be gone.
        """

        async def work(session: Session) -> None:
            row = await self._field(session, name)
            check_version("field", row, version)
            text = _choices(row["type"], choices)
            if row["type"] == "choice":
                gone = [used for used in await session.rows(self._q.field_use, {"name": name}) if used["value"] not in choices]
                if gone:
                    raise Conflict(f"choices: {gone[0]['total']} nodes have {gone[0]['value']!r}; change them first", field="choices")
            values = {"name": name, "version": version, "title": _title(title), "choices": text, "now": now, "who": caller.name}
            if await session.execute(self._q.update_field, values) != 1:
                raise Conflict("the field was changed a moment ago; load it again")
            await self._audit.record(session, caller, "field.change", f"field {name}", {"title": title, "choices": list(choices)}, now)

        await self._db.transaction(work)
        return version + 1

    async def undefine(self, caller: Caller, name: str, version: int, now: int) -> None:
        """Delete a field with the values that nodes have. Raises NotFound, Conflict."""

        async def work(session: Session) -> None:
            row = await self._field(session, name)
            check_version("field", row, version)
            used = sum(one["total"] for one in await session.rows(self._q.field_use, {"name": name}))
            await session.execute(self._q.delete_field_values, {"name": name})
            if await session.execute(self._q.delete_field, {"name": name, "version": version}) != 1:
                raise Conflict("the field was changed a moment ago; load it again")
            await self._audit.record(session, caller, "field.delete", f"field {name}", {"values": used}, now)

        await self._db.transaction(work)

    async def fill(
        self, caller: Caller, node_ids: Sequence[str], name: str, value: str, now: int, confirm: Sequence[str] = ()
    ) -> list[Outcome]:
        """Set a field on each node, or clear it with an empty value.

        Raises NotFound, BadInput (a value it cannot have), Conflict (as `tag`).
        """

        async def work(session: Session) -> list[Outcome]:
            row = await self._field(session, name)
            text, number = value_of(row, value)
            done = await known_nodes(session, self._db, node_ids)
            guards = await confirmed(session, self._db.q, node_ids, confirm)
            for one in done:
                if one.ok:
                    await write_field(session, self._db.q, one.id, name, text, number)
            changed = [one.id for one in done if one.ok]
            if changed:
                detail: dict[str, Any] = {"field": name, "value": text, "nodes": changed[:AUDIT_NODES], "count": len(changed)}
                detail |= guards
                what = f"node {changed[0]}" if len(changed) == 1 else "nodes"
                await session.execute(self._q.next_versions, {"ids": changed})
                await self._audit.record(session, caller, "node.field", what, detail, now, nodes=changed)
            return done

        return await self._db.transaction(work)

    async def values_of(self, node_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Node id → field → value."""
        found: dict[str, dict[str, str]] = {}
        for row in await self._db.rows(self._q.field_values, {"ids": node_ids}):
            found.setdefault(row["node_id"], {})[row["field"]] = row["value"]
        return found

    async def _field(self, session: Session, name: str) -> Row:
        row = await session.row(self._q.field, {"name": name})
        if row is None:
            raise NotFound(f"there is no field {name[:64]!r}")
        return row


def check_tags(tags: Mapping[str, str], field: str = "add") -> None:
    """Raises BadInput naming `field`."""
    if len(tags) > MAX_TAGS:
        raise BadInput(f"{field}: at most {MAX_TAGS} tags", field=field)
    for name, value in tags.items():
        if not 1 <= len(name) <= MAX_TAG_NAME or len(value) > MAX_VALUE or not (name + value).isprintable() or not fold(name):
            raise BadInput(f"{field}: names of 1 to {MAX_TAG_NAME} and values of up to {MAX_VALUE} characters", field=field)


def value_of(field: Row, value: str) -> tuple[str, float | None]:
    """A field's value as it is stored, and as a number. Raises BadInput for one that it cannot have."""
    text, kind = value.strip(), field["type"]
    if not text:
        return "", None
    try:
        if kind == "number":
            return text, number_of(text)
        if kind == "date":
            return date_of(text), None
    except ValueError as problem:
        raise BadInput(
            f"value: {text[:40]!r} is no {'number' if kind == 'number' else 'date such as 2026-11-25'}", field="value"
        ) from problem
    choices = YES_NO if kind == "yes-no" else choices_of(field) if kind == "choice" else ()
    if choices and text not in choices:
        raise BadInput(f"value: {text[:40]!r} is none of {', '.join(choices)}", field="value")
    if len(text) > MAX_VALUE or not text.isprintable():
        raise BadInput(f"value: at most {MAX_VALUE} characters on one line", field="value")
    return text, None


async def write_field(session: Session, q: Queries, node_id: str, name: str, text: str, number: float | None) -> None:
    """Give a node's field what `value_of` made; an empty text clears it."""
    await session.execute(q.node_edits.clear_field, {"node_id": node_id, "field": name})
    if text:
        stored = {"node_id": node_id, "field": name, "value": text, "folded": fold(text), "number": number}
        await session.execute(q.node_edits.set_field, stored)


def _title(text: str) -> str:
    title = " ".join(text.split())
    if not 1 <= len(title) <= 128:
        raise BadInput("title: 1 to 128 characters", field="title")
    return title


def _choices(kind: str, choices: Sequence[str]) -> str:
    if kind != "choice":
        if choices:
            raise BadInput(f"choices: the type {kind} has none", field="choices")
        return "[]"
    if (
        not 1 <= len(choices) <= MAX_CHOICES
        or len(set(choices)) != len(choices)
        or not all(1 <= len(one.strip()) <= MAX_VALUE for one in choices)
    ):
        raise BadInput(f"choices: 1 to {MAX_CHOICES} different ones of up to {MAX_VALUE} characters", field="choices")
    return json.dumps([one.strip() for one in choices], ensure_ascii=False)
