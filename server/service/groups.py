"""Groups of nodes: trees of three kinds, a node in at most one group of each (M1).

A tree changes under a lock on its row, so that two moves at once cannot make a ring. Every change names the version
that it was made of: whoever comes second is told who was first, and when.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, Conflict, NotFound
from server.ids import new_id
from server.selector.values import fold
from server.service.audit import Audit
from server.service.outcomes import AUDIT_NODES, Outcome, known_nodes
from server.service.protection import Guarded, confirmed, guarding
from server.service.selections import names_of

KINDS = ("business", "region", "environment")
MAX_DEPTH = 10
MAX_GROUPS = 2_000
MAX_NAME = 64


@dataclass(frozen=True)
class Change:
    """What becomes of a group; None leaves it as it is. An empty `parent_id` is the top of its tree."""

    name: str | None = None
    parent_id: str | None = None
    protected: bool | None = None


class Groups:
    def __init__(self, db: Db, audit: Audit) -> None:
        self._db, self._q, self._audit = db, db.q.groups, audit

    async def tree(self) -> list[Row]:
        """Every group in the order of its tree, with `path`, `depth`, `nodes` (in itself) and `total` (with all below)."""
        rows = await self._db.rows(self._db.q.organising.groups)
        paths = {one.id: one.path for one in names_of(rows)}
        counts = {row["group_id"]: row["total"] for row in await self._db.rows(self._q.counts)}
        shown = [_shown(row) | {"path": "/".join(paths[row["id"]]), "depth": len(paths[row["id"]]) - 1} for row in rows]
        for row in shown:
            row["nodes"] = counts.get(row["id"], 0)
            below = paths[row["id"]]
            row["total"] = sum(
                counts.get(one["id"], 0) for one in rows if one["kind"] == row["kind"] and paths[one["id"]][: len(below)] == below
            )
        return sorted(shown, key=lambda row: (KINDS.index(row["kind"]), [fold(part) for part in paths[row["id"]]]))

    async def get(self, group_id: str) -> Row:
        """Raises NotFound."""
        found = next((row for row in await self.tree() if row["id"] == group_id), None)
        if found is None:
            raise NotFound(f"there is no group {group_id[:40]!r}")
        return found

    async def make(
        self, caller: Caller, kind: str, name: str, parent_id: str, protected: bool, now: int, along: Along[str] | None = None
    ) -> str:
        """A new group; its id. Raises BadInput, NotFound (the group above), Conflict (the name is taken there)."""
        if kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")
        name, group_id = _name(name), new_id(now)

        async def work(session: Session) -> str:
            known = await self._locked(session, kind)
            if len(known) >= MAX_GROUPS:
                raise Conflict(f"there are {MAX_GROUPS} groups of this kind already")
            _check_place(known, group_id, name, parent_id, kind)
            row = {"id": group_id, "kind": kind, "parent_id": parent_id, "name": name, "protected": int(protected)}
            await session.execute(self._q.insert, row | {"now": now, "who": caller.name})
            await self._audit.record(
                session, caller, "group.make", f"group {group_id}", {"kind": kind, "name": name, "below": parent_id}, now
            )
            return group_id

        return await self._db.transaction(work, along)

    async def change(self, caller: Caller, group_id: str, version: int, change: Change, now: int) -> int:
        """Rename, move, protect; the new version. Raises BadInput, NotFound, Conflict (changed meanwhile, or not there)."""

        async def work(session: Session) -> None:
            before, known = await self._one(session, group_id)
            after: Row = {
                "name": before["name"] if change.name is None else _name(change.name),
                "parent_id": before["parent_id"] if change.parent_id is None else change.parent_id,
                "protected": before["protected"] if change.protected is None else int(change.protected),
            }
            check_version("group", before, version)
            _check_place(known, group_id, after["name"], after["parent_id"], before["kind"])
            if await session.execute(self._q.update, after | {"id": group_id, "version": version, "now": now, "who": caller.name}) != 1:
                raise Conflict("the group was changed a moment ago; load it again")
            detail = {key: [before[key], value] for key, value in after.items() if before[key] != value}
            await self._audit.record(session, caller, "group.change", f"group {group_id}", {"name": before["name"], **detail}, now)

        await self._db.transaction(work)
        return version + 1

    async def delete(self, caller: Caller, group_id: str, version: int, now: int, *, move_up: bool = False, confirm: str = "") -> None:
        """Delete a group that is empty, or with `move_up` give what is in it to the group above.

        Raises NotFound; Conflict: changed meanwhile, not empty, or protected and `confirm` is not its name.
        """

        async def work(session: Session) -> None:
            before, known = await self._one(session, group_id)
            check_version("group", before, version)
            if before["protected"] and confirm != before["name"]:
                raise Conflict(f"confirm: the group {before['name']} is protected; give its name to delete it", field="confirm")
            below = [row for row in known.values() if row["parent_id"] == group_id]
            members = await session.row(self._q.members, {"id": group_id})
            held = members["total"] if members else 0
            if (below or held) and not move_up:
                what = f"nodes: {held}, groups: {len(below)}"
                raise Conflict(f"the group {before['name']} is not empty ({what}); move them up, or elsewhere")
            for row in below:
                rest = {key: one for key, one in known.items() if key != group_id}
                _check_place(rest, row["id"], row["name"], before["parent_id"], before["kind"])
            place = {"id": group_id, "parent_id": before["parent_id"]}
            await session.execute(self._q.move_children, place | {"now": now, "who": caller.name})
            if before["parent_id"]:
                await session.execute(self._q.move_members, place)
            else:
                await session.execute(self._q.drop_members, {"id": group_id})
            if await session.execute(self._q.delete, {"id": group_id, "version": version}) != 1:
                raise Conflict("the group was changed a moment ago; load it again")
            detail = {"name": before["name"], "kind": before["kind"], "nodes": held, "groups": len(below)}
            await self._audit.record(session, caller, "group.delete", f"group {group_id}", detail, now)

        await self._db.transaction(work)

    async def put(self, caller: Caller, group_id: str, node_ids: Sequence[str], now: int, confirm: Sequence[str] = ()) -> list[Outcome]:
        """Nodes into a group, out of another of the same kind; what became of each.

        Raises NotFound, BadInput; Conflict where `confirm` lacks the name of a protected group that holds any of them (protection.py).
        """

        async def work(session: Session) -> list[Outcome]:
            group, _ = await self._one(session, group_id)
            done = await known_nodes(session, self._db, node_ids)
            guards = await confirmed(session, self._db.q, node_ids, confirm)
            for one in done:
                if one.ok:
                    await session.execute(self._q.leave, {"node_id": one.id, "kind": group["kind"]})
                    await session.execute(self._q.join_group, {"node_id": one.id, "kind": group["kind"], "group_id": group_id})
            detail = {"name": group["name"], "kind": group["kind"], **guards}
            await self._note(session, caller, "group.put", f"group {group_id}", detail, done, now)
            return done

        return await self._db.transaction(work)

    async def take_out(self, caller: Caller, kind: str, node_ids: Sequence[str], now: int, confirm: Sequence[str] = ()) -> list[Outcome]:
        """Nodes out of whichever group of this kind they are in. Raises as `put`."""
        if kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")

        async def work(session: Session) -> list[Outcome]:
            done = await known_nodes(session, self._db, node_ids)
            guards = await confirmed(session, self._db.q, node_ids, confirm)
            for one in done:
                if one.ok:
                    await session.execute(self._q.leave, {"node_id": one.id, "kind": kind})
            await self._note(session, caller, "group.leave", f"groups {kind}", {"kind": kind, **guards}, done, now)
            return done

        return await self._db.transaction(work)

    async def guarding(self, node_ids: Sequence[str]) -> list[Guarded]:
        """The protected groups that hold any of these nodes: whose names must be typed before anything is done to them."""
        return await guarding(self._db.rows, self._db.q, node_ids)

    async def of_nodes(self, node_ids: Sequence[str]) -> dict[str, list[Row]]:
        """Node id → the groups that it is in itself: `id`, `kind`, `name`, `protected`."""
        found: dict[str, list[Row]] = {}
        for row in await self._db.rows(self._q.of_nodes, {"ids": node_ids}):
            found.setdefault(row["node_id"], []).append({**row, "protected": bool(row["protected"])})
        return found

    async def _note(
        self, session: Session, caller: Caller, action: str, what: str, detail: Mapping[str, Any], done: Sequence[Outcome], now: int
    ) -> None:
        changed = [one.id for one in done if one.ok]
        if changed:
            more = {"nodes": changed[:AUDIT_NODES], "count": len(changed)}
            await session.execute(self._db.q.node_edits.next_versions, {"ids": changed})
            await self._audit.record(session, caller, action, what, {**detail, **more}, now, nodes=changed)

    async def _locked(self, session: Session, kind: str) -> dict[str, Row]:
        """The groups of a kind, which stay as they are until this transaction ends."""
        await session.execute(self._q.lock_tree, {"kind": kind})
        return {row["id"]: row for row in await session.rows(self._q.of_kind, {"kind": kind})}

    async def _one(self, session: Session, group_id: str) -> tuple[Row, dict[str, Row]]:
        row = await session.row(self._q.by_id, {"id": group_id})
        known = await self._locked(session, row["kind"]) if row else {}
        if row is None or group_id not in known:
            raise NotFound(f"there is no group {group_id[:40]!r}")
        return known[group_id], known


def check_version(what: str, row: Row, version: int) -> None:
    """Raises Conflict when `row` has been changed since `version`; it says by whom and when."""
    if row["version"] != version:
        at = datetime.fromtimestamp(row["updated_at"] / 1000, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")
        raise Conflict(
            f"the {what} was changed by {row['updated_by']} at {at}: it is version {row['version']}, not {version}; load it again"
        )


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME or "/" in name or not name.isprintable():
        raise BadInput(f"name: 1 to {MAX_NAME} characters without /", field="name")
    return name


def _check_place(known: Mapping[str, Row], group_id: str, name: str, parent_id: str, kind: str) -> None:
    """Whether a group may stand there. `known`: all of its kind."""
    if parent_id and parent_id not in known:
        raise BadInput(f"parent: there is no group {parent_id[:40]!r} of the kind {kind}", field="parent")
    at, above = parent_id, 0
    while at:
        if at == group_id:
            raise BadInput("parent: a group cannot be moved below itself", field="parent")
        at, above = known[at]["parent_id"], above + 1
    if above + _height(known, group_id) > MAX_DEPTH:
        raise BadInput(f"parent: groups nest at most {MAX_DEPTH} deep", field="parent")
    for row in known.values():
        if row["id"] != group_id and row["parent_id"] == parent_id and fold(row["name"]) == fold(name):
            raise Conflict(f"name: there is a group {row['name']!r} there already", field="name")


def _height(known: Mapping[str, Row], group_id: str) -> int:
    """Levels of a group and all below it."""
    below = [_height(known, row["id"]) for row in known.values() if row["parent_id"] == group_id]
    return 1 + max(below, default=0)


def _shown(row: Row) -> Row:
    return {**row, "protected": bool(row["protected"])}
