"""`ops-manager db …` as an operator types it, beside a manager that runs."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import fresh
from tests.end_to_end.test_manager_process import Running
from tests.stack import BIN


def db(folder: Path, *words: str, said: str = "", url: str = "") -> subprocess.CompletedProcess[str]:
    config = folder / "manager.yaml"
    if not config.exists():
        folder.mkdir(exist_ok=True)
        config.write_text(f"data_dir: {folder}/data\n" + (f"database_url: {url}\n" if url else ""))
    command = [BIN / "ops-manager", "--config", config, "db", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, input=said)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    manager = Running(tmp_path)
    yield manager
    manager.process.terminate()
    manager.process.wait(20)
    assert manager.process.stdout is not None
    manager.process.stdout.close()


def test_a_backup_is_made_beside_a_running_manager_and_moves_to_a_new_place(running: Running, tmp_path: Path) -> None:
    file = tmp_path / "ops.backup"
    made = db(tmp_path, "backup", str(file))
    assert made.returncode == 0, made.stderr
    assert "read back and good" in made.stdout
    assert "without them it cannot be restored" in made.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "nothing to mend" in db(tmp_path, "check").stdout
    refused = db(tmp_path, "restore", str(file), "--replace", "--yes")
    assert refused.returncode == 1
    assert "stop every manager" in refused.stderr
    assert "HOLDS THE KEYS" in db(tmp_path, "backup", str(file), "--with-keys").stderr
    restored = db(tmp_path / "new", "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    assert "keys written to" in restored.stdout
    assert db(tmp_path / "new", "check").stdout == "nothing to mend\n"
    again = db(tmp_path / "new", "restore", str(file), "--replace", said="yes\n")
    assert (again.returncode, "nothing was changed" in again.stderr) == (1, True)
    assert db(tmp_path / "new", "restore", str(file), "--replace", said="replace\n").returncode == 0


def test_a_site_moves_from_sqlite_to_a_server(running: Running, tmp_path: Path, database_servers: dict[str, str]) -> None:
    file = tmp_path / "ops.backup"
    assert db(tmp_path, "backup", str(file), "--with-keys").returncode == 0
    for kind, server in database_servers.items():
        with fresh(server) as url:
            moved = db(tmp_path / kind, "restore", str(file), url=url)
            assert moved.returncode == 0, moved.stderr
            assert db(tmp_path / kind, "check").stdout == "nothing to mend\n"
            assert "rows" in db(tmp_path / kind, "status").stdout


def test_what_is_wrong_ends_with_one(tmp_path: Path) -> None:
    checked = db(tmp_path, "check")
    assert (checked.returncode, "or make it: ops-manager db migrate" in checked.stderr) == (1, True)
    assert db(tmp_path, "backup", str(tmp_path / "x")).returncode == 1
    assert db(tmp_path, "restore", str(tmp_path / "nothing.here")).returncode == 1
    assert "missing" in db(tmp_path, "status").stdout
    assert not (tmp_path / "x").exists()
