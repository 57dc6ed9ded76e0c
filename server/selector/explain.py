"""A selector in words, English and Chinese, so that people see what they are about to choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.selector.ast import CONTAINS, DIFFERS, EQUALS, FACT, FIELD, GLOB, HAS, IN, All, And, Ast, Compare, Group, Maintenance, Not, Or


@dataclass(frozen=True)
class _Words:
    every: str
    every_one: str
    nodes: str
    both: str
    either: str
    negated: str
    maintenance: str
    no_maintenance: str
    group: str
    tag: str
    field: str
    compare: Mapping[str, str]
    state: Mapping[str, str]
    facts: Mapping[str, str]
    listed: str
    or_last: str
    quoted: str
    wrapped: str


_EN = _Words(
    every="every node but the retired ones",
    every_one="every node",
    nodes="nodes where {0}",
    both=" and ",
    either=" or ",
    negated="it is not true that {0}",
    maintenance="a maintenance window is open",
    no_maintenance="no maintenance window is open",
    group="the group is {0} or one below it",
    tag="the tag {0}",
    field="the field {0}",
    compare={
        EQUALS: "{0} is {1}",
        DIFFERS: "{0} is not {1}",
        CONTAINS: "{0} contains {1}",
        GLOB: "{0} looks like {1}",
        IN: "{0} is {1}",
        HAS: "{0} is set",
        "<": "{0} is less than {1}",
        "<=": "{0} is at most {1}",
        ">": "{0} is more than {1}",
        ">=": "{0} is at least {1}",
    },
    state={},
    facts={
        "name": "the name",
        "hostname": "the host name",
        "id": "the id",
        "address": "an address",
        "os": "the system",
        "kernel": "the kernel",
        "arch": "the architecture",
        "version": "the daemon's version",
        "cpu_count": "the number of cores",
        "memory": "the memory",
        "state": "the state",
        "agent": "the agent",
        "agent_version": "the agent's version",
    },
    listed=", ",
    or_last=" or ",
    quoted="“{0}”",
    wrapped="({0})",
)
_ZH = _Words(
    every="除已退役外的所有节点",
    every_one="所有节点",
    nodes="满足以下条件的节点：{0}",
    both="，并且",
    either="，或者",
    negated="并非（{0}）",
    maintenance="正处于维护窗口内",
    no_maintenance="不在维护窗口内",
    group="属于分组{0}或其下级",
    tag="标签{0}",
    field="字段{0}",
    compare={
        EQUALS: "{0}为{1}",
        DIFFERS: "{0}不为{1}",
        CONTAINS: "{0}包含{1}",
        GLOB: "{0}形如{1}",
        IN: "{0}为{1}",
        HAS: "有{0}",
        "<": "{0}小于{1}",
        "<=": "{0}不超过{1}",
        ">": "{0}大于{1}",
        ">=": "{0}不少于{1}",
    },
    state={"online": "在线", "offline": "离线", "unknown": "未知", "pending": "待批准", "quarantined": "已隔离", "retired": "已退役"},
    facts={
        "name": "名称",
        "hostname": "主机名",
        "id": "编号",
        "address": "地址",
        "os": "操作系统",
        "kernel": "内核",
        "arch": "架构",
        "version": "守护进程版本",
        "cpu_count": "核数",
        "memory": "内存",
        "state": "状态",
        "agent": "代理状态",
        "agent_version": "代理版本",
    },
    listed="、",
    or_last="或",
    quoted="“{0}”",
    wrapped="（{0}）",
)
_LANGUAGES = {"en": _EN, "zh": _ZH}


def explain(ast: Ast, language: str = "en") -> str:
    """One sentence without a full stop."""
    words = _LANGUAGES.get(language, _EN)
    if isinstance(ast, All):
        return words.every
    return words.nodes.format(_of(ast, words, False))


def _of(ast: Ast, words: _Words, wrapped: bool) -> str:
    match ast:
        case All():
            return words.every_one
        case Group(path):
            return words.group.format(words.quoted.format(path))
        case Maintenance():
            return words.maintenance
        case Not(Maintenance()):
            return words.no_maintenance
        case Not(Compare(op="=") as item):
            return _compare(Compare(item.kind, item.key, DIFFERS, item.values, item.type), words)
        case Not(item):
            return words.negated.format(_of(item, words, False))
        case And(items):
            return words.both.join(_of(item, words, True) for item in items)
        case Or(items):
            text = words.either.join(_of(item, words, True) for item in items)
            return words.wrapped.format(text) if wrapped else text
        case Compare():
            return _compare(ast, words)
    raise AssertionError(ast)


def _compare(ast: Compare, words: _Words) -> str:
    if ast.kind == FACT:
        what = words.facts[ast.key]
    else:
        what = (words.field if ast.kind == FIELD else words.tag).format(words.quoted.format(ast.key))
    values = [words.state.get(value, value) if ast.key == "state" else value for value in ast.values]
    shown = values if ast.key == "state" and ast.kind == FACT else [words.quoted.format(value) for value in values]
    text = shown[0] if len(shown) == 1 else words.listed.join(shown[:-1]) + words.or_last + shown[-1] if shown else ""
    return words.compare[ast.op].format(what, text)
