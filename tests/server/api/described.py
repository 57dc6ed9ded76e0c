"""Answers held against what the routes say of themselves; and `python -m tests.server.api.described`, which writes docs/openapi.json."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import requests
from starlette.routing import BaseRoute, Match, Route

from server.api.openapi import described, errors_of

DOCUMENT = Path(__file__).parents[3] / "docs" / "openapi.json"


def text_of(document: Any) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def hold(routes: list[BaseRoute], response: requests.Response) -> None:
    """Raise AssertionError when this is no answer that the route describes: its status, its media type, the shape of its data."""
    method, path = str(response.request.method), response.request.path_url.partition("?")[0]
    scope = {"type": "http", "method": method, "path": path, "root_path": ""}
    route = next((one for one in routes if one.matches(scope)[0] is Match.FULL), None)
    call = described(route) if isinstance(route, Route) else None
    if call is None:
        return
    assert isinstance(route, Route)
    where = f"{method} {route.path}: {response.status_code}"
    good = {call.status, *((304,) if call.fresh else ())}
    assert response.status_code in good | set(errors_of(route, method, call)), f"{where} is not described"
    if response.status_code != call.status or method == "HEAD":
        return
    if call.media:
        assert response.headers["Content-Type"].startswith(call.media), f"{where}: {response.headers['Content-Type']}"
        return
    data = response.json()["data"]
    if call.answer is None:
        assert data is None, f"{where} is described without data"
        return
    try:
        read = msgspec.convert(data, call.answer)
    except msgspec.ValidationError as problem:
        raise AssertionError(f"{where}: {problem}") from problem
    assert msgspec.to_builtins(read) == data, f"{where}: not all of it is described, or something is missing: {data}"


if __name__ == "__main__":
    from tests.server.api.harness import Api, running

    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "") as manager:
        DOCUMENT.write_text(text_of(Api(manager.url).send("GET", "/api/v1/openapi.json").json()))
