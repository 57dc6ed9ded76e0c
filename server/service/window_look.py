"""What a window would be, before anybody saves it; and all openings within a range, for calendars (M5)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from server.errors import BadSelector
from server.service.window_coverage import Coverage
from server.service.window_rows import Window, place
from server.windows import HOST, Occurrence, occurrences, oddities
from server.windows.schedule import UTC

NEXT = 5
FIRST_NAMES = 8
AHEAD_MS = 800 * 86_400_000
OVERLAP_MS = 60 * 86_400_000
MAX_OPENINGS = 2_000
"""In one range, of all windows together."""


@dataclass(frozen=True)
class Opened:
    """One opening of one window, by the clocks of `zone`; of a window in each host's own zone there is one for each of them."""

    window: Window
    zone: str
    at: Occurrence


@dataclass(frozen=True)
class Look:
    """`zone`: by which the openings are told, for a window in each host's own zone that of most of its nodes. `zones`: zone → nodes."""

    zone: str
    zones: dict[str, int]
    next: list[Occurrence]
    odd: list[str]
    nodes: int
    names: list[str] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    problem: str = ""


async def look(coverage: Coverage, window: Window, now: int) -> Look:
    """Raises nothing: a selector that is wrong by now is told as `problem`."""
    try:
        members, names = await coverage.meant(window)
        problem = ""
    except BadSelector as wrong:
        members, names, problem = {}, [], wrong.message
    zones = dict(Counter(members.values()).most_common())
    zone = window.zone if window.zone != HOST else next(iter(zones), UTC)
    ahead = list(islice(occurrences(window.schedule, place(zone), now, now + AHEAD_MS), NEXT))
    said = oddities(window.schedule, place(zone), now)
    if window.zone == HOST and zones.get(UTC):
        said.append(f"{zones[UTC]} of its nodes go by UTC: they tell it, or no time zone that is known here")
    if window.damaged:
        ahead, said = [], [window.damaged]
    if not (window.silences or window.opens):
        said.append("it neither silences alerts nor opens for commands: it is only shown")
    if members and not problem:
        overlaps = await _overlaps(coverage, window, members, now)
    else:
        overlaps = []
    return Look(zone, zones, ahead, said, len(members), names[:FIRST_NAMES], overlaps, problem)


async def calendar(coverage: Coverage, windows: Sequence[Window], since: int, until: int, now: int) -> list[Opened]:
    """All openings of enabled windows in [since, until), the earliest first, at most MAX_OPENINGS."""
    found: list[Opened] = []
    for window in windows:
        if not window.enabled:
            continue
        zones = {window.zone} if window.zone != HOST else set((await coverage.members(window, now))[0].values()) or {UTC}
        for zone in sorted(zones):
            left = MAX_OPENINGS - len(found)
            found += [Opened(window, zone, one) for one in islice(occurrences(window.schedule, place(zone), since, until), left)]
    return sorted(found, key=lambda one: (one.at.start, one.window.name, one.zone))


async def _overlaps(coverage: Coverage, window: Window, members: dict[str, str], now: int) -> list[str]:
    """Names of other windows that are open at the same time for some of the same nodes, within the next 60 days."""
    mine = {zone: list(occurrences(window.schedule, place(zone), now, now + OVERLAP_MS)) for zone in set(members.values())}
    found: list[str] = []
    for other in await coverage.every():
        if other.id == window.id or not other.enabled or len(found) >= NEXT:
            continue
        theirs, _ = await coverage.members(other, now)
        pairs = {(members[node_id], theirs[node_id]) for node_id in members.keys() & theirs.keys()}
        for zone, their_zone in pairs:
            those = list(occurrences(other.schedule, place(their_zone), now, now + OVERLAP_MS))
            if any(one.start < that.end and that.start < one.end for one in mine[zone] for that in those):
                found.append(other.name)
                break
    return found
