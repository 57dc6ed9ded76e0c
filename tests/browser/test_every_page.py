"""Every page that the manager has, found from its routes: in both themes and languages, at three widths, with true content.

On each: it answers, its title and its heading stand there, nothing is wider than the window, axe finds nothing, the browser does not
complain, no policy was hurt, and no text was left in the other language. A route that has no address here fails the test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page
from starlette.routing import Route

from server import web
from server.web import i18n
from server.web.findings import FINDINGS
from server.web.sentences import SENTENCES
from tests.browser.axe import violations
from tests.browser.conftest import Open
from tests.browser.furnished import Things, furnish
from tests.browser.kinds import EVERY
from tests.browser.site import Site, now, running
from tests.browser.test_looking_after_daemons import FILE

WIDTHS = (390, 1024, 1440)

ADDRESSES: dict[str, tuple[str, ...]] = {
    "/": ("", "?q=space&range=1h", "?every=off&q=nothing"),
    "/account": ("",),
    "/alerts": ("", "?history=1&severity=critical", "?select=name:db*+and+nothing=1", "?q=nothing"),
    "/alerts/{id}": ("{alert}", "{taken}"),
    "/attention/{kind}": ("clock", "disk", "agent_failed"),
    "/audit": ("", "?check=1"),
    "/bulk": ("", "?node={node}&node={calm}", "?match=1&select=all"),
    "/commands": ("", "?task={task}&state=queued", "?node={node}"),
    "/commands/{id}": tuple(f"{{{name}}}" for name in ("running", "queued", "failed", "dry", "denied", "bundle", "order", "waiting")),
    "/commands/{id}/output": ("{failed}/output",),
    "/deliveries": (
        *("", "?state=waiting&kind=opened", "?receiver={receiver}&range=24h", "?alert={alert}&state=sent", "?kind=grouped"),
        *("?from=2026-11-01T22:00Z&until=2026-11-02T06:00Z&kind=test", "?from=yesterday"),
    ),
    "/deliveries/{id}": ("{delivery}",),
    "/docs/api": ("", "?q=make+a+group", "?q=nothing+like+this"),
    "/enrol": ("", "?token={token}"),
    "/fields": ("",),
    "/files": ("",),
    "/files/{id}/delete": ("{file}/delete",),
    "/groups": ("",),
    "/groups/{id}": ("{group}",),
    "/log": (
        "",
        "?q=nothing",
        "?node={node}&range=24h&level=error",
        "?from=2026-11-01T22:00Z&until=2026-11-02T06:00Z",
        "?from=yesterday",
    ),
    "/nodes": ("", "?q=nothing", "?select=group:shanghai", "?select=name:db*+and+nothing=1", "?state=retired"),
    "/nodes/{id}": (
        *("{node}", "{off}", "{calm}?range=7d", "{gone}", "{copied}", "{loud}"),
        *(
            "{node}?of=nics&range=24h&q=disk",
            "{node}?of=cores&range=90d&during=1",
            "{node}?of=gpus&range=6h",
            "{node}?of=devices&name=none",
        ),
    ),
    "/nodes/{id}/configuration": ("{node}/configuration", "{off}/configuration"),
    "/nodes/{id}/configuration/edit": ("{node}/configuration/edit",),
    "/nodes/{id}/delete": ("{gone}/delete",),
    "/nodes/{id}/edit": ("{node}/edit",),
    "/nodes/{id}/orders/{verb}": ("{node}/orders/agent-stop", "{node}/orders/agent-restart"),
    "/nodes/{id}/retire": ("{off}/retire", "{node}/retire"),
    "/nodes/{id}/timeline": ("{node}/timeline", "{off}/timeline", "{calm}/timeline?range=7d", "{node}/timeline?kind=update&to=2026-01-01"),
    "/receivers": ("", "?kind=mail&enabled=false&q=long", "?health=failing&q=nothing"),
    "/receivers/new": tuple(f"?kind={kind}" for kind in ("webhook", "alertmanager", "chat", "mail")),
    "/receivers/{id}": ("{receiver}", "{mail}"),
    "/rules": ("", "?q=cpu&kind=metric&severity=critical&enabled=true", "?kind=disk-full&enabled=false"),
    "/rules/new": ("", "?kind=disk-full", "?kind=offline"),
    "/rules/{id}": ("{rule}",),
    "/rules/{id}/delete": ("{rule}/delete",),
    "/run": ("?node={node}", "?node={node}&kind=plugin.backup", "?node={node}&kind=plugin.evil", "?again={dry}", "?select=env%3Dprod"),
    "/selectors": ("",),
    "/sign-in": ("",),
    "/style": ("",),
    "/targets": ("?select=env%3Dprod", ""),
    "/waiting": ("",),
    "/windows": ("", "?view=month", "?view=week&zone=Europe/Berlin&open=false", "?q=long&enabled=true&open=false", "?q=nothing"),
    "/windows/new": ("",),
    "/windows/{id}": ("{window}", "{later}"),
    "/windows/{id}/edit": ("{later}/edit",),
    "/{rest:path}": ("nothing/here",),
}
"""Route → what follows its fixed part, with the names of things."""

NO_PAGES = {"/files/{id}/content", "/commands/{id}/output/{stream}", "/nodes/export"}
"""What is downloaded."""

WATCH = """
document.addEventListener('securitypolicyviolation', event => {
  (window.hurt = window.hurt || []).push(event.violatedDirective + ' ' + event.blockedURI);
});
"""
DRAWN = "[...document.querySelectorAll('[data-chart]')].every(place => place.querySelector('canvas'))"
WIDER = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
DRAWN_ANEW = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(false))))"
"""A window that has just another size may be asked before it is laid out for it."""

WIDEST = """
(() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
  for (let node; (node = walk.nextNode());) {
    range.selectNodeContents(node);
    if (range.getBoundingClientRect().right > innerWidth + 1 && !node.parentElement.closest('.scroll, .chips, .nav, pre, script'))
      found.push(node.parentElement.outerHTML.slice(0, 90).replace(/\\s+/g, ' '));
  }
  return found.slice(0, 3).join(' | ');
})()
"""
"""Whose text stands past the window's right edge."""

TEXTS = """
(() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    if (!node.parentElement.closest('script, style, noscript, pre, code, textarea, .mono')) found.push(node.data);
  }
  for (const e of document.querySelectorAll('[title], [placeholder], [aria-label]'))
    for (const name of ['title', 'placeholder', 'aria-label']) if (e.hasAttribute(name)) found.push(e.getAttribute(name));
  return [document.title, ...found].map(text => text.replace(/\\s+/g, ' ').trim()).filter(Boolean);
})()
"""
PLUGIN = [text for one in (EVERY, *EVERY["fields"]) for text in (one.get("help"), one.get("label")) if text]
CHINESE = i18n.load((*SENTENCES, *FINDINGS))["zh"]
ENGLISH = re.compile(r"[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}")
DATA = re.compile(
    "|".join(
        (
            "env=prod and group:shanghai( and not online)?",
            "plugin.backup mysql orders",
            "D4002 .*|collector disk took .*",
            "This is a test of Ops Scaffold.*",
            *(re.escape(text) for text in PLUGIN),
        )
    )
)
"""What stays as it is: selectors, what hosts say, what was sent in a receiver's own language."""

UNFILLED = re.compile(r"%\(\w+\)|(?<!/)\{\w+\}|\bundefined\b|^None$|[=:] ?None\b|\bNaN\b|\[object ")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for the module: nothing here changes it."""
    with running(tmp_path_factory.mktemp("site"), receiver_networks=["127.0.0.0/8"]) as site:
        yield site


@pytest.fixture(scope="module")
def things(site: Site) -> Things:
    return furnish(site)


def pages_of(site: Site) -> list[str]:
    """The path of every route that answers GET."""
    routes = web.routes(site.services, dict)
    return [route.path for route in routes if isinstance(route, Route) and "GET" in (route.methods or ())]


def addresses(site: Site, things: Things) -> list[str]:
    found = []
    for path in pages_of(site):
        if path in NO_PAGES:
            continue
        assert path in ADDRESSES, f"give the page {path} an address in ADDRESSES, so that it is looked at"
        fixed = path.partition("{")[0]
        found += [fixed + rest.format_map(things.of) for rest in ADDRESSES[path]]
    return found


def test_no_address_stands_here_for_a_page_that_is_gone(site: Site) -> None:
    assert set(ADDRESSES) | NO_PAGES == set(pages_of(site))


class Visit:
    """One window that goes from page to page and gathers what is wrong."""

    def __init__(self, page: Page, chinese: bool = False) -> None:
        self.page, self.wrong, self._said, self._chinese = page, list[str](), list[str](), chinese
        page.add_init_script(WATCH)
        page.on("console", lambda said: self._said.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda problem: self._said.append(str(problem)))

    def go(self, address: str) -> None:
        answer = self.page.goto(address)
        wanted = 404 if address == "/nothing/here" else 400 if re.search("nothing=1|from=yesterday", address) else 200
        if answer is None or answer.status != wanted:
            self.wrong.append(f"{address}: it answered {answer.status if answer else None}, not {wanted}")

    def look(self, name: str, *, axe: bool, themes: tuple[str, ...] = ("light", "dark")) -> None:
        """The page that is open, as `name`: its themes and widths."""
        page = self.page
        # With its style: what a form answered is looked at as soon as its button is there.
        page.wait_for_load_state()
        page.wait_for_function(DRAWN)
        page.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true; })")
        for theme in themes:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                if page.evaluate(WIDER) and (page.evaluate(DRAWN_ANEW) or page.evaluate(WIDER)):
                    self.wrong.append(f"{name} is wider than {width}: {page.evaluate(WIDEST)}")
                # Cards where there is little room, tables where there is much: each in one theme.
                if axe and (theme, width) in (("dark", 390), ("light", 1440)):
                    self.wrong += [f"{name} {theme} {width} {one}" for one in violations(page)]
        if page.title() == "owned":  # what the kinds of a hostile host try
            self.wrong.append(f"{name} runs what a host wrote")
        if not page.title().removesuffix("· Ops Scaffold").strip() or page.locator("h1").count() != 1:
            self.wrong.append(f"{name} has no title, or not one heading of the first level")
        for text in dict.fromkeys(page.evaluate(TEXTS)):
            if UNFILLED.search(text) and "{{" not in text:
                self.wrong.append(f"{name} says {text[:120]!r}")
            if self._chinese and " " in text and (CHINESE.sentence(text) != text or ENGLISH.search(DATA.sub("", text))):
                self.wrong.append(f"{name} says in English {text[:120]!r}")
        self.wrong += [f"{name} hurts the policy: {one}" for one in page.evaluate("window.hurt || []")]
        self.wrong += [
            f"{name}: {one}" for one in self._said if not one.startswith("Failed to load resource: the server responded with a status of 4")
        ]
        self._said.clear()


def test_every_page_is_whole_accessible_and_fits_in_both_themes(site: Site, things: Things, open_page: Open) -> None:
    visit = Visit(open_page(who=""))
    visit.go("/sign-in")
    visit.look("/sign-in", axe=True)
    visit = Visit(open_page())
    for address in addresses(site, things):
        visit.go(address)
        visit.look(address, axe=True)
    for name, step in STEPS.items():
        step(visit.page, things)
        visit.look(name, axe=True)
    assert not visit.wrong, "\n".join(visit.wrong)


def test_every_page_is_whole_in_chinese(site: Site, things: Things, open_page: Open) -> None:
    visit = Visit(open_page(language="zh-CN"), chinese=True)
    for address in addresses(site, things):
        if address.startswith("/docs/api"):
            continue  # made of the sources, which are English
        visit.go(address)
        visit.look(address, axe=False, themes=("light",))
    for name, step in STEPS.items():
        step(visit.page, things)
        visit.look(name, axe=False, themes=("light",))
    assert not visit.wrong, "\n".join(visit.wrong)


def bulk(page: Page, things: Things) -> None:
    page.goto(f"/bulk?node={things.node}&node={things.calm}&node={things.off}")
    page.fill("#tags", "env=prod\nowner=" + "somebody-" * 20)
    page.click("button[value=tag]")
    page.wait_for_selector("button[value=go]")


def changed(page: Page, things: Things) -> None:
    page.goto(f"/bulk?node={things.calm}&node={things.off}")
    page.fill("#tags", f"looked={now()}")
    page.click("button[value=tag]")
    page.click("button[value=go]")
    page.wait_for_selector(".note.good")


def run(page: Page, things: Things) -> None:
    page.goto(f"/run?node={things.node}&node={things.off}&node={things.calm}")
    page.fill("#f-script", "echo hello " + "x" * 300)
    page.click("main .actions button[value=preview]")
    page.wait_for_selector("button[value=go]")


def held(page: Page, things: Things) -> None:
    page.goto(f"/run?node={things.calm}&node={things.off}")
    page.fill("#f-script", "reboot")
    page.select_option("[name=wait]", "2592000")
    page.click("main .actions button[value=preview]")
    page.wait_for_selector("button[value=go]")


def wrong(page: Page, things: Things) -> None:
    page.goto(f"/run?node={things.node}&kind=plugin.backup")
    page.check("input[name='f.engine'][value=mysql]")
    page.fill("#f-settings", "key=value")
    page.fill("#f-level", "99")
    page.fill("#f-database", "d" * 300)
    page.click("main .actions button[value=preview]")
    page.wait_for_selector("#wrong-f-level")


def configured(page: Page, things: Things) -> None:
    page.goto(f"/nodes/{things.node}/configuration/edit")
    page.fill("#text", FILE.replace("7d", "3d") + "# " + "a long line " * 40)
    page.click("button[value=preview]")
    page.wait_for_selector(".diff")


def conflicting(page: Page, things: Things) -> None:
    page.goto(f"/nodes/{things.node}/configuration/edit")
    page.fill("#text", FILE.replace("7d", "3d"))
    page.evaluate("document.querySelector('[name=base]').value = 'another'")
    page.click("button[value=preview]")
    page.wait_for_selector(".diff")


def rule(page: Page, things: Things) -> None:
    page.goto("/rules/new")
    page.fill("#name", "Processor")
    page.fill("#threshold", "70%")
    page.click("button[value=preview]")
    page.wait_for_selector("#preview")


def window(page: Page, things: Things) -> None:
    page.goto("/windows/new")
    page.fill("#f-name", "Updates")
    page.fill("#f-selector", "env=prod")
    page.select_option("#f-repeat", "weekly")
    page.fill("#f-start", "2027-03-21T02:30")
    page.wait_for_selector("#preview tbody tr")


def token(page: Page, things: Things) -> None:
    page.goto("/enrol")
    page.click("main form button.primary")
    page.wait_for_selector("#h-token")


STEPS: dict[str, Callable[[Page, Things], None]] = {
    "what a bulk change would do": bulk,
    "what became of a bulk change": changed,
    "a task before it runs": run,
    "a task that will wait for a window": held,
    "a form with mistakes": wrong,
    "a configuration before it is sent": configured,
    "a configuration that somebody changed meanwhile": conflicting,
    "what a rule would have done": rule,
    "when a window would open": window,
    "a token": token,
}
"""Pages that only an answer to a form shows."""
