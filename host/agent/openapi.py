"""The agent's API as OpenAPI 3.1, made of the routes' own types and of the kinds of task that this agent runs.

`python -m host.agent.openapi` prints it without plugins and without what depends on a host: docs/agent-openapi.json.
"""

from __future__ import annotations

import json
import re
import sys
import types
from collections.abc import Iterable
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from host import __version__
from host.agent.operations import OPERATIONS, Operation, Query
from host.wire import headers
from host.wire.schema import Field, Schema, of
from host.wire.tasks import KINDS, ExecuteRequest

_SIGNED = (headers.KEY_ID, headers.NONCE, headers.TIMESTAMP, headers.EXPIRES, headers.SIGNATURE)
_ERRORS = {
    400: "A value makes no sense; `message` names it (code 1001)",
    401: "Not signed, wrongly signed, expired, or made before (code 1002)",
    403: "The caller, the Host header, another node, or this host's policy (code 1003)",
    404: "There is no such task (code 1001)",
    408: "The body did not arrive in time (code 1001)",
    409: "The file is not as it would have to be; `data.received` says where to go on (code 1001 or 3001)",
    413: "The body is too large (code 1001)",
    415: "The body is not application/json (code 1001)",
    429: "Too many requests or too many tasks that wait; Retry-After says how long (code 3001)",
    507: "The disk has no room (code 3001)",
    503: "The agent is being stopped or its disk takes nothing; nothing was taken (code 3001)",
}


def document(schemas: Iterable[Schema]) -> dict[str, Any]:
    """The whole description, for an agent with these kinds of task."""
    parts: dict[str, Any] = {"Envelope": _ENVELOPE}
    kinds = {one.kind: f"task.{one.kind}" for one in schemas}
    parts |= {kinds[one.kind]: content(one) for one in schemas}
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, kinds, parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ops Scaffold agent",
            "version": __version__,
            "description": "Runs tasks on one host. How requests are signed: docs/agent-contract.md.",
        },
        "servers": [{"url": "https://127.0.0.1:9445"}],
        "paths": paths,
        "components": {
            "schemas": parts,
            "securitySchemes": {name: {"type": "apiKey", "in": "header", "name": name} for name in _SIGNED},
        },
    }


_ENVELOPE = {
    "type": "object",
    "required": ["code", "message", "data", "timestamp"],
    "properties": {
        "code": {"type": "integer", "description": "0: done"},
        "message": {"type": "string"},
        "data": {},
        "timestamp": {"type": "string", "format": "date-time"},
    },
}


def _operation(one: Operation, kinds: dict[str, str], parts: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"operationId": one.handler, "summary": one.summary, "security": []}
    if one.signed:
        found["security"] = [{name: [] for name in _SIGNED}]
    if one.command:
        found["description"] = "The nonce is the command's id. A command that is known already is answered as known, and not run again."
    parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in re.findall(r"{(\w+)}", one.path)]
    parameters += [_query(query) for query in one.query]
    if parameters:
        found["parameters"] = parameters
    if one.body is not None:
        found["requestBody"] = {"required": True, "content": _body(one.body, kinds, parts)}
    found["responses"] = {"200": {"description": "Done", "content": _answer(one, parts)}}
    statuses = [403, 429, *([503] if one.handler == "health" else [])] if not one.signed else [400, 401, 403, 408, 413, 429, 503]
    if one.signed and "{id}" in one.path and not one.command:
        statuses.append(404)
    if one.body is not None:
        statuses.append(415)
    if "/file/" in one.path:
        statuses += [404, 409, 507]
    for status in sorted(statuses):
        found["responses"][str(status)] = {"description": _ERRORS[status], "content": _json(_reference("Envelope"))}
    return found


def _query(query: Query) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "integer", "minimum": 0} if query.type is int else {"type": "string"}
    if query.choices:
        shape["enum"] = list(query.choices)
    if query.most is not None:
        shape["maximum"] = query.most
    if query.default is not None:
        shape["default"] = query.default
    return {"name": query.name, "in": "query", "description": query.help, "schema": shape}


def _body(cls: type, kinds: dict[str, str], parts: dict[str, Any]) -> dict[str, Any]:
    if cls is bytes:
        return {"application/octet-stream": {}}
    if cls is not ExecuteRequest:
        return _json(_type(cls, parts))
    shape = _type(cls, parts)
    given = {kind: {"properties": {"kind": {"const": kind}, "content": _reference(name)}} for kind, name in kinds.items()}
    return _json({"allOf": [shape], "oneOf": [given[kind] for kind in sorted(given)]})


def _answer(one: Operation, parts: dict[str, Any]) -> dict[str, Any]:
    if one.answer is bytes:
        return {"application/octet-stream": {}}
    if one.answer is None:
        return _json({"type": "object"})
    return _json({"allOf": [_reference("Envelope"), {"properties": {"data": _type(one.answer, parts)}}]})


def _json(shape: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": shape}}


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _type(hint: Any, parts: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema of a Python type; dataclasses go to `parts` and are referred to."""
    if is_dataclass(hint) and isinstance(hint, type):
        if hint.__name__ not in parts:
            hints = get_type_hints(hint)
            required = [one.name for one in fields(hint) if one.default is MISSING and one.default_factory is MISSING]
            shape: dict[str, Any] = {"type": "object", "required": required}
            parts[hint.__name__] = shape | {"description": " ".join((hint.__doc__ or "").split())}
            parts[hint.__name__]["properties"] = {one.name: _type(hints[one.name], parts) for one in fields(hint)}
        return _reference(hint.__name__)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if one is type(None) else _type(one, parts) for one in get_args(hint)]}
    if origin is list:
        return {"type": "array", "items": _type(get_args(hint)[0], parts)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _type(get_args(hint)[1], parts)}
    names: dict[Any, dict[str, Any]] = {
        str: {"type": "string"},
        int: {"type": "integer"},
        float: {"type": "number"},
        bool: {"type": "boolean"},
    }
    return names.get(hint, {})


def content(schema: Schema) -> dict[str, Any]:
    """A JSON Schema of the content of one kind of task."""
    required = [one.name for one in schema.fields if one.required and not one.only]
    shape: dict[str, Any] = {"type": "object", "title": schema.label or schema.kind, "description": schema.help}
    shape["properties"] = {one.name: _field(one) for one in schema.fields}
    return shape | {"required": required, "additionalProperties": False}


def _field(one: Field) -> dict[str, Any]:
    shapes: dict[str, dict[str, Any]] = {
        "choice": {"type": "string", "enum": one.choices},
        "boolean": {"type": "boolean"},
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "list": {"type": "array", "items": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "value": {},
    }
    shape = dict(shapes.get(one.type, {"type": "string"}))
    for name, value in (("title", one.label), ("description", one.help), ("minimum", one.least), ("maximum", one.most)):
        if value not in ("", None):
            shape[name] = value
    if one.default is not None:
        shape["default"] = one.default
    if one.secret:
        shape["writeOnly"] = True
    return shape


def main() -> int:
    json.dump(document([of(cls) for cls in KINDS.values()]), sys.stdout, indent=1, ensure_ascii=False)
    print()  # noqa: T201 - the end of the file
    return 0


if __name__ == "__main__":
    sys.exit(main())
