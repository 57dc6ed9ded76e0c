"""What is asked for twice under one key is made once, whoever is asked and whatever is killed when."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.config import Config
from server.db import Along, Db
from server.errors import BadInput, Conflict, OtherRequest
from server.keys import open_keys
from server.service.commands import Submitted
from server.service.once import KEPT_MS
from server.services import Services, build
from tests.conftest import QUICK_HASHER, Manager

ASKED = b"uptime on web-1"


async def run(services: Services, manager: Manager, node: str, key: str = "k-1", asked: bytes = ASKED) -> tuple[Submitted, bool]:
    now = manager.time()
    content = {"script": "uptime"}

    async def work(along: Along[Submitted] | None) -> Submitted:
        return await services.commands.run(manager.admin, [node], "script", content, "", now, (), along)

    return await services.once.do(manager.admin, key, asked, Submitted, now, work)


async def waiting(manager: Manager, node: str) -> int:
    return len(await manager.services.commands.mailbox(node, [], manager.time()))


async def test_the_same_key_runs_a_command_once_and_answers_alike(manager: Manager) -> None:
    node = await manager.enrol()
    first, repeated = await run(manager.services, manager, node.id)
    manager.time.now += 60_000
    second, again = await run(manager.services, manager, node.id)
    assert (repeated, again) == (False, True)
    assert second == first
    assert await waiting(manager, node.id) == 1


async def test_the_first_answer_comes_even_when_the_same_would_be_refused_by_now(manager: Manager) -> None:
    node = await manager.enrol()
    first, _ = await run(manager.services, manager, node.id)
    await manager.services.nodes.retire(manager.admin, node.id, manager.time())
    assert (await run(manager.services, manager, node.id)) == (first, True)


async def test_many_at_once_on_two_managers_run_a_command_once(manager: Manager, empty_database: str, tmp_path: Path) -> None:
    node = await manager.enrol()
    keys = open_keys(tmp_path / "keys", ["localhost", "127.0.0.1"], manager.time())
    async with Db(empty_database, pool_size=10, pool_idle=1) as other_db:
        other = build(other_db, Config(data_dir=tmp_path), keys, manager.time, QUICK_HASHER)
        done = await asyncio.gather(*(run(one, manager, node.id) for one in (manager.services, other) * 4))
    assert len({answer.task_id for answer, _ in done}) == 1
    assert sorted(repeated for _, repeated in done) == [False, *[True] * 7]
    assert await waiting(manager, node.id) == 1


async def test_what_dies_before_its_commit_leaves_neither_command_nor_answer(manager: Manager) -> None:
    node, now = await manager.enrol(), manager.time()

    class Dies:
        def __init__(self, along: Along[Submitted]) -> None:
            self.before, self._along = along.before, along

        async def after(self, session: object, result: Submitted) -> None:
            await self._along.after(session, result)  # type: ignore[arg-type]
            raise KeyboardInterrupt

    async def work(along: Along[Submitted] | None) -> Submitted:
        assert along is not None
        return await manager.services.commands.run(manager.admin, [node.id], "script", {"script": "uptime"}, "", now, (), Dies(along))

    with pytest.raises(KeyboardInterrupt):
        await manager.services.once.do(manager.admin, "k-1", ASKED, Submitted, now, work)
    assert await waiting(manager, node.id) == 0
    assert (await run(manager.services, manager, node.id))[1] is False
    assert await waiting(manager, node.id) == 1


async def test_a_key_stands_for_one_request_of_one_person(manager: Manager) -> None:
    node = await manager.enrol()
    await run(manager.services, manager, node.id)
    with pytest.raises(OtherRequest, match="another request"):
        await run(manager.services, manager, node.id, asked=b"reboot")

    async def verb(along: Along[str] | None) -> str:
        return await manager.services.edits.note(manager.viewer, node.id, "mine", manager.time(), along)

    made, repeated = await manager.services.once.do(manager.viewer, "k-1", b"a note", str, manager.time(), verb)
    assert made
    assert not repeated


async def test_what_failed_may_be_tried_again_under_its_key(manager: Manager) -> None:
    services, now = manager.services, manager.time()
    await services.selections.save(manager.admin, "silent", "offline", now)

    async def save(along: Along[str] | None) -> str:
        return await services.selections.save(manager.admin, "silent", "offline", now, along)

    with pytest.raises(Conflict, match="already"):
        await services.once.do(manager.admin, "k", b"silent", str, now, save)
    [old] = await services.selections.filters()
    await services.selections.forget(manager.admin, old["id"], now)
    assert (await services.once.do(manager.admin, "k", b"silent", str, now, save))[1] is False


async def test_answers_are_kept_for_a_day_and_unreadable_in_the_database(manager: Manager) -> None:
    services, now = manager.services, manager.time()
    from server.service.enrolment import Token

    async def make(along: Along[Token] | None) -> Token:
        return await services.enrolment.create_token(manager.admin, 1, 1, "", {}, now, "", along)

    token, _ = await services.once.do(manager.admin, "k", b"t", Token, now, make)
    [row] = await manager.db.rows(manager.db.q.answers.find, {"id": (await _ids(manager))[0]})
    assert token.token not in str(row)
    assert await services.once.forget(now + KEPT_MS) == 0
    assert (await services.once.do(manager.admin, "k", b"t", Token, now, make)) == (token, True)
    assert await services.once.forget(now + KEPT_MS + 1) == 1


async def _ids(manager: Manager) -> list[str]:
    from server.queries import Query

    return [row["id"] for row in await manager.db.rows(Query("ids", "SELECT id FROM answers", manager.db.dialect))]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\nb"])
async def test_a_key_that_is_none_is_refused_and_nothing_is_made(manager: Manager, key: str) -> None:
    node = await manager.enrol()
    with pytest.raises(BadInput, match="1 to 255 characters"):
        await run(manager.services, manager, node.id, key)
    assert await waiting(manager, node.id) == 0
