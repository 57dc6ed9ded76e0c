"""XML by XPath 1.0: lxml finds what is named, `xml_spans` where it stands.

Nothing is fetched and nothing expanded: a document that declares entities is refused (A4016), an outside DTD is not read.
"""

from __future__ import annotations

import copy
import re
from typing import Any
from xml.sax.saxutils import escape

from lxml import etree

from host.agent.edit.base import (
    Edit,
    Named,
    Values,
    alone,
    apply,
    bad_path,
    check_count,
    first_on_line,
    indent_of,
    line_end,
    looks_secret,
    newline,
    no_match,
    scalar_text,
    whole_lines,
    wrong_type,
)
from host.agent.edit.xml_spans import Span, spans
from host.agent.tasks.base import TaskProblem

_LAST = re.compile(r"(?P<parent>.*)/(?P<name>@?[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?)", re.DOTALL)
Place = tuple[int, str]
"""Number of the element in the document, and an attribute's name or "" for its text."""


def parse(text: str) -> Any:
    """The document. Raises A4005."""
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, attribute_defaults=False, encoding="utf-8"
    )
    try:
        return etree.fromstring(text.encode("utf-8"), parser)
    except etree.XMLSyntaxError as problem:
        line, column = problem.position
        raise TaskProblem(
            "A4005", f"the file is no valid XML at line {line}, column {column}: {problem.msg}", "mend it by hand first"
        ) from problem


class Xml:
    """`namespaces`: prefix → address; the prefixes of the root are known too, its default namespace as `default`."""

    def __init__(self, namespaces: dict[str, str] | None = None) -> None:
        self._given = namespaces or {}

    def read(self, text: str, named: Named) -> Any:
        spans(text)
        root = parse(text)
        result = self._xpath(root, named.path)
        if not isinstance(result, list):
            return result
        check_count(named, len(result))
        values = [_value(one) for one in result]
        return values if named.every else values[0]

    def set(self, text: str, named: Named, value: Any) -> str:
        found = spans(text)
        root = parse(text)
        written = scalar_text(value, "XML")
        if re.search("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", written):
            raise wrong_type("the value has a character that XML cannot hold")
        places = self._places(root, named.path)
        if not places:
            return self._make(text, found, root, named, written)
        check_count(named, len(places))
        elements = list(root.iter(etree.Element))
        edits = []
        for number, name in places:
            if name:
                edits.append(_attribute(found[number], _written(root, elements[number], name), written))
                elements[number].set(name, written)
            else:
                if any(isinstance(one.tag, str) for one in elements[number]):
                    raise wrong_type(f"{named.path[:200]} has elements of its own", "name one of these, or an attribute")
                edits.append(_content(text, found[number], written))
                elements[number].text = written
        return _proved(root, apply(text, edits))

    def remove(self, text: str, named: Named) -> str:
        found = spans(text)
        root = parse(text)
        places = self._places(root, named.path)
        check_count(named, len(places))
        elements = list(root.iter(etree.Element))
        edits = []
        for number, name in places:
            element = elements[number]
            if name:
                edits.append(found[number].without(text, _written(root, element, name)))
                del element.attrib[name]
                continue
            if element is root:
                raise no_match(named.path, "the whole file is meant; name something in it")
            edits.append(_element(text, found[number]))
        for number, name in places:
            if not name and elements[number].getparent() is not None:
                _take_out(elements[number])
        return _proved(root, apply(text, edits))

    def secrets(self, text: str) -> Values:
        found = set()
        for element in parse(text).iter(etree.Element):
            pairs = [(etree.QName(name).localname, value) for name, value in element.attrib.items()]
            pairs.append((etree.QName(element).localname, element.text or ""))
            # <property name="password" value="…"/>, <entry key="password">…</entry>
            label = next((element.get(name) for name in ("name", "key", "id") if element.get(name)), "")
            pairs += [(label, element.get("value") or ""), (label, element.text or "")]
            found |= {value.strip() for name, value in pairs if looks_secret(name) and value.strip() and value != label}
        return found | {escape(one) for one in found}

    def _xpath(self, root: Any, path: str) -> Any:
        try:
            return root.getroottree().xpath(path, namespaces=self._prefixes(root))
        except (etree.XPathError, ValueError) as problem:
            raise bad_path(path, str(problem)) from problem

    def _prefixes(self, root: Any) -> dict[str, str]:
        own = {name or "default": address for name, address in root.nsmap.items()}
        return {name: address for name, address in (own | self._given).items() if name}

    def _places(self, root: Any, path: str) -> list[Place]:
        result = self._xpath(root, path)
        if not isinstance(result, list):
            raise bad_path(path, "it gives a value, not a place in the file")
        numbers = {element: number for number, element in enumerate(root.iter(etree.Element))}
        places: list[Place] = []
        for one in result:
            if isinstance(one, etree._Element):
                places.append((numbers[one], "") if one in numbers else _strange(path))
            elif getattr(one, "is_attribute", False):
                places.append((numbers[one.getparent()], str(one.attrname)))
            elif getattr(one, "is_text", False):
                places.append((numbers[one.getparent()], ""))
            else:
                _strange(path)
        return list(dict.fromkeys(places))

    def _make(self, text: str, found: list[Span], root: Any, named: Named, value: str) -> str:
        """The last step of the path, if it is a plain name, within the places that the rest of it names."""
        match = _LAST.fullmatch(named.path)
        if not match or not match["parent"] or match["parent"].endswith("/"):
            raise no_match(named.path)
        places = self._places(root, match["parent"])
        check_count(named, len(places))
        elements = list(root.iter(etree.Element))
        prefix, _, local = match["name"].lstrip("@").rpartition(":")
        address = self._prefixes(root).get(prefix, "") if prefix else ""
        if prefix and not address:
            raise bad_path(named.path, f"the prefix {prefix} has no namespace")
        edits = []
        for number, attribute in places:
            if attribute:
                raise wrong_type(f"{match['parent']} is an attribute and holds nothing")
            element, full = elements[number], f"{{{address}}}{local}" if address else local
            if match["name"].startswith("@"):
                edits.append(found[number].with_attribute(_spelt(element, address, local, True), _quoted(value)))
                element.set(full, value)
                continue
            name = _spelt(element, address, local, False)
            edits.append(_child(text, found[number], element, found, elements, f"<{name}>{_escaped(value)}</{name}>"))
            etree.SubElement(element, full).text = value
        return _proved(root, apply(text, edits))


def _strange(path: str) -> Any:
    raise bad_path(path, "it names something other than elements, attributes and their text")


def _value(one: Any) -> Any:
    if not isinstance(one, etree._Element):
        return str(one) if isinstance(one, str) else one
    if len(one):
        return str(etree.tostring(one, encoding="unicode", with_tail=False))
    return one.text or ""


def _escaped(value: str) -> str:
    return escape(value, {"\r": "&#13;"})


def _quoted(value: str, quote: str = '"') -> str:
    codes = {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;", quote: "&quot;" if quote == '"' else "&apos;"}
    return quote + escape(value, codes) + quote


def _spelt(element: Any, address: str, local: str, attribute: bool) -> str:
    """As the document writes it where the element stands."""
    if not address:
        if not attribute and element.nsmap.get(None):
            raise bad_path(local, "a new element here belongs to the default namespace; write default:" + local)
        return local
    for prefix, known in element.nsmap.items():
        if known == address and (prefix or not attribute):
            return f"{prefix}:{local}" if prefix else local
    raise bad_path(local, f"no prefix for the namespace {address} is declared in the file")


def _written(root: Any, element: Any, name: str) -> str:
    full = etree.QName(name)
    if full.namespace == "http://www.w3.org/XML/1998/namespace":
        return f"xml:{full.localname}"
    return _spelt(element, full.namespace or "", full.localname, True)


def _attribute(span: Span, name: str, value: str) -> Edit:
    start, end, quote = span.attributes[name]
    return Edit(start, end, _quoted(value, quote)[1:-1])


def _content(text: str, span: Span, value: str) -> Edit:
    if span.content is None:
        # <a/> and <a x="1" /> get an end of their own.
        at = span.start_end - 2
        while text[at - 1].isspace():
            at -= 1
        return Edit(at, span.end, f">{_escaped(value)}</{span.name}>")
    start, end = span.content
    old = text[start:end]
    if "<!--" in old or "<?" in old:
        raise alone("there are comments in the text that would be replaced")
    if old.strip().startswith("<![CDATA[") and old.strip().endswith("]]>") and "]]>" not in value and "\r" not in value:
        return Edit(start, end, f"<![CDATA[{value}]]>")
    return Edit(start, end, _escaped(value))


def _element(text: str, span: Span) -> Edit:
    if first_on_line(text, span.start) and not text[span.end : line_end(text, span.end)].strip():
        return whole_lines(text, span.start, span.end)
    return Edit(span.start, span.end, "")


def _child(text: str, span: Span, element: Any, found: list[Span], elements: list[Any], written: str) -> Edit:
    if span.content is None:
        at = span.start_end - 2
        while text[at - 1].isspace():
            at -= 1
        return Edit(at, span.end, f">{written}</{span.name}>")
    children = [one for one in element if isinstance(one.tag, str)]
    if children:
        last = found[elements.index(children[-1])]
        gap = newline(text) + indent_of(text, last.start) if first_on_line(text, last.start) else ""
        return Edit(last.end, last.end, gap + written)
    start, end = span.content
    if "\n" in text[start:end] and first_on_line(text, end):
        inner = indent_of(text, span.start) + "  "
        at = start + len(text[start:end].rstrip())
        return Edit(at, at, newline(text) + inner + written)
    return Edit(end, end, written)


def _take_out(element: Any) -> None:
    """Remove it and keep the text behind it."""
    parent, before = element.getparent(), element.getprevious()
    if element.tail and element.tail.strip():
        if before is not None:
            before.tail = (before.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)


def _proved(expected: Any, after: str) -> str:
    """The new text, if it says what was meant and nothing else. White space between elements is not looked at."""
    try:
        found = parse(after)
    except TaskProblem as problem:
        raise alone("it would leave a file that cannot be read") from problem
    if _shape(found) != _shape(copy.deepcopy(expected)):
        raise alone("the file is written in a way that this cannot be sure about")
    return after


def _shape(root: Any) -> list[Any]:
    def words(value: str | None) -> str:
        return value.replace("\r\n", "\n") if value and value.strip() else ""

    return [
        (
            str(one.tag) if isinstance(one.tag, str) else one.tag,
            sorted(one.attrib.items()) if isinstance(one.tag, str) else [],
            words(one.text),
            words(one.tail),
        )
        for one in root.iter()
    ]
