"""What comes from other projects is what its authors published, and says under which licence."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
_LINE = re.compile(r"^\| (\S+) \|.*\((\S+?)[,)].* \| ([0-9a-f]{64}) \|$", re.MULTILINE)


@pytest.mark.parametrize("folder", ["static/vendor", "tests/browser/vendor"])
def test_each_foreign_file_is_unchanged_and_has_its_licence_beside_it(folder: str) -> None:
    place = ROOT / folder
    listed = _LINE.findall((place / "README.md").read_text(encoding="utf-8"))
    assert {name for name, _, _ in listed} == {file.name for file in place.iterdir() if file.suffix in (".js", ".css")}
    for name, licence, digest in listed:
        assert hashlib.sha256((place / name).read_bytes()).hexdigest() == digest, name
        assert (place / licence).is_file(), licence
