"""docs/api.md and docs/opsctl.md say what is true: every example runs, every call, verb and option is there."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import click
from starlette.routing import Route

from server import api
from server.ctl import tasks
from server.ctl.__main__ import cli
from server.service.alert_drafts import Draft
from server.service.windows import Wanted
from tests.server.api.harness import ROOT as ROOT_CALLER
from tests.server.api.harness import Manager
from tests.server.ctl.opsctl import ROOT, Opsctl

API = (ROOT / "docs/api.md").read_text(encoding="utf-8")
OPSCTL = (ROOT / "docs/opsctl.md").read_text(encoding="utf-8")


def examples() -> list[str]:
    return [block.strip() for block in re.findall(r"^```sh\n(.*?)^```", API, re.DOTALL | re.MULTILINE)]


def test_every_example_of_the_api_works(manager: Manager, ada: Opsctl) -> None:
    host, old = manager.host("web-docs"), manager.host("old-docs")
    command = ada.here("run", "web-docs", "--no-wait", "--", "true").out.decode().split()[0]
    host.starts(command)
    host.writes(command, 0, b"output\n")
    services, now, field = manager.services, manager.clock(), "field-docs"
    group = manager.run(services.groups.make(ROOT_CALLER, "region", "Docs", "", False, now))
    manager.run(services.edits.define(ROOT_CALLER, field, "", "number", [], now))
    note = manager.run(services.edits.note(ROOT_CALLER, host.id, "for the docs", now))
    saved = manager.run(services.selections.save(ROOT_CALLER, "docs", "all", now))
    opens = datetime.fromtimestamp(now / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M")
    wanted = Wanted("docs", "", "all", {"start": opens, "minutes": 60, "repeat": "weekly"}, "UTC")
    window = manager.run(services.windows.make(ROOT_CALLER, wanted, now))
    draft = Draft("docs", "metric", "name=web-docs", "cpu_usage", threshold="90%")
    rule, _ = manager.run(services.alert_rules.make(ROOT_CALLER, draft, now))
    manager.run(manager.db.transaction(lambda s: services.nodes.move(s, host.id, "online", now)))
    host.measures(97.5)
    assert manager.run(services.alert_watch.tick(now))
    [alert] = manager.run(services.alerts.of_node(host.id))
    variables = {
        "ALERT": alert["id"],
        "ENROLMENT": manager.run(services.enrolment.create_token(ROOT_CALLER, 1, 1, "", {}, now)).id,
        "RULE": rule,
        "GROUP": group,
        "FIELD": field,
        "NOTE": note,
        "FILTER": saved,
        "WINDOW": window,
        "WINDOW_DATE": (datetime.fromtimestamp(now / 1000, timezone.utc) + timedelta(days=7)).date().isoformat(),
        "URL": manager.url,
        "CA": str(manager.services.keys.ca_file),
        "TOKEN": manager.token("ada").secret,
        "SPARE_TOKEN": manager.token("ada").secret,
        "NODE": host.id,
        "OLD_NODE": old.id,
        "COMMAND": command,
        "FILE": manager.run(manager.services.files.create(ROOT_CALLER, "docs", 6, manager.clock()))["id"],
    }
    for example in examples():
        done = subprocess.run(
            ["bash", "-c", example], env=os.environ | variables | {"no_proxy": "*"}, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, f"{example}\n{done.stdout}\n{done.stderr}"


def test_every_call_is_documented(manager: Manager) -> None:
    text = re.sub(
        r"\$(NODE|OLD_NODE|COMMAND|FILE|GROUP|FIELD|FILTER|WINDOW|ALERT|RULE|ENROLMENT)\b", "{id}", API.replace("$NOTE", "{note}")
    )
    for route in api.routes(manager.services):
        if isinstance(route, Route) and "{rest:path}" not in route.path:
            assert route.path in text, route.path


def verbs(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        verb = group.get_command(context, name)
        assert verb is not None
        if isinstance(verb, click.Group) and verb is not tasks.task:
            yield from verbs(verb, f"{path} {name}")
        if not isinstance(verb, click.Group) or verb.invoke_without_command or verb is tasks.task:
            yield f"{path} {name}", verb


def usage(path: str) -> str:
    """The lines that show how a verb is typed, with those that go on with it."""
    return " ".join(re.findall(rf"^    {path}(?![\w-]).*(?:\n {{5,}}\S.*)*", OPSCTL, re.MULTILINE))


def test_every_verb_and_option_is_documented_where_the_verb_is() -> None:
    missing = []
    for path, verb in verbs(cli, "opsctl"):
        text = usage(path)
        assert text, path
        if "[options as for make]" in text:
            text += usage(path.rpartition(" ")[0] + " make")
        for parameter in verb.params:
            options = [*parameter.opts, *parameter.secondary_opts] if isinstance(parameter, click.Option) else []
            missing += [f"{path} {one}" for one in options if one != "--json" and not re.search(rf"{one}(?![\w-])", text)]
    assert missing == []
    assert "`--json`" in OPSCTL
