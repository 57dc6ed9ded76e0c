"""What changes between two texts, line by line."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from server.web.diffs import ADDED, REMOVED, SKIPPED, counts, diff

OLD = "".join(f"line {n}\n" for n in range(1, 21))


def test_a_changed_line_goes_and_comes_with_three_lines_around_it() -> None:
    lines = diff(OLD, OLD.replace("line 10\n", "line ten\n"))
    assert [(line.kind, line.before, line.after, line.text) for line in lines if line.kind in (ADDED, REMOVED)] == [
        (REMOVED, 10, None, "line 10"),
        (ADDED, None, 10, "line ten"),
    ]
    assert [line.before for line in lines] == [None, 7, 8, 9, 10, None, 11, 12, 13, None]
    assert (lines[0].kind, lines[-1].kind) == (SKIPPED, SKIPPED)
    assert counts(lines) == (1, 1)


def test_the_same_text_differs_nowhere_and_a_last_line_end_does_not_count() -> None:
    assert diff(OLD, OLD) == []
    assert diff(OLD, OLD.rstrip("\n")) == []
    assert counts(diff("", "a: 1\n")) == (1, 0)


@given(st.lists(st.sampled_from(["a", "b", "", "  c"]), max_size=12), st.lists(st.sampled_from(["a", "b", "", "  c"]), max_size=12))
def test_what_is_shown_leads_from_one_text_to_the_other(before: list[str], after: list[str]) -> None:
    lines = diff("\n".join(before), "\n".join(after))
    added, removed = counts(lines)
    old, new = ("\n".join(text).removesuffix("\n").split("\n") if "\n".join(text) else [] for text in (before, after))
    assert len(old) - removed + added == len(new)
    assert all(new[line.after - 1] == line.text for line in lines if line.after)
    assert all(old[line.before - 1] == line.text for line in lines if line.before)


def test_texts_made_to_be_slow_are_not() -> None:
    started = time.process_time()
    lines = diff("a\nb\n" * 60_000, "b\na\n" * 60_000)
    assert counts(lines) == (120_000, 120_000)
    assert time.process_time() - started < 3
