"""What a plugin prints, read without trust: JSON `{"metrics": [{"name": …, "value": …, "unit": …}]}`.

One wrong value costs that value, and is named; output that is no such JSON costs the plugin's round.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from host.wire.records import PluginMetric

MAX_METRICS = 100
MAX_UNIT = 32
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:/ -]{0,63}")


class Nonsense(Exception):
    """What was printed is no use; the text says why, for the plugin's author."""


def read(plugin: str, output: bytes) -> tuple[list[PluginMetric], str]:
    """The good metrics, and a sentence about those that are not ("" when all are). Raises Nonsense."""
    if not output.strip():
        raise Nonsense("it printed nothing")
    try:
        data = json.loads(output)
    except (ValueError, RecursionError) as problem:
        raise Nonsense(f"it printed no JSON: {str(problem)[:200]}") from problem
    items = data.get("metrics") if isinstance(data, dict) else None
    if not isinstance(items, list):
        raise Nonsense('it printed no object with "metrics": [ … ]')
    good: dict[str, PluginMetric] = {}
    wrong: list[str] = []
    for item in items[:MAX_METRICS]:
        try:
            metric = _metric(plugin, item)
            if metric.name in good:
                raise Nonsense(f"{metric.name}: it stands twice")
            good[metric.name] = metric
        except Nonsense as problem:
            wrong.append(str(problem))
    if len(items) > MAX_METRICS:
        wrong.append(f"more than {MAX_METRICS} metrics; the rest is left out")
    more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    return list(good.values()), "; ".join(wrong[:3]) + more


def _metric(plugin: str, item: Any) -> PluginMetric:
    if not isinstance(item, dict):
        raise Nonsense(f"a metric must be an object, not {str(item)[:40]!r}")
    name, value, unit = item.get("name"), item.get("value"), item.get("unit", "")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Nonsense(f"{str(name)[:64]!r} is no name: 1 to 64 letters, digits and _ . : / -")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Nonsense(f"{name}: {str(value)[:40]!r} is no number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Nonsense(f"{name}: the value is not a finite number")
    if not isinstance(unit, str) or len(unit) > MAX_UNIT or not unit.isprintable():
        raise Nonsense(f"{name}: the unit is not text of at most {MAX_UNIT} characters")
    return PluginMetric(plugin, name, number, unit)
