"""Selectors on this manager's nodes: read, counted, resolved to ids; and the filters that people saved (M1).

The one place that knows which names there are. Resolving to ids freezes a target list: what matches later is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from host.wire.states import OFFLINE, ONLINE, UNKNOWN
from server.auth import Caller
from server.db import Along, Db, Row, Session
from server.errors import BadInput, BadSelector, Conflict, NotFound
from server.ids import new_id
from server.queries import Query
from server.selector import Condition, GroupName, SelectorError, Vocabulary, bind, explain, parse, to_sql, written
from server.selector.ast import Ast, Covered, speaks_of_maintenance
from server.service.audit import Audit
from server.service.window_rows import window_of, zones_open

TAKES_COMMANDS = (ONLINE, OFFLINE, UNKNOWN)
MOST = 5_000
FIRST = 10
MOST_FILTERS = 200
FIELD_TYPES = {"text": "text", "number": "number", "choice": "text", "date": "date", "yes-no": "text"}
"""A custom field's type → how selectors compare its values."""


@dataclass(frozen=True)
class Preview:
    """`states`: state → how many of those that match; `names` are the first of them."""

    selector: str
    explanation: str
    total: int
    states: dict[str, int]
    names: list[str]
    commandable: int


@dataclass(frozen=True)
class Read:
    """A selector that is good here."""

    ast: Ast
    condition: Condition

    def explained(self, language: str) -> str:
        return explain(self.ast, language)


Rows = Callable[[Query], Awaitable[list[Row]]]


class Selections:
    """`clock`: UTC ms, for `maintenance`, where nobody says which time is meant."""

    def __init__(self, db: Db, audit: Audit, clock: Callable[[], int]) -> None:
        self._db, self._q, self._audit, self._clock = db, db.q.organising, audit, clock

    async def vocabulary(self) -> Vocabulary:
        """Every name that a selector may use here."""
        return await self._names(self._db.rows)

    async def read(self, text: str, field: str = "select", vocabulary: Vocabulary | None = None, now: int | None = None) -> Read:
        """Raises BadSelector with the place and a suggestion: also for an empty text. `vocabulary` for who reads many at once, `now` for
        whom another time than the clock's counts."""
        ast, known = _parsed(text, field), vocabulary or await self.vocabulary()
        return _bound(ast, await self._with_windows(ast, known, self._db.rows, now), field)

    async def read_for_window(self, text: str, vocabulary: Vocabulary | None = None) -> Read:
        """A window's own selector, which cannot ask for what windows cover. Raises BadSelector."""
        return _bound(_parsed(text, "selector"), vocabulary or await self.vocabulary(), "selector")

    async def among(self, session: Session, selector: str, node_ids: list[str], now: int | None = None) -> set[str]:
        """Which of these nodes a selector means now, read in a running transaction. Raises BadSelector."""
        ast = _parsed(selector, "selector")
        known = await self._with_windows(ast, await self._names(session.rows), session.rows, now)
        condition = _bound(ast, known, "selector").condition
        rows = await session.rows(self._q.selected_among.narrowed(condition), condition.params | {"ids": node_ids})
        return {row["id"] for row in rows}

    async def _names(self, rows: Rows) -> Vocabulary:
        tags = frozenset(row["name"] for row in await rows(self._q.tag_names))
        fields = {row["name"]: FIELD_TYPES[row["type"]] for row in await rows(self._q.fields)}
        return Vocabulary(tags, fields, tuple(names_of(await rows(self._q.groups))))

    async def _with_windows(self, ast: Ast, known: Vocabulary, rows: Rows, now: int | None) -> Vocabulary:
        """With what the windows that are open cover, where the selector asks for that."""
        if not speaks_of_maintenance(ast) or known.windows is not None:
            return known
        at = self._clock() if now is None else now
        windows = [window_of(row) for row in await rows(self._db.q.windows.every)]
        told = [row["timezone"] for row in await rows(self._q.told_zones)] if windows else []
        covered = []
        for window in windows:
            zones = zones_open(window, told, at)
            if zones is not None and not zones:
                continue
            try:
                own = bind(parse(window.selector), known)
            except SelectorError:
                # Covers no node, and its own page says so.
                continue
            covered.append(Covered(own, zones))
        return replace(known, windows=tuple(covered))

    async def preview(self, text: str, language: str) -> Preview:
        """What a selector would choose now. Raises BadSelector."""
        read = await self.read(text, "selector")
        params = read.condition.params
        rows = await self._db.rows(self._q.selected_states.narrowed(read.condition), params)
        states = {row["state"]: row["total"] for row in rows}
        first = await self._db.rows(self._q.selected.narrowed(read.condition), params | {"limit": FIRST})
        able = sum(states.get(state, 0) for state in TAKES_COMMANDS)
        return Preview(written(read.ast), read.explained(language), sum(states.values()), states, [row["name"] for row in first], able)

    async def nodes_of(self, selector: str) -> list[str]:
        """The ids of those nodes that are meant now and take commands, by name: a frozen target list.

        Raises BadSelector; BadInput when there is none, or more than MOST.
        """
        read = await self.read(selector)
        rows = await self._db.rows(self._q.selected.narrowed(read.condition), read.condition.params | {"limit": MOST + 1})
        ids = [row["id"] for row in rows if row["state"] in TAKES_COMMANDS]
        if len(rows) > MOST:
            raise BadInput(f"select: more than {MOST} nodes match; narrow it down", field="select")
        if not ids:
            held = f", and the {len(rows)} that match take none now (pending or quarantined)" if rows else ""
            raise BadInput(f"select: no node that takes commands matches{held}", field="select")
        return ids

    async def ids_of(self, selector: str) -> list[str]:
        """The ids of all nodes that are meant now, for changes to their records. Raises as `nodes_of`."""
        read = await self.read(selector)
        rows = await self._db.rows(self._q.selected.narrowed(read.condition), read.condition.params | {"limit": MOST + 1})
        if not rows or len(rows) > MOST:
            raise BadInput(f"select: {'more than 5000 nodes match' if rows else 'no node matches'}", field="select")
        return [row["id"] for row in rows]

    async def rows_of(self, read: Read, limit: int) -> list[Row]:
        """The nodes that are meant now, by name: `id`, `name`, `state`; at most `limit`."""
        return await self._db.rows(self._q.selected.narrowed(read.condition), read.condition.params | {"limit": limit})

    async def filters(self) -> list[Row]:
        """Saved filters by name: `id`, `name`, `selector`, `author`, `created_at`. They are everybody's."""
        return await self._db.rows(self._q.filters)

    async def save(self, caller: Caller, name: str, selector: str, now: int, along: Along[str] | None = None) -> str:
        """Keep a selector under a name; its id. Raises BadSelector, BadInput, Conflict (the name is taken)."""
        name = " ".join(name.split())
        if not 1 <= len(name) <= 64:
            raise BadInput("name: 1 to 64 characters", field="name")
        await self.read(selector, "selector")
        filter_id = new_id(now)

        async def work(session: Session) -> str:
            if await session.row(self._q.filter_by_name, {"name": name}):
                raise Conflict(f"name: there is a saved filter {name!r} already; delete it, or take another name", field="name")
            if len(await session.rows(self._q.filters)) >= MOST_FILTERS:
                raise Conflict(f"there are {MOST_FILTERS} saved filters already; delete some")
            row = {"id": filter_id, "name": name, "selector": selector, "author": caller.name, "now": now}
            await session.execute(self._q.insert_filter, row)
            await self._audit.record(session, caller, "filter.save", f"filter {filter_id}", {"name": name, "selector": selector}, now)
            return filter_id

        return await self._db.transaction(work, along)

    async def forget(self, caller: Caller, filter_id: str, now: int) -> None:
        """Raises NotFound."""

        async def work(session: Session) -> None:
            if await session.execute(self._q.delete_filter, {"id": filter_id}) != 1:
                raise NotFound(f"there is no saved filter {filter_id[:40]!r}")
            await self._audit.record(session, caller, "filter.delete", f"filter {filter_id}", {}, now)

        await self._db.transaction(work)


def _parsed(text: str, field: str) -> Ast:
    try:
        return parse(text)
    except SelectorError as problem:
        raise _bad(problem, field) from problem


def _bound(ast: Ast, vocabulary: Vocabulary, field: str) -> Read:
    try:
        bound = bind(ast, vocabulary)
    except SelectorError as problem:
        raise _bad(problem, field) from problem
    return Read(bound, to_sql(bound))


def _bad(problem: SelectorError, field: str) -> BadSelector:
    return BadSelector(f"{field}: {problem}", field=field, column=problem.column, length=problem.length)


def names_of(rows: list[Row]) -> list[GroupName]:
    """Groups as selectors name them; `rows` have id, kind, parent_id, name."""
    known = {row["id"]: row for row in rows}
    found = []
    for row in rows:
        path, at, steps = [row["name"]], row["parent_id"], 0
        while at in known and steps < len(known):
            path.insert(0, known[at]["name"])
            at, steps = known[at]["parent_id"], steps + 1
        found.append(GroupName(row["id"], row["kind"], tuple(path)))
    return found


def choices_of(row: Row) -> list[str]:
    """A field's choices, decoded."""
    return list(json.loads(row["choices"]))
