"""Files under attack and under faults: links put in the way at any moment, disks that fill up, kills, a manager that goes away."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from host.agent.files import incoming
from host.agent.tasks import file
from host.agent.tasks.base import TaskProblem, Work
from host.lib.jsonrpc import RpcError
from host.wire.protocol import FILE_CHUNK_BYTES
from host.wire.schema import build
from host.wire.tasks import File
from tests.host.agent.file_store import AWAY, FileStore
from tests.host.agent.harness import ROOT

CHUNK = FILE_CHUNK_BYTES
BIG = os.urandom(CHUNK * 5 + 123)


class Desk:
    """`inside` is allowed, `outside` is not; `store` has BIG as F1."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.inside, self.outside = folder, folder / "inside", folder / "outside"
        for one in (self.inside, self.outside, folder / "run"):
            one.mkdir(mode=0o755)
        self.store = FileStore(folder / "run/transfer.sock", {"F1": BIG, "SMALL": b"small\n"})
        self.store.start()

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "roots": [str(self.inside)],
            "refused": [],
            "policy_file": str(self.folder / "none.yaml"),
            "socket": str(self.store.path),
            "patience": 0.5,
        }

    def run(self, **content: Any) -> dict[str, Any]:
        return file.run(build(File, content), Work("01COMMAND", self.folder, self.settings))

    def refusal(self, **content: Any) -> str:
        with pytest.raises(TaskProblem) as raised:
            self.run(**content)
        return raised.value.code

    def worker(self, limit: int = 0, **content: Any) -> subprocess.Popen[bytes]:
        """The same in a process of its own; `limit`: the largest file that it may write."""

        def limited() -> None:
            if limit:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        process = subprocess.Popen(
            [sys.executable, "-m", "host.agent.worker", "file"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=os.environ | {"OPS_RESULT": str(self.folder / "result")},
            preexec_fn=limited,
        )
        assert process.stdin
        given = {"content": content, "command_id": "01COMMAND", "folder": str(self.folder), "settings": self.settings}
        process.stdin.write(json.dumps(given).encode())
        process.stdin.close()
        process.stdin = None
        return process

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result").read_text())
        return found

    def parts(self) -> list[Path]:
        return [path for path in self.inside.rglob("*") if path.name.startswith(incoming.PREFIX)]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    one = Desk(tmp_path)
    yield one
    one.store.stop()


def offsets(desk: Desk) -> list[int]:
    return [params["offset"] for method, params in desk.store.calls if method == "file.read"]


# -- links and races ----------------------------------------------------------------------------------------------------


def test_a_folder_that_turns_into_a_link_again_and_again_never_leads_out(desk: Desk) -> None:
    door, real, link = desk.inside / "door", desk.inside / "real", desk.inside / "link"
    real.mkdir()
    link.symlink_to(desk.outside)
    real.rename(door)
    done = threading.Event()

    def flip() -> None:
        while not done.is_set():
            door.rename(real)
            link.rename(door)
            door.rename(link)
            real.rename(door)

    flipper = threading.Thread(target=flip)
    flipper.start()
    outcomes = set()
    try:
        for number in range(300):
            try:
                desk.run(action="upload", path=f"{door}/f{number}", file="SMALL")
                outcomes.add("done")
            except TaskProblem as problem:
                outcomes.add(problem.code)
    finally:
        done.set()
        flipper.join()
    assert list(desk.outside.iterdir()) == []
    assert outcomes <= {"done", "A3002", "A3003", "A3004", "A3006"}, outcomes
    assert "done" in outcomes


def test_a_folder_exchanged_for_a_link_after_the_way_was_walked_changes_nothing(desk: Desk) -> None:
    (desk.inside / "a").mkdir()
    (desk.outside / "x").write_text("outside\n")

    def exchange(method: str, params: dict[str, Any]) -> None:
        if not (desk.inside / "moved").exists():
            (desk.inside / "a").rename(desk.inside / "moved")
            (desk.inside / "a").symlink_to(desk.outside)

    desk.store.before = exchange
    desk.run(action="upload", path=f"{desk.inside}/a/x", file="F1", overwrite=True)
    assert (desk.outside / "x").read_text() == "outside\n"
    assert (desk.inside / "moved/x").read_bytes() == BIG


def test_a_target_that_becomes_a_link_while_the_file_arrives_is_not_written_through(desk: Desk) -> None:
    victim = desk.outside / "victim"
    victim.write_text("victim\n")

    def plant(method: str, params: dict[str, Any]) -> None:
        if not (desk.inside / "x").is_symlink():
            (desk.inside / "x").symlink_to(victim)

    desk.store.before = plant
    assert desk.refusal(action="upload", path=f"{desk.inside}/x", file="F1", overwrite=True) == "A3002"
    assert victim.read_text() == "victim\n"


def test_a_file_that_comes_there_while_ours_arrives_is_not_replaced(desk: Desk) -> None:
    desk.store.before = lambda method, params: (desk.inside / "x").write_text("first\n") and None
    assert desk.refusal(action="upload", path=f"{desk.inside}/x", file="SMALL") == "A3005"
    assert (desk.inside / "x").read_text() == "first\n"


def test_putting_in_place_itself_replaces_nothing_unless_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    (desk.inside / "x").write_text("first\n")
    monkeypatch.setattr("host.agent.files.sending.check_target", lambda place, overwrite: None)
    assert desk.refusal(action="upload", path=f"{desk.inside}/x", file="SMALL") == "A3005"
    assert (desk.inside / "x").read_text() == "first\n"


def part_name(desk: Desk, data: bytes) -> Path:
    sha256 = hashlib.sha256(data).hexdigest()
    return desk.inside / (incoming.PREFIX + hashlib.sha256(f"x\0{sha256}".encode()).hexdigest()[:32] + incoming.SUFFIX)


@pytest.mark.parametrize("plant", ["symlink", "hard link", "fifo", "folder", "open to others", "another user's"])
def test_what_somebody_put_in_the_partial_files_place_is_not_written_to(desk: Desk, plant: str) -> None:
    victim, part = desk.outside / "victim", part_name(desk, b"small\n")
    victim.write_text("victim\n")
    victim.chmod(0o600)
    if plant == "symlink":
        part.symlink_to(victim)
    elif plant == "hard link":
        part.hardlink_to(victim)
    elif plant == "fifo":
        os.mkfifo(part)
    elif plant == "folder":
        part.mkdir()
    else:
        part.write_text("sm")
        part.chmod(0o666 if plant == "open to others" else 0o600)
        os.chown(part, 0 if plant == "open to others" else 4321, 0)
    result = desk.run(action="upload", path=f"{desk.inside}/x", file="SMALL")
    assert victim.read_text() == "victim\n"
    assert (desk.inside / "x").read_text() == "small\n"
    assert (desk.inside / "x").stat().st_uid == 0
    assert result["resumed_from"] == 0
    assert desk.parts() == []


def test_a_mount_below_is_neither_deleted_nor_copied(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file system by what the system says of it: mounting needs more rights than every machine gives."""
    (desk.inside / "a/mnt").mkdir(parents=True)
    (desk.inside / "a/mnt/precious").write_text("p")
    real, inode = os.fstat, (desk.inside / "a/mnt").stat().st_ino

    def fstat(handle: int) -> os.stat_result:
        found = real(handle)
        return os.stat_result([*found[:2], 999_999, *found[3:]]) if found.st_ino == inode else found

    monkeypatch.setattr("host.agent.files.trees.os.fstat", fstat)
    assert desk.refusal(action="delete", path=f"{desk.inside}/a", recursive=True) == "A3015"
    assert desk.refusal(action="copy", path=f"{desk.inside}/a", to=f"{desk.inside}/b", recursive=True) == "A3015"
    assert (desk.inside / "a/mnt/precious").exists()
    assert not (desk.inside / "b").exists()


# -- sources that change ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["grows", "shrinks", "is rewritten"])
def test_a_source_that_changes_while_it_is_sent_is_not_finished(desk: Desk, change: str) -> None:
    source = desk.inside / "log"
    source.write_bytes(BIG)

    def disturb(method: str, params: dict[str, Any]) -> None:
        if params["offset"] == CHUNK:
            with source.open("r+b") as stream:
                if change == "grows":
                    stream.seek(0, 2)
                    stream.write(b"x" * CHUNK)
                elif change == "shrinks":
                    stream.truncate(CHUNK * 3)
                else:
                    stream.write(b"other")

    desk.store.before = disturb
    assert desk.refusal(action="download", path=str(source), file="G1") == "A3010"
    assert desk.store.finished == set()


# -- faults -------------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_the_old_file_whole_and_no_rest(desk: Desk) -> None:
    (desk.inside / "x").write_text("old\n")
    process = desk.worker(limit=CHUNK * 2 + 5, action="upload", path=f"{desk.inside}/x", file="F1", overwrite=True)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 1
    assert told.startswith(b"A3008 ")
    assert told.count(b"\n") == 1
    assert desk.result["error"]["code"] == "A3008"
    assert (desk.inside / "x").read_text() == "old\n"
    assert desk.parts() == []


def test_a_copy_that_does_not_fit_leaves_nothing(desk: Desk) -> None:
    (desk.inside / "a").mkdir()
    (desk.inside / "a/big").write_bytes(BIG)
    for content in (
        {"path": f"{desk.inside}/a/big", "to": f"{desk.inside}/b"},
        {"path": f"{desk.inside}/a", "to": f"{desk.inside}/b", "recursive": True},
    ):
        process = desk.worker(limit=CHUNK, action="copy", **content)
        assert process.communicate(timeout=30)[1].startswith(b"A3008 ")
        assert sorted(path.name for path in desk.inside.iterdir()) == ["a"]


def test_too_large_for_the_disk_is_known_before_anything_is_fetched(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs
    monkeypatch.setattr("host.agent.files.incoming.os.statvfs", lambda fd: os.statvfs_result([*real(fd)[:3], 0, 0, *real(fd)[5:]]))
    assert desk.refusal(action="upload", path=f"{desk.inside}/x", file="F1") == "A3008"
    assert offsets(desk) == [0]


def test_a_killed_upload_leaves_the_old_file_whole_and_the_next_goes_on(desk: Desk) -> None:
    target = desk.inside / "x"
    target.write_text("old\n")
    target.chmod(0o640)
    reached, go_on = threading.Event(), threading.Event()

    def hold(method: str, params: dict[str, Any]) -> None:
        if params["offset"] == CHUNK * 3:
            reached.set()
            go_on.wait(20)

    desk.store.before = hold
    process = desk.worker(action="upload", path=str(target), file="F1", overwrite=True)
    assert reached.wait(20)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    go_on.set()
    assert target.read_text() == "old\n"
    assert [path.stat().st_size for path in desk.parts()] == [CHUNK * 3]
    assert desk.parts()[0].stat().st_mode & 0o077 == 0, "what is half there is closed to others"
    desk.store.before, desk.store.calls = (lambda method, params: None), []
    result = desk.run(action="upload", path=str(target), file="F1", overwrite=True)
    assert result["resumed_from"] == CHUNK * 3
    assert offsets(desk) == [0, CHUNK * 3, CHUNK * 4, CHUNK * 5], "the first call only asks for the size and hash"
    assert target.read_bytes() == BIG
    assert target.stat().st_mode & 0o777 == 0o640
    assert desk.parts() == []


def test_a_partial_file_that_was_tampered_with_is_fetched_anew(desk: Desk) -> None:
    part = part_name(desk, BIG)
    part.write_bytes(b"x" * CHUNK * 2)
    part.chmod(0o600)
    desk.run(action="upload", path=f"{desk.inside}/x", file="F1")
    assert (desk.inside / "x").read_bytes() == BIG
    assert desk.parts() == []


def test_two_uploads_to_one_place_do_not_mix(desk: Desk) -> None:
    sha256 = hashlib.sha256(b"small\n").hexdigest()
    with file.places_of(desk.settings).at(f"{desk.inside}/x") as place, incoming.incoming(place, sha256, resume=True) as part:
        part.write(b"sm")
        assert desk.refusal(action="upload", path=f"{desk.inside}/x", file="SMALL") == "A3010"
    assert desk.run(action="upload", path=f"{desk.inside}/x", file="SMALL")["resumed_from"] == 2


def test_partial_files_that_nobody_goes_on_with_are_removed_by_the_next_task(desk: Desk) -> None:
    old, young, theirs = (desk.inside / f"{incoming.PREFIX}{name}{incoming.SUFFIX}" for name in ("old", "young", "theirs"))
    for one in (old, young, theirs):
        one.write_text("half")
    past = time.time() - incoming.KEEP_S - 60
    for one in (old, theirs):
        os.utime(one, (past, past))
    os.chown(theirs, 4321, 4321)
    desk.run(action="upload", path=f"{desk.inside}/x", file="SMALL")
    assert set(desk.parts()) == {young, theirs}


def test_a_manager_that_is_away_for_a_while_is_asked_again(desk: Desk) -> None:
    away = [CHUNK, CHUNK, CHUNK * 2]

    def sometimes(method: str, params: dict[str, Any]) -> None:
        if params["offset"] in away:
            away.remove(params["offset"])
            raise RpcError(AWAY, "D2001 nothing listens")

    desk.store.before = sometimes
    desk.run(action="upload", path=f"{desk.inside}/x", file="F1")
    assert (desk.inside / "x").read_bytes() == BIG
    away += [CHUNK, CHUNK * 4]
    desk.run(action="download", path=f"{desk.inside}/x", file="G1")
    assert bytes(desk.store.received["G1"]) == BIG


def test_a_daemon_that_starts_anew_in_the_middle_is_found_again(desk: Desk) -> None:
    restarted = []

    def once(method: str, params: dict[str, Any]) -> None:
        if params["offset"] == CHUNK * 2 and not restarted:
            restarted.append(threading.Thread(target=lambda: (desk.store.stop(), desk.store.start())))
            restarted[0].start()

    desk.store.before = once
    desk.run(action="upload", path=f"{desk.inside}/x", file="F1")
    restarted[0].join()
    assert (desk.inside / "x").read_bytes() == BIG


def test_a_manager_that_stays_away_ends_the_task_with_a_reason_and_keeps_what_came(desk: Desk) -> None:
    def gone(method: str, params: dict[str, Any]) -> None:
        if params["offset"] >= CHUNK * 2:
            raise RpcError(AWAY, "D2001 nothing listens at 127.0.0.1:1")

    desk.store.before = gone
    with pytest.raises(TaskProblem, match=r"A3012 no answer for 0\.5 s: D2001 nothing listens .* goes on where it stopped"):
        desk.run(action="upload", path=f"{desk.inside}/x", file="F1")
    assert not (desk.inside / "x").exists()
    assert [path.stat().st_size for path in desk.parts()] == [CHUNK * 2]


def test_no_daemon_at_all_is_named(desk: Desk) -> None:
    desk.store.stop()
    with pytest.raises(TaskProblem, match=r"A3012 .*transfer\.sock: No such file or directory"):
        desk.run(action="upload", path=f"{desk.inside}/x", file="F1")


def test_a_list_of_a_huge_folder_is_bounded(desk: Desk) -> None:
    for number in range(1005):
        (desk.inside / f"f{number:04}").touch()
    result = desk.run(action="list", path=str(desk.inside))
    assert result["more"] is True
    assert 300 < len(result["entries"]) <= 1000
    assert len(json.dumps(result)) < 64 * 1024


def test_names_that_are_no_text_are_shown_and_harm_nothing(desk: Desk) -> None:
    with open(os.fsencode(desk.inside) + b"/\xff\xfe", "wb"):
        pass
    result = desk.run(action="list", path=str(desk.inside))
    assert [entry["name"] for entry in result["entries"]] == ["\\xff\\xfe"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"action": "upload", "path": "/x"}, "file: is missing"),
        ({"action": "copy", "path": "/x"}, "to: is missing"),
        ({"action": "stat", "path": "/x", "to": "/y"}, "to: goes only with action copy or move"),
        ({"action": "stat", "path": "/x", "recursive": True}, "recursive: goes only with"),
        ({"action": "upload", "path": "/x", "file": "../x"}, "cannot be the id"),
        ({"action": "upload", "path": "/x", "file": "F", "mode": "rwx"}, "octal"),
        ({"action": "upload", "path": "/x", "file": "F", "sha256": "abc"}, "sha256: 64"),
        ({"action": "burn", "path": "/x"}, "action: 'burn' is unknown"),
        ({"action": "stat", "path": "/x" * 3000}, "path: longer than 4096 bytes"),
        ({"action": "stat"}, "path: is missing"),
    ],
)
def test_content_that_makes_no_sense_is_refused_before_it_is_signed(content: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says.replace("'", ".")):
        build(File, content)
