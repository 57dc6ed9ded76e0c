"""What people have set up on the manager that is measured: groups, fields, filters, rules, receivers, windows, a file; over the API.

Four of the rules are true of 125 nodes each, so that 500 alerts are open, and stay so, because the product itself opens them.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timezone
from typing import Any

import requests

from tests.stack import Stack

SITES = ("ams", "fra", "sin", "pvg")
FIRING = (
    ("web", "cpu_usage", "0%", "info"),
    ("app", "memory_usage", "0%", "warning"),
    ("db", "disk_usage", "0%", "critical"),
    ("cache", "load_1", "0", "warning"),
)
MIXED: tuple[dict[str, Any], ...] = (
    {"kind": "metric", "metric": "cpu_usage", "threshold": "99.5%", "hold": 300},
    {"kind": "metric", "metric": "memory_usage", "threshold": "99%", "hold": 120, "clear": "95%"},
    {"kind": "metric", "metric": "disk_usage", "threshold": "99%"},
    {"kind": "metric", "metric": "load_1", "threshold": "400"},
    {"kind": "metric", "metric": "network_rx", "threshold": "10GiB/s"},
    {"kind": "metric", "metric": "plugin:open_files/open", "threshold": "100000"},
    {"kind": "change", "metric": "memory_usage", "threshold": "90%", "span": 3600},
    {"kind": "change", "metric": "cpu_usage", "threshold": "99%", "span": 3600},
    {"kind": "disk-full", "threshold": "4h"},
    {"kind": "offline", "threshold": "2m"},
    {"kind": "agent-failed"},
    {"kind": "agent-restarts", "threshold": "5", "span": 3600},
    {"kind": "update-failed"},
    {"kind": "certificate", "threshold": "7d"},
    {"kind": "outbox", "threshold": "0", "span": 3600},
    {"kind": "clock", "threshold": "30s"},
)
"""All kinds of rule there are; true of no node that is well."""


def organise(stack: Stack) -> dict[str, str]:
    """All but the rules, which must not fire yet; the ids of one of each, by its noun in addresses."""
    top = stack.api("POST", "/groups", {"kind": "region", "name": "Datacentres"})["id"]
    group = top
    for site in SITES:
        group = stack.api("POST", "/groups", {"kind": "region", "name": site, "parent": top})["id"]
        stack.api("POST", f"/groups/{group}/members", {"select": f"name:*-{site}-*"})
    for number in range(30):
        stack.api("POST", "/groups", {"kind": "business", "name": f"Team {number}"})
    for name in ("owner", "rack", "contract"):
        stack.api("POST", "/fields", {"name": name, "title": name.title()})
        stack.api("POST", "/fields/owner/values", {"value": f"team {name}", "select": "name:*-fra-*"})
    for number in range(5):
        stack.api("POST", "/filters", {"name": f"Filter {number}", "selector": f"name:{('web', 'app', 'db', 'log', 'edge')[number]}-*"})
    night = datetime.now(timezone.utc).strftime("%Y-%m-%dT22:00")
    window = ""
    for number in range(6):
        wanted = {
            "name": f"Patch night {number}",
            "selector": f"name:log-{SITES[number % 4]}-*",
            "zone": "host",
            "reason": "kernel updates",
        }
        window = stack.api("POST", "/windows", wanted | {"schedule": {"start": night, "minutes": 60, "repeat": "weekly"}})["id"]
    body = bytes(range(256)) * 64
    file = stack.api("POST", "/files", {"name": "bench.bin", "size": len(body)})["id"]
    headers = {"Authorization": f"Bearer {stack.token}"}
    requests.put(f"{stack.url}/api/v1/files/{file}/content?offset=0", data=body, headers=headers, timeout=30).raise_for_status()
    stack.api("POST", f"/files/{file}/finish", {"sha256": hashlib.sha256(body).hexdigest()})
    return {"groups": group, "fields": "owner", "windows": window, "files": file}


def rules(stack: Stack, enabled: bool) -> list[dict[str, Any]]:
    """All kinds of rule, and the four that are true of 125 nodes of 1000 each."""
    mixed = [{"name": f"{one['kind']} {number}", "selector": "all", "enabled": enabled} | one for number, one in enumerate(MIXED)]
    firing = [
        {"name": f"{metric} of {role}", "kind": "metric", "metric": metric, "selector": f"name:{role}-*", "threshold": threshold}
        | {"severity": severity, "enabled": enabled}
        for role, metric, threshold, severity in FIRING
    ]
    for one in (*mixed, *firing):
        stack.api("POST", "/alert-rules", one)
    return list(stack.api("GET", "/alert-rules")["items"])


def switch_on(stack: Stack) -> int:
    """How many alerts are to be open in a fleet of 1000."""
    for rule in stack.api("GET", "/alert-rules")["items"]:
        if not rule["enabled"]:
            headers = {"Authorization": f"Bearer {stack.token}", "If-Match": f'"{rule["version"]}"'}
            address = f"{stack.url}/api/v1/alert-rules/{rule['id']}"
            requests.patch(address, json={"enabled": True}, headers=headers, timeout=30).raise_for_status()
    return len(FIRING)


def receivers(stack: Stack) -> list[dict[str, Any]]:
    """Switched off: their history is what is looked at, and nothing is sent from here."""
    hook = {"kind": "webhook", "name": "hook", "settings": {"url": "https://hooks.example.com/ops"}}
    mail = {
        "kind": "mail",
        "name": "people",
        "settings": {"host": "mail.example.com", "sender": "ops@example.com", "to": ["a@example.com"]},
    }
    for one in (hook, mail):
        stack.api("POST", "/receivers", one | {"enabled": False})
    return list(stack.api("GET", "/receivers")["items"])
