"""What keeps the pages' door shut: origin of forms, cookies, headers, addresses to return to, rights."""

from __future__ import annotations

import pytest

from server.web.session import local_path
from tests.conftest import Manager
from tests.server.web.conftest import SAME, Visitor

FORMS = (
    "/sign-in",
    "/sign-out",
    "/preferences",
    "/account",
    "/run",
    "/enrol",
    "/nodes/X/retire",
    "/nodes/X/edit",
    "/nodes/X/notes",
    "/nodes/X/restore",
    "/nodes/X/delete",
    "/bulk",
    "/filters",
    "/groups",
    "/groups/X",
    "/fields",
    "/waiting/X",
    "/nodes/X/orders",
    "/nodes/X/configuration/edit",
    "/commands/X/cancel",
    "/files",
    "/files/X/finish",
    "/files/X/delete",
    "/receivers",
    "/receivers/X",
    "/receivers/X/test",
    "/deliveries/X/again",
)


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://ops.example.com"},
        {"Origin": "http://evil.example"},
        {"Origin": "https://ops.example.com"},
        {"Origin": "null"},
        {"Referer": "http://ops.example.com/run"},
    ],
)
async def test_a_form_that_is_not_certain_to_be_our_own_is_refused(visit: Visitor, path: str, headers: dict[str, str]) -> None:
    await visit.sign_in("admin")
    answer = await visit.post(path, {"name": "admin"}, **headers)
    assert answer.status_code == 403
    assert "another site" in answer.text


@pytest.mark.parametrize("headers", [SAME, {"Sec-Fetch-Site": "none"}, {"Origin": "http://ops.example.com"}])
async def test_our_own_forms_are_taken(visit: Visitor, headers: dict[str, str]) -> None:
    answer = await visit.post("/preferences", {"language": "zh", "next": "/nodes"}, **headers)
    assert (answer.status_code, answer.headers["location"]) == (303, "/nodes")


async def test_over_https_the_cookie_is_bound_to_this_host_and_hidden_from_scripts(visit_https: Visitor) -> None:
    cookie = (await visit_https.sign_in("admin")).headers["set-cookie"]
    name, *flags = cookie.split("; ")
    assert name.startswith("__Host-ops_session=s_")
    assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(flags)
    assert not any(flag.lower().startswith("domain") for flag in flags)
    assert (await visit_https.get("/nodes")).status_code == 200


async def test_over_plain_loopback_the_cookie_still_hides_from_scripts(visit: Visitor) -> None:
    cookie = (await visit.sign_in("admin")).headers["set-cookie"]
    assert cookie.startswith("ops_session=s_")
    assert "HttpOnly" in cookie
    assert "Secure" not in cookie


async def test_a_session_is_over_when_signed_out_or_edited(visit: Visitor) -> None:
    await visit.sign_in("admin")
    secret = visit.http.cookies["ops_session"]
    await visit.post("/sign-out", {})
    for value in (secret, secret[:-1], "", "s_" + "A" * 43):
        visit.http.cookies.set("ops_session", value, domain="ops.example.com")
        answer = await visit.get("/nodes")
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Fnodes")


async def test_a_session_cookie_that_was_there_before_is_not_taken_over_by_signing_in(visit: Visitor) -> None:
    visit.http.cookies.set("ops_session", "s_fixed", domain="ops.example.com")
    answer = await visit.sign_in("admin")
    assert "s_fixed" not in answer.headers["set-cookie"]


ANSWERS = ("/sign-in", "/nodes", "/nodes/NOPE", "/static/style.css", "/static/none", "/nothing", "/api/v1/none", "/healthz")


@pytest.mark.parametrize("path", ANSWERS)
async def test_every_answer_carries_the_security_headers(visit_https: Visitor, path: str) -> None:
    await visit_https.sign_in("admin")
    headers = (await visit_https.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["strict-transport-security"].startswith("max-age=")
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static/") else "no-store")


async def test_hsts_is_not_sent_over_plain_http(visit: Visitor) -> None:
    assert "strict-transport-security" not in (await visit.get("/sign-in")).headers


EVIL = (
    "//evil",
    "///evil",
    "/\\evil",
    "\\\\evil",
    "https://evil",
    "javascript:alert(1)",
    "/\t/evil",
    "/\n/evil",
    "evil",
    "",
    " //evil",
)


@pytest.mark.parametrize("evil", EVIL)
async def test_signing_in_never_leads_to_another_site(visit: Visitor, evil: str) -> None:
    answer = await visit.post("/sign-in", {"name": "admin", "password": "a long enough password", "next": evil})
    assert answer.headers["location"] == "/"
    assert local_path(evil) == "/"


async def test_signing_in_leads_back_to_the_page_that_was_asked_for(visit: Visitor) -> None:
    answer = await visit.get("/nodes?q=web&state=online")
    assert answer.headers["location"] == "/sign-in?next=%2Fnodes%3Fq%3Dweb%26state%3Donline"
    answer = await visit.post("/sign-in", {"name": "admin", "password": "a long enough password", "next": "/nodes?q=web"})
    assert answer.headers["location"] == "/nodes?q=web"


async def test_a_viewer_may_look_but_gets_403_for_everything_that_changes(visit: Visitor, manager: Manager) -> None:
    node = await manager.enrol()
    await visit.sign_in("vera")
    page = await visit.get(f"/nodes/{node.id}")
    assert page.status_code == 200
    assert "/run" not in page.text
    assert "retire" not in page.text.lower()
    assert "/orders" not in page.text
    control = (f"/nodes/{node.id}/configuration/edit", f"/nodes/{node.id}/orders/agent-stop", f"/nodes/{node.id}/orders/agent-restart")
    for path in ("/run", "/enrol", "/audit", f"/nodes/{node.id}/retire", *control):
        assert (await visit.get(path)).status_code == 403, path
    fields: dict[str, str | list[str]] = {"node": node.id, "f.script": "id", "f.timeout": "5", "f.interpreter": "shell", "step": "go"}
    orders = (f"/nodes/{node.id}/orders", f"/nodes/{node.id}/configuration/edit")
    edits = ("/bulk", "/filters", "/filters/X/delete", "/groups", "/groups/X", "/fields", "/fields/X/delete", "/waiting/X")
    of_node = tuple(f"/nodes/{node.id}/{what}" for what in ("edit", "notes", "notes/X/delete", "restore", "delete"))
    for path in ("/bulk", "/groups/X", "/waiting", f"/nodes/{node.id}/edit", f"/nodes/{node.id}/delete"):
        assert (await visit.get(path)).status_code == 403, path
    for path in ("/run", "/enrol", f"/nodes/{node.id}/retire", "/commands/X/cancel", *orders, *edits, *of_node):
        assert (await visit.post(path, fields)).status_code == 403, path
    assert (await manager.services.commands.page(node_id="", task_id="", state="", limit=1, offset=0)).total == 0


async def test_a_viewer_does_not_see_a_field_that_could_be_run(visit: Visitor, manager: Manager) -> None:
    assert (await visit.sign_in("vera")).status_code == 303
    assert "ops1." not in (await visit.get("/nodes")).text


async def test_nobody_reaches_only_the_sign_in(visit: Visitor) -> None:
    for path in ("/nodes/X/configuration", "/nodes/X/configuration/edit", "/nodes/X/orders/agent-stop"):
        assert (await visit.get(path)).headers["location"].startswith("/sign-in"), path
    for path in ("/", "/nodes", "/nodes/X", "/run", "/commands", "/commands/X", "/commands/X/output", "/enrol", "/audit", "/account"):
        answer = await visit.get(path)
        assert answer.status_code == 303, path
        assert answer.headers["location"].startswith("/sign-in"), path


async def test_a_fragment_asked_for_without_a_session_sends_the_whole_page_to_sign_in(visit: Visitor) -> None:
    answer = await visit.get("/nodes", **{"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-refresh"], answer.text) == (401, "true", "")


async def test_guessing_is_slowed_down_and_said_so(visit: Visitor) -> None:
    for _ in range(5):
        assert (await visit.post("/sign-in", {"name": "admin", "password": "guess"})).status_code == 401
    answer = await visit.post("/sign-in", {"name": "admin", "password": "guess"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_page_is_packed_only_for_who_chose_its_address_himself(visit: Visitor) -> None:
    await visit.sign_in("admin")
    takes = {"accept-encoding": "gzip"}
    for others in ({}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):
        assert "content-encoding" not in (await visit.get("/nodes?q=guess", **takes, **others)).headers, others
    assert "content-encoding" not in (await visit.get("/nodes", **{"accept-encoding": "identity", "sec-fetch-site": "none"})).headers
    own = await visit.get("/nodes", **takes, **{"sec-fetch-site": "same-origin"})
    assert own.headers["content-encoding"] == "gzip"
    assert "Sec-Fetch-Site" in own.headers["vary"]
    assert int(own.headers["content-length"]) < len(own.text) / 2
    assert "</html>" in own.text
