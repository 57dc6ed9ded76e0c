"""`opsctl login` and `logout`: a token for a password, kept in a file of mode 0600, and its end."""

from __future__ import annotations

import getpass
import os
import socket
import sys
from pathlib import Path

import click

from server.ctl import setup, show
from server.ctl.client import Client, pinned_ca
from server.ctl.options import connect, json_option
from server.ctl.problems import Refused, Usage


@click.command()
@click.argument("url")
@click.option("--name", help="Your account; asked for when left out.")
@click.option("--ca", type=click.Path(path_type=Path), help="The manager's CA certificate, a PEM file.")
@click.option("--ca-pin", metavar="SHA256", help="Instead of --ca: fetch the CA certificate and trust it if this is its hash.")
@click.option("--password-file", metavar="FILE|-", help="Read the password from a file, or from stdin; asked for when left out.")
@json_option
def login(url: str, name: str | None, ca: Path | None, ca_pin: str | None, password_file: str | None, as_json: bool) -> None:
    """Sign in at the manager at URL, and stay signed in.

    An enrolment token ends with the pin that --ca-pin takes.
    """
    url = setup.checked_url(url)
    if ca and ca_pin:
        raise Usage("--ca and --ca-pin: give one of them")
    ca = ca or (Path(os.environ["OPS_CA"]) if os.environ.get("OPS_CA") and not ca_pin else None)
    authority = pinned_ca(url, ca_pin) if ca_pin else setup.pem_file(ca) if ca else ""
    if not name:
        name = _ask("Name", hidden=False) if sys.stdin.isatty() else ""
        if not name:
            raise Usage("--name: say whose account, there is no terminal to ask on")
    password = _password(password_file)
    client = Client(setup.Setup(url, ca=authority))
    label = f"opsctl {getpass.getuser()}@{socket.gethostname()}"[:128]
    answer = client.post("/api/v1/login", {"name": name, "password": password, "label": label})
    path = setup.file_of(os.environ)
    setup.store(path, setup.Setup(url, answer["token"], authority, answer["user"]))
    if as_json:
        # Without the token: this goes to logs and screens. It is in the file.
        show.as_json({"url": url, **{key: value for key, value in answer.items() if key != "token"}})
    show.say(f"signed in at {url} as {answer['user']} ({answer['role']}) until {show.moment(answer['expires_at'])}")


@click.command()
@json_option
def logout(as_json: bool) -> None:
    """End the token and forget it."""
    client = connect()
    try:
        client.post("/api/v1/logout")
    except Refused:
        # It has ended already, which is what was wanted.
        show.say("the token had ended already")
    stored = setup.read(setup.file_of(os.environ))
    if stored is not None and stored.url == client.url:
        setup.forget(setup.file_of(os.environ))
    if as_json:
        show.as_json(None)
    show.say(f"signed out at {client.url}")


def _password(file: str | None) -> str:
    if file is None:
        if not sys.stdin.isatty():
            raise Usage("--password-file: give a file or - for stdin, there is no terminal to ask on")
        return _ask("Password", hidden=True)
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as problem:
        raise Usage(f"{file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise Usage(f"{file}: not UTF-8 text") from problem
    return text.rstrip("\r\n")


def _ask(what: str, hidden: bool) -> str:
    return str(click.prompt(what, hide_input=hidden, err=True))
