"""`ops-manager db …` as an operator types it: what goes wrong is one line with the mend, and the verb ends."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pymysql
import pytest

from server.db import Db
from server.errors import OpsError, Unavailable
from server.upkeep.archive import Writer
from tests.stack import ROOT


def db(folder: Path, *arguments: str, url: str = "") -> tuple[int, str]:
    """The exit code, and what was said."""
    settings = folder / "manager.yaml"
    settings.write_text(f"data_dir: {folder}/data\n" + (f"database_url: {url}\n" if url else ""))
    command = [sys.executable, "-m", "server", "--config", str(settings), "db", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["status", "check"])
def test_looking_at_a_database_that_is_not_there_makes_none(tmp_path: Path, verb: str) -> None:
    code, said = db(tmp_path, verb)
    assert (code, "there is no database at" in said, "ops-manager db migrate" in said) == (1, True, True)
    assert not (tmp_path / "data" / "manager.db").exists()


def test_looking_for_a_database_that_the_server_lacks_makes_none(tmp_path: Path, database_servers: dict[str, str]) -> None:
    if "mariadb" not in database_servers:
        pytest.skip("no MariaDB on this machine")
    for _ in range(2):
        code, said = db(tmp_path, "status", url=f"{database_servers['mariadb']}/ops_misspelt")
        assert (code, "Unknown database" in said, "ops-manager db migrate" in said) == (2, True, True)


def test_a_file_that_is_no_database_ends_the_verb_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manager.db").write_text("text that somebody put there by mistake, and quite a lot of it")
    code, said = db(tmp_path, "status")
    assert (code, "file is not a database; check database_url and data_dir" in said) == (2, True)


def test_a_newer_managers_database_says_so(tmp_path: Path) -> None:
    assert db(tmp_path, "migrate")[0] == 0
    with sqlite3.connect(tmp_path / "data" / "manager.db") as raw:
        raw.execute("INSERT INTO schema_migrations (number, name, checksum, done, applied_at) VALUES (9999, 'x', 'x', 1, 1)")
    raw.close()
    assert "9999 is of a newer manager" in db(tmp_path, "status")[1]
    code, said = db(tmp_path, "migrate")
    assert (code, "has migration 9999" in said, "start the newer manager" in said) == (2, True, True)


def test_a_disk_that_is_full_leaves_the_backup_before_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "backup.zip"
    target.write_bytes(b"the one before")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def backup() -> None:
        with Writer(target) as writer:
            with writer.table("nodes", ["id"]) as table:
                table.write([("1",)])
            monkeypatch.setattr(os, "fsync", full)
            os.fsync(0)

    with pytest.raises(OpsError, match=r"backup.zip: No space left on device; no backup was made"):
        backup()
    assert target.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_is_no_file_for_a_backup(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="is a folder; name the file"):
        Writer(tmp_path)


async def test_what_the_account_may_not_do_is_told_with_the_databases_own_words(tmp_path: Path) -> None:
    async def denied() -> None:
        raise pymysql.err.OperationalError(1142, "CREATE command denied to user 'low'@'%' for table `ops`.`nodes`")

    with pytest.raises(Unavailable, match=r"may not do this in the database: CREATE command denied .*; give it the rights"):
        await Db(f"sqlite:///{tmp_path}/x.db")._again(denied, "migrate")
