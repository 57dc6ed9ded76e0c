"""Paths into documents of maps and lists: `a.b[0]['c.d']`, or JSONPath where they begin with `$`."""

from __future__ import annotations

import re
import warnings
from typing import Any

from host.agent.edit.base import bad_path, wrong_type

Step = str | int
Path = tuple["Step", ...]

_STEP = re.compile(r"""\.?(?:\[(?P<index>-?\d+)\]|\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]|(?P<name>[^.\[\]]+))""")


def plain(path: str) -> Path:
    """A dotted path as its steps. Raises A4007."""
    found: list[Step] = []
    at = 0
    while at < len(path):
        match = _STEP.match(path, at)
        if not match or (match[0].startswith(".") and not at) or (match["name"] and at and not match[0].startswith(".")):
            raise bad_path(path, f"at {path[at : at + 20]!r}")
        if match["index"]:
            found.append(int(match["index"]))
        elif match["quoted"]:
            found.append(re.sub(r"\\(.)", r"\1", match["quoted"][1:-1]))
        else:
            found.append(match["name"])
        at = match.end()
    return tuple(found)


def select(data: Any, path: str) -> tuple[list[Path], list[Path]]:
    """Where the path leads: (places that are there, places that are not but are named exactly)."""
    if path.startswith("$"):
        return _by_jsonpath(data, path)
    steps = _resolved(data, plain(path))
    return ([steps], []) if there(data, steps) else ([], [steps])


def there(data: Any, steps: Path) -> bool:
    for step in steps:
        inside = step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data)
        if not inside:
            return False
        data = get(data, (step,))
    return True


def get(data: Any, steps: Path) -> Any:
    for step in steps:
        data = data[step]
    return data


def _resolved(data: Any, steps: Path) -> Path:
    """A number names a place in a list, a key in a map, whichever is there: `hosts.0` and `ports[80]` too."""
    found: list[Step] = []
    for step in steps:
        if isinstance(data, list) and isinstance(step, str) and re.fullmatch(r"-?\d+", step):
            step = int(step)
        if isinstance(data, list) and isinstance(step, int) and -len(data) <= step < 0:
            step += len(data)
        if isinstance(data, dict) and isinstance(step, int) and step not in data and str(step) in data:
            step = str(step)
        if (
            isinstance(data, dict)
            and isinstance(step, str)
            and step not in data
            and re.fullmatch(r"-?\d{1,18}", step)
            and int(step) in data
        ):
            step = int(step)
        found.append(step)
        data = data[step] if there(data, (step,)) else None
    return tuple(found)


def _by_jsonpath(data: Any, path: str) -> tuple[list[Path], list[Path]]:
    from jsonpath_ng import Child, Fields
    from jsonpath_ng.ext.parser import parse

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = parse(path)
            found = [_steps(one.full_path) for one in tree.find(data)]
            if found or not (isinstance(tree, Child) and isinstance(tree.right, Fields) and len(tree.right.fields) == 1):
                return list(dict.fromkeys(found)), []
            name = tree.right.fields[0]
            parents = [_steps(one.full_path) for one in tree.left.find(data)]
    except RecursionError:
        raise bad_path(path, "it is nested too deeply") from None
    except Exception as problem:  # the library raises bare Exception for what it cannot parse or compare
        raise bad_path(path, " ".join(str(problem).split())[:200]) from problem
    return [], [(*parent, name) for parent in parents if name != "*"]


def _steps(path: Any) -> Path:
    from jsonpath_ng import Child, Fields, Index, Root, This

    if isinstance(path, Child):
        return (*_steps(path.left), *_steps(path.right))
    if isinstance(path, Index):
        return tuple(path.indices)
    if isinstance(path, Fields):
        return tuple(path.fields)
    if isinstance(path, (Root, This)):
        return ()
    raise bad_path(str(path), "its matches have no place in the file")


def put(data: Any, steps: Path, value: Any) -> None:
    """Set in plain data, maps in between are made. Raises A4010 where the way leads through a value."""
    for at, step in enumerate(steps):
        last = at == len(steps) - 1
        if isinstance(data, dict) and isinstance(step, (str, int)):
            if last:
                data[step] = value
            elif data.get(step) is None:
                data[step] = {}
        elif isinstance(data, list) and isinstance(step, int) and 0 <= step <= len(data):
            if step == len(data):
                data.append(value if last else {})
            elif last:
                data[step] = value
        else:
            raise wrong_type(
                f"{shown(steps[:at]) or 'the file'} is no {'list' if isinstance(step, int) else 'object'} with a place for {step!r}"
            )
        if not last:
            data = data[step]


def drop(data: Any, places: list[Path]) -> None:
    """Remove from plain data; later places first, so that the earlier ones keep their numbers."""
    for steps in sorted(places, key=lambda one: [(isinstance(s, str), s) for s in one], reverse=True):
        if there(data, steps):
            del get(data, steps[:-1])[steps[-1]]


def shown(steps: Path) -> str:
    out = ""
    for step in steps:
        if isinstance(step, int):
            out += f"[{step}]"
        elif re.search(r"[.\[\]'\"]", step) or not step:
            out += f"[{step!r}]"
        else:
            out += f".{step}" if out else step
    return out
