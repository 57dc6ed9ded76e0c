"""A signature fits one request, one node, one key, until its expiry, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.wire.signing import EXPIRES, KEY_ID, NONCE, SIGNATURE, TIMESTAMP, SignatureError, sign, verify

KEY = b"k" * 32
REQUEST: dict[str, Any] = {"method": "POST", "path": "/api/v1/task/execute", "query": "a=1", "body": b'{"x":1}'}


def headers() -> dict[str, str]:
    return sign(KEY, key_id="node", nonce="c1", now=1000, expires=9000, **REQUEST)


def test_the_signed_request_is_accepted_until_it_expires() -> None:
    assert verify(KEY, headers(), key_id="node", now=9000, **REQUEST) == "c1"
    with pytest.raises(SignatureError, match="expired 2 s ago"):
        verify(KEY, headers(), key_id="node", now=11_000, **REQUEST)


@pytest.mark.parametrize("part", ["method", "path", "query", "body"])
def test_another_request_is_refused(part: str) -> None:
    other = {**REQUEST, part: b"{}" if part == "body" else "GET" if part == "method" else REQUEST[part] + "x"}
    with pytest.raises(SignatureError, match="does not fit"):
        verify(KEY, headers(), key_id="node", now=2000, **other)


@pytest.mark.parametrize("name", [KEY_ID, NONCE, TIMESTAMP, EXPIRES, SIGNATURE])
def test_a_missing_or_changed_header_is_refused(name: str) -> None:
    without = {key: value for key, value in headers().items() if key != name}
    with pytest.raises(SignatureError, match=name):
        verify(KEY, without, key_id="node", now=2000, **REQUEST)
    with pytest.raises(SignatureError):
        verify(KEY, {**headers(), name: headers()[name] + "1"}, key_id="node", now=2000, **REQUEST)


def test_another_nodes_signature_is_refused() -> None:
    with pytest.raises(SignatureError, match="another node"):
        verify(KEY, headers(), key_id="other", now=2000, **REQUEST)


@given(st.text(), st.text(), st.text(), st.binary(), st.text())
def test_whatever_is_sent_never_raises_anything_else(nonce: str, path: str, query: str, body: bytes, signature: str) -> None:
    sent = {KEY_ID: "node", NONCE: nonce, TIMESTAMP: query, EXPIRES: path, SIGNATURE: signature}
    with pytest.raises(SignatureError):
        verify(KEY, sent, key_id="node", now=1, method="POST", path=path, query=query, body=body)


def test_a_line_break_cannot_shift_one_item_into_the_next() -> None:
    with pytest.raises(ValueError, match="line break"):
        sign(KEY, key_id="node", nonce="a\nb", now=1, expires=2, method="POST", path="/")


@pytest.mark.parametrize("name", [TIMESTAMP, EXPIRES])
def test_a_number_of_thousands_of_digits_is_a_wrong_signature_and_no_fault(name: str) -> None:
    with pytest.raises(SignatureError, match="whole milliseconds"):
        verify(KEY, {**headers(), name: "9" * 5000}, key_id="node", now=2000, **REQUEST)
