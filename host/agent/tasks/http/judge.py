"""Whether an answer is what was expected. No I/O: an answer and the time go in, facts or the reason come out."""

from __future__ import annotations

import json
import re
from typing import Any

from cryptography import x509

from host.agent.tasks.base import TaskProblem
from host.agent.tasks.http.fetch import Answer
from host.wire.tasks import Http

DAY_MS = 86_400_000
_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\[(\d+)\]|\[(?:"([^"]*)"|'([^']*)')\]""")


def judge(content: Http, answer: Answer, now: int) -> None:
    """`now`: UTC ms. Raises TaskProblem A7004, A7005, A7008."""
    if not any(_covers(one, answer.status) for one in content.expect_status):
        raise TaskProblem(
            "A7004", f"the status is {answer.status}, expected was {', '.join(content.expect_status)}", "see the body above and its log"
        )
    text = answer.body.decode("utf-8", "replace")
    cut = "" if answer.complete else f" (in its first {len(answer.body)} bytes)"
    if content.expect_text and content.expect_text not in text:
        raise _unlike(f"the text {content.expect_text[:100]!r} is not in the body{cut}")
    if content.expect_pattern and not re.search(content.expect_pattern, text):
        raise _unlike(f"the pattern {content.expect_pattern[:100]!r} is not found in the body{cut}")
    if content.json_path:
        _judge_json(content, answer, text)
    ends = not_after(answer)
    if content.certificate_days and ends is None:
        raise TaskProblem("A7008", "the answer came without TLS, so there is no certificate", "use https://, or leave certificate_days 0")
    if ends is not None and content.certificate_days and ends - now < content.certificate_days * DAY_MS:
        left = (ends - now) // DAY_MS
        raise TaskProblem("A7008", f"the certificate ends in {left} days, wanted are {content.certificate_days}", "renew it")


def _unlike(what: str) -> TaskProblem:
    return TaskProblem("A7005", what, "see the body above, or correct what is expected")


def _covers(pattern: str, status: int) -> bool:
    if pattern.endswith("xx"):
        return status // 100 == int(pattern[0])
    low, _, high = pattern.partition("-")
    return int(low) <= status <= int(high or low)


def _judge_json(content: Http, answer: Answer, text: str) -> None:
    if not answer.complete:
        raise _unlike("the body is too long to be read as JSON")
    try:
        found = value_at(json.loads(text), content.json_path)
    except (ValueError, RecursionError) as problem:
        raise _unlike(f"the body is not JSON: {problem}") from problem
    except LookupError as problem:
        raise _unlike(f"{content.json_path}: {problem.args[0]}") from problem
    if content.json_equals and not _equals(found, content.json_equals):
        raise _unlike(f"{content.json_path} is {json.dumps(found, ensure_ascii=False)[:200]}, expected was {content.json_equals[:100]}")


def _equals(found: Any, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        decoded = json.loads(wanted)
    except (ValueError, RecursionError):
        return False
    # To Python 1 is True; to whoever reads JSON it is not.
    return isinstance(found, bool) == isinstance(decoded, bool) and bool(found == decoded)


def value_at(value: Any, path: str) -> Any:
    """What stands at `$.name[0]["other name"]`. Raises LookupError with the reason."""
    place = 1
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            raise LookupError(f'{path[place : place + 40]!r} is no step; write .name, [0] or ["name"]')
        name = next((one for one in (step[1], step[3], step[4]) if one is not None), None)
        if name is None:
            if not isinstance(value, list) or int(step[2]) >= len(value):
                raise LookupError(f"there is no item {step[2]}")
            value = value[int(step[2])]
        elif not isinstance(value, dict) or name not in value:
            raise LookupError(f"there is no {name[:100]!r}")
        else:
            value = value[name]
        place = step.end()
    return value


def not_after(answer: Answer) -> int | None:
    """When the server's certificate ends, UTC ms; None without TLS."""
    if answer.certificate is None:
        return None
    ends = x509.load_der_x509_certificate(answer.certificate).not_valid_after_utc
    return int(ends.timestamp() * 1000)
