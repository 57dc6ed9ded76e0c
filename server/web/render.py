"""Templates → answers: one environment for each language, whole pages or one block of them (for htmx).

Autoescape everywhere, and a name that a template misspells is an error, not an empty place.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from server import auth
from server.auth import Caller, nobody
from server.ids import new_id
from server.paths import resource
from server.web import formats, i18n, words
from server.web.findings import FINDINGS
from server.web.i18n import LANGUAGES, Language
from server.web.packed import packed
from server.web.sentences import SENTENCES

NAVIGATION = (
    ("/", "overview", words.N_("Overview"), auth.NODE_READ),
    ("/nodes", "nodes", words.N_("Nodes"), auth.NODE_READ),
    ("/run", "run", words.N_("Run"), auth.COMMAND_RUN),
    ("/commands", "commands", words.N_("Commands"), auth.COMMAND_READ),
    ("/windows", "calendar", words.N_("Windows"), auth.NODE_READ),
    ("/log", "log", words.N_("Log"), auth.NODE_READ),
    ("/files", "box", words.N_("Files"), auth.FILE_READ),
    ("/enrol", "enrol", words.N_("Enrol hosts"), auth.NODE_ENROL),
    ("/alerts", "bell", words.N_("Alerts"), auth.ALERT_READ),
    ("/receivers", "send", words.N_("Receivers"), auth.RECEIVER_READ),
    ("/audit", "audit", words.N_("Audit log"), auth.AUDIT_READ),
)


class Pages:
    """`clock` gives UTC ms. Made once, when the routes are."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.clock = clock
        self.languages = i18n.load((*SENTENCES, *FINDINGS))
        version = _version()
        self._environments = {code: _environment(language, version) for code, language in self.languages.items()}

    def language(self, request: Request) -> Language:
        return self.languages[i18n.choose(request, getattr(request.state, "caller", None))]

    def render(self, request: Request, name: str, values: dict[str, Any], *, block: str = "", status: int = 200) -> Response:
        """`name`.html with `values`; only `block` of it when htmx asked (header HX-Request)."""
        caller: Caller = getattr(request.state, "caller", None) or nobody("")
        language = self.language(request)
        template = self._environments[language.code].get_template(f"{name}.html")
        theme = request.cookies.get("ops_theme", "auto")
        context = {
            "caller": caller,
            "may": caller.may,
            "language": language,
            "theme": theme if theme in words.THEMES else "auto",
            "path": request.url.path,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "now": self.clock(),
            "notice": words.NOTICES.get(request.query_params.get("notice", "")),
            "navigation": [item for item in NAVIGATION if caller.may(item[3])],
            "press": new_id(self.clock()),
            "badges": getattr(request.state, "badges", {}),
            **values,
        }
        if block and request.headers.get("hx-request") == "true":
            parts = template.blocks[block](template.new_context(context))
            text = "".join(parts)
        else:
            text = template.render(context)
        vary = "HX-Request, Accept-Language, Cookie, Accept-Encoding, Sec-Fetch-Site"
        return packed(request, HTMLResponse(text, status, headers={"Vary": vary}))


def address(path: str, **query: object) -> str:
    """`path` with those parts of a query that are not empty."""
    wanted = {key: value for key, value in query.items() if value not in ("", None, [], 0)}
    return f"{path}?{urlencode(wanted, doseq=True)}" if wanted else path


def _environment(language: Language, version: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(resource("templates")),
        extensions=["jinja2.ext.i18n"],
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.install_gettext_callables(language.gettext, language.ngettext, newstyle=True)  # type: ignore[attr-defined]
    environment.filters.update(formats.filters(language))
    environment.globals.update(
        address=address,
        auth=auth,
        words=words,
        languages=LANGUAGES,
        version=version,
        script_words=Markup("{}").format(json.dumps(_script_words(language), ensure_ascii=False)),
    )
    return environment


def _script_words(language: Language) -> dict[str, str]:
    """What static/js has to say."""
    _ = language.gettext
    return {
        "now": _("just now"),
        "ago": _("%(span)s ago"),
        "in": _("in %(span)s"),
        "s": _("%(n)s s"),
        "min": _("%(n)s min"),
        "h": _("%(n)s h"),
        "d": _("%(n)s d"),
        "copied": _("Copied"),
        "not_copied": _("Could not copy; select the text and copy it yourself"),
        "updated": _("updated %(ago)s"),
        "still": _("as of %(ago)s, not refreshed"),
        "lost": _("The manager does not answer; trying again…"),
        "put_large": _("That file is larger than the store takes."),
        "put_failed": _("It could not be put in; choose it again to try once more."),
        "put_going": _("%(done)s of %(size)s"),
        "cut": _("Older output is no longer shown here. The download has all of it."),
    }


def _version() -> str:
    """Changes with any static file, so that a new release is never shown with an old style."""
    digest = hashlib.sha256()
    for file in sorted(resource("static").rglob("*")):
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()[:10]
