"""The API describes itself: wholly, truly, and in the repository as it is served."""

from __future__ import annotations

import json

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from server.api.calls import Call
from server.auth import PUBLIC, Caller
from server.door import Door, check
from server.errors import ConfigError
from tests.server.api.described import DOCUMENT, text_of
from tests.server.api.harness import Api, Manager


def test_the_description_in_docs_is_the_one_that_is_served(nobody: Api) -> None:
    served = nobody.send("GET", "/api/v1/openapi.json").json()
    assert text_of(served) == DOCUMENT.read_text(), "write it anew: .venv/bin/python -m tests.server.api.described"


def test_every_call_is_described_and_none_that_is_not_there(manager: Manager, nobody: Api) -> None:
    document = nobody.send("GET", "/api/v1/openapi.json").json()
    described = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    routes = [
        route for route in manager.routes if isinstance(route, Route) and not route.path.startswith("/api/{") and route.path != "/api"
    ]
    assert described == {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    names = [call["operationId"] for methods in document["paths"].values() for call in methods.values()]
    assert len(set(names)) == len(names)


def test_every_shape_has_a_name_of_its_own_and_every_reference_leads_somewhere(nobody: Api) -> None:
    text = nobody.send("GET", "/api/v1/openapi.json").text
    parts = json.loads(text)["components"]["schemas"]
    assert [name for name in parts if "server" in name or "host" in name] == [], "two types have the same name"
    for reference in {piece.partition('"')[0] for piece in text.split('"#/components/schemas/')[1:]}:
        assert reference in parts


def test_who_has_the_description_already_is_told_so(nobody: Api) -> None:
    tag = nobody.send("GET", "/api/v1/openapi.json").headers["ETag"]
    again = nobody.send("GET", "/api/v1/openapi.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)


def test_a_call_that_nothing_describes_stops_the_start(manager: Manager) -> None:
    async def identify(request: Request) -> Caller:
        return Caller("anonymous")

    async def silent(request: Request, caller: Caller) -> Response:
        return PlainTextResponse("hello")

    door = Door(manager.clock, identify, lambda request, problem: Response(), manager.services.telemetry)
    with pytest.raises(ConfigError, match="/api/v1/silent is not described"):
        check([door.route("/api/v1/silent", silent, PUBLIC)])
    check([door.route("/api/v1/silent", silent, PUBLIC, call=Call("Says hello", media="text/plain"))])


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("/api/v1/nodes?stat=online", "stat", "there are page, size"),
        ("/api/v1/me?verbose=1", "verbose", "this call takes none"),
        ("/api/v1/nodes?size=501", "size", "'501' is not a whole number from 1 to 500"),
        ("/api/v1/nodes?size=1.0", "size", "not a whole number"),
        ("/api/v1/nodes?page=", "page", "'' is not a whole number"),
        ("/api/v1/nodes?page=1&page=2", "page", "give it once"),
        ("/api/v1/nodes?state=upside-down", "state", "use one of offline, online, pending, quarantined, retired"),
        ("/api/v1/nodes?sort=name,-size", "sort", "'name,-size' is no order; use name, hostname"),
        ("/api/v1/audit?sort=", "sort", "is no order; use id"),
        ("/api/v1/groups?kind=none", "kind", "use one of business, environment, region"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_named_with_what_there_is(admin: Api, path: str, field: str, words: str) -> None:
    status, code, named, message = admin.refusal("GET", path)
    assert (status, code, named) == (400, 1001, field)
    assert words in message


def test_what_is_not_true_or_false_is_refused(admin: Api) -> None:
    group = admin.data("POST", "/api/v1/groups", json={"kind": "region", "name": "doomed"})["id"]
    refused = admin.refusal("DELETE", f"/api/v1/groups/{group}?move_up=perhaps", headers={"If-Match": '"1"'})
    assert refused[0] == 400
    assert "neither true nor false" in refused[3]
    admin.data("DELETE", f"/api/v1/groups/{group}?move_up=true", headers={"If-Match": '"1"'})


def test_a_page_past_the_end_is_empty_with_the_same_total(admin: Api) -> None:
    first = admin.data("GET", "/api/v1/audit?size=1")
    beyond = admin.data("GET", "/api/v1/audit?size=1&page=999999")
    assert (beyond["items"], beyond["total"]) == ([], first["total"])


def test_lists_come_in_the_order_that_was_asked_for(manager: Manager, admin: Api) -> None:
    for name in ("order-b", "order-a", "order-c"):
        manager.host(name, {"order": "yes"})

    def names(sort: str) -> list[str]:
        return [row["name"] for row in admin.data("GET", f"/api/v1/nodes?q=order-&sort={sort}")["items"]]

    assert names("name") == ["order-a", "order-b", "order-c"]
    assert names("-name") == ["order-c", "order-b", "order-a"]
    assert names("state,-hostname") == ["order-c", "order-b", "order-a"]
    for name in ("zz", "aa", "mm"):
        admin.data("POST", "/api/v1/filters", json={"name": f"order {name}", "selector": "offline"})
    filters = [row["name"] for row in admin.data("GET", "/api/v1/filters?sort=-name")["items"]]
    assert filters == sorted(filters, reverse=True)
    first, second = admin.data("GET", "/api/v1/audit?sort=id&size=2")["items"]
    assert first["id"] < second["id"]


@pytest.mark.parametrize("path", ["/api/v1/alert-rules?enabled=null", "/api/v1/windows?open=NULL", "/api/v1/windows?since=null"])
def test_null_is_no_value_and_not_no_filter(admin: Api, path: str) -> None:
    status, code, field, message = admin.refusal("GET", path)
    assert (status, code, field) == (400, 1001, path.partition("?")[2].partition("=")[0])
    assert "null" in message.lower()


def test_the_text_null_is_a_text(admin: Api) -> None:
    assert admin.refusal("GET", "/api/v1/nodes?select=null")[2] == "select"
    assert admin.data("GET", "/api/v1/nodes?q=null")["total"] == 0
