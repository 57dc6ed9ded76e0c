"""`opsctl files`: what goes in comes out identical, what broke off goes on, and viewers get nothing."""

from __future__ import annotations

import hashlib
import os
import pty
import subprocess
import sys
from pathlib import Path

from tests.server.api.harness import ROOT, Manager
from tests.server.ctl.opsctl import Opsctl

DATA = os.urandom(3 * 1024 * 1024 + 99)


def put(ada: Opsctl, folder: Path, name: str, data: bytes = DATA) -> str:
    (folder / name).write_bytes(data)
    done = ada("files", "put", str(folder / name))
    assert done.code == 0, done.err
    return done.out.decode().strip()


def test_a_file_is_put_listed_got_and_removed(ada: Opsctl, tmp_path: Path) -> None:
    file_id = put(ada, tmp_path, "app.tar")
    listed = next(one for one in ada.here("files", "ls", "--json").data["items"] if one["id"] == file_id)
    assert (listed["name"], listed["size"], listed["state"]) == ("app.tar", len(DATA), "ready")
    assert listed["sha256"] == hashlib.sha256(DATA).hexdigest()
    assert b"app.tar" in ada.here("files", "ls").out
    for wanted, to in ((file_id, "one"), ("app.tar", "two")):
        got = ada("files", "get", wanted, "--to", str(tmp_path / to))
        assert (got.code, got.out) == (0, b"")
        assert (tmp_path / to).read_bytes() == DATA
    assert ada("files", "get", file_id, "--to", "-").out == DATA
    assert ada.here("files", "get", file_id, "--to", str(tmp_path / "one")).code == 2, "what is there is not replaced"
    assert ada.here("files", "get", file_id, "--to", str(tmp_path / "one"), "--force").code == 0
    assert ada.here("files", "rm", file_id).code == 0
    gone = ada.here("files", "get", file_id)
    assert (gone.code, "there is no file" in gone.err) == (1, True)


def test_an_empty_file_is_one(ada: Opsctl, tmp_path: Path) -> None:
    file_id = put(ada, tmp_path, "empty", b"")
    assert ada("files", "get", file_id, "--to", "-").out == b""


def test_what_was_not_put_to_its_end_goes_on(manager: Manager, ada: Opsctl, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    store, now = manager.services.files, manager.clock()
    item = manager.run(store.create(ROOT, "x", len(DATA), now))
    manager.run(store.put(item["id"], 0, DATA[: 1024 * 1024], now))
    done = ada.here("files", "put", "--resume", item["id"], str(tmp_path / "x"))
    assert (done.code, done.out.decode().strip()) == (0, item["id"])
    assert ada("files", "get", item["id"], "--to", "-").out == DATA
    (tmp_path / "y").write_bytes(b"another size")
    assert ada.here("files", "put", "--resume", item["id"], str(tmp_path / "y")).code == 2


def test_what_was_not_got_to_its_end_goes_on_and_damage_is_noticed(ada: Opsctl, tmp_path: Path) -> None:
    file_id = put(ada, tmp_path, "x")
    target, part = tmp_path / "y", tmp_path / f".y.{file_id}.part"
    part.write_bytes(DATA[:1000])
    assert ada.here("files", "get", file_id, "--to", str(target)).code == 0
    assert target.read_bytes() == DATA
    target.unlink()
    part.write_bytes(b"damaged")
    wrong = ada.here("files", "get", file_id, "--to", str(target))
    assert (wrong.code, "another SHA-256" in wrong.err) == (1, True)
    assert not target.exists()
    assert not part.exists()


def test_wrong_use_is_one_line(ada: Opsctl, tmp_path: Path) -> None:
    missing = ada.here("files", "put", str(tmp_path / "none"))
    assert (missing.code, missing.err.count("\n")) == (2, 1)
    assert ada.here("files", "put", str(tmp_path)).code == 2
    for _ in range(2):
        put(ada, tmp_path, "twin", b"t")
    twice = ada.here("files", "get", "twin")
    assert (twice.code, "give the id" in twice.err) == (1, True)


def test_a_viewer_gets_nothing(ada: Opsctl, vic: Opsctl, tmp_path: Path) -> None:
    file_id = put(ada, tmp_path, "secret", b"s")
    for words in (("ls",), ("get", file_id), ("rm", file_id), ("put", str(tmp_path / "secret"))):
        assert vic.here("files", *words).code == 4, words


def test_progress_is_for_terminals_only(ada: Opsctl, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    assert ada("files", "put", str(tmp_path / "x")).err == ""
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "server.ctl", "files", "put", str(tmp_path / "x")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=ada.environment,
        timeout=30,
        check=True,
    )
    os.close(theirs)
    assert b"100 %" in os.read(ours, 65536)
    os.close(ours)
    assert len(done.stdout.strip()) == 26
