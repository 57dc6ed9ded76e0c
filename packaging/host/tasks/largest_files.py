"""Example of a kind of task in Python: the largest files below a folder.

Copy it to /etc/ops-scaffold/tasks/ (owner root, not writable by others); the agent offers it within seconds as the kind
`plugin.largest_files`. SCHEMA says what it takes; `run` is called in a process of its own, with that and `work`:
`work.say(text)`, `work.progress(percent)`, `work.fail(code, message)`, `work.folder`, `work.command_id`. An object that it
returns is the task's result.
"""

import heapq
import os

SCHEMA = {
    "label": "Largest files",
    "help": "Finds the largest files below a folder, without leaving its file system.",
    "fields": [
        {"name": "folder", "type": "path", "label": "Folder", "required": True},
        {"name": "count", "type": "integer", "label": "How many", "default": 10, "least": 1, "most": 100},
    ],
}


def run(content, work):
    top = content["folder"]
    if not os.path.isdir(top):
        work.fail("no-folder", f"{top} is no folder on this host")
    device = os.stat(top).st_dev
    found = []
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if os.lstat(os.path.join(folder, name)).st_dev == device]
        for name in names:
            try:
                found.append((os.lstat(os.path.join(folder, name)).st_size, os.path.join(folder, name)))
            except FileNotFoundError:
                continue  # removed meanwhile
        found = heapq.nlargest(content["count"], found)
    for size, path in found:
        work.say(f"{size:>15,}  {path}")
    return {"files": [{"path": path, "bytes": size} for size, path in found]}
