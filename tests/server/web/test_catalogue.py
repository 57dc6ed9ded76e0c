"""Every string of the pages has a Chinese translation, and the catalogue holds nothing that no page says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from host.wire.schema import of
from host.wire.tasks import KINDS
from server.alerting.metrics import METRICS
from server.web.words import FIGURES

ROOT = Path(__file__).resolve().parents[3]
KEYWORDS = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
OPTIONS = {"**.html": {"trimmed": "false", "silent": "false", "newstyle_gettext": "true"}}


def extracted() -> Iterator[tuple[str | tuple[str, ...], str]]:
    """Every message with where it stands."""
    for folder, method in ((ROOT / "templates", "jinja2"), (ROOT / "server" / "web", "python")):
        pattern = "**.html" if method == "jinja2" else "**.py"
        found = extract_from_dir(str(folder), method_map=[(pattern, method)], options_map=OPTIONS, keywords=KEYWORDS)
        for file, line, message, _, _ in found:
            yield message, f"{folder.name}/{file}:{line}"
    yield from words_of_kinds()


def words_of_kinds() -> Iterator[tuple[str, str]]:
    """What forms say of the kinds that come with the agent; plugins' words are shown as they are told."""
    for kind, cls in KINDS.items():
        schema = of(cls)
        for text in (schema.label, schema.help, *(text for one in schema.fields for text in (one.label, one.help, one.unit))):
            if text:
                yield text, f"host.wire.tasks, kind {kind}"


def catalogue() -> Catalog:
    with (ROOT / "templates" / "locale" / "zh_CN.po").open("rb") as stream:
        return read_po(stream, locale="zh_CN", abort_invalid=True)


def _strings(message: Message | None) -> list[str]:
    if message is None or message.fuzzy:
        return []
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_every_string_of_templates_and_code_has_a_translation() -> None:
    known = {message.id if isinstance(message.id, str) else message.id[0]: message for message in catalogue() if message.id}
    missing = []
    for text, where in extracted():
        message = known.get(text if isinstance(text, str) else text[0])
        strings = _strings(message)
        if not strings or not all(strings):
            missing.append(f"{where}: {text!r}")
    assert not missing, "\n".join(missing)


def test_the_words_of_every_kind_are_among_them() -> None:
    found = {text for text, _ in words_of_kinds()}
    assert {"Script", "Interpreter", "After it the task is stopped on the host.", "bytes"} <= found


def test_figures_are_called_what_alerts_call_them() -> None:
    assert {metric.name: metric.title for metric in METRICS.values()} == FIGURES
    assert not [metric.title for metric in METRICS.values() if " of " in metric.title], "alerts say: TITLE of NODE is VALUE"


def test_no_translation_is_left_over() -> None:
    used = {text if isinstance(text, str) else text[0] for text, _ in extracted()}
    left_over = [m.id for m in catalogue() if m.id and (m.id if isinstance(m.id, str) else m.id[0]) not in used]
    assert not left_over, f"remove these from zh_CN.po: {left_over}"


def test_every_translation_keeps_the_slots_of_its_original() -> None:
    wrong = [(message.id, [str(e) for e in problems]) for message, problems in catalogue().check()]
    assert not wrong, wrong
