"""Schemas: content that fits passes as it is, every other is refused with the field's name, and shapes survive JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import pytest

from host.wire import schema
from host.wire.schema import fact
from host.wire.tasks import KINDS, Limits


@dataclass(frozen=True)
class Move(Limits):
    KIND: ClassVar[str] = "move"
    LABEL: ClassVar[str] = "Move"

    path: str = field(metadata=fact("Path", type="path"))
    action: str = field(default="copy", metadata=fact("Action", choices=["copy", "delete"]))
    to: str = field(default="", metadata=fact("To", required=True, only={"action": ["copy"]}))
    words: list[str] = field(default_factory=list, metadata=fact("Words"))
    named: dict[str, str] = field(default_factory=dict, metadata=fact("Named"))
    share: float = field(default=0.5, metadata=fact("Share", least=0, most=1))
    dry_run: bool = field(default=False, metadata=fact("Dry run"))


@pytest.mark.parametrize("kind", [*KINDS.values(), Move])
def test_a_shape_survives_json(kind: type[Limits]) -> None:
    shape = schema.of(kind)
    assert schema.read(json.loads(json.dumps(asdict(shape)))) == shape


def test_what_fits_passes_as_it_is() -> None:
    content = {"path": "/a", "action": "copy", "to": "/b", "words": ["x"], "named": {"a": "b"}, "share": 1, "dry_run": True, "timeout": 5}
    made = schema.build(Move, content)
    assert (made.path, made.to, made.share, made.dry_run, made.timeout) == ("/a", "/b", 1, True, 5)
    assert schema.build(Move, {"path": "/a", "action": "delete"}).to == ""
    assert schema.of(Move).dry_run


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"path": "/a", "to": "/b", "dryrun": True}, "dryrun: move has no such field"),
        ({"to": "/b"}, "path: is missing"),
        ({"path": "", "to": "/b"}, "path: is empty"),
        ({"path": "/a"}, "to: is missing"),
        ({"path": "/a", "action": "delete", "to": "/b"}, "to: goes only with action copy"),
        ({"path": "/a", "action": "burn"}, "action: 'burn' is unknown; use one of copy, delete"),
        ({"path": 7, "to": "/b"}, "path: has the wrong type"),
        ({"path": "/a", "to": "/b", "timeout": True}, "timeout: has the wrong type"),
        ({"path": "/a", "to": "/b", "timeout": 0}, "timeout: 0 is not between 1 and 86400 s"),
        ({"path": "/a", "to": "/b", "share": float("nan")}, "share: nan is not between 0 and 1"),
        ({"path": "/a", "to": "/b", "words": [1]}, "words: has the wrong type"),
        ({"path": "/a", "to": "/b", "named": {"a": 1}}, "named: has the wrong type"),
        ([], "content: must be an object"),
    ],
)
def test_what_does_not_fit_is_refused_by_its_field(content: Any, what: str) -> None:
    with pytest.raises(ValueError) as told:
        schema.build(Move, content)
    assert str(told.value).startswith(what)


@pytest.mark.parametrize(
    "data",
    [
        [],
        {"kind": "No Spaces"},
        {"kind": "a", "fields": [{"name": "x", "type": "blob"}]},
        {"kind": "a", "fields": [{"name": "X"}]},
        {"kind": "a", "fields": [{"name": "x"}, {"name": "x"}]},
        {"kind": "a", "fields": [{"name": "x", "type": "choice"}]},
        {"kind": "a", "fields": [{"name": "x", "only": {"y": ["1"]}}]},
        {"kind": "a", "fields": [{"name": "x", "least": "1"}]},
        {"kind": "a", "fields": [{"name": "x", "type": ["text", "null"]}]},
        {"kind": "a", "fields": [{"name": "x", "help": "h" * 600}]},
        {"kind": "a", "fields": [{"name": "x", "surprise": 1}]},
        {"kind": "a", "fields": [{"name": f"x{n}"} for n in range(65)]},
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(data: Any) -> None:
    with pytest.raises(ValueError, match=r"^schema: "):
        schema.read(data)


def test_a_condition_on_values_that_are_no_text_is_told_as_well() -> None:
    shape = schema.read({"kind": "a", "fields": [{"name": "flag", "type": "boolean"}, {"name": "x", "only": {"flag": [True]}}]})
    assert schema.check(shape, {"flag": True, "x": "1"})
    with pytest.raises(ValueError, match="x: goes only with flag True"):
        schema.check(shape, {"flag": False, "x": "1"})
