"""Kinds of task: what the agents of some nodes run, with which fields, and whether content fits every one of them (A1–A6, M4).

A node whose agent has told its kinds is held to those; one that never has (offline since it came, or older), to the kinds
that come with the agent. Where nodes differ, `offers` shows the widest shape, so that a form holds what any of them takes,
and `fitting` names the nodes that do not take what was asked. What a host tells is kept within bounds and read anew each time.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from host.wire import records
from host.wire.schema import KIND, Field, Schema, build, check, deeper, of, read
from host.wire.tasks import KINDS, MAX_TIMEOUT_S, Limits
from server.db import Db, Row, Session
from server.errors import BadInput, NodeUnknown

REMEMBERED = 256
"""Sets of kinds that are kept read."""
MAX_KINDS, MAX_KIND_BYTES, MAX_TOLD_BYTES = 64, 65_536, 262_144
"""What one host may have stored: kinds, bytes of one, bytes of all."""

MAX_REFUSED = 64
MAX_DEPTH = 16
MAX_NUMBER = 2**53
"""Larger ones are not the same in every program that reads JSON."""

NAMED = 10
"""How many nodes, kinds or problems one sentence names."""

BUILTIN: Mapping[str, Schema] = {kind: of(cls) for kind, cls in KINDS.items()}


@dataclass(frozen=True)
class Offer:
    """A kind as the widest of some nodes' schemas; `nodes` run it, `lacking` do not (ids). `same`: one schema on all."""

    schema: Schema
    nodes: list[str]
    lacking: list[str]
    same: bool = True


@dataclass(frozen=True)
class Fitting:
    """Content that every node takes. `secret`: fields of it that must not be stored readable. `timeout` in seconds."""

    content: dict[str, Any]
    schema: Schema
    secret: list[str]
    timeout: int


@dataclass(frozen=True)
class Told:
    """One node's kinds; `at` is None where they are only taken to be those that come with the agent."""

    schemas: list[Schema]
    refused: dict[str, str] = field(default_factory=dict)
    at: int | None = None


class Kinds:
    def __init__(self, db: Db) -> None:
        self._db, self._q = db, db.q.kinds
        self._parsed: dict[str, dict[str, Schema]] = {}

    async def tell(self, session: Session, node_id: str, body: records.Kinds, at: int) -> str:
        """Keep what a host's agent told in place of what it told before. Returns why some of it is left out, or nothing."""
        schemas, problems = _usable(body.kinds)
        text = _json([asdict(schema) for schema in schemas])
        some = sorted(body.refused.items())[:MAX_REFUSED]
        refused = _json({name[:64]: why[:500] for name, why in some})
        row = {"node_id": node_id, "kinds": text, "hash": hashlib.sha256(text.encode()).hexdigest(), "refused": refused, "at": at}
        known = await session.row(self._q.known, {"node_id": node_id})
        await session.execute(self._q.update if known else self._q.insert, row)
        more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        return "; ".join(problems[:NAMED]) + more

    async def of_node(self, node_id: str) -> Told:
        """What one node runs, by kind; of an unknown one what comes with the agent."""
        row = await self._db.row(self._q.of_node, {"node_id": node_id})
        if row is None:
            return Told(list(BUILTIN.values()))
        return Told(list((await self._schemas(row["hash"], node_id)).values()), json.loads(row["refused"]), row["told_at"])

    async def schema_of(self, node_id: str, kind: str) -> Schema | None:
        """By which to show a task of that node; None where neither it nor the manager knows the kind."""
        told = await self.of_node(node_id)
        return next((one for one in told.schemas if one.kind == kind), BUILTIN.get(kind))

    async def offers(self, node_ids: Sequence[str] | None = None) -> list[Offer]:
        """Every kind that at least one of the nodes runs, those that come with the agent first. None: all nodes in service."""
        groups = await self._groups(node_ids) or [(BUILTIN, [])]
        if node_ids is None:
            node_ids = [node for _, members in groups for node in members]
        found: dict[str, list[tuple[Schema, list[str]]]] = {}
        for schemas, members in groups:
            for kind, schema in schemas.items():
                found.setdefault(kind, []).append((schema, members))
        offers = []
        for kind in sorted(found, key=lambda kind: (list(BUILTIN).index(kind) if kind in BUILTIN else len(BUILTIN), kind)):
            having = [node for _, members in found[kind] for node in members]
            has, shapes = set(having), [schema for schema, _ in found[kind]]
            lacking = [node for node in node_ids if node not in has]
            offers.append(Offer(widest(shapes), having, lacking, all(shape == shapes[0] for shape in shapes)))
        return offers

    async def schemas(self) -> dict[str, Schema]:
        """Kind → its schema, of every kind that comes with the agent or that a node in service runs, as wide as in `offers`."""
        found: dict[str, list[Schema]] = {}
        for row in await self._db.rows(self._q.sets):
            for kind, schema in (await self._schemas(row["hash"], row["node_id"]) if row["hash"] else BUILTIN).items():
                found.setdefault(kind, []).append(schema)
        return dict(BUILTIN) | {kind: widest(shapes) for kind, shapes in found.items()}

    async def secrets(self, kind: str) -> set[str] | None:
        """The fields of a kind that it keeps secret, by the word of the product or of any node; None where nobody knows the kind."""
        shapes = [schema for schema in ((await self.schemas()).get(kind), BUILTIN.get(kind)) if schema]
        return {one.name for schema in shapes for one in schema.fields if one.secret} if shapes else None

    async def fitting(self, node_ids: Sequence[str], kind: str, content: Any) -> Fitting:
        """`content` as every one of the nodes takes it; without nodes as the agent of today does. Raises NodeUnknown; BadInput."""
        groups = await self._groups(node_ids) or [(BUILTIN, [])]
        having = [(schemas[kind], members) for schemas, members in groups if kind in schemas]
        lacking = [node for schemas, members in groups if kind not in schemas for node in members]
        known = sorted({name for schemas, _ in groups for name in schemas})
        if not having and kind not in BUILTIN and known:
            raise BadInput(f"type: {kind[:40]!r} is unknown; use one of {_some(known)}", field="type")
        if lacking:
            raise BadInput(f"type: {kind} is not among what the agent runs on {await self._names(lacking)}; leave those out", field="type")
        _check_numbers(content)
        problems: dict[str, tuple[Schema, list[str]]] = {}
        for schema, members in having:
            if problem := _misfit(schema, content):
                problems.setdefault(problem, (schema, []))[1].extend(members)
        for problem, (schema, members) in problems.items():
            name = problem.partition(":")[0]
            place = f"content.{name}" if name != "content" else name
            if name != "content" and name not in {one.name for one in schema.fields} and name not in content:
                place = "content"
            where = "" if len(members) == len(node_ids) else f" (on {await self._names(members)})"
            raise BadInput(("" if name == "content" else "content.") + problem + where, field=place)
        schemas = [schema for schema, _ in having]
        # A host must not make readable what the kind itself calls secret, so every word on it counts.
        everyone = schemas + ([BUILTIN[kind]] if kind in BUILTIN else [])
        secret = {one.name for schema in everyone for one in schema.fields if one.secret}
        return Fitting(content, widest(schemas), sorted(secret & set(content)), max(_timeout(schema, content) for schema in schemas))

    async def _groups(self, node_ids: Sequence[str] | None) -> list[tuple[Mapping[str, Schema], list[str]]]:
        """Nodes that run the same kinds together, in the order of `node_ids`: of a thousand nodes only a few sets are different."""
        rows = await (self._db.rows(self._q.in_service) if node_ids is None else self._db.rows(self._q.hashes, {"ids": node_ids}))
        told = {row["node_id"]: row["hash"] or "" for row in rows}
        node_ids = list(told) if node_ids is None else node_ids
        members: dict[str, list[str]] = {}
        for node_id in node_ids:
            members.setdefault(told.get(node_id, ""), []).append(node_id)
        groups: list[tuple[Mapping[str, Schema], list[str]]] = []
        for digest, ids in members.items():
            groups.append((await self._schemas(digest, ids[0]) if digest else BUILTIN, ids))
        return groups

    async def _schemas(self, digest: str, node_id: str) -> Mapping[str, Schema]:
        """What was told under this hash: read once, for every command asks for it and what a hash stands for never changes."""
        if digest not in self._parsed:
            row = await self._db.row(self._q.of_node, {"node_id": node_id})
            if row is None:
                return BUILTIN
            if len(self._parsed) >= REMEMBERED:
                self._parsed.clear()
            self._parsed[row["hash"]] = _read(row)
            digest = row["hash"]
        return self._parsed[digest]

    async def _names(self, node_ids: Sequence[str]) -> str:
        rows = await self._db.rows(self._db.q.nodes.by_ids, {"ids": node_ids})
        names = {row["id"]: row["name"] for row in rows}
        if stranger := next((node for node in node_ids if node not in names), ""):
            raise NodeUnknown(f"there is no node {stranger[:40]!r}", field="nodes")
        return _some(sorted(names.values()))


def widest(schemas: Sequence[Schema]) -> Schema:
    """One schema with the fields of all: whoever fills it in is told afterwards where something is not taken."""
    first = schemas[0]
    if all(schema == first for schema in schemas):
        return first
    fields: dict[str, list[Field]] = {}
    for schema in schemas:
        for one in schema.fields:
            fields.setdefault(one.name, []).append(one)
    return replace(first, fields=[_wide(same, len(schemas)) for same in fields.values()], dry_run="dry_run" in fields)


def _wide(same: Sequence[Field], of_schemas: int) -> Field:
    first, text = same[0], next((one for one in same if one.type != "choice"), same[0])
    choice = all(one.type == "choice" for one in same)
    return replace(
        first,
        type=first.type if choice else text.type,
        choices=list(dict.fromkeys(item for one in same for item in one.choices)) if choice else [],
        required=len(same) == of_schemas and all(one.required for one in same),
        default=first.default if all(one.default == first.default for one in same) else None,
        least=None if any(one.least is None for one in same) else min(one.least for one in same if one.least is not None),
        most=None if any(one.most is None for one in same) else max(one.most for one in same if one.most is not None),
        secret=any(one.secret for one in same),
        only=first.only if all(one.only == first.only for one in same) else {},
    )


def _usable(items: Sequence[Any]) -> tuple[list[Schema], list[str]]:
    """The schemas that make sense and fit within the bounds, and what is wrong with the others."""
    schemas: dict[str, Schema] = {}
    problems: list[str] = []
    size = 0
    for item in items:
        kind = item.get("kind") if isinstance(item, dict) else None
        named = f"{kind}: " if isinstance(kind, str) and KIND.fullmatch(kind) else ""
        if len(schemas) == MAX_KINDS:
            problems.append(f"{named}more than {MAX_KINDS} kinds")
            continue
        try:
            if deeper(item, MAX_DEPTH):
                raise ValueError(f"schema: nested more than {MAX_DEPTH} deep")
            if len(text := _json(item)) > MAX_KIND_BYTES:
                raise ValueError(f"schema: larger than {MAX_KIND_BYTES} bytes")
            if size + len(text.encode()) > MAX_TOLD_BYTES:
                raise ValueError(f"schema: all kinds together are larger than {MAX_TOLD_BYTES} bytes")
            schema = read(item)
            _check_schema(schema)
            if schema.kind in schemas:
                raise ValueError("schema: it is there twice")
        except (TypeError, ValueError) as problem:
            problems.append(f"{named}{problem}"[:300])
            continue
        size += len(text.encode())
        schemas[schema.kind] = schema
    return list(schemas.values()), problems


def _check_schema(schema: Schema) -> None:
    """What `read` leaves open and a page could stumble over. Raises ValueError."""
    for one in schema.fields:
        if any(abs(bound) > MAX_NUMBER for bound in (one.least, one.most) if bound is not None):
            raise ValueError(f"schema: field {one.name}: a bound is no usable number")
        if not all(isinstance(value, (str, bool, int)) for values in one.only.values() for value in values):
            raise ValueError(f"schema: field {one.name}: only must be an object: field → list of values")


def _misfit(schema: Schema, content: Any) -> str:
    """Why this does not fit, as one sentence that begins with the field; nothing where it does."""
    try:
        check(schema, content)
        cls = KINDS.get(schema.kind)
        # What a kind checks beyond its schema; another version of it may see it otherwise and is left to the agent.
        if cls is not None and {one.name for one in schema.fields} == {one.name for one in BUILTIN[schema.kind].fields}:
            build(cls, content)
    except (TypeError, ValueError) as problem:
        return str(problem)
    return ""


def _check_numbers(content: Any) -> None:
    if not isinstance(content, dict):
        raise BadInput("content: must be an object", field="content")
    for name, value in content.items():
        if isinstance(value, (int, float)) and not -MAX_NUMBER <= value <= MAX_NUMBER:
            raise BadInput(f"content.{name[:64]}: the number is too large", field=f"content.{name[:64]}")
        if deeper(value, MAX_DEPTH):
            raise BadInput(f"content.{name[:64]}: nested more than {MAX_DEPTH} deep", field=f"content.{name[:64]}")


def _timeout(schema: Schema, content: Mapping[str, Any]) -> int:
    default = next((one.default for one in schema.fields if one.name == "timeout"), Limits.timeout)
    wanted = content.get("timeout", default)
    return min(max(wanted, 0), MAX_TIMEOUT_S) if isinstance(wanted, int) else Limits.timeout


def _read(row: Row) -> dict[str, Schema]:
    return {schema.kind: schema for schema in map(read, json.loads(row["kinds"]))}


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
