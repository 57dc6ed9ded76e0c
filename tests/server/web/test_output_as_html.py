"""Output of commands as HTML: nothing in it can become markup, and chunks may cut it anywhere."""

from __future__ import annotations

import re
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.web.ansi import MAX_PENDING, Screen

TEXT = b"plain \x1b[1;31mred bold\x1b[0m \x1b[38;5;21mblue\x1b[39m <a href=x>&amp;"
TEXT += b" \xe4\xbd\xa0\xe5\xa5\xbd \x1b]0;title\x07end\r\n\x1b[2Kdone"


def html(*chunks: bytes, stream: str = "stdout") -> str:
    """As a browser collects it: each chunk in a request of its own, with what was carried over."""
    carry, out = "", ""
    for index, data in enumerate(chunks):
        screen = Screen(carry)
        out += screen.html([{"stream": stream, "data": data}], index == len(chunks) - 1)
        carry = screen.carry()
    return out


def text_of(markup: str) -> str:
    return re.sub(r"<[^>]*>", "", markup)


def test_colours_become_classes_and_other_codes_go() -> None:
    made = html(TEXT)
    assert '<span class="a-b a-f1">red bold</span>' in made
    assert "&lt;a href=x&gt;&amp;amp;" in made
    assert text_of(made).endswith("你好 end\ndone")


@given(st.lists(st.integers(0, len(TEXT)), max_size=6))
def test_where_chunks_are_cut_makes_no_difference_to_the_text(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(TEXT)]
    chunks = [TEXT[a:b] for a, b in pairwise(places)]
    assert text_of(html(*chunks)) == text_of(html(TEXT))


@given(st.binary(max_size=300), st.text(max_size=80))
def test_no_bytes_and_no_carried_text_can_make_markup(data: bytes, carry: str) -> None:
    made = Screen(carry).html([{"stream": "stderr", "data": data}], True)
    assert re.fullmatch(r'(?:<span class="[a-z0-9 -]+">|</span>|[^<>"]|&quot;)*', made.replace("&#34;", ""))
    assert "\x1b" not in made


def test_bytes_that_are_no_utf8_are_marked_and_not_lost() -> None:
    assert html(b"a\xffb") == "a�b"
    assert html(b"cut \xe4\xbd") == "cut �"


def test_a_code_without_end_is_not_carried_for_ever() -> None:
    screen = Screen()
    screen.html([{"stream": "stdout", "data": b"\x1b]0;" + b"x" * 5000}], False)
    assert len(screen.carry()) <= 2 * MAX_PENDING + 20


def test_output_made_to_be_slow_is_not() -> None:
    before = time.perf_counter()
    for data in (b"\r" * 65536, b"\x1b[" * 32768, b"\x1b]" * 32768, b"\x1b[" + b"1;" * 32000 + b"m", b"\x1b[31m" * 10922):
        html(data, data)
    assert time.perf_counter() - before < 5
