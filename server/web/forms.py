"""A kind's schema as a form, and what was typed into it as content.

All text that was typed comes back, valid or not, but for secret fields: their text is kept in the form locked, so that
nobody reads it there and it is not lost either. A field whose `only` does not hold is left out, whatever is in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from host.wire.schema import Field, Schema
from host.wire.tasks import INTERPRETERS, KINDS, Script
from server.errors import BadInput
from server.seals import Broken, Seals
from server.service.contents import LIMITS

RADIOS = 4
"""A choice of so many is shown whole, of more as a list to open."""

KEPT_MS = 12 * 3_600_000
DRY_RUN = "dry_run"
NOTHING = object()
"""Not None: `null` is a value that can be meant."""

_WHOLE, _DECIMAL = re.compile(r"-?[0-9]{1,18}"), re.compile(r"-?[0-9]{1,18}([.,][0-9]{1,18})?")
_SHORT = ("text", "path", "file", "integer", "number", "select", "password")
_LOST = "sealed: what was entered in secret fields is too old or was changed; enter it again"


@dataclass(frozen=True)
class Draft:
    """The form as it was typed. `kept`: `KIND FIELD` → text of a secret field. `empty`: fields whose values of the last time are gone.
    `nodes` are named one by one; `select` means others beside them, until `frozen` holds the ids of all."""

    nodes: list[str] = field(default_factory=list)
    name: str = ""
    kind: str = Script.KIND
    typed: dict[str, str] = field(default_factory=dict)
    kept: dict[str, str] = field(default_factory=dict)
    dry: bool = False
    empty: list[str] = field(default_factory=list)
    select: str = ""
    frozen: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """One field as the form shows it. `goes_with`: label → values with which it counts. `entered`: a secret is kept;
    `names`: those of a map. `gone`: it had a value the last time. `known`: its words come with the agent, and are translated."""

    field: Field
    label: str
    help: str
    widget: str
    text: str
    choices: list[str]
    only: str
    goes_with: dict[str, list[str]]
    entered: bool
    names: list[str]
    gone: bool
    known: bool

    @property
    def changed(self) -> bool:
        return self.text != text_of(self.field, self.field.default)

    @property
    def short(self) -> bool:
        return self.widget in _SHORT


def rows(schema: Schema, draft: Draft, translate: Callable[[str], str]) -> tuple[list[list[Place]], list[Place], Place | None]:
    """The fields of the kind, short ones that follow each other together; the limits that every kind has; and the time limit."""
    places = [_place(schema, one, draft, translate) for one in schema.fields if not (one.name == DRY_RUN and can_try(schema))]
    own: list[list[Place]] = []
    for place in places:
        if place.field.name in LIMITS:
            continue
        if place.short and own and own[-1][-1].short and place.only == own[-1][-1].only:
            own[-1].append(place)
        else:
            own.append([place])
    limits = [place for place in places if place.field.name in LIMITS]
    return own, [one for one in limits if one.field.name != "timeout"], next((one for one in limits if one.field.name == "timeout"), None)


def can_try(schema: Schema) -> bool:
    """Whether the kind can say what it would change, and change nothing."""
    return any(one.name == DRY_RUN and one.type == "boolean" for one in schema.fields)


def _place(schema: Schema, one: Field, draft: Draft, translate: Callable[[str], str]) -> Place:
    known = schema.kind in KINDS or one.name in LIMITS
    say = translate if known else str
    labels = {other.name: say(other.label) if other.label else other.name for other in schema.fields}
    choices = list(dict.fromkeys(one.choices))
    kept = draft.kept.get(f"{schema.kind} {one.name}", "")
    text = "" if one.secret else draft.typed.get(one.name, text_of(one, one.default))
    if (schema.kind, one.name) == (Script.KIND, "interpreter") and not choices:
        choices = [*INTERPRETERS, *([text] if text and text not in INTERPRETERS else [])]
    widget = one.type
    if choices:
        widget = "radio" if len(choices) <= RADIOS else "select"
    elif one.secret and one.type in ("text", "path"):
        widget = "password"
    goes_with = {labels[name]: [_word(value) for value in values] for name, values in one.only.items()}
    only = only_of(schema, one.name)
    names = [line.partition("=")[0] for line in kept.split("\n") if line.strip()] if one.type == "map" else []
    help_text = say(one.help) if one.help else ""
    gone = one.secret and not kept and one.name in draft.empty
    return Place(one, labels[one.name], help_text, widget, text, choices, only, goes_with, bool(kept), names, gone, known)


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_of(one: Field, value: Any) -> str:
    """A value as it is typed."""
    if value is None:
        return ""
    if one.type == "boolean":
        return "1" if value is True else "0"
    if one.type == "list" and isinstance(value, list):
        return "\n".join(str(item) for item in value)
    if one.type == "map" and isinstance(value, dict):
        return "\n".join(f"{name}={item}" for name, item in value.items())
    if one.type == "value":
        return value if isinstance(value, str) and _read(value) == value else json.dumps(value, ensure_ascii=False, indent=2)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def typed_again(schema: Schema, content: Mapping[str, Any]) -> dict[str, str]:
    """A task's stored content as it would be typed."""
    fields = {one.name: one for one in schema.fields}
    return {name: text_of(fields[name], value) for name, value in content.items() if name in fields and not fields[name].secret}


def content_of(schema: Schema, draft: Draft) -> dict[str, Any]:
    """What was typed, as the wire takes it; what stands at its default is left out. Raises BadInput with the field."""
    content: dict[str, Any] = {}
    problems: dict[str, BadInput] = {}
    for one in schema.fields:
        if one.name == DRY_RUN and can_try(schema):
            if draft.dry:
                content[DRY_RUN] = True
            continue
        text = draft.kept.get(f"{schema.kind} {one.name}", "") if one.secret else draft.typed.get(one.name)
        if text is None or (one.secret and not text) or (text == text_of(one, one.default) and not one.required):
            continue
        try:
            value = _value(one, text)
        except ValueError as problem:
            problems[one.name] = BadInput(f"{one.name}: {problem}", field=one.name)
            continue
        if value is not NOTHING:
            content[one.name] = value
    fields = {one.name: one for one in schema.fields}
    while stray := [name for name in (*content, *problems) if not _applies(fields[name], schema, content)]:
        for name in stray:
            content.pop(name, None)
            problems.pop(name, None)
    for found in problems.values():
        raise found
    if draft.dry and DRY_RUN not in content:
        # It must never run in earnest because it could not be tried.
        raise BadInput(f"dry_run: this cannot be tried without changing; only {_rule(fields[DRY_RUN])} can", field=DRY_RUN)
    return content


def only_of(schema: Schema, name: str) -> str:
    """The rule of a field for static/js: JSON, or nothing where there is none."""
    found = next((one for one in schema.fields if one.name == name), None)
    return json.dumps({other: [_word(value) for value in values] for other, values in found.only.items()}) if found and found.only else ""


def _rule(one: Field) -> str:
    return " and ".join(f"{name} {' or '.join(_word(value) for value in values)}" for name, values in one.only.items())


def _applies(one: Field, schema: Schema, content: Mapping[str, Any]) -> bool:
    defaults = {other.name: other.default for other in schema.fields}
    return all(content.get(name, defaults.get(name)) in values for name, values in one.only.items())


def _value(one: Field, text: str) -> Any:
    """NOTHING where nothing was entered and the kind's default shall count. Raises ValueError."""
    if one.type == "boolean":
        return text == "1"
    if one.type in ("integer", "number"):
        plain = text.strip()
        if not plain:
            return NOTHING
        if one.type == "integer":
            if not _WHOLE.fullmatch(plain):
                raise ValueError(f"{plain[:40]!r} is not a whole number")
            return int(plain)
        if not _DECIMAL.fullmatch(plain):
            raise ValueError(f"{plain[:40]!r} is not a number")
        return float(plain.replace(",", "."))
    if one.type == "list":
        return text.rstrip("\n").split("\n") if text.strip("\n") else []
    if one.type == "map":
        return _map(text)
    if one.type == "value":
        return _read(text) if text.strip() else NOTHING
    if one.type == "choice":
        return text or NOTHING
    return text if one.type == "block" or one.secret else text.strip()


def _map(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if line.strip():
            name, sign, value = line.partition("=")
            if not sign:
                raise ValueError("write each as NAME=value, one a line")
            found[name.strip()] = value
    return found


def _read(text: str) -> Any:
    """JSON where it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_not_json)
    except (ValueError, RecursionError):
        return text


def _not_json(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def hide(schema: Schema | None, draft: Draft, dropped: Sequence[str]) -> Draft:
    """The draft with what was typed into secret fields of this kind moved to where it is kept; without a schema nothing of it is shown."""
    if schema is None:
        return replace(draft, typed={}, empty=[])
    secret = [one.name for one in schema.fields if one.secret]
    kept = {place: text for place, text in draft.kept.items() if place not in {f"{schema.kind} {name}" for name in dropped}}
    kept |= {f"{schema.kind} {name}": draft.typed[name] for name in secret if draft.typed.get(name)}
    typed = {name: text for name, text in draft.typed.items() if name not in secret}
    return replace(draft, typed=typed, kept=kept, empty=[])


def seal(seals: Seals, draft: Draft, owner: str, now: int) -> str:
    """The kept secrets so that only the manager reads them, and only for this person. Empty where there are none."""
    return seals.lock(json.dumps([now, draft.kept]), f"draft of {owner}") if draft.kept else ""


def unseal(seals: Seals, sealed: str, owner: str, now: int) -> dict[str, str]:
    """Raises BadInput where it cannot be read or is old: a task must not run without what was entered for it."""
    if not sealed:
        return {}
    try:
        at, kept = json.loads(seals.unlock(sealed, f"draft of {owner}"))
    except Broken as problem:
        raise BadInput(_LOST, field="sealed") from problem
    if now - at > KEPT_MS:
        raise BadInput(_LOST, field="sealed")
    found: dict[str, str] = kept
    return found
