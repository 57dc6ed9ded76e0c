"""Files in a real browser: chosen, put in with its progress, downloaded identical, deleted after a question."""

from __future__ import annotations

import os
from pathlib import Path

from tests.browser.conftest import Open
from tests.browser.site import Site

DATA = os.urandom(3 * 1024 * 1024 + 5)


def test_a_file_goes_in_and_comes_out_identical_and_is_deleted(open_page: Open, site: Site, tmp_path: Path) -> None:
    (tmp_path / "app 1.tar").write_bytes(DATA)
    page = open_page()
    page.click("nav >> text=Files")
    page.set_input_files("#file", tmp_path / "app 1.tar")
    page.click("text=Put it in")
    page.wait_for_selector("td.name >> text=app 1.tar")
    page.wait_for_selector("text=whole")
    with page.expect_download() as started:
        page.click("a.button:has-text('Download')")
    assert started.value.suggested_filename == "app 1.tar"
    assert Path(started.value.path()).read_bytes() == DATA
    page.click("a.button:has-text('Delete')")
    page.click("button:has-text('Delete this file')")
    page.wait_for_selector("text=The file is deleted.")
    assert page.locator("td.name").count() == 0


def test_a_chunk_that_fails_is_sent_again(open_page: Open, site: Site, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    page, failed = open_page(), []

    def cut(route, request) -> None:  # type: ignore[no-untyped-def]
        if "offset=1048576" in request.url and not failed:
            failed.append(request.url)
            route.fulfill(status=429, body="")
            return
        route.continue_()

    page.route("**/content?**", cut)
    page.goto("/files")
    page.set_input_files("#file", tmp_path / "x")
    page.click("text=Put it in")
    page.wait_for_selector("td:has-text('whole')")
    assert failed
    [row] = site.do(site.services.files.page(10, 0)).rows
    assert site.do(site.services.files.read(row["id"], 0, len(DATA) + 1)) == DATA


def test_what_the_store_does_not_take_is_said_at_the_field(open_page: Open, site: Site, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x" * 1000)
    site.services.files.quota = 10
    page = open_page()
    page.goto("/files")
    page.set_input_files("#file", tmp_path / "x")
    page.click("text=Put it in")
    page.wait_for_selector("[data-put-wrong]:has-text('No room for 1000 bytes'), [data-put-wrong]:has-text('no room for 1000 bytes')")
