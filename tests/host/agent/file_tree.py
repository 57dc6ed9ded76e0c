"""A folder written down as data: path → text, or `{"mode", "text" | "link" | "folder" | "fifo"}`. Made, and read back."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any


def make(root: Path, tree: dict[str, Any]) -> None:
    for name, what in tree.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        spec = {"text": what} if isinstance(what, str) else what
        if "link" in spec:
            path.symlink_to(spec["link"].replace("{root}", str(root)))
            continue
        if "fifo" in spec:
            os.mkfifo(path)
        elif "folder" in spec:
            path.mkdir(exist_ok=True)
        else:
            path.write_text(spec["text"])
        path.chmod(int(spec.get("mode", "0755" if "folder" in spec else "0644"), 8))
        if "owner" in spec:
            os.chown(path, spec["owner"], spec["owner"])


def read(root: Path, like: dict[str, Any]) -> dict[str, Any]:
    """All that is there, in the words of `like` where it has some; so two trees can be compared."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        state = path.lstat()
        wanted = like.get(name)
        if stat.S_ISLNK(state.st_mode):
            found[name] = {"link": os.readlink(path).replace(str(root), "{root}")}
        elif stat.S_ISFIFO(state.st_mode):
            found[name] = {"fifo": True}
        elif stat.S_ISDIR(state.st_mode):
            if wanted is None and any(path.iterdir()):
                continue  # it is named by what is in it
            found[name] = {"folder": True}
        else:
            found[name] = {"text": path.read_text()}
        if isinstance(wanted, str):
            found[name] = found[name].get("text", found[name])
        elif isinstance(wanted, dict):
            found[name] |= {"mode": f"{stat.S_IMODE(state.st_mode):04o}"} if "mode" in wanted else {}
            found[name] |= {"owner": state.st_uid} if "owner" in wanted else {}
        elif "text" in found[name]:
            found[name] = found[name]["text"]
    return found
