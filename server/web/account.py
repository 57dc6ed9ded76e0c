"""My account: password, language, looks."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from server.auth import PUBLIC, SELF, Caller
from server.door import Door
from server.errors import BadInput, NotAuthenticated, OpsError, TooMany
from server.services import Services
from server.web import session, words
from server.web.i18n import LANGUAGES
from server.web.render import Pages


def routes(door: Door, pages: Pages, services: Services) -> list[Route]:
    async def show(request: Request, caller: Caller) -> Response:
        return pages.render(request, "account", {"problem": None, "field": ""})

    async def change_password(request: Request, caller: Caller) -> Response:
        fields = await session.form_of(request)
        try:
            if fields.get("new") != fields.get("again"):
                raise BadInput("the two new passwords are not the same", field="again")
            await services.people.change_password(caller, fields.get("old"), fields.get("new"), services.clock())
        except (BadInput, NotAuthenticated, TooMany) as problem:
            return _again(request, problem)
        response = RedirectResponse("/sign-in?notice=password", 303)
        session.forget(request, response)
        return response

    def _again(request: Request, problem: OpsError) -> Response:
        field = {"password": "new"}.get(problem.field, problem.field or "old")
        return pages.render(request, "account", {"problem": problem, "field": field}, status=problem.status)

    async def preferences(request: Request, caller: Caller) -> Response:
        """Also for those who have not signed in: a language is needed to do so."""
        fields = await session.form_of(request)
        language, theme = fields.get("language"), fields.get("theme")
        response = RedirectResponse(session.local_path(fields.get("next", "/")), 303)
        if language in LANGUAGES:
            session.choose(request, response, "ops_language", language)
            if caller.id:
                await services.people.set_language(caller, language, services.clock())
        if theme in words.THEMES:
            session.choose(request, response, "ops_theme", theme)
        return response

    return [
        door.route("/account", show, SELF),
        door.route("/account", change_password, SELF, ["POST"]),
        door.route("/preferences", preferences, PUBLIC, ["POST"]),
    ]
