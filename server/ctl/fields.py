"""Options made of what the manager knows of a kind of task, and the content that they make: for `opsctl task` and `opsctl rules`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from server.ctl import show
from server.ctl.client import Client
from server.ctl.options import Duration, text_of
from server.ctl.problems import Usage

MAX_BYTES = 2 * 1024 * 1024
_ALWAYS = ("set", "set-file", "help")


def schema_of(client: Client, kind: str) -> dict[str, Any]:
    """What the manager knows of a kind that any node runs. Raises Usage naming those that there are."""
    items: list[dict[str, Any]] = client.get("/api/v1/kinds")["items"]
    found = next((item for item in items if item["kind"] == kind), None)
    if found is None:
        raise Usage(f"there is no kind {kind!r}; opsctl kinds lists them: {', '.join(item['kind'] for item in items[:20])}")
    return found


class Fields:
    """The options of one kind: one for each field, but for secret ones and those in `taken`, which --set and --set-file set."""

    def __init__(self, schema: Mapping[str, Any], taken: tuple[str, ...] = ()) -> None:
        self._fields: dict[str, Mapping[str, Any]] = {one["name"]: one for one in schema["fields"]}
        self._options: dict[str, str] = {}
        self.params: list[click.Parameter] = []
        for name, one in self._fields.items():
            flag = name.replace("_", "-")
            if flag in _ALWAYS or flag in taken:
                continue
            if one["secret"]:
                self.params.append(click.Option([f"--{flag}", f"f_{name}"], hidden=True, expose_value=False, callback=_secret))
                continue
            self._options[f"f_{name}"] = name
            self.params.append(_option(f"--{flag}", f"f_{name}", one))
        self.params += [
            click.Option(["--set", "sets"], multiple=True, metavar="FIELD=VALUE", help="Set any field; VALUE is JSON where it is JSON."),
            click.Option(["--set-file", "set_files"], multiple=True, metavar="FIELD=FILE|-", help=_secret_help(self._fields)),
        ]

    def content(self, sets: tuple[str, ...], set_files: tuple[str, ...], **given: Any) -> dict[str, Any]:
        """The task's content, of what `params` were given. Raises Usage."""
        content = {
            self._options[key]: _value(self._fields[self._options[key]], value) for key, value in given.items() if value not in (None, ())
        }
        return content | _set(self._fields, sets, set_files)


def help_of(schema: Mapping[str, Any]) -> str:
    return "\n\n".join(show.clean(part) for part in (schema["label"], schema["help"]) if part)


def _option(flag: str, key: str, one: Mapping[str, Any]) -> click.Option:
    """Neither bounds nor what is required are checked here: nodes may differ, and the manager says it better."""
    if one["type"] == "boolean":
        return click.Option([f"{flag}/--no-{flag[2:]}", key], default=None, help=_help(one))
    kind: Any = str
    if one["type"] == "choice":
        kind = click.Choice(one["choices"])
    elif one["type"] == "integer":
        kind = Duration() if one["unit"] == "s" else click.INT
    elif one["type"] == "number":
        kind = click.FLOAT
    many = one["type"] in ("list", "map")
    metavar = {"map": "NAME=VALUE", "value": "JSON|TEXT", "path": "PATH", "file": "FILE-ID"}.get(one["type"])
    return click.Option([flag, key], type=kind, multiple=many, default=None, metavar=metavar, help=_help(one))


def _help(one: Mapping[str, Any]) -> str:
    parts = [one["label"] + ("" if not one["help"] else f": {one['help']}")]
    low, high, unit = one["least"], one["most"], f" {one['unit']}" if one["unit"] else ""
    if low is not None or high is not None:
        parts.append(f"{_figure(low)}..{_figure(high)}{unit}")
    if one["type"] in ("list", "map"):
        parts.append("may be given again")
    for name, values in one["only"].items():
        parts.append(f"with {name} {' or '.join(str(value) for value in values)}")
    if one["required"]:
        parts.append("required")
    elif one["default"] not in (None, "", [], {}, False):
        parts.append(f"default {one['default']}")
    return show.clean("; ".join(part for part in parts if part))


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}" if float(value).is_integer() else f"{value:g}"


def _secret(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Whoever tries the option of a secret field is told how it is given instead."""
    if value is not None:
        raise _seen(str(param.name).removeprefix("f_"))


def _seen(name: str) -> Usage:
    return Usage(f"{name} is secret and would be seen in the list of processes; use --set-file {name}=FILE")


def _secret_help(fields: Mapping[str, Mapping[str, Any]]) -> str:
    secret = [name for name, one in fields.items() if one["secret"]]
    text = "Set a field to a file's text; of a list or map one item a line."
    return text + (f" For what must not stand on a command line: {', '.join(secret)}." if secret else "")


def _value(one: Mapping[str, Any], value: Any) -> Any:
    if one["type"] == "list":
        return list(value)
    if one["type"] == "map":
        return dict(_pair(one["name"], item) for item in value)
    return _json_or_text(value) if one["type"] == "value" else value


def _set(fields: Mapping[str, Mapping[str, Any]], sets: tuple[str, ...], files: tuple[str, ...]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for item in sets:
        name, value = _pair("--set", item)
        if _field(fields, name)["secret"]:
            raise _seen(name)
        content[name] = value if fields[name]["type"] in ("text", "block", "path", "file", "choice") else _json_or_text(value)
    for item in files:
        name, file = _pair("--set-file", item)
        content[name] = _of_file(_field(fields, name), text_of(file, MAX_BYTES, f"larger than {MAX_BYTES} bytes"))
    return content


def _of_file(one: Mapping[str, Any], text: str) -> Any:
    lines = [line for line in text.split("\n") if line.strip()]
    if one["type"] == "list":
        return lines
    if one["type"] == "map":
        return dict(_pair(one["name"], line) for line in lines)
    if one["type"] == "block":
        return text
    # An editor ends a file with a newline that is no part of a password.
    plain = text.removesuffix("\n")
    return plain if one["type"] in ("text", "path", "file", "choice") else _json_or_text(plain)


def _field(fields: Mapping[str, Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    if name not in fields:
        raise Usage(f"there is no field {name!r}; there is {', '.join(fields)}")
    return fields[name]


def _pair(where: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        # Not the text itself: it may be a secret.
        raise Usage(f"{where}: write it as NAME=VALUE")
    return name, value


def _json_or_text(text: Any) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text
