"""What a test's host tells of its kinds: one with a field of every type, and one made by somebody who means harm."""

from __future__ import annotations

from typing import Any

from host.wire.codec import plain
from host.wire.schema import of
from host.wire.tasks import KINDS

EVERY: dict[str, Any] = {
    "kind": "plugin.backup",
    "label": "Back up a database",
    "help": "Dumps one database into a folder, and keeps the newest so many.",
    "fields": [
        {"name": "engine", "type": "choice", "label": "Engine", "choices": ["mysql", "postgresql"], "required": True},
        {"name": "database", "label": "Database", "help": "Its name on the server.", "required": True},
        {"name": "folder", "type": "path", "label": "Folder", "default": "/var/backups"},
        {"name": "statements", "type": "block", "label": "Statements before it", "help": "Run in one transaction."},
        {"name": "compress", "type": "boolean", "label": "Compress", "default": True},
        {"name": "level", "type": "integer", "label": "Level", "least": 1, "most": 9, "default": 6, "only": {"compress": [True]}},
        {"name": "share", "type": "number", "label": "Share of the disk", "least": 0, "most": 0.9, "unit": "of 1"},
        {"name": "zone", "type": "choice", "label": "Zone", "choices": ["a", "b", "c", "d", "e"], "default": "c"},
        {"name": "tables", "type": "list", "label": "Tables", "help": "Empty: all of them."},
        {"name": "labels", "type": "map", "label": "Labels"},
        {"name": "settings", "type": "map", "label": "Client settings", "secret": True},
        {"name": "password", "label": "Password", "secret": True, "only": {"engine": ["mysql"]}},
        {"name": "hook", "type": "value", "label": "Hook", "help": "What is called with the result."},
        {"name": "seed", "type": "file", "label": "Seed"},
        {"name": "timeout", "type": "integer", "label": "Time limit", "least": 1, "most": 86400, "unit": "s", "default": 600},
        {"name": "nice", "type": "integer", "label": "Niceness", "least": 0, "most": 19, "default": 0},
        {"name": "dry_run", "type": "boolean", "label": "Dry run", "default": False},
    ],
}
SCRIPT = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HOSTILE: dict[str, Any] = {
    "kind": "plugin.evil",
    "label": SCRIPT,
    "help": SCRIPT + "{{ 7*7 }}%(x)s",
    "fields": [
        {"name": "node", "label": SCRIPT, "help": SCRIPT, "unit": SCRIPT, "default": SCRIPT},
        {"name": "step", "type": "choice", "label": "' onfocus=alert(1) x='", "choices": [SCRIPT, "' onfocus=x"], "default": SCRIPT},
        {"name": "main", "type": "boolean", "label": SCRIPT, "only": {"step": [SCRIPT], "node": ["\"'><b>"]}},
        {"name": "kind", "type": "integer", "default": {"not": ["a", "number"]}, "label": "x" * 500},
        {"name": "targets", "type": "list", "default": 5},
        {"name": "sealed", "type": "map", "default": [SCRIPT]},
        {"name": "dry_run", "type": "text", "default": SCRIPT},
    ],
}


def told(*more: dict[str, Any], interpreters: tuple[str, ...] = ("shell", "python")) -> dict[str, Any]:
    """The body of a `kinds` record: what comes with the agent, and these."""
    own: list[dict[str, Any]] = [plain(of(cls)) for cls in KINDS.values()]
    for schema in own:
        for one in schema["fields"]:
            if one["name"] == "interpreter":
                one |= {"type": "choice", "choices": list(interpreters)}
    return {"kinds": [*own, *more], "refused": {}}
