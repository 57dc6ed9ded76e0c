"""The store of files on every database: chunks, sizes, SHA-256, retention, and which node gets at what."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from typing import Any

import pytest

from host.wire.messages import FilePart, FileRead, FileWrite
from host.wire.protocol import FILE_CHUNK_BYTES
from host.wire.schema import of
from host.wire.tasks import File
from server.auth import Caller
from server.db import Row, Session
from server.errors import BadInput, Conflict, NotAllowed, NotFound
from server.service.command_files import Prepared
from server.service.files import CHUNK, MAX_PUT
from tests.conftest import DAY, Manager

DATA = os.urandom(CHUNK * 5 + 17)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def stored(manager: Manager, data: bytes = DATA, name: str = "app.tar") -> str:
    """A whole file in the store."""
    files = manager.services.files
    row = await files.create(manager.admin, name, len(data), manager.time())
    for offset in range(0, len(data), MAX_PUT):
        await files.put(row["id"], offset, data[offset : offset + MAX_PUT], manager.time())
    await files.finish(manager.admin, row["id"], sha(data), manager.time())
    return str(row["id"])


async def command(manager: Manager, node: Caller, content: dict[str, Any]) -> tuple[str, Prepared]:
    """A command of the kind `file` on a node, its files tied to it in the same transaction."""
    services = manager.services

    async def work(session: Session) -> tuple[str, Prepared]:
        prepared = await services.command_files.prepare(session, manager.admin, of(File), content, [node.id], manager.time())
        row = services.commands.signed(manager.admin, node.id, "file", "/api/v1/task/execute", "{}", 300_000, manager.time())
        await session.execute(manager.db.q.commands.insert, row)
        await services.command_files.link(session, prepared[node.id], row["id"], node.id)
        return str(row["id"]), prepared[node.id]

    return await manager.db.transaction(work)


async def entries(manager: Manager, action: str) -> list[Row]:
    return [row for row in (await manager.services.audit.page(100, 0)).rows if row["action"] == action]


async def read(manager: Manager, file_id: str, offset: int = 0, length: int = len(DATA)) -> bytes:
    return await manager.services.files.read(file_id, offset, length)


async def test_what_was_put_in_chunks_comes_back_whole_and_in_any_part(manager: Manager) -> None:
    file_id = await stored(manager)
    assert await read(manager, file_id) == DATA
    for offset, length in ((0, 1), (CHUNK - 1, 2), (CHUNK, CHUNK), (len(DATA) - 5, 100), (len(DATA), 5), (3, CHUNK * 3)):
        assert await read(manager, file_id, offset, length) == DATA[offset : offset + length]
    row = await manager.services.files.get(file_id)
    assert (row["state"], row["size"], row["sha256"]) == ("ready", len(DATA), sha(DATA))
    for action in ("file.create", "file.finish"):
        [entry] = await entries(manager, action)
        assert entry["resource"] == f"file {file_id}"
        assert json.loads(entry["detail"])["name"] == "app.tar"


async def test_a_chunk_may_come_again_and_a_gap_is_refused_with_where_to_go_on(manager: Manager) -> None:
    files = manager.services.files
    row = await files.create(manager.admin, "x", 10, manager.time())
    assert await files.put(row["id"], 0, b"0123", manager.time()) == 4
    assert await files.put(row["id"], 0, b"0123", manager.time()) == 4
    assert await files.put(row["id"], 2, b"2345", manager.time()) == 6
    with pytest.raises(Conflict, match="6 bytes are stored; go on there"):
        await files.put(row["id"], 8, b"89", manager.time())
    with pytest.raises(BadInput, match="more than the 10 bytes"):
        await files.put(row["id"], 6, b"6789X", manager.time())
    with pytest.raises(Conflict, match="6 of 10 bytes are stored"):
        await files.finish(manager.admin, row["id"], "", manager.time())
    with pytest.raises(Conflict, match="not whole yet"):
        await files.open(manager.admin, row["id"], manager.time())
    assert await files.put(row["id"], 6, b"6789", manager.time()) == 10
    assert (await files.finish(manager.admin, row["id"], sha(b"0123456789"), manager.time()))["state"] == "ready"
    with pytest.raises(Conflict, match="whole already"):
        await files.put(row["id"], 10, b"more", manager.time())
    assert await read(manager, row["id"]) == b"0123456789"


async def test_the_same_chunk_sent_by_two_at_once_is_stored_once(manager: Manager) -> None:
    files = manager.services.files
    row = await files.create(manager.admin, "x", len(DATA), manager.time())
    for offset in range(0, len(DATA), CHUNK):
        part = DATA[offset : offset + CHUNK]
        done = await asyncio.gather(*(files.put(row["id"], offset, part, manager.time()) for _ in range(4)), return_exceptions=True)
        assert all(isinstance(one, (int, Conflict)) for one in done), done
    await files.finish(manager.admin, row["id"], sha(DATA), manager.time())
    assert await read(manager, row["id"]) == DATA


async def test_a_file_with_a_wrong_sha256_never_becomes_one(manager: Manager) -> None:
    files = manager.services.files
    row = await files.create(manager.admin, "x", 3, manager.time())
    await files.put(row["id"], 0, b"abd", manager.time())
    with pytest.raises(BadInput, match="put it again"):
        await files.finish(manager.admin, row["id"], sha(b"abc"), manager.time())
    with pytest.raises(NotFound):
        await files.get(row["id"])
    assert [json.loads(entry["detail"])["why"] for entry in await entries(manager, "file.delete")] == ["its SHA-256 was wrong"]


async def test_sizes_and_the_room_for_all_are_limited(manager: Manager) -> None:
    files = manager.services.files
    files.max_bytes, files.quota = 100, 150
    with pytest.raises(BadInput, match="0 to 100 bytes"):
        await files.create(manager.admin, "x", 101, manager.time())
    first = await files.create(manager.admin, "x", 100, manager.time())
    with pytest.raises(Conflict, match="no room for 51 bytes: 100 of 150 are used"):
        await files.create(manager.admin, "y", 51, manager.time())
    await files.delete(manager.admin, first["id"], manager.time())
    await files.sweep()
    await files.create(manager.admin, "y", 51, manager.time())


@pytest.mark.parametrize(("name", "clean"), [("a/b/c.txt", "c.txt"), ("C:\\x\\y.txt", "y.txt"), ("x\x1b[2J", "x[2J"), ("文件", "文件")])
async def test_a_name_is_the_last_part_and_harmless(manager: Manager, name: str, clean: str) -> None:
    assert (await manager.services.files.create(manager.admin, name, 0, manager.time()))["name"] == clean


@pytest.mark.parametrize("name", ["", "/", "..", "a/..", "\n"])
async def test_a_file_needs_a_name(manager: Manager, name: str) -> None:
    with pytest.raises(BadInput, match="name"):
        await manager.services.files.create(manager.admin, name, 0, manager.time())


async def test_what_nobody_used_for_a_week_goes_unless_a_command_needs_it(manager: Manager) -> None:
    node = await manager.enrol()
    old, needed, fetched = [await stored(manager, b"x" * 10, name) for name in ("old", "needed", "fetched")]
    command_id, _ = await command(manager, node, {"action": "upload", "path": "/x", "file": needed})
    manager.time.now += 6 * DAY
    await manager.services.files.open(manager.admin, fetched, manager.time())
    manager.time.now += DAY + 1
    assert await manager.services.files.forget(manager.time()) == 1
    assert await manager.services.files.sweep() == 1
    with pytest.raises(NotFound):
        await manager.services.files.get(old)
    assert await read(manager, old) == b""
    assert await read(manager, needed) == b"x" * 10
    with pytest.raises(Conflict, match=f"{command_id} still needs"):
        await manager.services.files.delete(manager.admin, needed, manager.time())
    await manager.services.commands.cancel(manager.admin, command_id, manager.time())
    await manager.services.files.delete(manager.admin, needed, manager.time())
    with pytest.raises(NotFound):
        await manager.services.files.get(needed)


# -- files of commands --------------------------------------------------------------------------------------------------


async def test_a_command_carries_the_sha256_of_its_file_signed(manager: Manager) -> None:
    node = await manager.enrol()
    file_id = await stored(manager)
    _, prepared = await command(manager, node, {"action": "upload", "path": "/x", "file": file_id})
    assert prepared.content["sha256"] == sha(DATA)
    with pytest.raises(BadInput, match="sha256: the stored file has"):
        await command(manager, node, {"action": "upload", "path": "/x", "file": file_id, "sha256": "0" * 64})
    with pytest.raises(BadInput, match="there is no file 'NOPE'"):
        await command(manager, node, {"action": "upload", "path": "/x", "file": "NOPE"})
    half = await manager.services.files.create(manager.admin, "half", 5, manager.time())
    with pytest.raises(BadInput, match="is not whole yet"):
        await command(manager, node, {"action": "upload", "path": "/x", "file": half["id"]})


async def test_a_node_reads_the_files_of_its_own_unfinished_commands_and_no_others(manager: Manager) -> None:
    node, other = await manager.enrol("a"), await manager.enrol("b")
    file_id, foreign = await stored(manager), await stored(manager, b"secret")
    command_id, _ = await command(manager, node, {"action": "upload", "path": "/x", "file": file_id})
    service = manager.services.command_files

    async def fetch(caller: Caller, which: str, offset: int = 0) -> FilePart:
        return await service.read(caller, which, FileRead(offset, FILE_CHUNK_BYTES), manager.time())

    got = b""
    while part := base64.b64decode((await fetch(node, file_id, len(got))).data):
        got += part
    assert got == DATA
    for caller, which in ((other, file_id), (node, foreign), (node, "NOPE"), (other, foreign)):
        with pytest.raises(NotAllowed, match="belongs to no command of this node"):
            await fetch(caller, which)
    with pytest.raises(NotAllowed):
        await service.write(node, file_id, FileWrite(0, 1, "eA=="), manager.time())
    await manager.services.commands.cancel(manager.admin, command_id, manager.time())
    with pytest.raises(NotAllowed):
        await fetch(node, file_id)


async def test_a_node_fills_the_file_that_was_made_for_its_command(manager: Manager) -> None:
    node, other = await manager.enrol("a"), await manager.enrol("b")
    _, prepared = await command(manager, node, {"action": "download", "path": "/var/log/app.log"})
    file_id, service = prepared.content["file"], manager.services.command_files

    async def send(caller: Caller, offset: int, data: bytes, total: int = len(DATA), sha256: str = "") -> tuple[int, bool]:
        sent = FileWrite(offset, total, base64.b64encode(data).decode(), sha256)
        answer = await service.write(caller, file_id, sent, manager.time())
        return answer.stored, answer.done

    row = await manager.services.files.get(file_id)
    assert (row["name"], row["node_id"], row["state"], row["size"]) == ("app.log", node.id, "receiving", None)
    for offset in range(0, len(DATA), FILE_CHUNK_BYTES):
        part = DATA[offset : offset + FILE_CHUNK_BYTES]
        assert await send(node, offset, part) == (offset + len(part), False)
        assert await send(node, offset, part) == (offset + len(part), False)
        with pytest.raises(NotAllowed):
            await send(other, offset, part)
    with pytest.raises(Conflict, match="it changed meanwhile"):
        await send(node, len(DATA), b"x", len(DATA) + 1)
    assert await send(node, len(DATA), b"", sha256=sha(DATA)) == (len(DATA), True)
    assert await send(node, len(DATA), b"", sha256=sha(DATA)) == (len(DATA), True), "the answer may have been lost"
    with pytest.raises(Conflict, match="whole already"):
        await send(node, len(DATA), b"x")
    with pytest.raises(NotAllowed):
        await service.read(node, file_id, FileRead(0, 1), manager.time())
    assert await read(manager, file_id) == DATA


async def test_what_a_node_sent_with_a_wrong_sha256_is_not_kept(manager: Manager) -> None:
    node = await manager.enrol()
    _, prepared = await command(manager, node, {"action": "download", "path": "/x"})
    file_id = prepared.content["file"]
    with pytest.raises(Conflict, match="another SHA-256"):
        await manager.services.command_files.write(node, file_id, FileWrite(0, 1, "eA==", "0" * 64), manager.time())
    with pytest.raises(NotFound):
        await manager.services.files.get(file_id)


@pytest.mark.parametrize(
    "sent", [FileWrite(0, 5, "???"), FileWrite(-1, 5, "eA=="), FileWrite(0, -5, ""), FileWrite(0, 2**40, ""), FileWrite(0, 1, "eHg=")]
)
async def test_nonsense_from_a_node_is_refused(manager: Manager, sent: FileWrite) -> None:
    node = await manager.enrol()
    _, prepared = await command(manager, node, {"action": "download", "path": "/x"})
    with pytest.raises(BadInput):
        await manager.services.command_files.write(node, prepared.content["file"], sent, manager.time())


async def test_each_node_of_a_download_fills_a_file_of_its_own(manager: Manager) -> None:
    nodes = [(await manager.enrol(name)).id for name in ("a", "b")]
    content = {"action": "download", "path": "/x"}
    prepared = await manager.db.transaction(
        lambda session: manager.services.command_files.prepare(session, manager.admin, of(File), content, nodes, manager.time())
    )
    assert len({one.content["file"] for one in prepared.values()}) == 2
    with pytest.raises(BadInput, match="leave it empty"):
        await command(manager, Caller("node", nodes[0]), content | {"file": "X"})
