"""Secrets in daemon.yaml, found by its structure: masked for whoever asks, put back where masked text is pushed.

Part of short-lived processes only: it needs the parser of YAML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml

from host.lib.errors import ConfigError
from host.wire.masking import MASK, NAMES, mask

_USER = re.compile(r"://([^/@\s\"']+)@")


@dataclass(frozen=True)
class Value:
    """One scalar: its key's path, where it stands in the text, and what it says."""

    path: str
    start: int
    end: int
    value: str

    @property
    def secret(self) -> bool:
        return bool(self.value) and self.path.rpartition(".")[2].lower().endswith(NAMES)


def masked(text: str) -> str:
    """The text without its secrets; lines stay where they are."""
    try:
        for one in reversed(_values(text)):
            if one.secret:
                lines = "\n" * text[one.start : one.end].count("\n")
                text = text[: one.start] + f'"{MASK}"{lines}' + text[one.end :]
            elif _USER.search(one.value):
                text = text[: one.start] + _USER.sub(f"://{MASK}@", text[one.start : one.end]) + text[one.end :]
    except yaml.YAMLError:
        pass  # not valid: what the text alone tells has to do
    return mask(text)


def restored(text: str, current: str, name: str) -> str:
    """`text` with each masked secret replaced by the one in `current`. Raises ConfigError D1002 where there is none."""
    try:
        known = {one.path: one for one in _values(current)}
    except yaml.YAMLError:
        known = {}
    try:
        values = _values(text)
    except yaml.YAMLError:
        return text  # checking it says what is wrong, and where
    for one in reversed(values):
        if MASK not in one.value:
            continue
        old = known.get(one.path)
        piece = text[one.start : one.end]
        if old is None or (one.value != MASK and not _USER.search(old.value)):
            line = text.count("\n", 0, one.start) + 1
            raise ConfigError("D1002", f"{name}:{line}: {one.path} is masked, and this host has no value for it", "write the value itself")
        if one.value == MASK:
            piece = current[old.start : old.end]
        else:
            found = _USER.search(old.value)
            piece = piece.replace(f"://{MASK}@", found[0]) if found else piece
        text = text[: one.start] + piece + text[one.end :]
    return text


def _values(text: str) -> list[Value]:
    """Every scalar that is a value, in the order of the text. Raises yaml.YAMLError."""
    found: dict[int, Value] = {}

    def walk(node: yaml.Node, path: str) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                walk(value, f"{path}.{getattr(key, 'value', '')}".lstrip("."))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                walk(value, f"{path}.{index}")
        elif isinstance(node, yaml.ScalarNode) and node.start_mark and node.end_mark:
            found[node.start_mark.index] = Value(path, node.start_mark.index, node.end_mark.index, str(node.value))

    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is not None:
        walk(root, "")
    return [found[start] for start in sorted(found)]
