"""Signing in and out, and to whom the secrets go."""

from __future__ import annotations

import json
import socket
import stat
from pathlib import Path

import pytest

from tests.server.api.harness import PASSWORD, Manager
from tests.server.ctl.opsctl import Opsctl


@pytest.fixture
def ca(manager: Manager) -> str:
    return str(manager.services.keys.ca_file)


def test_signing_in_keeps_a_token_that_others_cannot_read_until_signing_out(manager: Manager, stranger: Opsctl, ca: str) -> None:
    result = stranger("login", manager.url, "--name", "ada", "--ca", ca, "--password-file", "-", stdin=PASSWORD.encode() + b"\n")
    assert (result.code, result.out) == (0, b"")
    assert "as ada (admin)" in result.err
    assert stat.S_IMODE(stranger.config.stat().st_mode) == 0o600
    assert PASSWORD not in stranger.config.read_text()
    assert stranger("nodes").code == 0
    token = json.loads(stranger.config.read_text())["token"]
    assert stranger("logout").code == 0
    assert not stranger.config.exists()
    assert stranger("nodes").code == 4
    assert stranger("nodes", OPS_URL=manager.url, OPS_TOKEN=token, OPS_CA=ca).code == 4


def test_a_pin_is_enough_to_know_the_manager_and_a_wrong_one_sends_no_password(manager: Manager, stranger: Opsctl, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    good = ("login", manager.url, "--name", "vic", "--password-file", str(file))
    wrong = stranger(*good, "--ca-pin", "0" * 64)
    assert wrong.code == 4
    assert "not the manager with this pin" in wrong.err
    assert stranger(*good, "--ca-pin", "12ab").code == 2
    result = stranger(*good, "--ca-pin", manager.services.keys.ca_pin, "--json")
    assert (result.code, result.data["user"]) == (0, "vic")
    assert "opst_" not in result.out.decode()
    assert stranger("nodes").code == 0


def test_a_certificate_of_an_unknown_authority_is_not_trusted(manager: Manager, stranger: Opsctl) -> None:
    result = stranger("login", manager.url, "--name", "ada", "--password-file", "-", stdin=b"x")
    assert result.code == 5
    assert "not trusted" in result.err
    assert "--ca" in result.err


def test_a_wrong_password_is_not_allowed_in(manager: Manager, stranger: Opsctl, ca: str) -> None:
    result = stranger("login", manager.url, "--name", "zoe", "--ca", ca, "--password-file", "-", stdin=b"wrong-password")
    assert (result.code, result.err) == (4, "opsctl: name or password is wrong\n")
    assert not stranger.config.exists()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("http://manager.example.com",), "plain HTTP"),
        (("ftp://127.0.0.1",), "not an address"),
        (("https://[::1",), "not an address"),
        (("https://",), "not an address"),
        (("https://127.0.0.1:1",), "--name"),
        (("https://127.0.0.1:1", "--name", "ada"), "--password-file"),
        (("https://127.0.0.1:1", "--ca", "/nowhere.pem"), "/nowhere.pem"),
        (("https://127.0.0.1:1", "--ca", "/dev/null"), "not a PEM"),
        (("https://127.0.0.1:1", "--name", "a", "--password-file", "/nowhere"), "/nowhere"),
        ((), "URL"),
    ],
)
def test_a_sign_in_that_cannot_be_is_wrong_use(stranger: Opsctl, arguments: tuple[str, ...], word: str) -> None:
    result = stranger.here("login", *arguments)
    assert result.code == 2
    assert word in result.err


def test_nobody_at_the_address_is_unreachable(stranger: Opsctl) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: nothing answers there
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        result = stranger("login", url, "--name", "ada", "--password-file", "-", stdin=b"x")
    assert result.code == 5
    assert "connection refused" in result.err


def test_the_environment_comes_before_the_file_and_a_token_stays_with_its_manager(manager: Manager, ada: Opsctl, ca: str) -> None:
    result = ada("nodes", OPS_URL="https://127.0.0.1:1")
    assert result.code == 4
    assert "not signed in at https://127.0.0.1:1" in result.err
    assert ada("nodes", OPS_TOKEN="opst_wrong").code == 4
    assert ada("nodes", OPS_URL=manager.url + "/").code == 0
    token = json.loads(ada.config.read_text())["token"]
    assert ada("nodes", OPSCTL_CONFIG="/nonexistent/x", OPS_URL=manager.url, OPS_TOKEN=token, OPS_CA=ca).code == 0


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\x00"])
def test_a_damaged_file_is_named(stranger: Opsctl, text: str) -> None:
    stranger.config.write_text(text)
    result = stranger.here("nodes")
    assert result.code == 2
    assert str(stranger.config) in result.err


def test_something_else_at_the_address_is_not_taken_for_a_manager(stranger: Opsctl) -> None:
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>hello</html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        result = stranger("nodes", OPS_URL=f"http://127.0.0.1:{server.server_port}", OPS_TOKEN="x")
        thread.join(10)
    assert result.code == 5
    assert "did not answer like a manager" in result.err
