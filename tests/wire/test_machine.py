"""The mark of a machine: short, the same for the same parts, and never read from nonsense."""

from __future__ import annotations

import pytest

from host.wire.machine import MAX_MARKS, MOST_CARDS, Marks, marks_of, read
from server.service.machines import all_cards_new, same_marks

WHOLE = {"machine_id": "M1", "board_id": "b1", "macs": "02:00:00:00:00:02,02:00:00:00:00:01"}


def parts(**fingerprint: str) -> Marks:
    found = read(marks_of(fingerprint))
    assert found is not None
    return found


def test_a_mark_is_the_same_whatever_the_order_and_case() -> None:
    assert marks_of(WHOLE) == marks_of({"macs": "02:00:00:00:00:01,02:00:00:00:00:02", "board_id": "B1\n", "machine_id": "m1"})
    assert marks_of(WHOLE) != marks_of(WHOLE | {"board_id": "b2"})
    assert marks_of({}) == marks_of({"macs": ",", "board_id": " "}) == ""


def test_the_longest_mark_fits_and_is_read() -> None:
    many = WHOLE | {"macs": ",".join(f"02:00:00:00:00:{n:02x}" for n in range(90))}
    assert len(marks_of(many)) <= MAX_MARKS
    found = read(marks_of(many))
    assert found is not None
    assert len(found.cards) == MOST_CARDS


@pytest.mark.parametrize("missing", ["machine_id", "board_id", "macs"])
def test_a_mark_without_a_part_is_read(missing: str) -> None:
    found = parts(**{name: value for name, value in WHOLE.items() if name != missing})
    assert ["installation", "board", "cards"][["machine_id", "board_id", "macs"].index(missing)] in [
        name for name, value in vars(found).items() if not value
    ]


@pytest.mark.parametrize(
    "text", ["", ";", "x", "i=1", "i=1a2b3c4d;b", "m=", "m=1a2b3c4d,", "i=1A2B3C4D", "i=1a2b3c4d" * 40, "i=1a2b3c4d\n"]
)
def test_nonsense_is_no_mark(text: str) -> None:
    assert read(text) is None


def test_which_machines_are_the_same() -> None:
    one = parts(**WHOLE)
    for change in ({"macs": "02:00:00:00:00:02"}, {"macs": WHOLE["macs"] + ",02:00:00:00:00:09"}):
        assert same_marks(one, parts(**(WHOLE | change)))
    for change in ({"macs": "02:00:00:00:00:09"}, {"board_id": "b2"}, {"machine_id": "m2"}):
        assert not same_marks(one, parts(**(WHOLE | change)))
    assert all_cards_new(one, parts(**(WHOLE | {"macs": "02:00:00:00:00:09"})))
    assert not all_cards_new(parts(macs="02:00:00:00:00:01"), parts(macs="02:00:00:00:00:09")), "nothing known is nothing in common"
