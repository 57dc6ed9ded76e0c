"""The audit log through the API."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from server.db import Session
from server.queries import Query
from tests.server.api.harness import Api, Manager


@pytest.fixture
def edited(manager: Manager) -> Iterator[int]:
    """The number of an entry whose row somebody changed in the database; mended afterwards."""

    async def act_on(text: str, number: int) -> None:
        async def work(session: Session) -> None:
            await session.execute(Query("test", text, manager.db.dialect), {"number": number})

        await manager.db.transaction(work)

    manager.run(act_on("UPDATE audit_logs SET created_at = created_at + 1 WHERE id = :number", 2))
    yield 2
    manager.run(act_on("UPDATE audit_logs SET created_at = created_at - 1 WHERE id = :number", 2))


def test_every_action_is_listed_newest_first_with_who_and_from_where(admin: Api) -> None:
    admin.data("POST", "/api/v1/enrolment-tokens", json={"note": "audited"})
    page = admin.data("GET", "/api/v1/audit?size=2")
    entry = page["items"][0]
    assert (entry["actor"], entry["action"], entry["ip"]) == ("ada", "enrolment.token", "127.0.0.1")
    assert entry["detail"]["note"] == "audited"
    assert page["items"][1]["id"] == entry["id"] - 1
    assert page["total"] == entry["id"]


def test_no_secret_is_in_it(admin: Api) -> None:
    token = admin.data("POST", "/api/v1/enrolment-tokens", json={})["token"].split(".")[1]
    text = admin.send("GET", "/api/v1/audit?size=500").text
    assert token not in text
    assert admin.secret not in text
    assert "correct horse" not in text


def test_verify_says_whole_and_finds_the_first_entry_that_was_changed(admin: Api, request: pytest.FixtureRequest) -> None:
    assert admin.data("GET", "/api/v1/audit/verify") == {"intact": True, "first_broken": None}
    number = request.getfixturevalue("edited")
    assert admin.data("GET", "/api/v1/audit/verify") == {"intact": False, "first_broken": number}
