"""Marks on charts: as static/js draws them, and as a list that says the same in words."""

from __future__ import annotations

import json
from typing import Any

from server.service.marks import ALERT, START, UPDATE, WINDOW, Found
from server.web.words import N_

LETTERS = {ALERT: "A", WINDOW: "W", UPDATE: "U", START: "S"}
"""What stands at a mark on a chart, and before it in the list: colours alone would not tell them apart."""

NAMES = {ALERT: N_("alert"), WINDOW: N_("maintenance window"), UPDATE: N_("update"), START: N_("the daemon started")}


def told(found: Found, without: str = "") -> dict[str, Any]:
    """What templates/chart_macros.html needs of them."""
    return {"marks": found, "drawn": drawn(found, without), "letters": LETTERS, "mark_names": NAMES}


def drawn(found: Found, without: str = "") -> str:
    """JSON for `data-marks`: `[[from, until or null, letter, severity] …]` in seconds; `without`: the id of one that is left out."""
    marks = [
        [mark.since / 1000, None if mark.until is None else mark.until / 1000, LETTERS[mark.kind], mark.severity]
        for mark in found.marks
        if mark.id != without
    ]
    return json.dumps(marks, separators=(",", ":"))
