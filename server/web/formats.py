"""Numbers, sizes, spans of time and moments as people read them: the one place. Given to templates as filters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup

from server.web.i18n import Language

NOTHING = "–"
_YEAR_10000 = 253_402_300_800_000
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def size(value: float | None) -> str:
    """Bytes with a binary unit: `3.2 GiB`."""
    if value is None:
        return NOTHING
    amount, unit = float(value), 0
    while abs(amount) >= 1024 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {_UNITS[unit]}" if unit == 0 or amount >= 100 else f"{amount:.1f} {_UNITS[unit]}"


def rate(value: float | None) -> str:
    """Bytes a second."""
    return NOTHING if value is None else f"{size(value)}/s"


def percent(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.0f} %" if value >= 9.95 else f"{value:.1f} %"


def number(value: float | None) -> str:
    """With thin spaces between thousands, the same in every language."""
    return NOTHING if value is None else f"{value:,}".replace(",", "\u202f")


def compact(value: float | None) -> str:
    """A figure of any size in a few characters: `1.25 M`, `38 400`, `0.0042`."""
    if value is None:
        return NOTHING
    amount = abs(value)
    for power, sign in ((1e12, " T"), (1e9, " G"), (1e6, " M"), (1, "")):
        if power <= amount < power * 1e6:
            part = value / power
            return (number(round(part)) if abs(part) >= 100 else f"{part:.3g}") + sign
    return f"{value:.3g}"


def figure(value: float | None, unit: str) -> str:
    """A measured value with its unit: `%`, `bytes` and `bytes/s` have ways of their own, any other unit stands behind the number."""
    known = {"%": percent, "bytes": size, "B": size, "bytes/s": rate, "B/s": rate}.get(unit)
    if known or value is None:
        return known(value) if known else NOTHING
    return f"{compact(value)} {unit}".rstrip()


def clock(ms: int | None) -> str:
    """A moment in UTC, to the second."""
    return NOTHING if ms is None else _utc(ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def breakable(name: str) -> Markup:
    """A host's name that may go on in a new line behind a dot, not in the middle of a word."""
    return Markup(".<wbr>").join(name.split("."))


def field_moment(ms: int | None) -> str:
    """As the value of `<input type="datetime-local">`, in UTC; empty for what such a field cannot hold."""
    return "" if ms is None or not 0 <= ms < _YEAR_10000 else _utc(ms).strftime("%Y-%m-%dT%H:%M:%S")


def filters(language: Language) -> dict[str, Callable[..., object]]:
    """All filters; those with words in them speak `language`."""
    _ = language.gettext

    def duration(seconds: float | None) -> str:
        if seconds is None:
            return NOTHING
        if seconds < 1:
            return _("%(n)s ms") % {"n": round(seconds * 1000)}
        if seconds < 10:
            return _("%(n)s s") % {"n": f"{seconds:.1f}"}
        whole = round(seconds)
        if whole < 60:
            return _("%(n)s s") % {"n": whole}
        if whole < 3600:
            return _two(_("%(a)s min %(b)s s"), _("%(n)s min"), whole // 60, whole % 60)
        if whole < 86_400:
            return _two(_("%(a)s h %(b)s min"), _("%(n)s h"), whole // 3600, whole % 3600 // 60)
        return _two(_("%(a)s d %(b)s h"), _("%(n)s d"), whole // 86_400, whole % 86_400 // 3600)

    def relative(ms: int, now: int) -> str:
        seconds = (now - ms) // 1000
        if seconds < -4:
            return _("in %(span)s") % {"span": _rough(-seconds, _)}
        return _("just now") if seconds < 5 else _("%(span)s ago") % {"span": _rough(seconds, _)}

    @pass_context
    def ago(context: Context, ms: int | None) -> str | Markup:
        """`5 min ago`, kept up to date by static/js, with the moment itself on hover."""
        if not ms:
            return NOTHING
        text = relative(ms, context["now"])
        return _time(ms, "ago", text)

    def stamp(ms: int | None) -> str | Markup:
        """The moment; static/js turns it into the reader's own time zone."""
        if not ms:
            return NOTHING
        return _time(ms, "at", clock(ms))

    return {
        "size": size,
        "rate": rate,
        "percent": percent,
        "number": number,
        "figure": figure,
        "duration": duration,
        "ago": ago,
        "stamp": stamp,
        "field_moment": field_moment,
        "breakable": breakable,
        "sentence": language.sentence,
    }


def _two(both: str, one: str, large: int, small: int) -> str:
    return both % {"a": large, "b": small} if small else one % {"n": large}


def _rough(seconds: int, _: Callable[[str], str]) -> str:
    if seconds < 60:
        return _("%(n)s s") % {"n": seconds}
    if seconds < 3600:
        return _("%(n)s min") % {"n": seconds // 60}
    if seconds < 2 * 86_400:
        return _("%(n)s h") % {"n": seconds // 3600}
    return _("%(n)s d") % {"n": seconds // 86_400}


def _time(ms: int, kind: str, text: str) -> Markup:
    moment = _utc(ms).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" title="{}" data-{}="{}">{}</time>').format(moment, clock(ms), kind, ms, text)


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, timezone.utc)
