"""`pip install .` gives programs that find their templates, static files and SQL, wherever they are started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT

PROGRAMS = ("ops-manager", "ops-daemon", "ops-agent", "opsctl")


def test_what_pip_installs_is_whole(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # A copy: building leaves files behind, and the tree under test stays as it is.
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    for name in names:
        if not name.startswith("tests/") and (ROOT / name).is_file():
            target = source / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    place = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([*pip, "--target", place, source], check=True, capture_output=True)
    environment = {"PYTHONPATH": str(place), "PATH": "/usr/bin:/bin"}

    def say(*command: str | Path) -> str:
        return subprocess.run([sys.executable, *command], cwd="/", env=environment, capture_output=True, text=True, check=True).stdout

    for program in PROGRAMS:
        assert say(place / "bin" / program, "--version").split()[0].startswith(program)
    config = tmp_path / "manager.yaml"
    config.write_text(f"data_dir: {tmp_path}/data\n")
    assert "applied 0001_nodes" in say(place / "bin/ops-manager", "--config", config, "db", "migrate")
    where = "from server.paths import resource; print(*(resource(n) for n in ('sql', 'templates', 'static')))"
    folders = [Path(folder) for folder in say("-c", where).split()]
    assert all(place in folder.parents for folder in folders)
    for name in ("templates/locale/zh_CN.po", "templates/base.html", "static/style.css", "static/vendor/htmx.min.js"):
        assert (place / "server" / name).is_file(), name
