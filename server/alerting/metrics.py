"""What a rule can watch: each figure with its unit and range, where it comes from, and thresholds read with their units."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

PERCENT, BYTES, RATE, NUMBER, SECONDS, CELSIUS, DAYS, HOURS = "%", "bytes", "bytes/s", "", "s", "°C", "days", "hours"
HEADLINE, DETAIL, PLUGIN = "headline", "detail", "plugin"
PLUGIN_PREFIX = "plugin:"
MOST = 1e15


@dataclass(frozen=True)
class Metric:
    """`title`: what people call it, without the word "of" (alerts say "TITLE of NODE is …"). `subject` is what there are several of
    on a node; empty for a figure of the whole node. Ranges include both ends."""

    name: str
    title: str
    unit: str
    source: str
    subject: str = ""
    low: float = 0.0
    high: float = MOST


def _detail(name: str, title: str, unit: str, subject: str = "", high: float = MOST, low: float = 0.0) -> Metric:
    return Metric(name, title, unit, DETAIL, subject, low, 100.0 if unit == PERCENT else high)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("cpu_usage", "CPU", PERCENT, HEADLINE, high=100.0),
        Metric("memory_usage", "Memory", PERCENT, HEADLINE, high=100.0),
        Metric("disk_usage", "Fullest disk", PERCENT, HEADLINE, high=100.0),
        Metric("load_1", "Load over 1 min", NUMBER, HEADLINE, high=1e6),
        Metric("network_rx", "Network received", RATE, HEADLINE),
        Metric("network_tx", "Network sent", RATE, HEADLINE),
        _detail("cpu.iowait", "CPU waiting for disks", PERCENT),
        _detail("cpu.user", "CPU in programs", PERCENT),
        _detail("cpu.system", "CPU in the kernel", PERCENT),
        _detail("core.percent", "CPU core", PERCENT, "core"),
        _detail("memory.available", "Available memory", BYTES),
        _detail("memory.swap", "Swap", PERCENT),
        _detail("load.5", "Load over 5 min", NUMBER, high=1e6),
        _detail("load.15", "Load over 15 min", NUMBER, high=1e6),
        _detail("processes", "Processes", NUMBER, high=1e8),
        _detail("uptime", "Uptime", SECONDS),
        _detail("mount.percent", "Used space", PERCENT, "mount"),
        _detail("mount.free", "Free space", BYTES, "mount"),
        _detail("mount.used", "Used bytes", BYTES, "mount"),
        _detail("disk.read", "Reads", RATE, "device"),
        _detail("disk.write", "Writes", RATE, "device"),
        _detail("nic.rx", "Received", RATE, "interface"),
        _detail("nic.tx", "Sent", RATE, "interface"),
        _detail("gpu.percent", "GPU", PERCENT, "gpu"),
        _detail("gpu.memory", "GPU memory", PERCENT, "gpu"),
        _detail("gpu.temperature", "GPU temperature", CELSIUS, "gpu", 200.0, -50.0),
    )
}

_BINARY = {"": 1, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_LENGTHS = {SECONDS: 1.0, HOURS: 3600.0, DAYS: 86_400.0}
_PAIRS = (("d", "h"), ("h", "min"), ("min", "s"))
_TIMES = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_FIGURE = re.compile(r"\s*(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?)\s*(?P<unit>\S*)\s*")
_EXAMPLES = {
    PERCENT: "a number from 0 to 100, such as 90 or 90%",
    BYTES: "bytes, such as 10GiB or 500MB",
    RATE: "bytes a second, such as 10MiB/s",
    NUMBER: "a plain number, such as 8",
    SECONDS: "seconds, or a time such as 5m or 2h",
    CELSIUS: "degrees Celsius, such as 85",
    DAYS: "days, such as 14",
    HOURS: "hours, such as 24",
}


def plugin_metric(plugin: str, name: str, unit: str = "") -> Metric:
    """A plugin's figure. Its unit is free text of the plugin's; only `%` and `bytes` are known."""
    known = unit if unit in (PERCENT, BYTES) else NUMBER
    return Metric(f"{PLUGIN_PREFIX}{plugin}/{name}", name, known, PLUGIN, low=-MOST)


def metric_of(name: str, plugin_units: dict[str, str]) -> Metric:
    """The metric of that name; `plugin_units`: names of plugins' metrics that nodes have told, and their units.

    Raises ValueError, with what comes closest. A plugin's metric that nobody has told yet is one without a unit.
    """
    if name in METRICS:
        return METRICS[name]
    if name.startswith(PLUGIN_PREFIX):
        plugin, slash, rest = name[len(PLUGIN_PREFIX) :].partition("/")
        if not (plugin and slash and rest) or len(name) > 150 or not name.isprintable():
            raise ValueError(f"write a plugin's metric as {PLUGIN_PREFIX}PLUGIN/NAME")
        return plugin_metric(plugin, rest, plugin_units.get(name, ""))
    raise ValueError(f"{name[:60]!r} is no metric{closest(name, [*METRICS, *plugin_units])}")


def closest(word: str, known: Iterable[str]) -> str:
    """`; did you mean …?`, or the first of what is known."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(names[:8])} and others" if names else ""


def read_figure(text: str, unit: str, low: float, high: float) -> float:
    """A threshold as a person writes it, in the metric's own unit. Raises ValueError with the mend."""
    match = _FIGURE.fullmatch(text)
    mend = f"write {_EXAMPLES[unit]}"
    if match is None:
        raise ValueError(f"{text[:40]!r} is no figure; {mend}")
    value, written = float(match["number"]), match["unit"]
    factor = _factor(written, unit)
    if factor is None:
        raise ValueError(f"{text[:40]!r} is in {written[:20]!r}, which is the wrong unit; {mend}")
    value *= factor
    if not math.isfinite(value) or not low <= value <= high:
        raise ValueError(f"{text[:40]!r} is out of range ({low:g} to {high:g}); {mend}")
    return value


def _factor(written: str, unit: str) -> float | None:
    """By how much to multiply; None when it is another unit."""
    lower = written.lower()
    if unit in (BYTES, RATE):
        if unit == RATE and lower.endswith("/s"):
            lower = lower[:-2]
        elif lower.endswith("/s"):
            return None
        return _BINARY.get(lower[:-1] if lower.endswith("b") else lower if not lower else "?", 1 if lower in ("bytes",) else None)
    if unit == SECONDS:
        return _TIMES.get(lower)
    names = {PERCENT: ("%", "percent"), CELSIUS: ("°c", "c"), DAYS: ("d", "days", "day"), HOURS: ("h", "hours", "hour")}
    return 1 if lower in ("", *names.get(unit, ())) else None


def written(value: float, unit: str) -> str:
    """As a person may write it: `read_figure` makes exactly the same of it."""
    if unit in (BYTES, RATE):
        for name, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
            if value and value % factor == 0:
                return f"{_plain(value / factor)}{name}{'/s' if unit == RATE else ''}"
        return f"{_plain(value)}{'B/s' if unit == RATE else 'B'}"
    if unit == SECONDS:
        for name, factor in (("d", 86_400), ("h", 3600), ("m", 60)):
            if value and value % factor == 0:
                return f"{_plain(value / factor)}{name}"
    return f"{_plain(value)}{ {PERCENT: '%', SECONDS: 's', DAYS: 'd', HOURS: 'h', CELSIUS: '°C'}.get(unit, '') }"


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def figure(value: float | None, unit: str) -> str:
    """For a sentence: `93.4 %`, `1.5 GiB`, `12 min`, `2 h 27 min`."""
    if value is None:
        return "nothing"
    if unit in (BYTES, RATE):
        sign, amount, names = "-" if value < 0 else "", abs(value), ["B", "KiB", "MiB", "GiB", "TiB"]
        while amount >= 1024 and len(names) > 1:
            amount, names = amount / 1024, names[1:]
        return f"{sign}{amount:.4g} {names[0]}{'/s' if unit == RATE else ''}"
    if unit in _LENGTHS:
        return time(value * _LENGTHS[unit])
    return f"{value:.4g} {unit}".strip()


def time(seconds: float) -> str:
    """Two units at most: `45 s`, `90 min`, `2 h 27 min`, `13 d 9 h`."""
    length = abs(seconds)
    if length < 120:
        return f"{seconds:.3g} s"
    large, small = next(pair for pair in _PAIRS if length >= 2 * _TIMES[pair[0]])
    whole, rest = divmod(round(length / _TIMES[small]), round(_TIMES[large] / _TIMES[small]))
    return f"{'-' if seconds < 0 else ''}{whole} {large}" + (f" {rest} {small}" if rest else "")
