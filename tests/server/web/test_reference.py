"""The API's reference as a page: all of it, found by words, for everybody who is signed in."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from tests.server.web.conftest import Visitor

DOCUMENT = json.loads((Path(__file__).parents[3] / "docs/openapi.json").read_text())


async def test_every_call_stands_there_with_an_example_its_fields_and_its_answers(visit: Visitor) -> None:
    await visit.sign_in("vera")
    text = html.unescape((await visit.get("/docs/api")).text)
    for path, methods in DOCUMENT["paths"].items():
        for method, one in methods.items():
            shown = text.partition(f'<details id="{one["operationId"]}"')[2].partition("</details>")[0]
            assert method.upper() in shown
            assert path in shown
            assert one["summary"] in shown
            assert "curl --fail-with-body" in shown
            assert all(f">{status}</dt>" in shown for status in one["responses"])
            assert all(f'class="mono">{item["name"]}<' in shown for item in one.get("parameters", ()))
    assert "items[].agent_state" in text


async def test_an_example_is_a_command_that_could_be_typed(visit: Visitor) -> None:
    await visit.sign_in("vera")
    shown = html.unescape((await visit.get("/docs/api?q=make+a+group")).text)
    found = re.search(r"<pre[^>]*>(.*?)</pre>", shown, re.DOTALL)
    assert found
    assert found[1].endswith('"$URL/api/v1/groups" --json \'{"kind": "…", "name": "…"}\'')
    assert "Idempotency-Key: $(uuidgen)" in found[1]


@pytest.mark.parametrize(
    ("q", "there", "not_there"), [("patch", "groups.change", "groups.make"), ("group DELETE", "groups.delete", "groups.one")]
)
async def test_words_find_calls_by_method_path_and_purpose(visit: Visitor, q: str, there: str, not_there: str) -> None:
    await visit.sign_in("vera")
    text = (await visit.get(f"/docs/api?q={q}")).text
    assert f'id="{there}"' in text
    assert f'id="{not_there}"' not in text


async def test_a_search_without_a_hit_says_so_and_htmx_gets_the_list_only(visit: Visitor) -> None:
    await visit.sign_in("vera")
    answer = await visit.http.get("/docs/api?q=teapot", headers={"HX-Request": "true"})
    assert "No call fits" in answer.text
    assert "<html" not in answer.text


async def test_nobody_reads_it_without_signing_in(visit: Visitor) -> None:
    assert (await visit.get("/docs/api")).headers["location"].startswith("/sign-in?next=%2Fdocs%2Fapi")
