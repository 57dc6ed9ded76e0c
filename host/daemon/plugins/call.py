"""Started as `python -I call.py FILE`, in a process of its own: calls `collect()` of a Python plugin and prints its metrics.

`collect()` gives a list of `(name, value)` or `(name, value, unit)`, or of dicts with these keys. Only the standard
library is imported here, and nothing of the project: a plugin may be run as a user who can read nothing else.
What the plugin itself prints goes to stderr, so that a forgotten print() does not spoil the JSON.
"""

from __future__ import annotations

import json
import os
import runpy
import sys


def main(file: str) -> int:
    answer = os.dup(1)
    os.dup2(2, 1)
    collect = runpy.run_path(file, run_name="plugin").get("collect")
    if not callable(collect):
        sys.stderr.write("it defines no function collect()\n")
        return 3
    metrics = [item if isinstance(item, dict) else dict(zip(("name", "value", "unit"), item, strict=False)) for item in collect()]
    with os.fdopen(answer, "w", encoding="utf-8") as stream:
        json.dump({"metrics": metrics}, stream)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
