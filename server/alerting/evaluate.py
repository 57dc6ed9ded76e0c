"""One look of one rule at all that it means: what becomes of each watch. Pure; what most of a fleet needs, all is well, costs least."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from server.alerting.rules import COUNTERS, Rule
from server.alerting.states import Limits, Seen, Watch, step

KEEP_EVERY_MS = 60_000
"""How often a watch in which only the figure changed is stored."""

GONE = "it is no longer there"
NOT_MEANT = "the rule's selector no longer means this node"
_EMPTY = Watch()


@dataclass(frozen=True)
class Turn:
    """What became of the watch of a node's subject. `came`: as `states.step` says. `ended`: why there is nothing to watch any more."""

    node_id: str
    subject: str
    watch: Watch
    came: tuple[str, ...] = ()
    ended: str = ""


def evaluate(
    rule: Rule,
    subject: str,
    meant: Collection[str],
    seen: Mapping[str, Mapping[str, Seen]],
    watches: Mapping[tuple[str, str], Watch],
    passed_over: Collection[str],
    now: int,
    limits: Limits,
) -> Iterator[Turn]:
    """The turns of those watches that have changed enough to be stored.

    `subject`: only that one, or every one when empty. `seen`: node → subject → observation; a node that is not in it is silent,
    unless it is `passed_over`. `watches`: those that are stored, by node and subject.
    """
    counts = rule.kind in COUNTERS
    for node_id in meant:
        for name, one in seen.get(node_id, _NOTHING).items():
            if subject and name != subject:
                continue
            watch = watches.get((node_id, name), _EMPTY)
            if not counts and watch is _EMPTY and not rule.bad(one.value):
                continue
            after, came = step(rule, watch, one, now, limits)
            if came or _differs(watch, after, now):
                yield Turn(node_id, name, after, came)
    for (node_id, name), watch in watches.items():
        if node_id not in meant:
            yield Turn(node_id, name, _EMPTY, ended=NOT_MEANT)
        elif node_id in passed_over:
            continue
        elif node_id not in seen:
            after, came = step(rule, watch, None, now, limits)
            if came or _differs(watch, after, now):
                yield Turn(node_id, name, after, came)
        elif name not in seen[node_id]:
            yield Turn(node_id, name, _EMPTY, ended=GONE)


_NOTHING: Mapping[str, Seen] = {}


def _differs(before: Watch, after: Watch, now: int) -> bool:
    if before.seen_at + KEEP_EVERY_MS <= after.seen_at and after.state != "ok":
        return True
    return _essence(before) != _essence(after)


def _essence(watch: Watch) -> tuple[object, ...]:
    since = 0 if watch.state == "ok" else watch.since
    return watch.state, since, watch.silent and watch.open, watch.flapping, watch.opens, watch.marks
