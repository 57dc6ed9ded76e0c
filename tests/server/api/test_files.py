"""`/api/v1/files` over a real socket: chunks, ranges, rights, and the node link's calls with certificates of their own."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.server.api.harness import Api, Manager

DATA = os.urandom(700_000)


def put(admin: Api, data: bytes = DATA, name: str = "x") -> str:
    item = admin.data("POST", "/api/v1/files", json={"name": name, "size": len(data)})
    admin.data("PUT", f"/api/v1/files/{item['id']}/content?offset=0", data=data)
    admin.data("POST", f"/api/v1/files/{item['id']}/finish", json={"sha256": hashlib.sha256(data).hexdigest()})
    return str(item["id"])


@pytest.mark.parametrize(
    ("wanted", "status", "start", "until"),
    [
        ("", 200, 0, len(DATA)),
        ("bytes=0-", 206, 0, len(DATA)),
        ("bytes=1000-1999", 206, 1000, 2000),
        ("bytes=262143-262145", 206, 262143, 262146),
        ("bytes=699999-9999999", 206, 699_999, len(DATA)),
        ("bytes=-5", 200, 0, len(DATA)),
        ("bytes=0-1,5-6", 200, 0, len(DATA)),
        ("lines=1-2", 200, 0, len(DATA)),
        ("bytes=700000-", 416, 0, 0),
        ("bytes=9-3", 416, 0, 0),
    ],
)
def test_all_of_it_or_one_range(admin: Api, wanted: str, status: int, start: int, until: int) -> None:
    file_id = put(admin)
    answer = admin.send("GET", f"/api/v1/files/{file_id}/content", headers={"Range": wanted} if wanted else {})
    assert answer.status_code == status
    if status != 416:
        assert answer.content == DATA[start:until]
        assert answer.headers["Content-Length"] == str(until - start)
        assert answer.headers["Content-Type"] == "application/octet-stream"


def test_a_hosts_bytes_are_never_taken_for_a_page(admin: Api) -> None:
    file_id = put(admin, b"<script>alert(1)</script>", "<b>\"x';.html")
    headers = admin.send("GET", f"/api/v1/files/{file_id}/content").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''%3Cb%3E%22x%27%3B.html"


def test_every_reading_and_change_is_in_the_audit_log(manager: Manager, admin: Api) -> None:
    file_id = put(admin)
    admin.send("GET", f"/api/v1/files/{file_id}/content")
    admin.data("DELETE", f"/api/v1/files/{file_id}")
    entries = [one["action"] for one in admin.data("GET", "/api/v1/audit")["items"] if one["resource"] == f"file {file_id}"]
    assert sorted(entries) == ["file.create", "file.delete", "file.finish", "file.read"]


def test_wrong_calls_are_refused_in_words(admin: Api) -> None:
    assert admin.refusal("POST", "/api/v1/files", json={"name": "x", "size": 2**60})[2] == "size"
    assert admin.refusal("POST", "/api/v1/files", json={"name": "x", "size": 1, "sha": ""})[2] == "sha"
    item = admin.data("POST", "/api/v1/files", json={"name": "x", "size": 10})
    assert admin.refusal("GET", f"/api/v1/files/{item['id']}/content")[0] == 409
    assert admin.refusal("PUT", f"/api/v1/files/{item['id']}/content?offset=x", data=b"1")[:3] == (400, 1001, "offset")
    assert admin.refusal("PUT", f"/api/v1/files/{item['id']}/content?offset=5", data=b"1")[:3] == (409, 1001, "offset")
    assert admin.refusal("PUT", f"/api/v1/files/{item['id']}/content?offset=0", data=b"1" * (1024 * 1024 + 1))[0] == 400
    assert admin.refusal("PUT", "/api/v1/files/01NOPE/content?offset=0", data=b"1")[0] == 404


def test_a_viewer_reads_neither_list_nor_contents(admin: Api, viewer: Api, nobody: Api) -> None:
    file_id = put(admin)
    for path in ("", f"/{file_id}", f"/{file_id}/content"):
        assert viewer.refusal("GET", f"/api/v1/files{path}")[:2] == (403, 1003)
        assert nobody.refusal("GET", f"/api/v1/files{path}")[:2] == (401, 1002)
