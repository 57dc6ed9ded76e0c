"""Many nodes changed at once: choose what, look at what it would change and at whom it meets, confirm, see what became of each.

What can be done stands in one table, `actions`: another deed is one more entry there and a form in templates/bulk.html.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from host.wire.states import OFFLINE, PENDING, RETIRED
from server.auth import NODE_EDIT, NODE_RETIRE, Caller, authorize
from server.db import Row
from server.door import Door
from server.errors import BadInput, Conflict, OpsError
from server.service.groups import KINDS
from server.service.outcomes import MOST_NODES, Outcome
from server.services import Services
from server.web import session, targets
from server.web.edits import tags_of
from server.web.render import Pages
from server.web.session import Form

SHOWN = 50
FIELDS = ("action", "tags", "names", "group", "kind", "field", "value")


@dataclass(frozen=True)
class Look:
    """What a deed would change of one node, as texts; the same twice where it has it already."""

    row: Row
    before: str
    after: str


Looks = Callable[[Form, Sequence[Row]], Awaitable[list[Look]]]
Does = Callable[[Caller, Form, Sequence[str], Sequence[str]], Awaitable[list[Outcome]]]


@dataclass(frozen=True)
class Action:
    """`look` raises BadInput where the form cannot be done; `do` is given the nodes' ids and the names that were typed."""

    look: Looks
    do: Does
    permission: str = NODE_EDIT


def actions(services: Services) -> dict[str, Action]:
    edits, groups, clock = services.edits, services.groups, services.clock

    def names_in(form: Form) -> list[str]:
        return form.get("names").replace(",", " ").split()

    async def look_tags(form: Form, rows: Sequence[Row]) -> list[Look]:
        add, remove = (tags_of(form.get("tags"), "tags"), []) if form.get("action") == "tag" else ({}, names_in(form))
        if not add and not remove:
            raise BadInput("add: name a tag to add, or one to remove", field="tags" if form.get("action") == "tag" else "names")
        named = [*add, *remove]
        found = []
        for row in rows:
            then = {name: value for name, value in row["tags"].items() if name not in remove} | add
            found.append(Look(row, _tags(row["tags"], named), _tags(then, named)))
        return found

    async def look_groups(form: Form, rows: Sequence[Row]) -> list[Look]:
        tree = {one["id"]: one for one in await groups.tree()}
        kind, after = form.get("kind"), ""
        if form.get("action") == "group":
            if form.get("group") not in tree:
                raise BadInput("choose a group", field="group")
            kind, after = tree[form.get("group")]["kind"], tree[form.get("group")]["path"]
        elif kind not in KINDS:
            raise BadInput(f"kind: {kind[:20]!r} is unknown; use one of {', '.join(KINDS)}", field="kind")
        held = await groups.of_nodes([row["id"] for row in rows])
        now = {node: tree[one["id"]]["path"] for node, found in held.items() for one in found if one["kind"] == kind and one["id"] in tree}
        return [Look(row, now.get(row["id"], ""), after) for row in rows]

    async def look_field(form: Form, rows: Sequence[Row]) -> list[Look]:
        if form.get("field") not in {one["name"] for one in await edits.fields()}:
            raise BadInput("choose a field", field="field")
        values = await edits.values_of([row["id"] for row in rows])
        return [Look(row, values.get(row["id"], {}).get(form.get("field"), ""), form.get("value").strip()) for row in rows]

    async def look_retire(form: Form, rows: Sequence[Row]) -> list[Look]:
        return [Look(row, row["state"], row["state"] if row["state"] == PENDING else RETIRED) for row in rows]

    async def look_restore(form: Form, rows: Sequence[Row]) -> list[Look]:
        return [Look(row, row["state"], OFFLINE if row["state"] == RETIRED else row["state"]) for row in rows]

    async def retire(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await services.nodes.retire_all(caller, ids, clock(), names)

    async def restore(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await services.nodes.restore_all(caller, ids, clock())

    async def tag(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await edits.tag(caller, ids, tags_of(form.get("tags"), "tags"), [], clock(), names)

    async def untag(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await edits.tag(caller, ids, {}, names_in(form), clock(), names)

    async def put(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await groups.put(caller, form.get("group"), ids, clock(), names)

    async def take_out(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await groups.take_out(caller, form.get("kind"), ids, clock(), names)

    async def fill(caller: Caller, form: Form, ids: Sequence[str], names: Sequence[str]) -> list[Outcome]:
        return await edits.fill(caller, ids, form.get("field"), form.get("value"), clock(), names)

    return {
        "tag": Action(look_tags, tag),
        "untag": Action(look_tags, untag),
        "group": Action(look_groups, put),
        "ungroup": Action(look_groups, take_out),
        "field": Action(look_field, fill),
        "retire": Action(look_retire, retire, NODE_RETIRE),
        "restore": Action(look_restore, restore, NODE_RETIRE),
    }


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    known = actions(services)

    async def chosen(request: Request) -> list[Row]:
        """The nodes that the address means: some by id, or all that match its filter."""
        query = request.query_params
        if not query.get("match"):
            return await by_ids(query.getlist("node"))
        read = await services.selections.read(query["select"]) if query.get("select") else None
        text, state, selected = query.get("q", ""), query.get("state", ""), read.condition if read else None
        return (await services.nodes.page(q=text, state=state, limit=MOST_NODES, offset=0, selected=selected)).rows

    async def by_ids(ids: Sequence[str]) -> list[Row]:
        wanted = set(ids)
        if not wanted:
            return []
        found = await services.nodes.page(q="", state="", limit=MOST_NODES, offset=0)
        retired = await services.nodes.page(q="", state="retired", limit=MOST_NODES, offset=0)
        return [row for row in [*found.rows, *retired.rows] if row["id"] in wanted]

    async def show(request: Request, caller: Caller) -> Response:
        return await choose(request, await chosen(request), Form({}), None, [])

    async def choose(request: Request, rows: Sequence[Row], draft: Form, problem: OpsError | None, done: Sequence[Outcome]) -> Response:
        values: dict[str, Any] = {
            "rows": rows,
            "first": rows[:SHOWN],
            "draft": {name: draft.get(name) for name in FIELDS},
            "groups": await services.groups.tree(),
            "kinds": KINDS,
            "fields": await services.edits.fields(),
            "guards": await services.groups.guarding([row["id"] for row in rows]),
            "problem": problem,
            "at": problem.field if problem else "",
            "done": sorted(done, key=lambda one: one.ok),
            "failed": sum(not one.ok for one in done),
            "changed": sum(one.ok for one in done) if done else None,
        }
        return pages.render(request, "bulk", values, status=problem.status if problem else 200)

    async def send(request: Request, caller: Caller) -> Response:
        form = await session.form_of(request)
        ids, names = " ".join(form.all("node")).split(), form.all("confirm")
        rows = await by_ids(ids)
        try:
            action = known.get(form.get("action"))
            if action is None:
                raise BadInput(f"action: {form.get('action')[:20]!r} is unknown", field="action")
            authorize(caller, action.permission)
            looks = await action.look(form, rows)
            if form.get("step") != "go":
                return await confirm(request, form, looks, names, None)
            try:
                done = await action.do(caller, form, ids, names)
            except Conflict as refused:
                if refused.field != "confirm":
                    raise
                return await confirm(request, form, looks, names, refused)
        except BadInput as problem:
            return await choose(request, rows, form, problem, [])
        return await choose(request, await by_ids(ids), Form({}), None, done)

    async def confirm(request: Request, form: Form, looks: Sequence[Look], names: Sequence[str], problem: OpsError | None) -> Response:
        changing = [one for one in looks if one.before != one.after]
        ids = [one.row["id"] for one in looks]
        values: dict[str, Any] = {
            "draft": {name: form.get(name) for name in FIELDS},
            "looks": looks,
            "changing": changing,
            "first": changing[:SHOWN],
            "guards": targets.confirming(await services.groups.guarding(ids), names),
            "waiting": await services.nodes.waiting(ids) if form.get("action") == "retire" else 0,
            "problem": problem,
            "field": problem.field if problem else "",
        }
        return pages.render(request, "bulk_confirm", values, status=problem.status if problem else 200)

    return [door.route("/bulk", show, NODE_EDIT), door.route("/bulk", send, NODE_EDIT, ["POST"])]


def _tags(tags: dict[str, str], named: Sequence[str]) -> str:
    return ", ".join(f"{name}={tags[name]}" for name in named if name in tags)
