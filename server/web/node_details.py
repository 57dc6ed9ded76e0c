"""The part of a node's page that shows its mounts, devices, interfaces, cores and GPUs over time, a kind at a time (D1, M2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.datastructures import QueryParams

from server.db import Row
from server.errors import BadInput
from server.service.detail_kinds import KINDS
from server.service.details import MOST_CHOSEN, Found, Line
from server.services import Services
from server.web.charts import Chart, chart
from server.web.spans import Span
from server.web.words import N_

NAMES = {
    "mounts": N_("File systems"),
    "devices": N_("Disks"),
    "nics": N_("Network interfaces"),
    "cores": N_("Cores"),
    "gpus": N_("Graphics processors"),
}
TITLES = {
    ("mounts", "used"): N_("In use, by file system"),
    ("devices", "read"): N_("Read, by disk"),
    ("devices", "written"): N_("Written, by disk"),
    ("nics", "received"): N_("Received, by interface"),
    ("nics", "sent"): N_("Sent, by interface"),
    ("cores", "busy"): N_("In use, by core"),
    ("gpus", "busy"): N_("In use, by graphics processor"),
    ("gpus", "memory"): N_("Memory in use, by graphics processor"),
    ("gpus", "temperature"): N_("Temperature, by graphics processor"),
}
USUAL = "mounts"
SLOT_MS = 60_000
"""A host that measures as often as most do is read whole down to this; beyond, the page says how much was read."""


async def values_of(services: Services, node_id: str, query: QueryParams, span: Span, now: int) -> dict[str, Any]:
    """For templates/node_details.html. Raises BadInput for a kind that there is not."""
    kind = query.get("of", "") or USUAL
    if kind not in NAMES:
        raise BadInput(f"of: {kind[:20]!r} is unknown; use one of {', '.join(NAMES)}", field="of")
    wanted = query.getlist("name")[:MOST_CHOSEN]
    found = await services.details.series(node_id, kind, span.since, span.until, now, wanted, span.step if span.step > 1 else None)
    shown = list(dict.fromkeys(line.name for line in found.lines))
    return {
        "detail": kind,
        "detail_names": NAMES,
        "details": found,
        "detail_charts": [_chart(kind, number, figure.name, found, span) for number, figure in enumerate(KINDS[kind].figures)],
        "choices": [(name, name in shown, _toggled(shown, name)) for name in found.names],
        "details_end": span.since < found.kept_since,
        "details_thin": found.slot > SLOT_MS,
    }


def query_of(query: QueryParams) -> dict[str, Any]:
    """What of it belongs into an address of this page."""
    kind, names = query.get("of", ""), query.getlist("name")[:MOST_CHOSEN]
    return ({"of": kind} if kind in NAMES and kind != USUAL else {}) | ({"name": names} if names else {})


def _toggled(shown: Sequence[str], name: str) -> list[str]:
    """What is shown after a click on a name; none for the usual ones."""
    return [one for one in shown if one != name] if name in shown else [*shown, name]


def _chart(kind: str, number: int, figure: str, found: Found, span: Span) -> Chart:
    lines: list[Line] = [line for line in found.lines if line.figure == figure]
    rows: dict[int, Row] = {}
    empty: Row = {f"n{place}": None for place in range(len(lines))}
    for place, line in enumerate(lines):
        for point in line.points:
            row = rows.setdefault(point.at, {"at": point.at, **empty})
            row |= {f"n{place}": point.value, f"n{place}_most": point.most}
    columns = [(f"n{place}", line.name) for place, line in enumerate(lines)]
    series = [row for _, row in sorted(rows.items())]
    unit = KINDS[kind].figures[number].unit
    return chart(f"of-{kind}-{figure}", TITLES[kind, figure], unit, columns, series, span.since, span.until, found.step, named=True)
