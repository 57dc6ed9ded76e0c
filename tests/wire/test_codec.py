"""What the host writes, the manager reads: the same dataclasses on both sides."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.wire import codec
from host.wire.messages import Command, Facts, PollAnswer, PollRequest, Record, Refusal, ReportRequest
from host.wire.records import BODY_OF
from host.wire.tasks import Script

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
_MADE = st.one_of(
    st.builds(Facts, hostname=_TEXT, addresses=st.lists(_TEXT), labels=st.dictionaries(_TEXT, _TEXT)),
    st.builds(PollRequest, st.just(1), _TEXT, accepted=st.lists(_TEXT), refused=st.lists(st.builds(Refusal, _TEXT, _TEXT))),
    st.builds(
        ReportRequest,
        _TEXT,
        st.integers(0, 2**53),
        st.lists(st.builds(Record, st.integers(1, 2**53), _TEXT, st.integers(0, 2**53), st.just({"a": 1}))),
    ),
    st.builds(PollAnswer, st.integers(0, 2**53), st.floats(0, 60), st.lists(st.builds(Command, _TEXT, _TEXT, _TEXT, _TEXT, st.just({})))),
)


@given(_MADE)
def test_the_manager_reads_what_the_host_writes(message: object) -> None:
    assert msgspec.json.decode(codec.dumps(message), type=type(message)) == message


@pytest.mark.parametrize("kind", sorted(BODY_OF))
def test_the_manager_ignores_fields_it_does_not_know(kind: str) -> None:
    made = {"took_ms": 1, "component": "", "level": "", "logger": "", "message": "", "state": "", "command_id": "", "chunk": 0}
    made |= {
        "stream": "",
        "offset": 0,
        "data": "",
        "name": "",
        "detail": "",
        "first": 1,
        "why": "",
        "started": 1,
        "address": "",
        "text": "",
        "hash": "",
        "kinds": [],
        "from_the_future": {"x": 1},
    }
    assert isinstance(msgspec.convert(made, BODY_OF[kind]), BODY_OF[kind])


def test_the_host_ignores_fields_it_does_not_know_and_names_those_it_misses() -> None:
    assert codec.build(Refusal, {"id": "a", "reason": "b", "from_the_future": 1}) == Refusal("a", "b")
    with pytest.raises(ValueError, match="reason"):
        codec.build(Refusal, {"id": "a"})
    with pytest.raises(ValueError, match="expected a JSON object"):
        codec.build(Refusal, [])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("script", ""),
        ("script", "a\0b"),
        ("script", "x" * 600_000),
        ("timeout", 0),
        ("timeout", 10**9),
        ("output_limit", -1),
        ("environment", {"A=B": "x"}),
        ("working_folder", "relative"),
    ],
)
def test_a_script_that_cannot_be_run_says_which_field_is_wrong(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field}: "):
        Script(**{"script": "true", field: value})  # type: ignore[arg-type]
