"""The API's reference for people: the description that is served at /api/v1/openapi.json as a page, by topic, with search."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.auth import SELF, Caller
from server.door import Door
from server.web.render import Pages

PATH = "/docs/api"
DEEP = 2
"""How many levels of objects are written out; what is below is named."""

OPEN = 3
"""So few calls that a search found are shown opened."""

_TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "object": "object", "null": "null"}


@dataclass(frozen=True)
class Item:
    """A field or parameter: `type` in words, `rule` its bounds, choices and default; `text` what it means."""

    name: str
    type: str
    rule: str
    text: str
    required: bool


@dataclass(frozen=True)
class Entry:
    """One call as it is shown. `answers`: status → when."""

    id: str
    method: str
    path: str
    summary: str
    text: str
    permission: str
    parameters: list[tuple[str, Item]]
    body: list[Item]
    body_text: str
    answer: list[Item]
    answer_text: str
    media: str
    answers: list[tuple[str, str]]
    example: str


def routes(door: Door, pages: Pages, document: Callable[[], dict[str, Any]]) -> list[Route]:
    """`document` is asked once, at the first visit."""
    made: list[tuple[dict[str, Any], list[tuple[str, str, list[Entry]]]]] = []

    async def show(request: Request, caller: Caller) -> Response:
        if not made:
            whole = document()
            made.append((whole, topics(whole)))
        whole, every = made[0]
        q = request.query_params.get("q", "").strip()[:100]
        words = q.lower().split()
        found = [(name, text, [one for one in calls if _fits(one, name, words)]) for name, text, calls in every]
        found = [topic for topic in found if topic[2]]
        total = sum(len(calls) for _, _, calls in found)
        values: dict[str, Any] = {"topics": found, "q": q, "total": total, "opened": bool(q) and total <= OPEN, "info": whole["info"]}
        return pages.render(request, "reference", values, block="calls")

    return [door.route(PATH, show, SELF)]


def topics(document: dict[str, Any]) -> list[tuple[str, str, list[Entry]]]:
    """Name, text and calls of each topic."""
    found: dict[str, list[Entry]] = {}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            found.setdefault(one["tags"][0], []).append(_entry(document, path, method.upper(), one))
    texts = {tag["name"]: tag["description"].replace("`", "") for tag in document["tags"]}
    return [(name, texts[name], calls) for name, calls in found.items()]


def _fits(one: Entry, topic: str, words: list[str]) -> bool:
    text = f"{topic} {one.method} {one.path} {one.summary} {one.permission}".lower()
    return all(word in text for word in words)


def _entry(document: dict[str, Any], path: str, method: str, one: dict[str, Any]) -> Entry:
    content = one.get("requestBody", {}).get("content", {})
    body = content.get("application/json", {})
    good = next(status for status in one["responses"] if status.startswith("2"))
    media, answered = next(iter(one["responses"][good].get("content", {"": {}}).items()))
    shape = answered.get("schema", {})
    if "allOf" in shape:
        shape = next(part["properties"]["data"] for part in shape["allOf"] if "properties" in part)
    answers = {status: _followed(document, answer)["description"] for status, answer in one["responses"].items()}
    return Entry(
        id=one["operationId"],
        method=method,
        path=path,
        summary=one["summary"],
        text=one.get("description", ""),
        permission=one["x-permission"],
        parameters=[(item["in"], _item(document, item["name"], item["schema"], item)) for item in one.get("parameters", ())],
        body=_fields(document, body.get("schema", {})),
        body_text=_about(document, body.get("schema", {})) if body else "the bytes themselves" if content else "",
        answer=_fields(document, shape),
        answer_text=_about(document, shape),
        media="" if media == "application/json" and "allOf" in answered.get("schema", {}) else media,
        answers=[(status, text.replace("`", "")) for status, text in answers.items()],
        example=_curl(document, path, method, one, content),
    )


def _followed(document: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in shape:
        _, _, place = shape["$ref"].partition("#/components/")
        kind, _, name = place.partition("/")
        shape = document["components"][kind][name]
    return shape


def _about(document: dict[str, Any], shape: dict[str, Any]) -> str:
    return str(_followed(document, shape).get("description", "")).replace("`", "")


def _fields(document: dict[str, Any], shape: dict[str, Any], before: str = "", level: int = 0) -> list[Item]:
    """The fields of an object, those of objects in it below them as `outer.inner`."""
    shape = _followed(document, shape)
    needed, found = shape.get("required", ()), []
    for name, one in shape.get("properties", {}).items():
        found.append(_item(document, before + name, one, {"required": name in needed}))
        inner = _inner(document, one)
        if inner and level < DEEP:
            mark = "[]." if "items" in _followed(document, _bare(one)) else "."
            found += _fields(document, inner, f"{before}{name}{mark}", level + 1)
    return found


def _bare(shape: dict[str, Any]) -> dict[str, Any]:
    """Without the null that it may also be."""
    kinds = [kind for kind in shape.get("anyOf", ()) if kind != {"type": "null"}]
    return kinds[0] if kinds else shape


def _inner(document: dict[str, Any], shape: dict[str, Any]) -> dict[str, Any]:
    shape = _followed(document, _bare(shape))
    shape = _followed(document, _bare(shape["items"])) if "items" in shape else shape
    return shape if shape.get("properties") else {}


def _item(document: dict[str, Any], name: str, shape: dict[str, Any], about: dict[str, Any]) -> Item:
    bare = _bare(shape)
    rules = [f"{word} {bare[key]}" for key, word in (("minimum", "from"), ("maximum", "to"), ("maxLength", "at most")) if key in bare]
    if "enum" in bare:
        rules = [", ".join(map(str, bare["enum"]))]
    default = shape.get("default", bare.get("default"))
    if default not in (None, "", [], {}):
        rules.append(f"else {json.dumps(default, ensure_ascii=False) if not isinstance(default, str) else default}")
    text = str(about.get("description", shape.get("description", ""))).replace("`", "")
    return Item(name, _type(document, shape), " · ".join(rules), text, bool(about.get("required")))


def _type(document: dict[str, Any], shape: dict[str, Any]) -> str:
    if "anyOf" in shape:
        return " or ".join(_type(document, kind) for kind in shape["anyOf"])
    shape = _followed(document, shape)
    kind = shape.get("type", "")
    if kind == "array":
        return f"list of {_type(document, shape.get('items', {}))}"
    if kind == "object" and "additionalProperties" in shape and isinstance(shape["additionalProperties"], dict):
        return f"object: name → {_type(document, shape['additionalProperties']) or 'anything'}"
    return _TYPES.get(kind, "text" if "enum" in shape else "anything")


def _curl(document: dict[str, Any], path: str, method: str, one: dict[str, Any], content: dict[str, Any]) -> str:
    words = ["curl", "--fail-with-body", '--cacert "$CA"']
    if one["security"]:
        words.append('-H "Authorization: Bearer $TOKEN"')
    names = {item["name"] for item in one.get("parameters", ()) if item["in"] == "header"}
    if "If-Match" in names:
        words.append("-H 'If-Match: \"1\"'")
    if "Idempotency-Key" in names:
        words.append('-H "Idempotency-Key: $(uuidgen)"')
    needs_method = {"GET": "", "POST": "" if content else "-X POST"}.get(method, f"-X {method}")
    words += [word for word in (needs_method,) if word]
    words.append(f'"$URL{path.replace("{", "$").replace("}", "").replace("$id", "$ID")}"')
    if "application/json" in content:
        body = content["application/json"]
        words.append(f"--json {shlex.quote(json.dumps(body.get('example', _sample(document, body['schema'])), ensure_ascii=False))}")
    elif content:
        words.append("--data-binary @FILE")
    return " ".join(words)


def _sample(document: dict[str, Any], shape: dict[str, Any]) -> Any:
    """A body with the fields that it must have, or all of them where there is none such."""
    shape = _followed(document, shape)
    wanted = shape.get("required") or list(shape.get("properties", {}))[:2]
    return {name: _value(document, shape["properties"][name]) for name in wanted}


def _value(document: dict[str, Any], shape: dict[str, Any]) -> Any:
    bare = _followed(document, _bare(shape))
    if shape.get("default") not in (None, ""):
        return shape["default"]
    if "enum" in bare:
        return bare["enum"][0]
    if bare.get("properties"):
        return _sample(document, bare)
    return {"string": "…", "integer": bare.get("minimum", 1), "number": 1, "boolean": True, "array": [], "object": {}}.get(
        bare.get("type", "")
    )
