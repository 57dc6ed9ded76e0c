"""Every address that can be read, from the manager's own routes: one that is new is measured too, or stops the benchmark."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from starlette.routing import Route

from server import api, web
from server.config import Config
from server.db import Db
from server.keys import open_keys
from server.migrate import migrate
from server.services import build
from server.web.orders import CONFIRMED

NOUNS = {"rules": "alert-rules"}
"""Nouns of pages that the API calls otherwise."""

IDS = ("nodes", "groups", "fields", "commands", "files", "alerts", "alert-rules", "receivers", "deliveries", "windows", "enrolment-tokens")
"""Nouns of which there is one to ask for."""

WORDS = {"metrics": "mounts", "kind": "offline", "verb": CONFIRMED[0], "stream": "stdout", "rest": "nothing/like/this"}
"""Parameters that are no ids, by what stands before them or by their own name."""

HOUR, DAY = 3_600_000, 86_400_000
MORE: dict[str, Sequence[str]] = {
    "/": ("range=7d",),
    "/log": ("q=nothing+like+this",),
    "/nodes": ("q=fra", "select=name:web-*", "page=20"),
    "/nodes/{id}": tuple(f"range={span}" for span in ("15m", "6h", "24h", "7d", "30d")),
    "/run": ("node={node}", "select=name:web-*"),
    "/bulk": ("match=1&select=all",),
    "/targets": ("select=name:web-*",),
    "/alerts": ("state=resolved", "q=web-fra"),
    "/commands": ("state=failed", "page=100"),
    "/audit": ("check=1", "page=100"),
    "/api/v1/nodes": ("size=500", "q=fra&state=online", "select=name:web-*"),
    "/api/v1/nodes/{id}/metrics": tuple(f"until={{now}}&since={{now-{span}}}" for span in ("1h", "24h", "7d", "30d")),
    "/api/v1/fleet/metrics": tuple(f"until={{now}}&since={{now-{span}}}" for span in ("24h", "7d", "30d")),
    "/api/v1/alerts": ("size=500", "history=true"),
    "/api/v1/commands": ("size=500",),
    "/api/v1/deliveries": ("size=500",),
}
"""Template → further queries that people ask it with."""

ANSWERS = {"/{rest:path}": 404, "/api": 404, "/api/{rest:path}": 404, "/sign-in": 303}
"""Template → its answer to somebody who is signed in, where that is not 200."""

GROWING = frozenset(["/audit?check=1", "/api/v1/audit/verify"])
"""What looks at every entry there is, by its nature: shown, and no matter of the limit."""

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def templates() -> tuple[list[str], list[str]]:
    """Of the pages, and of the API."""
    return asyncio.run(_templates())


async def _templates() -> tuple[list[str], list[str]]:
    with tempfile.TemporaryDirectory(prefix="ops-bench-") as name:
        folder = Path(name)
        async with Db(f"sqlite:///{folder}/manager.db") as db:
            await migrate(db, 1)
            services = build(db, Config(data_dir=folder), open_keys(folder / "keys", ["localhost"], 1), lambda: 1)
            calls = [route for route in api.routes(services) if isinstance(route, Route)]
            pages = [route for route in web.routes(services, dict) if isinstance(route, Route)]
    return _read_by_get(pages), _read_by_get(calls)


def _read_by_get(routes: Sequence[Route]) -> list[str]:
    return list(dict.fromkeys(route.path for route in routes if "GET" in (route.methods or ())))


def filled(template: str, ids: Mapping[str, str]) -> str:
    """The template with an id of the noun before each `{id}`. Raises SystemExit for a parameter that nobody has told of here."""
    found = template
    for match in _PARAMETER.finditer(template):
        noun = template[: match.start()].rstrip("/").rpartition("/")[2]
        value = ids.get(NOUNS.get(noun, noun)) if match[1] == "id" else WORDS.get(noun, WORDS.get(match[1]))
        if value is None:
            raise SystemExit(f"bench: what stands for {match[0]} in {template}? Tell tests/bench/addresses.py")
        found = found.replace(match[0], value)
    return found


def check() -> None:
    """Before anything is filled. Raises SystemExit for a route that nobody has told of here."""
    for found in templates():
        for template in found:
            filled(template, dict.fromkeys(IDS, "X"))


def addresses(found: Sequence[str], ids: Mapping[str, str], now: int) -> dict[str, tuple[str, int]]:
    """What it is called → its address and the status of its answer."""
    spans = {"1h": HOUR, "24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
    values = {"{node}": ids["nodes"], "{now}": str(now)} | {f"{{now-{name}}}": str(now - span) for name, span in spans.items()}
    every: dict[str, tuple[str, int]] = {}
    for template in found:
        every[template] = (filled(template, ids), ANSWERS.get(template, 200))
        for query in MORE.get(template, ()):
            asked = query
            for name, value in values.items():
                asked = asked.replace(name, value)
            every[f"{template}?{query}"] = (f"{filled(template, ids)}?{asked}", ANSWERS.get(template, 200))
    return every
