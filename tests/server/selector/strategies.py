"""Selectors and nodes from a small world, so that they meet: few names, few values, some of them nasty."""

from __future__ import annotations

from hypothesis import strategies as st

from server.selector import GroupName, NodeView, Vocabulary
from server.selector.ast import FACT, OPEN, TAG, All, And, Ast, Compare, Covered, Group, Maintenance, Not, Or

TEXTS = (
    "web-1",
    "WEB-1",
    "web",
    "a_b",
    "100%",
    "a!b",
    "",
    "Ünï",
    "ünï",
    "服务器",
    "straße",
    "a b",
    "it's",
    '"q"',
    "x*y",
    "or",
    "back\\slash",
    "a:b",
)
NAMED = [text for text in TEXTS if text]
ADDRESSES = ("10.0.0.1", "10.1.2.3", "192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1", "fe80::1%eth0")
NETWORKS = ("10.0.0.0/8", "10.0.0.1", "2001:db8::/32", "0.0.0.0/0", "::/0", "192.0.2.7/32")
STATES = ("online", "offline", "unknown", "pending", "quarantined", "retired")
VERSIONS = ("web", "WEB-1", "a_b", "100%", "a!b", "")
AGENTS = ("running", "stopped", "failed", "unknown")
GROUPS = (
    GroupName("G1", "region", ("China",)),
    GroupName("G2", "region", ("China", "Shanghai")),
    GroupName("G3", "region", ("Ünï",)),
    GroupName("G4", "business", ("shop",)),
    GroupName("G5", "business", ("shop", "web")),
)
ZONES = ("", "UTC", "Europe/Berlin", "Asia/Shanghai", "Mars/Olympus")
WINDOWS = (
    Covered(Compare(TAG, "env", "=", ("web",)), None),
    Covered(And((Compare(FACT, "state", "!=", ("online",), "word"), Not(Compare(TAG, "rack", "has")))), frozenset({"Europe/Berlin", ""})),
    Covered(Compare(FACT, "state", "in", ("retired", "pending"), "word"), None),
    Covered(All(), frozenset({"Asia/Shanghai"})),
    Covered(All(), frozenset()),
)
"""What open windows cover: each example draws some of them."""

VOCABULARY = Vocabulary(frozenset({"env", "rack"}), {"owner": "text", "slots": "number", "bought": "date"}, GROUPS, ())
DATES = ("2024-01-31", "2025-06-01", "2026-11-25")
NUMBERS = ("0", "1", "2.5", "-3", "10", "1e3")

_glob = st.sampled_from([*NAMED, "web*", "*", "?", "w?b", "*%*", "*_*", "[a]*", "*!*"])
_text = st.sampled_from(NAMED)


def _compare(kind: str, key: str) -> st.SearchStrategy[Ast]:
    one = st.builds(lambda op, v: Compare(kind, key, op, (v,)), st.sampled_from(["=", "!=", "~"]), _text)
    glob = st.builds(lambda v: Compare(kind, key, ":", (v,)), _glob)
    many = st.builds(lambda vs: Compare(kind, key, "in", tuple(vs)), st.lists(_text, min_size=1, max_size=3))
    return one | glob | many


def _typed(kind: str, key: str, type_: str, values: tuple[str, ...], ops: list[str]) -> st.SearchStrategy[Ast]:
    one = st.builds(lambda op, v: Compare(kind, key, op, (v,), type_), st.sampled_from(ops), st.sampled_from(values))
    many = st.builds(lambda vs: Compare(kind, key, "in", tuple(vs), type_), st.lists(st.sampled_from(values), min_size=1, max_size=3))
    return one | many


ORDER = ["=", "!=", "<", "<=", ">", ">="]
TERMS: st.SearchStrategy[Ast] = st.one_of(
    st.just(All()),
    st.just(Maintenance()),
    *[_compare(FACT, key) for key in ("name", "hostname", "os", "kernel", "arch", "version", "agent_version", "id")],
    *[_compare(OPEN, key) for key in ("env", "rack", "owner")],
    _compare(TAG, "env"),
    st.builds(lambda k: Compare(TAG, k, "has"), st.sampled_from(["env", "rack", "never"])),
    _typed(FACT, "cpu_count", "number", ("1", "4", "0", "2.5"), ORDER),
    _typed(FACT, "memory", "size", ("1GiB", "2G", "1000", "1.5GB"), ORDER),
    _typed(FACT, "address", "address", NETWORKS, ["=", "!="]),
    _typed(FACT, "state", "word", STATES, ["=", "!="]),
    _typed(FACT, "agent", "word", AGENTS, ["=", "!="]),
    _typed(OPEN, "slots", "text", NUMBERS, ORDER),
    _typed(OPEN, "bought", "text", DATES, ORDER),
    st.builds(Group, st.sampled_from(["china", "shanghai", "ünï", "region/China", "shop", "Shop/WEB", "web"])),
)


def _flat(kind: type[And] | type[Or], items: list[Ast]) -> Ast:
    """As the parser makes it: no And within And."""
    flat = [inner for item in items for inner in (item.items if isinstance(item, kind) else (item,))]
    return kind(tuple(flat))


SELECTORS: st.SearchStrategy[Ast] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: _flat(And, items)),
        st.lists(inner, min_size=2, max_size=3).map(lambda items: _flat(Or, items)),
    ),
    max_leaves=8,
)


def _some(values: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from(values)


NODES = st.builds(
    NodeView,
    state=_some(STATES),
    facts=st.fixed_dictionaries(
        {key: _some(TEXTS) for key in ("hostname", "os", "kernel", "arch", "version")}
        | {"agent": _some(AGENTS), "agent_version": _some(VERSIONS)}
    ),
    numbers=st.fixed_dictionaries(
        {"cpu_count": st.sampled_from([0, 1, 4, 64]), "memory": st.sampled_from([0, 1000, 2**30, 2**31, 1_500_000_000])}
    ),
    addresses=st.lists(_some(ADDRESSES), max_size=2, unique=True).map(tuple),
    tags=st.dictionaries(st.sampled_from(["env", "Rack"]), _some(TEXTS)),
    fields=st.fixed_dictionaries({}, optional={"owner": _some(TEXTS), "slots": _some(NUMBERS), "bought": _some(DATES)}),
    timezone=_some(ZONES),
    groups=st.sets(st.sampled_from(["G1", "G2", "G3"]), max_size=1).flatmap(
        lambda region: st.sets(st.sampled_from(["G4", "G5"]), max_size=1).map(lambda business: frozenset(region | business))
    ),
)
