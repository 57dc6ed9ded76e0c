"""The part of a rule's form that says what the rule starts: a task of any kind, by the same fields as on the page that runs one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.requests import Request

from host.wire.schema import Schema
from host.wire.tasks import KINDS, Script
from server.auth import Caller
from server.errors import BadInput
from server.service.files import READY
from server.services import Services
from server.web import forms
from server.web.forms import Draft
from server.web.render import Pages
from server.web.session import Form

TO_KIND = "task:"
"""What the button of another kind sends before the kind."""

STORED = 50


def blank() -> Draft:
    return Draft(kind=Script.KIND)


def typed(services: Services, form: Form, caller: Caller) -> Draft:
    """What was typed, its secrets where they are kept. Raises BadInput when those cannot be read."""
    draft = Draft(kind=form.get("task_kind", Script.KIND)[:64], typed=form.starting("f."))
    return replace(draft, kept=forms.unseal(services.keys.seals, form.get("sealed"), caller.id, services.clock()))


async def hidden(services: Services, draft: Draft, form: Form) -> Draft:
    """The same, with secrets moved to where they are kept, and the kind that was chosen."""
    draft = forms.hide(await _schema(services, draft.kind), draft, list(form.starting("drop.")))
    step = form.get("step")
    return replace(draft, kind=step[len(TO_KIND) :][:64]) if step.startswith(TO_KIND) else draft


async def command(services: Services, draft: Draft) -> dict[str, Any]:
    """The command as a rule takes it. Raises BadInput with the field of the task."""
    schema = await _schema(services, draft.kind)
    if schema is None:
        raise BadInput(f"type: {draft.kind[:40]!r} is unknown; choose another kind", field="type")
    return {"kind": draft.kind, "content": forms.content_of(schema, draft)}


async def values(services: Services, pages: Pages, request: Request, draft: Draft) -> dict[str, Any]:
    """What the template needs to show the fields of the kind."""
    schemas = await services.kinds.schemas()
    schema = schemas.get(draft.kind) or schemas[Script.KIND]
    own, limits, time_limit = forms.rows(schema, draft, pages.language(request).gettext)
    caller: Caller = request.state.caller
    files = any(one.type == "file" for one in schema.fields)
    stored = (await services.files.page(STORED, 0)).rows if files else []
    return {
        "task_kinds": list(schemas.values()),
        "schema": schema,
        "builtin": KINDS,
        "task_rows": own,
        "task_limits": [*([time_limit] if time_limit else []), *limits],
        "stored": [row for row in stored if row["state"] == READY],
        "sealed": forms.seal(services.keys.seals, draft, caller.id, services.clock()),
    }


async def _schema(services: Services, kind: str) -> Schema | None:
    return (await services.kinds.schemas()).get(kind)
