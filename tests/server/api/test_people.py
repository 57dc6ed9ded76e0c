"""Tokens for passwords."""

from __future__ import annotations

from contextlib import closing
from http.client import HTTPConnection

import pytest

from tests.server.api.harness import PASSWORD, Api, Manager


@pytest.fixture
def nora(manager: Manager, request: pytest.FixtureRequest) -> str:
    name = f"nora-{abs(hash(request.node.name)) % 10**8}"
    manager.user(name, "viewer")
    return name


def test_a_password_buys_a_token_that_works_until_it_is_handed_back(manager: Manager, nobody: Api, nora: str) -> None:
    answer = nobody.data("POST", "/api/v1/login", json={"name": nora, "password": PASSWORD, "label": "laptop"})
    assert answer["token"].startswith("opst_")
    assert (answer["user"], answer["role"]) == (nora, "viewer")
    mine = Api(manager.url, answer["token"])
    me = mine.data("GET", "/api/v1/me")
    assert me["user"] == nora
    assert "node.read" in me["permissions"]
    mine.data("POST", "/api/v1/logout")
    assert mine.refusal("GET", "/api/v1/me")[:2] == (401, 1002)


def test_a_token_ends_with_its_time(manager: Manager, nobody: Api, nora: str) -> None:
    answer = nobody.data("POST", "/api/v1/login", json={"name": nora, "password": PASSWORD})
    mine = Api(manager.url, answer["token"])
    then, manager.clock.now = manager.clock.now, answer["expires_at"]
    try:
        assert mine.refusal("GET", "/api/v1/me")[:2] == (401, 1002)
    finally:
        manager.clock.now = then


def test_a_wrong_password_and_an_unknown_name_are_answered_alike_and_soon_have_to_wait(nobody: Api, manager: Manager, nora: str) -> None:
    unknown = nobody.refusal("POST", "/api/v1/login", json={"name": "nobody-here", "password": "x" * 12})
    wrong = nobody.refusal("POST", "/api/v1/login", json={"name": nora, "password": "x" * 12})
    assert unknown == wrong
    assert wrong[:2] == (401, 1002)
    answers = [nobody.send("POST", "/api/v1/login", json={"name": nora, "password": "y" * 12}) for _ in range(5)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    manager.clock.now += 61_000
    nobody.data("POST", "/api/v1/login", json={"name": nora, "password": PASSWORD})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", ""),
        (b"not json", ""),
        (b"[]", ""),
        (b"[" * 100_000, ""),
        (b'{"name": "ada"}', "password"),
        (b'{"password": "x"}', "name"),
        (b'{"name": 1, "password": "x"}', "name"),
        (b'{"name": "ada", "password": null}', "password"),
        (b'{"name": "ada", "password": "x", "otp": "1"}', "otp"),
        (b'{"name": "\\ud800", "password": "x"}', ""),
        (b'{"name": "\xff", "password": "x"}', ""),
    ],
)
def test_a_login_that_is_none_is_refused_with_the_field(nobody: Api, body: bytes, field: str) -> None:
    status, code, at, message = nobody.refusal("POST", "/api/v1/login", data=body)
    assert (status, code, at) == (400, 1001, field)
    assert message


def test_a_body_without_end_is_refused_before_it_is_sent(manager: Manager) -> None:
    with closing(HTTPConnection("127.0.0.1", manager.port, timeout=10)) as connection:
        connection.putrequest("POST", "/api/v1/login")
        connection.putheader("Content-Length", str(3 * 1024 * 1024))
        connection.endheaders()
        assert connection.getresponse().status == 413


def test_health_says_ok_while_the_database_answers(nobody: Api) -> None:
    answer = nobody.send("GET", "/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_the_ca_can_be_had_by_everybody_to_compare_it_with_a_pin(manager: Manager, nobody: Api) -> None:
    assert nobody.send("GET", "/api/v1/ca").text == manager.services.keys.ca_pem
