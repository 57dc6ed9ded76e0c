"""The API as OpenAPI 3.1, made of the routes and the types that they are read and answered with (server/api/calls.py).

It is served at /api/v1/openapi.json, and docs/openapi.json is held true by a test: `python -m tests.server.api.described` writes it.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.routing import BaseRoute, Route

from host import __version__
from server import auth
from server.api.calls import Call
from server.api.once import KEY
from server.limits import BODY_S
from server.service.once import MOST_CHARACTERS

JSON = "application/json"
_REFERENCE = "#/components/schemas/{name}"
_PART = re.compile(r"{(\w+)(?::\w+)?}")
_REQUIREMENT = re.compile(r" \([A-Z]\d[^)]*\)")
"""`(M1, S4)` cites what was asked for: nothing to whoever calls."""

_ERRORS = {
    400: "Something that was sent cannot be used; `data.field` says what, `message` why (code 1001)",
    401: "No token, or one that is unknown, over or revoked (code 1002)",
    403: "The caller's role does not include this (code 1003)",
    404: "There is no such thing (code 1001), or no such node (code 2001)",
    408: f"The body did not arrive within {BODY_S:g} s; no envelope",
    409: "Not in the present state, or changed by somebody else meanwhile (code 1001)",
    413: "The body is larger than 2 MiB; no envelope",
    422: "The `Idempotency-Key` was used for another request (code 1001)",
    429: "Too often; `Retry-After` says how many seconds to wait (code 1001)",
    503: "Not now: the database cannot be reached or is busy; nothing was changed (code 1001)",
}
_PLAIN = (408, 413)
_ENVELOPE = {
    "type": "object",
    "required": ["code", "message", "data", "timestamp"],
    "properties": {
        "code": {"type": "integer", "description": "0: done"},
        "message": {"type": "string"},
        "data": {},
        "timestamp": {"type": "string", "format": "date-time", "description": "RFC 3339, UTC"},
    },
}
_ERROR = {
    "title": "Error",
    "description": "The envelope of an answer that is not good.",
    "allOf": [
        {"$ref": "#/components/schemas/Envelope"},
        {
            "properties": {
                "code": {"enum": [1001, 1002, 1003, 2001]},
                "data": {
                    "type": ["object", "null"],
                    "properties": {
                        "field": {"type": "string", "description": "which field, parameter or header"},
                        "column": {"type": "integer", "description": "where in a selector, from 1"},
                        "length": {"type": "integer", "description": "how many characters of it"},
                    },
                },
            }
        },
    ],
}


def document(routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """The whole description."""
    known = [(route, call) for route in routes if isinstance(route, Route) and (call := described(route))]
    kinds = [kind for _, call in known for kind in (call.body, call.query, call.answer) if kind not in (None, bytes, str)]
    kinds = list(dict.fromkeys(kinds))
    shapes, parts = msgspec.json.schema_components(kinds, ref_template=_REFERENCE)
    schema = dict(zip(kinds, shapes, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    tags: dict[str, str] = {}
    for route, call in known:
        module = sys.modules[route.endpoint.handler.__module__]  # type: ignore[attr-defined]
        tag = module.__name__.rpartition(".")[2]
        tags.setdefault(tag, _REQUIREMENT.sub("", " ".join((module.__doc__ or "").partition("\n\n")[0].split())))
        path = _PART.sub(r"{\1}", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            paths.setdefault(path, {})[method.lower()] = _operation(route, method, tag, call, schema, parts)
    queries = {one["$ref"].rpartition("/")[2] for kind, one in schema.items() if any(kind is call.query for _, call in known)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ops Scaffold",
            "version": __version__,
            "description": "The manager's REST API. Times are UTC milliseconds, sizes bytes, unless named otherwise.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in tags.items()],
        "paths": paths,
        "components": {
            "schemas": {"Envelope": _ENVELOPE, "Error": _ERROR} | {name: parts[name] for name in sorted(parts) if name not in queries},
            "responses": {str(status): _error(text, status in _PLAIN) for status, text in _ERRORS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def described(route: Route) -> Call | None:
    call = getattr(route.endpoint, "call", None)
    return call if isinstance(call, Call) else None


def errors_of(route: Route, method: str, call: Call) -> dict[int, str]:
    """Every status but the good one that a call may answer, and why."""
    found = {400, 429, 503}
    if route.endpoint.permission != auth.PUBLIC:  # type: ignore[attr-defined]
        found |= {401, 403}
    if _PART.search(route.path):
        found.add(404)
    if method != "GET":
        found |= {408, 409, 413}
    if _creates(call, method):
        found.add(422)
    return dict(sorted(({status: _ERRORS[status] for status in found} | dict(call.also)).items()))


def _operation(route: Route, method: str, tag: str, call: Call, schema: dict[Any, dict[str, Any]], parts: dict[str, Any]) -> dict[str, Any]:
    handler, permission = route.endpoint.handler, route.endpoint.permission  # type: ignore[attr-defined]
    found: dict[str, Any] = {"operationId": f"{tag}.{handler.__name__}", "tags": [tag], "summary": call.summary}
    if handler.__doc__:
        found["description"] = inspect.cleandoc(handler.__doc__)
    found["security"] = [] if permission == auth.PUBLIC else [{"token": []}]
    found["x-permission"] = permission
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in _PART.findall(route.path)]
    parameters += _query(parts[schema[call.query]["$ref"].rpartition("/")[2]])
    parameters += _headers(call, method)
    if parameters:
        found["parameters"] = parameters
    if call.body is not None:
        content = {"application/octet-stream": {}} if call.body is bytes else {JSON: {"schema": schema[call.body]}}
        if call.example is not None:
            content[JSON]["example"] = call.example
        # No bytes are bytes too: an empty body is the chunk of an empty file.
        found["requestBody"] = {"required": call.body is not bytes, "content": content}
    found["responses"] = _responses(route, method, call, schema)
    return found


def _creates(call: Call, method: str) -> bool:
    return method == "POST" and call.status == 201


def _query(shape: dict[str, Any]) -> list[dict[str, Any]]:
    """A Struct's fields as parameters; null is how one is left out, not a value that is sent."""
    found = []
    for name, one in shape["properties"].items():
        value = dict(one)
        if "anyOf" in value:
            value |= next(kind for kind in value.pop("anyOf") if kind != {"type": "null"})
        if value.get("default", "") in (None, "", []):
            value.pop("default", None)
        if "enum" in value:
            value.pop("pattern", None)
        text = value.pop("description", "")
        found.append({"name": name, "in": "query", **({"description": text} if text else {}), "schema": value})
    return found


def _headers(call: Call, method: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if _creates(call, method):
        text = "made by you, new for each thing: sent again within 24 hours, the call makes nothing more and answers as it did first"
        shape: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
        found.append({"name": KEY, "in": "header", "description": text, "schema": shape})
    if call.versioned:
        text = "the version that the change was made of, as GET told it in its ETag"
        shape = {"type": "string", "pattern": '^"[0-9]{1,9}"$'}
        found.append({"name": "If-Match", "in": "header", "required": True, "description": text, "schema": shape})
    if call.fresh:
        text = "an ETag that you have: 304 while it is still the same"
        found.append({"name": "If-None-Match", "in": "header", "description": text, "schema": {"type": "string"}})
    return found


def _responses(route: Route, method: str, call: Call, schema: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    if call.media:
        content = {call.media: {"schema": schema.get(call.answer, {"type": "string"})} if call.answer is not bytes else {}}
    else:
        data = {"type": "null"} if call.answer is None else schema[call.answer]
        shape = {"allOf": [{"$ref": "#/components/schemas/Envelope"}, {"properties": {"code": {"const": 0}, "data": data}}]}
        content = {JSON: {"schema": shape}}
    good: dict[str, Any] = {"description": "Done", "content": content}
    if call.etag:
        good["headers"] = {"ETag": {"schema": {"type": "string"}}}
    found = {str(call.status): good}
    if call.fresh:
        found["304"] = {"description": "Still as `If-None-Match` says"}
    for status, text in errors_of(route, method, call).items():
        if status < 400:
            found[str(status)] = good | {"description": text}
        elif call.media and (status, text) in call.also:
            found[str(status)] = {"description": text}
        elif text == _ERRORS.get(status):
            found[str(status)] = {"$ref": f"#/components/responses/{status}"}
        else:
            found[str(status)] = _error(text)
    return found


def _error(text: str, plain: bool = False) -> dict[str, Any]:
    kind, shape = ("text/plain", {"type": "string"}) if plain else (JSON, {"$ref": "#/components/schemas/Error"})
    return {"description": text, "content": {kind: {"schema": shape}}}
