"""The page of files: list, chunks from a browser, download, delete; and who may do none of it."""

from __future__ import annotations

import hashlib
import os

from tests.conftest import Manager
from tests.server.web.conftest import SAME, Visitor

DATA = os.urandom(600_000)


async def put(visit: Visitor, name: str = "app.tar", data: bytes = DATA) -> str:
    made = (await visit.post("/files", {"name": name, "size": str(len(data))})).json()
    for offset in range(0, len(data), 400_000):
        part = data[offset : offset + 400_000]
        await visit.http.put(f"/files/{made['id']}/content?offset={offset}", content=part, headers=SAME)
    done = await visit.post(f"/files/{made['id']}/finish", {})
    assert done.json() == {"sha256": hashlib.sha256(data).hexdigest()}
    return str(made["id"])


async def test_a_file_is_put_in_listed_downloaded_and_deleted(visit: Visitor) -> None:
    await visit.sign_in("admin")
    assert "The store is empty" in (await visit.get("/files")).text
    file_id = await put(visit)
    text = (await visit.get("/files")).text
    assert "app.tar" in text
    assert hashlib.sha256(DATA).hexdigest() in text
    assert (await visit.get(f"/files/{file_id}/content")).content == DATA
    assert "Delete app.tar?" in (await visit.get(f"/files/{file_id}/delete")).text
    assert (await visit.get("/files")).text.count("app.tar") > 0, "asking deletes nothing"
    gone = await visit.post(f"/files/{file_id}/delete", {})
    assert (gone.status_code, gone.headers["location"]) == (303, "/files?notice=deleted")
    assert (await visit.get(f"/files/{file_id}/content")).status_code == 404


async def test_a_name_is_text_wherever_it_is_shown(visit: Visitor) -> None:
    await visit.sign_in("admin")
    file_id = await put(visit, '"><script>alert(1)</script>{{7*7}}.txt')
    for path in ("/files", f"/files/{file_id}/delete", "/audit"):
        text = (await visit.get(path)).text
        assert "<script>alert" not in text
        assert "{{7*7}}.txt" in text


async def test_a_viewer_sees_no_files_and_no_way_to_them(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    file_id = await put(visit)
    visit.http.cookies.clear()
    await visit.sign_in("vera")
    assert 'href="/files"' not in (await visit.get("/nodes")).text
    for path in ("/files", f"/files/{file_id}/content", f"/files/{file_id}/delete"):
        assert (await visit.get(path)).status_code == 403
    assert (await visit.post("/files", {"name": "x", "size": "1"})).status_code == 403
    assert (await visit.post(f"/files/{file_id}/delete", {})).status_code == 403


async def test_chunks_from_another_site_are_refused(visit: Visitor) -> None:
    await visit.sign_in("admin")
    made = (await visit.post("/files", {"name": "x", "size": "3"})).json()
    answer = await visit.http.put(f"/files/{made['id']}/content?offset=0", content=b"abc", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 403


async def test_numbers_that_are_none_are_refused_in_words(visit: Visitor) -> None:
    await visit.sign_in("admin")
    assert "a whole number of bytes" in (await visit.post("/files", {"name": "x", "size": "many"})).text
    assert (await visit.post("/files", {"name": "", "size": "1"})).status_code == 400


async def test_the_list_is_narrowed_down_by_name_and_state(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    for name in ("one.conf", "two.tar"):
        await manager.services.files.create(manager.admin, name, 3, manager.time())
    text = (await visit.get("/files?q=CONF")).text
    assert "one.conf" in text
    assert "two.tar" not in text
    text = (await visit.get("/files?state=ready")).text
    assert "No file matches" in text
    assert (await visit.get("/files?state=lost")).status_code == 400


async def test_the_audit_log_is_narrowed_down_from_its_own_rows(visit: Visitor, manager: Manager) -> None:
    await visit.sign_in("admin")
    await manager.services.files.create(manager.admin, "one.conf", 3, manager.time())
    text = (await visit.get("/audit")).text
    assert "/audit?action=file.create" in text
    text = (await visit.get("/audit?action=file.create&actor=nobody-of-that-name")).text
    assert "0 entries" in text
    text = (await visit.get("/audit?action=file.create")).text
    assert "1 entry" in text
    assert "session.open" not in text
