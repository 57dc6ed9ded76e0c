"""Packages and data. The manager's templates, static files and SQL lie at the top of the tree; installed, they
stand inside the package `server` (see server/paths.py)."""

from pathlib import Path

from setuptools import find_packages, setup

DATA = ("sql", "templates", "static")
HERE = Path(__file__).parent
PINS = [line.split("#")[0].strip() for line in (HERE / "requirements.txt").read_text().splitlines()]

setup(
    packages=[*find_packages(include=["host", "host.*", "server", "server.*"]), *(f"server.{name}" for name in DATA)],
    package_dir={f"server.{name}": name for name in DATA},
    package_data={f"server.{name}": ["**/*"] for name in DATA},
    install_requires=[pin for pin in PINS if pin],
    extras_require={"gpu": ["nvidia-ml-py>=12"]},
)
