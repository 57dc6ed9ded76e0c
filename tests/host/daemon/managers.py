"""A manager that plays by the protocol: enrols, holds polls, stores reports exactly once."""

from __future__ import annotations

import threading
import time
from typing import Any

from host.wire.protocol import CA_PATH, ENROLL_PATH, POLL_PATH, RENEW_PATH, REPORT_PATH
from tests.host.daemon.fake_manager import Call, Reply, refusal
from tests.host.daemon.pki import Authority

SECRET = "a-secret_1"


class GoodManager:
    """Its `answer` goes to a FakeManager. `records` are what it has stored, by lane."""

    def __init__(self, authority: Authority, hold: float = 0.3) -> None:
        self.authority, self.hold = authority, hold
        self.stored: dict[tuple[str, int], int] = {}
        self.records: dict[str, list[dict[str, Any]]] = {"urgent": [], "bulk": []}
        self.commands: list[dict[str, Any]] = []
        self.polls: list[dict[str, Any]] = []
        self.enrolments: list[dict[str, Any]] = []
        self.renewals: list[str] = []
        self.days: tuple[float, float] = (-1, 30)
        self.news = threading.Condition()

    @property
    def token(self) -> str:
        return f"ops1.{SECRET}.{self.authority.pin}"

    def answer(self, call: Call) -> Reply:
        with self.news:
            self.news.notify_all()
        if call.path == CA_PATH:
            return Reply(raw=self.authority.ca.read_bytes())
        if call.path == ENROLL_PATH:
            return self._enrol(call)
        if not call.certificate:
            return refusal(401, 1002, "no certificate")
        if call.path == RENEW_PATH:
            self.renewals.append(call.json["csr"])
            data = {"certificate": self.authority.issue(call.json["csr"], self.days), "ca": self.authority.ca.read_text()}
            return Reply(data={"code": 0, "message": "ok", "data": {**data, "now": 5}, "timestamp": "x"})
        return self._poll(call) if call.path == POLL_PATH else self._report(call) if call.path == REPORT_PATH else refusal(404, 1001, "no")

    def wait(self, condition: Any, timeout: float = 15.0) -> bool:
        with self.news:
            return self.news.wait_for(condition, timeout)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        return [record for lane in self.records.values() for record in lane if record["kind"] == kind]

    def _enrol(self, call: Call) -> Reply:
        body = call.json
        self.enrolments.append(body)
        if body["token"] != self.token:
            return refusal(401, 1002, "the enrolment token is unknown")
        data = {
            "node_id": "N1",
            "name": "test-node",
            "certificate": self.authority.issue(body["csr"], self.days),
            "ca": self.authority.ca.read_text(),
        }
        return Reply(
            data={
                "code": 0,
                "message": "ok",
                "data": {**data, "dispatch_key": "ab" * 32, "now": time.time_ns() // 1_000_000},
                "timestamp": "x",
            }
        )

    def _poll(self, call: Call) -> Reply:
        body = call.json
        with self.news:
            self.polls.append(body)
            done = set(body["accepted"]) | {one["id"] for one in body["refused"]}
            self.commands = [one for one in self.commands if one["id"] not in done]
            self.news.notify_all()
            fresh = [one for one in self.commands if one["id"] not in body["holding"]]
            if not fresh:
                self.news.wait(self.hold)
                fresh = [one for one in self.commands if one["id"] not in body["holding"]]
        return Reply(data={"now": time.time_ns() // 1_000_000, "wait": self.hold, "commands": fresh, "facts_wanted": False})

    def _report(self, call: Call) -> Reply:
        body = call.json
        key = (body["lane"], body["epoch"])
        with self.news:
            for record in body["records"]:
                if record["seq"] > self.stored.get(key, 0):
                    self.stored[key] = record["seq"]
                    self.records[body["lane"]].append(record)
            self.news.notify_all()
            return Reply(data={"stored": self.stored.get(key, 0), "now": time.time_ns() // 1_000_000})
