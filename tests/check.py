"""`./ops check`: everything that can be said about the tree without running the product."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.stack import ROOT

BIN = Path(sys.executable).parent


def main() -> int:
    checks = [
        ("format", [BIN / "ruff", "format", "--check", "--quiet", "."]),
        ("lint", [BIN / "ruff", "check", "--quiet", "."]),
        ("types", [BIN / "mypy", "--no-error-summary"]),
        ("arrows", [BIN / "lint-imports", "--no-cache"]),
        ("translations", [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/server/web/test_catalogue.py"]),
    ]
    if shutil.which("shellcheck"):
        checks.append(("shell", ["shellcheck", ROOT / "ops", ROOT / ".ci/run"]))
    failed = []
    for name, command in checks:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        print(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}", flush=True)
        if done.returncode:
            failed.append(name)
            print(done.stdout + done.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
