"""Who is in a maintenance window: which nodes now, which next, and why some never (M2, M5).

A window's selector is asked again and again, so a node that comes to match later is covered then; one that has become wrong (a
tag that nobody has any more) covers nobody, and the window says so: empty or wrong never means all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from server.db import Db
from server.errors import BadSelector
from server.selector import Condition, Vocabulary
from server.service.selections import Selections
from server.service.window_rows import Window, may_be_open, open_at, place, window_of, zone_for
from server.windows import HOST, Occurrence, occurrences
from server.windows.schedule import UTC

MEMBERS_MS = 10_000
"""How long it may take until a window notices that a node has come to match its selector, or does no more."""

HAND_MS = 10_000
"""What must be left of a window beyond a command's own time limit, so that its host can fetch it."""

HORIZON_MS = 800 * 86_400_000


@dataclass(frozen=True)
class Active:
    """A window that a node is in now. Of several the name and the end are those of the one that silences, else that ends last;
    `silences` and `opens` hold if they do of any."""

    window_id: str
    name: str
    ends_at: int
    silences: bool
    opens: bool
    zone: str = UTC


@dataclass(frozen=True)
class Opening:
    """When a window lets something through: from `starts_at`, and before `start_by` if it is to end in time."""

    window_id: str
    name: str
    zone: str
    starts_at: int
    ends_at: int
    start_by: int


class Coverage:
    def __init__(self, db: Db, selections: Selections) -> None:
        self._db, self._q, self._selections = db, db.q.windows, selections
        self._versions: list[tuple[str, int]] = []
        self._windows: list[Window] = []
        self._members: dict[tuple[str, int], tuple[int, dict[str, str], str]] = {}

    async def every(self) -> list[Window]:
        """All of them by name. Read anew only when one has changed, by whichever manager."""
        versions = [(row["id"], row["version"]) for row in await self._db.rows(self._q.versions)]
        if versions != self._versions:
            self._windows = [window_of(row) for row in await self._db.rows(self._q.every)]
            self._versions = sorted((one.id, one.version) for one in self._windows)
            self._members = {key: value for key, value in self._members.items() if key in set(self._versions)}
        return self._windows

    async def fingerprint(self) -> int:
        """Changes with any window."""
        await self.every()
        return hash(tuple(self._versions))

    async def silencing(self, node_ids: Collection[str], now: int) -> dict[str, Active]:
        """Of these nodes those whose alerts are silenced now, with the window that does it."""
        return {node_id: one for node_id, one in (await self.active(node_ids, now)).items() if one.silences}

    async def active(self, node_ids: Collection[str], now: int) -> dict[str, Active]:
        """Which of these nodes are in a window now. No query for each node: a window's nodes are remembered for MEMBERS_MS."""
        found: dict[str, Active] = {}
        wanted = set(node_ids)
        for window in await self.every():
            if not window.enabled or not wanted or not may_be_open(window, now):
                continue
            members, _ = await self.members(window, now)
            ends = {name: open_at(window, name, now) for name in set(members.values())}
            for node_id in wanted & members.keys():
                zone = members[node_id]
                one = ends[zone]
                if one is not None:
                    mine = Active(window.id, window.name, one.end, window.silences, window.opens, zone)
                    found[node_id] = _both(found[node_id], mine) if node_id in found else mine
        return found

    async def next_opening(self, node_ids: Collection[str], now: int) -> dict[str, Opening]:
        """The opening that each node is in, or that comes next, of windows that open for commands."""
        return (await self.openings(node_ids, 0, now, now + HORIZON_MS))[0]

    async def openings(
        self, node_ids: Collection[str], needs: int, now: int, until: int, fresh: bool = False
    ) -> tuple[dict[str, Opening], dict[str, str]]:
        """Node id → the first opening that begins before `until` and is long enough for something of `needs` ms; or → why there is none.

        `fresh`: ask which nodes are meant now, not as remembered.
        """
        found: dict[str, Opening] = {}
        why = dict.fromkeys(node_ids, "no maintenance window that opens for commands covers it")
        rank = dict.fromkeys(node_ids, 0)
        for window in await self.every():
            if not (window.enabled and window.opens):
                continue
            members, _ = await self.members(window, now, fresh)
            mine = why.keys() & members.keys()
            for name in {members[node_id] for node_id in mine}:
                opening, reason, weight = _fitting(window, name, needs, now, until)
                for node_id in mine:
                    if members[node_id] != name:
                        continue
                    if opening is not None:
                        if node_id not in found or _sooner(opening, found[node_id], now):
                            found[node_id] = opening
                    elif weight > rank[node_id]:
                        why[node_id], rank[node_id] = reason, weight
        return found, {node_id: text for node_id, text in why.items() if node_id not in found}

    async def members(self, window: Window, now: int, fresh: bool = False) -> tuple[dict[str, str], str]:
        """Node id → the zone by which the window opens there; and what is wrong with the selector, or nothing."""
        key = (window.id, window.version)
        known = self._members.get(key)
        if known is not None and not fresh and 0 <= now - known[0] < MEMBERS_MS:
            return known[1], known[2]
        members: dict[str, str] = {}
        problem = ""
        try:
            members, _ = await self.meant(window)
        except BadSelector as wrong:
            problem = wrong.message
        self._members[key] = (now, members, problem)
        return members, problem

    async def meant(self, window: Window) -> tuple[dict[str, str], list[str]]:
        """Node id → zone, and the nodes' names, as it is now. Raises BadSelector."""
        condition: Condition = (await self._selections.read_for_window(window.selector)).condition
        rows = await self._db.rows(self._q.members.narrowed(condition), condition.params)
        return {row["id"]: zone_for(window.zone, row["timezone"]) for row in rows}, [row["name"] for row in rows]

    async def covering(self, node_id: str, windows: Sequence[Window], now: int) -> list[tuple[Window, str]]:
        """Those that mean this node, each with the zone by which it opens there. What is not remembered is asked for this node alone."""
        found: list[tuple[Window, str]] = []
        vocabulary: Vocabulary | None = None
        for window in windows:
            known = self._members.get((window.id, window.version))
            if known is not None and 0 <= now - known[0] < MEMBERS_MS:
                zone = known[1].get(node_id)
            else:
                vocabulary = vocabulary or await self._selections.vocabulary()
                try:
                    condition = (await self._selections.read_for_window(window.selector, vocabulary)).condition
                except BadSelector:
                    continue  # covers nobody; the window's own page says why
                row = await self._db.row(self._q.member.narrowed(condition), condition.params | {"one_node": node_id})
                zone = zone_for(window.zone, row["timezone"]) if row else None
            if zone is not None:
                found.append((window, zone))
        return found

    async def openings_of(self, window: Window, since: int, until: int) -> list[Occurrence]:
        """Its openings by the clocks of all its nodes, each once."""
        zones = {window.zone} if window.zone != HOST else set((await self.members(window, since))[0].values()) or {UTC}
        found = {one for name in zones for one in occurrences(window.schedule, place(name), since, until)}
        return sorted(found, key=lambda one: (one.start, one.end))


def _fitting(window: Window, zone: str, needs: int, now: int, until: int) -> tuple[Opening | None, str, int]:
    """The first opening that is long enough; else why there is none, and how much that says."""
    length = window.schedule.minutes * 60_000
    late: Iterator[Occurrence] = occurrences(window.schedule, place(zone), now, now + HORIZON_MS)
    if length < needs + HAND_MS:
        if next(late, None) is None:
            return None, f"the window {window.name!r} never opens again", 1
        return None, f"its time limit is longer than the window {window.name!r} stays open", 2
    for one in late:
        start_by = one.end - needs
        if start_by - max(one.start, now) < HAND_MS:
            continue
        if one.start >= until:
            return None, f"the window {window.name!r} opens only after it would have expired", 3
        return Opening(window.id, window.name, zone, one.start, one.end, start_by), "", 0
    return None, f"the window {window.name!r} never opens again", 1


def _sooner(one: Opening, other: Opening, now: int) -> bool:
    """Of those that are open, the one that leaves more time."""
    return (max(one.starts_at, now), -one.start_by) < (max(other.starts_at, now), -other.start_by)


def _both(one: Active, other: Active) -> Active:
    first = max(one, other, key=lambda active: (active.silences, active.ends_at))
    return replace(first, silences=one.silences or other.silences, opens=one.opens or other.opens)
