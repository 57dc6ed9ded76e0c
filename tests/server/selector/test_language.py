"""The language itself: what can be written, how it is understood, and how it says what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.selector import GroupName, NodeView, SelectorError, Vocabulary, bind, explain, matches, parse, to_sql, written
from server.selector.ast import Ast
from server.selector.values import size_of
from tests.server.selector.strategies import SELECTORS, VOCABULARY

GROUPS = (
    GroupName("1", "region", ("China", "Shanghai")),
    GroupName("2", "region", ("China",)),
    GroupName("3", "business", ("Shop", "Shanghai")),
    GroupName("4", "environment", ("Production",)),
)
KNOWN = Vocabulary(frozenset({"env", "owner"}), {"slots": "number", "bought": "date", "team": "text"}, GROUPS)
NODE = NodeView(
    "online",
    {"name": "web-1", "hostname": "web-1.example", "os": "Ubuntu 24.04 LTS", "arch": "x86_64", "agent": "running"},
    {"cpu_count": 8, "memory": 16 * 1024**3},
    ("10.1.2.3", "2001:db8::7"),
    {"env": "Prod", "owner": "Ada Lovelace"},
    {"slots": "12", "bought": "2025-06-01"},
    frozenset({"1", "4"}),
)


@given(SELECTORS)
@settings(deadline=None)
def test_what_is_written_out_is_understood_as_the_same(selector: Ast) -> None:
    text = written(selector)
    again = parse(text)
    assert written(again) == text
    assert written(bind(again, VOCABULARY)) == written(parse(written(bind(again, VOCABULARY))))
    for language in ("en", "zh"):
        assert explain(again, language)


@given(st.text(max_size=60))
def test_any_text_is_understood_or_refused_with_its_place(text: str) -> None:
    problem = None
    try:
        parse(text)
    except SelectorError as wrong:
        problem = wrong
    assert problem is None or (1 <= problem.column <= len(text) + 1 and "\n" not in problem.what)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", True),
        ("env=prod", True),
        ("env = 'PROD' and online", True),
        ("env!=prod", False),
        ("env in (test, prod)", True),
        ("owner~love", True),
        ("owner:ada*", True),
        ("tag:env", True),
        ("tag:nobody", False),
        ("not tag:nobody", True),
        ("name:web-?", True),
        ("name:eb", False),
        ("os~ubuntu and arch=x86_64", True),
        ("address=10.0.0.0/8", True),
        ("ip=2001:db8::/32", True),
        ("address in (192.0.2.0/24, 10.1.2.3)", True),
        ("address!=10.0.0.0/8", False),
        ("cpu_count>4 and memory>=16GiB", True),
        ("memory<16GiB", False),
        ("cpus=8", True),
        ("offline or not online", False),
        ("state in (online, offline)", True),
        ("agent=running", True),
        ("group:china", True),
        ("group:region/china/shanghai", True),
        ("group:'Shop/Shanghai'", False),
        ("group:production", True),
        ("slots>10 and slots<=12", True),
        ("field:slots", True),
        ("team!=x", True),
        ("bought<2026-01-01", True),
        ("（env＝prod） AND NOT offline", True),
        ("a_tag=1 or all", None),
    ],
)
def test_examples_mean_what_the_handbook_says(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(SelectorError):
            bind(parse(text), KNOWN)
        return
    assert matches(bind(parse(text), KNOWN), NODE) is expected


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("", 1, "it is empty"),
        ("   ", 1, "it is empty"),
        ("()", 2, "is expected, not ')'"),
        ("env=", 5, "a value"),
        ("env=prod and", 13, "it ends here"),
        ("env=prod online", 10, "and, or, or the end"),
        ("(env=prod", 10, ") for the ( at column 1"),
        ("env=prod)", 9, "and, or, or the end"),
        ("onlin", 1, "did you mean online"),
        ("env=prod and hostnme=x", 14, "did you mean hostname"),
        ("evn!=prod", 1, "did you mean env"),
        ("not nothing=1", 5, "no node has a tag or field 'nothing'"),
        ("group:shangai", 1, "did you mean shanghai"),
        ("group:shanghai", 1, "2 groups fit"),
        ("group shanghai", 7, ": and the group's name"),
        ("state=onlin", 7, "did you mean online"),
        ("address=10.0.0.0/99", 9, "an address or a network"),
        ("memory>lots", 8, "a size such as 8GiB"),
        ("cpu_count~4", 10, "cannot be compared with ~"),
        ("env<3", 1, "is text"),
        ("slots>many", 7, "a number"),
        ("slots~1", 1, "is a number"),
        ("bought>yesterday", 8, "a date"),
        ("field:nobody=1", 1, "there is no field"),
        ("env='prod", 5, "never closed"),
        ("env in prod", 8, "( and a list"),
        ("and", 1, "a condition is expected"),
        ("not", 4, "it ends here"),
        ("env=a\x00b", 1, ""),
        ("(" * 30 + "all" + ")" * 30, 22, "more than 20"),
        ("not " * 30 + "all", 85, "more than 20"),
        (" or ".join(["all"] * 120), 701, "more than 100 conditions"),
        ("x" * 3000, 2001, "at most 2000"),
    ],
)
def test_what_is_wrong_is_said_with_its_column_and_a_way_out(text: str, column: int, says: str) -> None:
    if not says:
        bind(parse(text), KNOWN)
        return
    with pytest.raises(SelectorError) as caught:
        bind(parse(text), KNOWN)
    assert (caught.value.column, says in caught.value.what) == (column, True), str(caught.value)


def test_retired_nodes_are_meant_only_where_they_are_named() -> None:
    gone = NodeView("retired", {"name": "old"})
    assert [
        text
        for text in ("all", "name=old", "not online", "retired", "state in (retired, online)", "not retired")
        if matches(parse(text), gone)
    ] == [
        "retired",
        "state in (retired, online)",
    ]
    assert "n.state <> :s" in to_sql(parse("not online")).text


def test_what_the_host_has_not_told_fits_no_number() -> None:
    silent = NodeView("online", numbers={"memory": 0})
    assert not any(matches(parse(text), silent) for text in ("memory<1TiB", "memory=0", "memory!=1", "cpu_count<=100"))


def test_a_value_is_never_part_of_the_statement() -> None:
    evil = "x'; DROP TABLE nodes; --"
    found = to_sql(bind(parse(f'name="{evil}" and env:"*{evil}" and os in ("{evil}")'), KNOWN))
    assert "DROP" not in found.text
    assert evil.lower() in str(found.params)


@pytest.mark.parametrize(
    ("text", "size"), [("8GiB", 8 << 30), ("8g", 8 << 30), ("8GB", 8 * 10**9), ("1.5k", 1536), ("7", 7), ("1TiB", 1 << 40)]
)
def test_sizes_are_bytes(text: str, size: int) -> None:
    assert size_of(text) == size


def test_it_is_explained_in_both_languages() -> None:
    bound = bind(parse("env=prod and (group:china or not online) and memory>=8GiB"), KNOWN)
    assert explain(bound, "en") == (
        "nodes where the tag “env” is “prod” and (the group is “china” or one below it or the state is not online)"
        " and the memory is at least “8GiB”"
    )
    assert (
        explain(bound, "zh")
        == "满足以下条件的节点：标签“env”为“prod”，并且（属于分组“china”或其下级，或者状态不为在线），并且内存不少于“8GiB”"
    )
