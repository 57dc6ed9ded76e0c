"""Samples as they may be stored: the wire's shapes with bounds, and a sample's rows.

A section with an impossible value (a share of a thousand percent, a negative size) is left out and named under `failed`;
the rest of the sample stands. JSON itself has no NaN, and a number past what a float holds is refused while it is read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from host.wire import records
from server.db import Row
from server.errors import BadInput

MOST = 2**63 - 1
SHARES = ("percent", "user", "system", "idle", "iowait", "cores")
MOST_SHARE = 100.5
"""Percent, with a little room: shares are made of counters that are read one after another."""

UNBOUNDED = ("value", "temperature")
MOST_CHARACTERS = 256 * 1024
"""Of one sample as it is stored: thousands of mounts or plugin values belong into several."""


def _hint(name: str, hint: Any, made: dict[type, type], bounds: bool) -> Any:
    """`hint` as a field of that name has it here: with its bounds, if wanted, and the wire's dataclasses replaced."""
    if hint in (int, float):
        if name in UNBOUNDED or not bounds:
            return hint
        most = MOST_SHARE if name in SHARES else MOST if hint is int else 1e18
        return Annotated[hint, msgspec.Meta(ge=0, le=most)]
    if is_dataclass(hint):
        return _shape(hint, made, bounds)
    inner = tuple(_hint(name, part, made, bounds) for part in get_args(hint))
    if not inner or get_origin(hint) is dict:
        return hint
    return list[inner[0]] if get_origin(hint) is list else inner[0] | None  # type: ignore[valid-type]


def _shape(kind: Any, made: dict[type, type], bounds: bool) -> type:
    if kind not in made:
        hints = get_type_hints(kind)
        wanted: list[Any] = []
        for field in fields(kind):
            hint = _hint(field.name, hints[field.name], made, bounds)
            if field.default is not MISSING:
                wanted.append((field.name, hint, field.default))
            elif field.default_factory is not MISSING:
                wanted.append((field.name, hint, msgspec.field(default_factory=field.default_factory)))
            else:
                wanted.append((field.name, hint))
        # Without `gc` a hundred thousand of them cost the collector nothing; they hold no cycles.
        made[kind] = msgspec.defstruct(kind.__name__, wanted, omit_defaults=kind is records.Sample, gc=False)
    return made[kind]


BoundedSample: type = _shape(records.Sample, {}, bounds=True)
"""`records.Sample` with bounds. Encoded, sections that are None are left out."""

_decode: Callable[[bytes], Any] = msgspec.json.Decoder(BoundedSample).decode
_decode_stored: Callable[[str], Any] = msgspec.json.Decoder(_shape(records.Sample, {}, bounds=False)).decode


def read(body: bytes | msgspec.Raw) -> tuple[Any, str, list[str]]:
    """A sample from JSON, its text as it is stored, and what was left out of it.

    The text is the host's own where nothing was left out: writing it anew would take longer than reading it.
    Raises msgspec.DecodeError, UnicodeDecodeError when nothing of it can be used.
    """
    try:
        return _decode(body), str(body, "utf-8"), []
    except msgspec.ValidationError:
        sample, problems = _salvage(msgspec.json.decode(body))
        return sample, msgspec.json.encode(sample).decode(), problems


def stored(detail: str) -> dict[str, Any]:
    """A sample as it was stored: only what is known of it, without the sections that no collector brought."""
    picture: dict[str, Any] = msgspec.to_builtins(_decode_stored(detail))
    return picture


def _salvage(whole: Any) -> tuple[Any, list[str]]:
    problems: list[str] = []
    while True:
        try:
            return msgspec.convert(whole, BoundedSample), problems
        except msgspec.ValidationError as problem:
            what, _, place = str(problem).partition(" - at `$.")
            section = place.rstrip("`").partition(".")[0].partition("[")[0]
            if not section or section not in whole or section == "failed":
                raise
            del whole[section]
            problems.append(f"{place.rstrip('`')}: {what}")
            whole["failed"] = {**_object(whole.get("failed")), section: f"left out by the manager: {what}"[:255]}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def row(place: Row, sample: Any, detail: str) -> Row:
    """The table's row for one sample: headline figures, and the whole as JSON. Raises BadInput when it is too large."""
    if len(detail) > MOST_CHARACTERS:
        raise BadInput(f"more than {MOST_CHARACTERS} characters")
    rx = tx = disk = None
    for nic in sample.nics or ():
        if nic.rx_rate is not None:
            rx = nic.rx_rate if rx is None else rx + nic.rx_rate
        if nic.tx_rate is not None:
            tx = nic.tx_rate if tx is None else tx + nic.tx_rate
    for mount in sample.disks or ():
        if disk is None or mount.percent > disk:
            disk = mount.percent
    return {
        "node_id": place["node_id"],
        "at": place["at"],
        "epoch": place["epoch"],
        "seq": place["seq"],
        "cpu_usage": sample.cpu.percent if sample.cpu else None,
        "memory_usage": sample.memory.percent if sample.memory else None,
        "disk_usage": disk,
        "load_1": sample.load[0] if sample.load else None,
        "network_rx": rx,
        "network_tx": tx,
        "detail": detail,
    }


def plugin_rows(place: Row, sample: Any) -> list[Row]:
    """A row for each value that a plugin brought; the last one counts where a plugin names one twice."""
    if not sample.plugins:
        return []
    at = {name: place[name] for name in ("node_id", "epoch", "seq", "at")}
    rows = {}
    for metric in sample.plugins:
        names = {"plugin": metric.plugin[:64], "name": metric.name[:64]}
        rows[(names["plugin"], names["name"])] = at | names | {"value": metric.value, "unit": metric.unit[:32]}
    return list(rows.values())
