"""`opsctl groups`, `tag`, `field` and `note`: how nodes are organised (M1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from server.ctl import listing, names, show
from server.ctl.client import Client, if_match
from server.ctl.options import Pair, confirm_option, connect, json_option
from server.ctl.problems import Missing, Partly, Problem, Usage

KINDS = ("business", "region", "environment")


@click.group()
def groups() -> None:
    """Trees of groups, and which nodes are in them. GROUP is a path such as region/China/Shanghai, or an id."""


@groups.command("list")
@click.option("--kind", type=click.Choice(["", *KINDS]), default="", help="Only this tree.")
@click.option("--q", default="", help="Only those with this in the path.")
@listing.sorted_option
@json_option
def list_(kind: str, q: str, sort: str | None, as_json: bool) -> None:
    """List the groups with their nodes counted."""
    items = names.everything(connect(), "/api/v1/groups", kind=kind, q=q, sort=sort)
    if as_json:
        show.as_json({"items": items, "total": len(items)})
        return
    heads = ("GROUP", "NODES", "WITH ALL BELOW", "PROTECTED", "ID")
    rows = [(_path(one), one["nodes"], one["total"], "yes" if one["protected"] else "", one["id"]) for one in items]
    show.table(heads, rows)
    if not rows:
        show.say("no group fits" if kind or q else "no group yet; make one with: opsctl groups make region/China")


@groups.command()
@click.argument("path", metavar="GROUP")
@click.option("--protected", is_flag=True, help="Its name must be typed before it is deleted.")
@json_option
def make(path: str, protected: bool, as_json: bool) -> None:
    """Make GROUP, such as region/China/Shanghai, within the groups above it."""
    client = connect()
    kind, _, rest = path.partition("/")
    above, _, name = rest.rpartition("/")
    if kind not in KINDS or not name:
        raise Usage(f"{path!r}: begin with {', '.join(KINDS)}, as in region/China")
    parent = _group(client, f"{kind}/{above}")["id"] if above else ""
    data = client.create("/api/v1/groups", {"kind": kind, "name": name, "parent": parent, "protected": protected})
    show.as_json(data) if as_json else print(data["id"])


@groups.command()
@click.argument("group", metavar="GROUP")
@click.argument("name")
@json_option
def rename(group: str, name: str, as_json: bool) -> None:
    """Give GROUP another NAME."""
    _change(group, {"name": name}, as_json)


@groups.command()
@click.argument("group", metavar="GROUP")
@click.argument("above", metavar="ABOVE")
@json_option
def move(group: str, above: str, as_json: bool) -> None:
    """Move GROUP with all below it into ABOVE; / is the top of its tree."""
    client = connect()
    _change(group, {"parent": "" if above == "/" else _group(client, above)["id"]}, as_json, client)


@groups.command()
@click.argument("group", metavar="GROUP")
@click.argument("protected", type=click.Choice(["yes", "no"]))
@json_option
def protect(group: str, protected: str, as_json: bool) -> None:
    """Say whether GROUP is protected."""
    _change(group, {"protected": protected == "yes"}, as_json)


@groups.command()
@click.argument("group", metavar="GROUP")
@click.option("--move-up", is_flag=True, help="Give its nodes and groups to the group above; else it must be empty.")
@click.option("--confirm", default="", metavar="NAME", help="The name of a protected group.")
def delete(group: str, move_up: bool, confirm: str) -> None:
    """Delete GROUP."""
    client = connect()
    found = _group(client, group)
    query = {"move_up": "1" if move_up else "0", "confirm": confirm}
    client.call("DELETE", f"/api/v1/groups/{found['id']}", params=query, headers=if_match(found))


@groups.command()
@click.argument("group", metavar="GROUP")
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now.")
@confirm_option
@json_option
def put(group: str, nodes: tuple[str, ...], selector: str | None, confirm: tuple[str, ...], as_json: bool) -> int:
    """Put nodes into GROUP, out of another of the same kind."""
    client = connect()
    return done(client.post(f"/api/v1/groups/{_group(client, group)['id']}/members", targets(client, nodes, selector, confirm)), as_json)


@groups.command()
@click.argument("kind", type=click.Choice(KINDS))
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now.")
@confirm_option
@json_option
def leave(kind: str, nodes: tuple[str, ...], selector: str | None, confirm: tuple[str, ...], as_json: bool) -> int:
    """Take nodes out of their group of this KIND."""
    client = connect()
    return done(client.post(f"/api/v1/ungroup/{kind}", targets(client, nodes, selector, confirm)), as_json)


@click.command()
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now.")
@click.option("--add", multiple=True, type=Pair(), help="A tag to set; may be repeated.")
@click.option("--remove", multiple=True, metavar="NAME", help="A tag to remove; may be repeated.")
@confirm_option
@json_option
def tag(
    nodes: tuple[str, ...],
    selector: str | None,
    add: tuple[tuple[str, str], ...],
    remove: tuple[str, ...],
    confirm: tuple[str, ...],
    as_json: bool,
) -> int:
    """Add tags to nodes, or remove them."""
    client = connect()
    return done(
        client.post("/api/v1/tags", targets(client, nodes, selector, confirm) | {"add": dict(add), "remove": list(remove)}), as_json
    )


@click.command()
@click.argument("name")
@click.argument("value")
@click.argument("nodes", nargs=-1, metavar="[NODE...]")
@click.option("--select", "selector", default=None, help="Instead of names: the nodes that this selector means now.")
@confirm_option
@json_option
def field(name: str, value: str, nodes: tuple[str, ...], selector: str | None, confirm: tuple[str, ...], as_json: bool) -> int:
    """Set the custom field NAME to VALUE; an empty value clears it."""
    client = connect()
    return done(client.post(f"/api/v1/fields/{name}/values", targets(client, nodes, selector, confirm) | {"value": value}), as_json)


@click.command()
@click.argument("node")
@click.argument("text", required=False)
@json_option
def note(node: str, text: str | None, as_json: bool) -> None:
    """Write a note on NODE, or without TEXT read those that are there."""
    client = connect()
    path = f"/api/v1/nodes/{names.node(client, node)['id']}/notes"
    data = client.create(path, {"text": text}) if text is not None else client.get(path)
    if as_json:
        show.as_json(data)
    elif text is None:
        show.table(("WHEN", "WHO", "NOTE"), [(show.moment(one["created_at"]), one["author"], one["text"]) for one in data["items"]])


def targets(
    client: Client,
    nodes: tuple[str, ...],
    selector: str | None,
    confirm: tuple[str, ...],
    node: Callable[[Client, str], dict[str, Any]] = names.node,
) -> dict[str, Any]:
    """What the API takes; `node` finds one by its name or id. Raises Usage for both, or neither."""
    if bool(nodes) == (selector is not None):
        raise Usage("say which: either names of nodes or --select SELECTOR")
    which: dict[str, Any] = {"select": selector} if selector is not None else {"nodes": [node(client, one)["id"] for one in nodes]}
    return which | {"confirm": list(confirm)}


def done(data: dict[str, Any], as_json: bool) -> int:
    """Exit code 3 when some could not be changed, 1 when none could."""
    if as_json:
        show.as_json(data)
    for one in data["results"]:
        if not one["ok"]:
            show.say(f"{one['name'] or one['id']}: {one['message']}")
    show.say(f"{data['changed']} changed" + (f", {data['failed']} not" if data["failed"] else ""))
    return 0 if not data["failed"] else Partly.exit_code if data["changed"] else Problem.exit_code


def _change(group: str, change: dict[str, Any], as_json: bool, client: Client | None = None) -> None:
    client = client or connect()
    found = _group(client, group)
    data = client.call("PATCH", f"/api/v1/groups/{found['id']}", json=change, headers=if_match(found))
    if as_json:
        show.as_json(data)


def _group(client: Client, wanted: str) -> dict[str, Any]:
    """By path, with its kind or without, or by id. Raises Missing, Problem (several fit)."""
    items = names.everything(client, "/api/v1/groups")
    text = wanted.strip("/").lower()
    fits = [one for one in items if text in (_path(one).lower(), one["path"].lower(), one["id"].lower())]
    if not fits:
        raise Missing(f"there is no group {wanted!r}; opsctl groups list shows them")
    if len(fits) > 1:
        raise Problem(f"{wanted!r} can be each of {', '.join(_path(one) for one in fits)}; write one of them")
    found: dict[str, Any] = fits[0]
    return found


def _path(one: dict[str, Any]) -> str:
    return f"{one['kind']}/{one['path']}"
