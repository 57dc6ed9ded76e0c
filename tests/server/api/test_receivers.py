"""Receivers and deliveries over the API: each answer has its described shape (harness.Api holds it), and no secret comes out."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.server.api.harness import Api, Manager, running

PASSWORD = "hunter2-of-the-mail-server"
TOKEN = "token-of-the-webhook"
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "webhook": ({"url": "https://hooks.example.com/x"}, {"token": TOKEN}),
    "alertmanager": ({"url": "https://am.example.com", "username": "ops"}, {"password": PASSWORD}),
    "chat": ({"language": "zh"}, {"url": "https://chat.example.com/hooks/abcdef-secret"}),
    "mail": (
        {"host": "mail.example.com", "username": "ops", "sender": "ops@example.com", "to": ["a@example.com"]},
        {"password": PASSWORD},
    ),
}


class Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(418)
        self.end_headers()
        self.wfile.write(b"short and stout, " + self.headers.get("Authorization", "").encode())

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    folder: Path = tmp_path_factory.mktemp("receivers")
    with running(folder, f"sqlite:///{folder / 'manager.db'}", receiver_networks=["127.0.0.0/8"]) as manager:
        yield manager


@pytest.fixture(scope="module")
def admin(manager: Manager) -> Api:
    return manager.user("ada", "admin")


@pytest.fixture
def hook() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook"
    server.shutdown()
    server.server_close()
    thread.join()


def make(admin: Api, kind: str, name: str, **more: Any) -> Any:
    settings, secrets = SETTINGS[kind]
    body = {"kind": kind, "name": name, "settings": settings, "secrets": secrets} | more
    return admin.data("POST", "/api/v1/receivers", json=body)


@pytest.mark.parametrize("kind", SETTINGS)
def test_a_receiver_of_each_kind_is_made_shown_changed_and_deleted_and_tells_no_secret(admin: Api, kind: str) -> None:
    made = make(admin, kind, f"one {kind}")
    assert bool(made["secret"]) == (kind == "webhook")
    path = f"/api/v1/receivers/{made['id']}"
    shown = admin.data("GET", path)
    settings, secrets = SETTINGS[kind]
    assert shown["settings"].items() >= settings.items()
    assert set(secrets) <= set(shown["secrets"])
    assert (shown["health"], shown["version"], shown["enabled"]) == ("untried", 1, True)
    version = admin.data("PATCH", path, json={"settings": {"burst": 5}}, headers={"If-Match": '"1"'})["version"]
    after = admin.data("GET", path)
    assert after["settings"] == shown["settings"] | {"burst": 5}
    assert after["secrets"] == shown["secrets"]
    everything = json.dumps([after, admin.data("GET", "/api/v1/receivers"), admin.data("GET", "/api/v1/audit?size=200")])
    for secret in [*secrets.values(), made["secret"] or "whsec_"]:
        assert secret not in everything
    assert admin.refusal("DELETE", path, headers={"If-Match": '"1"'})[0] == 409
    admin.data("DELETE", path, headers={"If-Match": f'"{version}"'})
    assert admin.refusal("GET", path)[0] == 404


def test_a_webhook_gets_another_secret_which_is_shown_once(admin: Api) -> None:
    made = make(admin, "webhook", "rotated")
    path = f"/api/v1/receivers/{made['id']}"
    rotated = admin.data("POST", f"{path}/rotate", headers={"If-Match": '"1"'})
    assert rotated["secret"].startswith("whsec_")
    assert rotated["secret"] != made["secret"]
    shown = admin.data("GET", path)
    assert (shown["version"], shown["both_until"] > 0) == (rotated["version"], True)
    assert "whsec_" not in json.dumps(shown)


@pytest.mark.parametrize(
    ("kind", "more", "field", "says"),
    [
        ("webhook", {"settings": {"url": "ftp://x"}}, "url", "https://"),
        ("webhook", {"settings": {"url": "https://x", "port": 5}}, "port", "no such setting"),
        ("webhook", {"settings": {"url": "https://x", "prot": 5}}, "", "prot"),
        ("webhook", {"secrets": {"secret": "whsec_short"}}, "secret", "base64"),
        ("alertmanager", {"secrets": {"token": "t", "password": "p"}}, "token", "either"),
        ("mail", {"settings": {"host": "mail.example.com", "sender": "a@b.c\r\nBcc: x@y.z", "to": ["a@b.c"]}}, "sender", "no address"),
        ("mail", {"settings": {"host": "m", "sender": "a@b.c", "to": ["a@b.c"], "security": "none", "username": "u"}}, "security", "TLS"),
        ("chat", {"secrets": {}}, "url", "address"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(admin: Api, kind: str, more: dict[str, Any], field: str, says: str) -> None:
    settings, secrets = SETTINGS[kind]
    body = {"kind": kind, "name": "wrong", "settings": settings, "secrets": secrets} | more
    status, _, named, message = admin.refusal("POST", "/api/v1/receivers", json=body)
    assert status == 400
    assert says in message
    assert not field or named == field
    assert "wrong" not in [one["name"] for one in admin.data("GET", "/api/v1/receivers")["items"]]


def test_a_test_is_answered_with_what_the_other_side_said_and_is_in_the_log(admin: Api, hook: str) -> None:
    made = make(admin, "webhook", "tested", settings={"url": hook})
    told = admin.data("POST", f"/api/v1/receivers/{made['id']}/test")
    assert (told["ok"], told["status"], told["answer"]) == (False, 418, "short and stout, Bearer ********")
    log = admin.data("GET", f"/api/v1/deliveries?receiver={made['id']}&state=failed")
    assert [one["id"] for one in log["items"]] == [told["delivery_id"]]
    one = admin.data("GET", f"/api/v1/deliveries/{told['delivery_id']}")
    assert [attempt["status"] for attempt in one["attempts_log"]] == [418]
    status, _, _, message = admin.refusal("POST", f"/api/v1/deliveries/{told['delivery_id']}/again")
    assert (status, "a test is not sent again" in message) == (409, True)
    assert admin.refusal("GET", "/api/v1/deliveries?state=lost")[0] == 400
