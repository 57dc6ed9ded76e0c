"""Who calls too often is told for how long to wait, others are not, and nothing grows without end."""

from __future__ import annotations

import re
from pathlib import Path

from server import rates
from server.rates import Rate, whole_address
from tests.server.api.harness import Api, running


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_quota_can_be_used_at_once_and_comes_back_evenly() -> None:
    time = Time()
    rate = Rate("calls", 6, time)
    assert [rate.take("ada")[1] for _ in range(6)] == [0.0] * 6
    headers, wait = rate.take("ada")
    assert (headers["RateLimit-Policy"], headers["RateLimit"], wait) == ('"calls";q=6;w=60', '"calls";r=0;t=60', 10.0)
    assert rate.take("vic")[1] == 0.0
    time.now += wait
    assert rate.take("ada")[1] == 0.0
    assert rate.take("ada")[1] > 0
    time.now += 3600
    assert rate.take("ada")[0]["RateLimit"] == '"calls";r=5;t=10'


def test_refused_calls_do_not_make_the_wait_longer() -> None:
    time = Time()
    rate = Rate("calls", 1, time)
    rate.take("ada")
    assert [rate.take("ada")[1] for _ in range(50)] == [60.0] * 50


def test_no_more_than_so_many_callers_are_remembered() -> None:
    rate = Rate("calls", 1)
    for number in range(rates.MOST + 500):
        rate.take(str(number))
    assert len(rate._left) == rates.MOST


def test_one_machine_is_one_stranger_with_all_its_addresses() -> None:
    assert whole_address("2001:db8::1") == whole_address("2001:db8::ffff:1") != whole_address("2001:db8:0:1::1")
    assert whole_address("192.0.2.1") == "192.0.2.1"


def test_the_api_limits_persons_and_strangers_apart_and_probes_never(tmp_path: Path) -> None:
    with running(tmp_path, "", rate_user=5, rate_stranger=3) as manager:
        ada, vic, nobody = manager.user("ada", "admin"), manager.user("vic", "viewer"), Api(manager.url, routes=manager.routes)
        second = manager.token("ada")
        answers = [one.send("GET", "/api/v1/me") for one in (ada, ada, ada, second, second)]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert re.fullmatch(r'"calls";r=4;t=12', answers[0].headers["RateLimit"])
        refused = second.send("GET", "/api/v1/me")
        body = refused.json()
        assert (refused.status_code, body["code"]) == (429, 1001)
        assert "5 calls a minute" in body["message"]
        assert 1 <= int(refused.headers["Retry-After"]) <= 12
        assert refused.headers["RateLimit"].startswith('"calls";r=0;')
        assert vic.send("GET", "/api/v1/me").status_code == 200
        wrong = Api(manager.url, "opst_wrong", manager.routes)
        assert [wrong.send("GET", "/api/v1/me").status_code for _ in range(4)] == [401, 401, 401, 429]
        assert nobody.send("GET", "/api/v1/ca").status_code == 429
        assert {nobody.send("GET", path).status_code for path in ("/healthz", "/readyz") * 5} == {200}
