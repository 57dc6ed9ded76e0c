"""Where the manager's own files are: beside the package in a checkout, inside it once installed."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The folder `sql`, `templates` or `static`. Raises FileNotFoundError when the installation is not whole."""
    for folder in (_HERE / name, _HERE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"the folder {name!r} of the manager is missing; install the package again")
