"""Of any document in any formatting: an edit changes what it names and nothing else; back again gives the same bytes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from host.agent.edit import paths
from host.agent.edit.base import Named, same
from host.agent.edit.ini import Ini
from host.agent.edit.json_text import Json
from host.agent.edit.plain import Plain
from host.agent.edit.properties import Properties
from host.agent.edit.toml_text import Toml
from host.agent.edit.xml_text import Xml
from host.agent.edit.yaml_text import Yaml
from host.agent.tasks.base import TaskProblem

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
NAMES = st.sampled_from(["a", "b", "port", "host", "x-y", "k_1", "no", "name", "on", "q"])
WORDS = st.sampled_from(
    [
        "x",
        "two words",
        "it's",
        'say "so"',
        "é😀",
        "yes",
        "12",
        "0644",
        "# no comment",
        "a: b",
        "",
        "null",
        "-",
        "[x",
        "%",
        "C:\\dir",
        "tail\t.",
    ]
)
NUMBERS = st.one_of(st.integers(-1000, 10**12), st.sampled_from([0.5, -1.25, 1e10]))
SCALARS = st.one_of(WORDS, NUMBERS, st.booleans())
COMMENTS = st.sampled_from(["", "", "  # note", " # é 'x' \"", "\t# [1, {"])
ENDINGS = st.sampled_from(["\n", "\r\n"])


@dataclass
class Written:
    """A document and the places of its scalars."""

    text: str
    places: list[tuple[Any, ...]]


# Writers with random formatting


class _Yaml:
    def __init__(self, draw: Any) -> None:
        self.draw, self.lines, self.places = draw, [], []

    def scalar(self, value: Any) -> str:
        if not isinstance(value, str):
            return json.dumps(value)
        ways = [json.dumps(value, ensure_ascii=False)]
        if value.isprintable():
            ways.append("'" + value.replace("'", "''") + "'")
        if re.fullmatch(r"[a-z]+( [a-z]+)*", value) and value not in ("null", "yes"):
            ways.append(value)
        return self.draw(st.sampled_from(ways))

    def between(self) -> None:
        for _ in range(self.draw(st.integers(0, 1))):
            self.lines.append(self.draw(st.sampled_from(["", "# alone: {", "    # deep", "  "])))

    def map(self, indent: str, depth: int, way: tuple[Any, ...]) -> None:
        step = self.draw(st.sampled_from(["  ", "    "]))
        for name in self.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
            self.between()
            head = indent + json.dumps(name) + ":"
            self.value(head, indent, step, depth, (*way, name))

    def value(self, head: str, indent: str, step: str, depth: int, way: tuple[Any, ...]) -> None:
        kind = self.draw(st.sampled_from(["scalar", "scalar", "flow", "map", "list", "literal"] if depth < 3 else ["scalar", "flow"]))
        comment = self.draw(COMMENTS)
        if kind == "map":
            self.lines.append(head + comment)
            self.map(indent + step, depth + 1, way)
        elif kind == "list":
            self.lines.append(head + comment)
            inner = indent + self.draw(st.sampled_from(["", step]))
            for number in range(self.draw(st.integers(1, 3))):
                self.between()
                gap = self.draw(st.sampled_from([" ", "   "]))
                self.places.append((*way, number))
                self.lines.append(inner + "-" + gap + self.scalar(self.draw(SCALARS)) + self.draw(COMMENTS))
        elif kind == "literal":
            self.lines += [head + " |" + self.draw(st.sampled_from(["", "-"])), indent + step + "one", indent + step + "  two # no comment"]
            self.places.append(way)
        elif kind == "flow":
            space = self.draw(st.sampled_from(["", " "]))
            items = [self.scalar(self.draw(SCALARS)) for _ in range(self.draw(st.integers(1, 3)))]
            self.places += [(*way, number) for number in range(len(items))]
            self.lines.append(f"{head} [{space}{(',' + self.draw(st.sampled_from([' ', '  ']))).join(items)}{space}]{comment}")
        else:
            self.places.append(way)
            self.lines.append(head + self.draw(st.sampled_from([" ", "   "])) + self.scalar(self.draw(SCALARS)) + comment)


@st.composite
def yaml_documents(draw: Any) -> Written:
    writer = _Yaml(draw)
    writer.map("", 0, ())
    ending = draw(ENDINGS)
    # A block of text at the very end would get its own last line ending with what is added behind it: that is refused.
    last = "" if "|" not in "".join(writer.lines) and draw(st.booleans()) else ending
    return Written(ending.join(writer.lines) + last, writer.places)


def _json(draw: Any, value: Any, way: tuple[Any, ...], places: list[tuple[Any, ...]]) -> str:
    def gap() -> str:
        return draw(st.sampled_from(["", "", " ", "\n", "\r\n\t", " // note\n", "/* x, } */"]))

    if isinstance(value, dict):
        items = [f"{gap()}{json.dumps(k)}{gap()}:{gap()}{_json(draw, v, (*way, k), places)}{gap()}" for k, v in value.items()]
        return "{" + ",".join(items) + (gap() if not items else "") + "}"
    if isinstance(value, list):
        return "[" + ",".join(gap() + _json(draw, v, (*way, n), places) + gap() for n, v in enumerate(value)) + "]"
    places.append(way)
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


TREES = st.dictionaries(
    NAMES,
    st.recursive(SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)), max_leaves=8),
    min_size=1,
    max_size=4,
)


@st.composite
def json_documents(draw: Any) -> Written:
    places: list[tuple[Any, ...]] = []
    text = _json(draw, draw(TREES), (), places)
    return Written(draw(st.sampled_from(["", "// own\n", " "])) + text + draw(st.sampled_from(["", "\n", "\r\n"])), places)


@st.composite
def toml_documents(draw: Any) -> Written:
    lines: list[str] = []
    places: list[tuple[Any, ...]] = []

    def scalar() -> str:
        value = draw(SCALARS)
        if isinstance(value, str) and "'" not in value and "\t" not in value and draw(st.booleans()):
            return f"'{value}'"
        return json.dumps(value, ensure_ascii=False)

    def table(way: tuple[Any, ...], names: list[str]) -> None:
        for name in names:
            lines.extend(draw(st.sampled_from([[], [], ["# alone = ["], [""]])))
            head = draw(st.sampled_from(["", "  "])) + name + draw(st.sampled_from(["=", " = ", "   ="])) + draw(st.sampled_from(["", " "]))
            kind = draw(st.sampled_from(["scalar", "array", "inline", "lines"]))
            if kind == "array":
                items = [scalar() for _ in range(draw(st.integers(1, 3)))]
                places.extend((*way, name, number) for number in range(len(items)))
                lines.append(f"{head}[{', '.join(items)}]{draw(COMMENTS)}")
            elif kind == "lines":
                items = [scalar() for _ in range(draw(st.integers(1, 3)))]
                places.extend((*way, name, number) for number in range(len(items)))
                last = draw(st.sampled_from([",", ""]))
                body = [f"  {item}{',' if n < len(items) - 1 else last}{draw(COMMENTS)}" for n, item in enumerate(items)]
                lines.extend([f"{head}[{draw(COMMENTS)}", *body, "]"])
            elif kind == "inline":
                places.extend([(*way, name, "u"), (*way, name, "v")])
                lines.append(f"{head}{{ u = {scalar()}, v={scalar()} }}{draw(COMMENTS)}")
            else:
                places.append((*way, name))
                lines.append(f"{head}{scalar()}{draw(COMMENTS)}")

    names = st.lists(NAMES, min_size=1, max_size=3, unique=True)
    table((), draw(names))
    for name in draw(st.lists(st.sampled_from(["T", "U", "V"]), max_size=2, unique=True)):
        lines.extend(["", f"[{name}.s]{draw(COMMENTS)}"])
        table((name, "s"), draw(names))
    for number in range(draw(st.integers(0, 2))):
        lines.extend(["# of the element", f"[[E]]{draw(COMMENTS)}"])
        table(("E", number), draw(names))
    ending = draw(ENDINGS)
    return Written(ending.join(lines) + draw(st.sampled_from(["", ending])), places)


TREE_FORMATS = [
    pytest.param(Yaml, yaml_documents(), id="yaml"),
    pytest.param(Json, json_documents(), id="json"),
    pytest.param(Toml, toml_documents(), id="toml"),
]


def _changed_lines_only(before: str, after: str, limit: int) -> None:
    """All but `limit` lines of each are the same bytes in the same order, at the beginning and at the end."""
    one, other = before.splitlines(True), after.splitlines(True)
    head = 0
    while head < min(len(one), len(other)) and one[head] == other[head]:
        head += 1
    tail = 0
    while tail < min(len(one), len(other)) - head and one[-1 - tail] == other[-1 - tail]:
        tail += 1
    assert len(one) - head - tail <= limit, (before, after)


@pytest.mark.parametrize(("form", "documents"), TREE_FORMATS)
def test_setting_a_value_changes_it_and_no_other_and_setting_it_back_gives_the_same_document(form: Any, documents: Any) -> None:
    @MANY
    @given(documents, st.data())
    def check(document: Written, data: Any) -> None:
        assume(document.places)
        place = data.draw(st.sampled_from(document.places))
        value = data.draw(SCALARS)
        it, before = form(), form().data(document.text)
        named = Named(_path(place))
        after = it.set(document.text, named, value)
        expected = it.data(document.text)
        paths.put(expected, place, value)
        assert same(it.data(after), expected)
        _changed_lines_only(document.text, after, 6)
        assert (
            re.findall(r"(?:# |// |\* )\S.*", _comments(document.text)) == re.findall(r"(?:# |// |\* )\S.*", _comments(after))
            or '"' in str(value) + document.text
        )
        back = it.set(after, named, paths.get(before, place))
        assert same(it.data(back), before)
        assert len(back.splitlines()) == len(document.text.splitlines()) or "|" in document.text
        assert it.set(back, named, value) == after or "|" in document.text

    check()


@pytest.mark.parametrize(("form", "documents"), TREE_FORMATS)
def test_what_is_added_and_removed_again_leaves_the_same_bytes(form: Any, documents: Any) -> None:
    @MANY
    @given(documents, st.data())
    def check(document: Written, data: Any) -> None:
        assume(document.places)
        it = form()
        before = it.data(document.text)
        holder = data.draw(st.sampled_from(document.places))[:-1]
        place: tuple[Any, ...] = (
            (*holder, "brand-new") if isinstance(paths.get(before, holder), dict) else (*holder, len(paths.get(before, holder)))
        )
        value = data.draw(st.one_of(SCALARS, st.just({"m": [1, {"n": "x"}]}), st.just([1, "y"])))
        named = Named(_path(place))
        after = it.set(document.text, named, value)
        expected = it.data(document.text)
        paths.put(expected, place, value)
        assert same(it.expected(it.data(after)), it.expected(expected))
        # Only new lines, but that in brackets a comma follows the last item.
        assert set(document.text.splitlines()) - set(after.splitlines()) == set() or "[" in document.text or "{" in document.text
        back = it.remove(after, named)
        assert same(it.expected(it.data(back)), it.expected(before))
        if back != document.text:
            assert "[" in document.text or "{" in document.text
            assert re.sub(r"\s|,", "", back) == re.sub(r"\s|,", "", document.text), (document.text, after, back)

    check()


@pytest.mark.parametrize(("form", "documents"), TREE_FORMATS)
def test_removing_a_value_leaves_all_others_and_every_line_that_is_not_its_own(form: Any, documents: Any) -> None:
    @MANY
    @given(documents, st.data())
    def check(document: Written, data: Any) -> None:
        assume(document.places)
        place = data.draw(st.sampled_from(document.places))
        it = form()
        after = it.remove(document.text, Named(_path(place)))
        expected = it.data(document.text)
        paths.drop(expected, [place])
        assert same(it.expected(it.data(after)), it.expected(expected))
        _changed_lines_only(document.text, after, 9)

    check()


def _path(place: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in place)


def _comments(text: str) -> str:
    return re.sub(r"'[^'\n]*'|\"(?:[^\"\\\n]|\\.)*\"", "", text)


# Formats of lines


@st.composite
def line_documents(draw: Any, signs: list[str], comment: list[str], sections: bool) -> tuple[str, list[str]]:
    lines: list[str] = []
    found: list[str] = []
    names = ["", *draw(st.lists(st.sampled_from(["s1", "s two", "s.3"]), max_size=3, unique=True))] if sections else [""]
    for section in names:
        if section:
            lines.append(f"[{section}]")
        for key in draw(st.lists(NAMES, max_size=4, unique=True)):
            lines.extend(draw(st.sampled_from([[], [""], [draw(st.sampled_from(comment)) + " note = x"]])))
            lines.append(key + draw(st.sampled_from(signs)) + draw(st.sampled_from(["v", "two words", "x=y", "1", "é"])))
            found.append(f"['{section}']['{key}']" if section else f"['{key}']" if sections else key)
    ending = draw(ENDINGS)
    return ending.join(lines) + draw(st.sampled_from(["", ending])), found


LINE_FORMATS = [
    pytest.param(Ini, line_documents(["=", " = ", ": ", "  =  "], ["#", ";"], True), id="ini"),
    pytest.param(Properties, line_documents(["=", " = ", ": ", " "], ["#", "!"], False), id="properties"),
]


@pytest.mark.parametrize(("form", "documents"), LINE_FORMATS)
def test_in_formats_of_lines_only_the_named_line_changes_and_back_gives_the_same_bytes(form: Any, documents: Any) -> None:
    @MANY
    @given(documents, st.data())
    def check(document: tuple[str, list[str]], data: Any) -> None:
        text, found = document
        assume(found)
        it, named = form(), Named(data.draw(st.sampled_from(found)))
        others = {path: it.read(text, Named(path)) for path in found if path != named.path}
        old = it.read(text, named)
        value = data.draw(st.sampled_from(["new", "a = b", "", "#5", "é"]))
        after = it.set(text, named, value)
        assert it.read(after, named) == value
        assert {path: it.read(after, Named(path)) for path in others} == others
        assert sum(one != other for one, other in zip(text.splitlines(True), after.splitlines(True), strict=True)) <= 1
        assert it.set(after, named, old) == text
        gone = it.remove(text, named)
        assert {path: it.read(gone, Named(path)) for path in others} == others
        assert len(gone.splitlines()) == len(text.splitlines()) - 1
        new = Named(named.path.replace("']", "-new']") if "[" in named.path else named.path + "-new")
        if "[" in named.path:
            head, _, last = named.path.rpartition("['")
            new = Named(f"{head}['{last[:-2]}-new']")
        added = it.set(text, new, "v")
        assert it.read(added, new) == "v"
        assert {path: it.read(added, Named(path)) for path in found} == others | {named.path: old}
        assert it.remove(added, new) == text

    check()


@st.composite
def xml_documents(draw: Any) -> tuple[str, list[str]]:
    found: list[str] = []

    def element(name: str, way: str, depth: int, indent: str) -> str:
        quote = draw(st.sampled_from(['"', "'"]))
        attributes = draw(st.lists(st.sampled_from(["p", "q", "r"]), max_size=2, unique=True))
        head = name + "".join(f"{draw(st.sampled_from([' ', '  ']))}{one}={quote}é &amp; {one}{quote}" for one in attributes)
        found.extend(f"{way}/@{one}" for one in attributes)
        if depth == 3 or draw(st.integers(0, 2)) == 0:
            found.append(way)
            return (
                f"<{head}/>"
                if draw(st.booleans())
                else f"<{head}>{draw(st.sampled_from(['x', 'é &lt; 😀', '<![CDATA[<y>]]>', '']))}</{name}>"
            )
        inner = ""
        for number in range(draw(st.integers(1, 3))):
            child = draw(st.sampled_from(["a", "b", "c"])) + str(number)
            inner += draw(st.sampled_from(["\n" + indent, "", "\n\n" + indent + "<!-- <no/> -->"])) + element(
                child, f"{way}/{child}", depth + 1, indent + "  "
            )
        return f"<{head}>{inner}\n{indent[:-2]}</{name}>"

    text = draw(st.sampled_from(["", '<?xml version="1.0"?>\n', "<!-- é -->\n"])) + element("root", "/root", 0, "  ")
    return (text + draw(st.sampled_from(["", "\n"]))).replace("\n", draw(ENDINGS)), found


@MANY
@given(xml_documents(), st.data())
def test_in_xml_only_the_named_text_changes_and_removing_leaves_all_others(document: tuple[str, list[str]], data: Any) -> None:
    text, found = document
    it, named = Xml(), Named(data.draw(st.sampled_from(found)))
    others = {path: it.read(text, Named(path)) for path in found if path != named.path}
    old = it.read(text, named)
    value = data.draw(st.sampled_from(["new", "é", "<&>'\"", " ", "😀"]))
    after = it.set(text, named, value)
    assert it.read(after, named) == value
    assert {path: it.read(after, Named(path)) for path in others} == others
    _changed_lines_only(text, after, 1)
    assert it.read(it.set(after, named, old), named) == old
    if named.path != "/root":
        gone = it.remove(text, named)
        left = {path: value for path, value in others.items() if not path.startswith(named.path + "/")}
        assert {path: it.read(gone, Named(path)) for path in left} == left
        _changed_lines_only(text, gone, 2)
    if "@" not in named.path:
        for new in (f"{named.path}/@brand", *([f"{named.path}/brand"] if not old else [])):
            added = it.set(text, Named(new), "v")
            assert it.read(added, Named(new)) == "v"
            assert it.read(it.remove(added, Named(new)), named) == old


@MANY
@given(st.lists(st.sampled_from(["a", "b", " c ", "", "# x", "é"]), min_size=1, max_size=8), ENDINGS, st.booleans(), st.data())
def test_in_plain_text_only_the_named_line_changes(lines: list[str], ending: str, last: bool, data: Any) -> None:
    text = ending.join(lines) + (ending if last else "")
    number = data.draw(st.integers(1, len(lines)))
    assume(number <= len(text.splitlines()))
    after = Plain().set(text, Named(str(number)), "new")
    assert after.split(ending)[: len(lines)] == [*lines[: number - 1], "new", *lines[number:]]
    assert Plain().set(after, Named(str(number)), lines[number - 1]) == text
    assert Plain().remove(text, Named(str(number))).splitlines() == [line for at, line in enumerate(text.splitlines()) if at != number - 1]


@MANY
@given(
    st.sampled_from([Yaml, Json, Toml, Ini, Properties, Xml]),
    st.text(alphabet="ab:=[]{}-#\"'\\<>/&*|!%@ \n\r\t.1é", max_size=40),
    st.text(alphabet="ab.[]'$*1@?()", min_size=1, max_size=8),
)
def test_whatever_a_file_and_a_path_hold_the_answer_is_a_value_or_a_named_problem(form: Any, text: str, path: str) -> None:
    for act in (
        lambda: form().read(text, Named(path)),
        lambda: form().set(text, Named(path), "v"),
        lambda: form().remove(text, Named(path)),
    ):
        try:
            act()
        except TaskProblem as problem:
            assert problem.mend  # noqa: PT017 - either is right
