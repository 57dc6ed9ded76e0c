"""Tokens with which hosts enrol."""

from __future__ import annotations

import pytest

from tests.server.api.harness import Api, Manager


def test_a_token_says_what_it_is_good_for_and_carries_the_pin_of_the_ca(manager: Manager, admin: Api) -> None:
    answer = admin.data("POST", "/api/v1/enrolment-tokens", json={"uses": 3, "hours": 0.5, "note": "rack 4", "tags": {"rack": "4"}})
    assert answer["uses"] == 3
    assert answer["expires_at"] == manager.clock.now + 1_800_000
    assert answer["token"].startswith("ops1.")
    assert answer["token"].endswith(manager.services.keys.ca_pin)
    assert admin.send("POST", "/api/v1/enrolment-tokens", json={}).status_code == 201


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"uses": 0}, "uses"),
        ({"uses": 10_001}, "uses"),
        ({"uses": 10**30}, "uses"),
        ({"uses": "3"}, "uses"),
        ({"uses": 1.5}, "uses"),
        ({"hours": 0}, "hours"),
        ({"hours": -1}, "hours"),
        ({"hours": 721}, "hours"),
        ({"hours": None}, "hours"),
        ({"tags": {"a": 1}}, "tags[...]"),
        ({"tags": ["a"]}, "tags"),
        ({"tags": {"": "x"}}, "tags"),
        ({"tags": {"a": "x" * 256}}, "tags"),
        ({"tags": {str(n): "" for n in range(65)}}, "tags"),
        ({"note": 1}, "note"),
        ({"use": 3}, "use"),
    ],
)
def test_a_token_that_cannot_be_made_is_refused_with_the_field(admin: Api, body: dict[str, object], field: str) -> None:
    status, code, at, message = admin.refusal("POST", "/api/v1/enrolment-tokens", json=body)
    assert (status, code, at) == (400, 1001, field)
    assert field in message
