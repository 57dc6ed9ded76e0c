"""`config`: read, set, remove, back up, restore, diff (A3). The formats and the care for the file are in `host.agent.edit`.

A change is: read → new text → difference shown → new file beside the old → check → backup → put in place. A dry run ends
after the difference. `settings`: `roots`, `refused`, `policy_file` as for files; `backups` (folder), `keep_backups`.

The result: `changed`, `sha256_before`, `sha256_after` ("" where there is no file), and as it applies `diff`, `value`, `backup`, `backups`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from host.agent.edit import backups, check, show, text
from host.agent.edit.backups import Backups
from host.agent.edit.base import Format, Named
from host.agent.edit.formats import format_of
from host.agent.edit.original import MAX_BYTES, Original, opened, remove
from host.agent.files.places import Places
from host.agent.files.problems import wrong
from host.agent.tasks.base import TaskProblem, Work
from host.lib import policy_file
from host.lib.policy import Policy
from host.wire.tasks import Config

MAX_VALUE = 256 * 1024
Result = dict[str, Any]


def run(content: Config, work: Work) -> Result:
    """What was done, or with `dry_run` would be. Raises TaskProblem A3…, A4…"""
    with opened(_places(work.settings), content.file) as original:
        return {"action": content.action, "file": content.file, **ACTIONS[content.action](content, work, original)}


def _read(content: Config, work: Work, original: Original) -> Result:
    found = _text(content, original)
    if not content.path:
        value: Any = found.text
        shown = value if content.reveal else show.masked(value, _secrets(content, found.text))
    else:
        value = format_of(content).read(found.text, _named(content))
        shown = value if content.reveal else show.masked_value(value, _secrets(content, found.text))
    words = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False, indent=2)
    if len(words) > MAX_VALUE:
        raise TaskProblem("A4003", f"what is read is larger than {MAX_VALUE // 1024} KiB", "name a part of it, or fetch it as a file")
    work.say(words)
    return {"changed": False, "value": shown, **_sums(original.data, original.data)}


def _set(content: Config, work: Work, original: Original) -> Result:
    new = original.seen is None and content.create
    found = text.read(b"", content.encoding, content.file) if new else _text(content, original)
    value = content.secret_value or content.value
    after = format_of(content).set(found.text, _named(content), value)
    # What stands there now is as secret as what takes its place.
    secret = {content.secret_value} | _present(content, found) if content.secret_value else set()
    return _change(content, work, original, found.bytes_of(after), secret)


def _present(content: Config, found: text.Text) -> set[str]:
    """The values at the path, as text; none where nothing is there yet."""
    try:
        level: list[Any] = [format_of(content).read(found.text, _named(content))]
    except TaskProblem:
        return set()
    values: set[str] = set()
    while level:
        one = level.pop()
        if isinstance(one, (dict, list)):
            level.extend(one.values() if isinstance(one, dict) else one)
        elif one is not None and not isinstance(one, bool):
            values.add(str(one))
    return values


def _remove(content: Config, work: Work, original: Original) -> Result:
    found = _text(content, original)
    try:
        after = format_of(content).remove(found.text, _named(content))
    except TaskProblem as problem:
        if problem.code != "A4008" or not content.missing_ok:
            raise
        after = found.text
    return _change(content, work, original, found.bytes_of(after), set())


def _backup(content: Config, work: Work, original: Original) -> Result:
    data, seen = _there(original)
    with _backups(content, work, original) as kept:
        name = kept.keep(data, seen, time.time_ns() // 1_000_000)
        work.say(f"backup {name}")
        return {"changed": False, "backup": name, "backups": kept.names(), **_sums(data, data)}


def _restore(content: Config, work: Work, original: Original) -> Result:
    with _backups(content, work, original) as kept:
        name, data, like = kept.read(content.backup)
        work.say(f"from backup {name}")
        return {**_change(content, work, original, data, set(), like), "restored": name}


def _diff(content: Config, work: Work, original: Original) -> Result:
    found = _text(content, original)
    name = ""
    if content.text and not content.backup:
        other = content.text
    else:
        with _backups(content, work, original) as kept:
            name, data, _ = kept.read(content.backup)
            other = text.read(data, content.encoding, f"the backup {name}").text
    secrets = _secrets(content, found.text) | _secrets(content, other)
    # From the backup to what stands now; from what stands now to a given text.
    pair = (other, found.text) if name else (found.text, other)
    diff = show.difference(*pair, content.file, secrets)
    work.say(diff.rstrip("\n") or "no difference")
    return {"changed": False, "diff": diff, **({"backup": name} if name else {}), **_sums(original.data, original.data)}


ACTIONS: Mapping[str, Callable[[Config, Work, Original], Result]] = {
    "read": _read,
    "set": _set,
    "remove": _remove,
    "backup": _backup,
    "restore": _restore,
    "diff": _diff,
}


def _change(content: Config, work: Work, original: Original, after: bytes, secrets: set[str], like: os.stat_result | None = None) -> Result:
    """From what stands there to `after`, by the steps that this module's head names. `like`: owner and mode to have."""
    if len(after) > MAX_BYTES:
        raise TaskProblem("A4003", f"{content.file} would be larger than {MAX_BYTES // 1024 // 1024} MiB", "use a script for it")
    before = original.data or b""
    diff = show.difference(*_shown(content, before, after), content.file, secrets | _both_secrets(content, before, after))
    dressed = like is None or original.seen is None or _dress(like) == _dress(original.seen)
    changed = original.data != after or not dressed
    result: Result = {"changed": changed, "diff": diff, **_sums(original.data, after)}
    work.say(
        diff.rstrip("\n") or ("owner and mode change" if changed and original.seen else "a new empty file" if changed else "no change")
    )
    if content.dry_run or not changed:
        return result
    if original.seen is not None and original.seen.st_nlink > 1:
        work.say(f"{content.file} has {original.seen.st_nlink} names; the others keep the old file")
    with original.staged(after, int(content.mode, 8), like) as staged:
        if content.validate and check.before(content.validate):
            _ask(content, staged.path, secrets)
        if original.seen is not None:
            with _backups(content, work, original) as kept:
                result["backup"] = kept.keep(before, original.seen, time.time_ns() // 1_000_000)
        placed = staged.put()
    if content.validate and not check.before(content.validate):
        with _terminable():
            try:
                _ask(content, content.file, secrets)
            except BaseException:
                _put_back(original, placed)
                raise
    return result


def _ask(content: Config, path: str, secrets: set[str]) -> None:
    try:
        check.ask(content.validate, path, content.validate_timeout)
    except TaskProblem as problem:
        raise TaskProblem(problem.code, show.masked(problem.what, secrets), problem.mend) from problem


def _put_back(original: Original, placed: Original) -> None:
    """The file as it was before; one that was not there goes again. Raises TaskProblem A4012."""
    if original.data is None:
        placed.check_unchanged()
        remove(placed.place, placed.place.name)
        return
    with placed.staged(original.data, 0o600, original.seen) as staged:
        staged.put()


@contextmanager
def _terminable() -> Iterator[None]:
    """A task that is stopped meanwhile goes the way of a check that says no."""

    def stop(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    old = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def _places(settings: Mapping[str, Any]) -> Places:
    policy = Policy(Path(settings["policy_file"]), policy_file.read, settings.get("policy_owner", 0))
    return Places(settings["roots"], settings["refused"], lambda path: policy.reason((Config.KIND,), paths=(path,)))


@contextmanager
def _backups(content: Config, work: Work, original: Original) -> Iterator[Backups]:
    folder = Path(work.settings["backups"]) if content.backups == "agent" else None
    with backups.backups(original.place, folder, int(work.settings.get("keep_backups", backups.KEPT))) as kept:
        yield kept


def _there(original: Original) -> tuple[bytes, os.stat_result]:
    if original.data is None or original.seen is None:
        raise wrong("A3004", f"{original.place.path} does not exist", "check the path, or set create to true")
    return original.data, original.seen


def _text(content: Config, original: Original) -> text.Text:
    return text.read(_there(original)[0], content.encoding, content.file)


def _named(content: Config) -> Named:
    return Named(content.path, content.all, content.after)


def _shown(content: Config, before: bytes, after: bytes) -> tuple[str, str]:
    """For the difference: a backup may be in another encoding than the file."""
    try:
        return text.read(before, content.encoding, "").text, text.read(after, content.encoding, "").text
    except TaskProblem:
        return before.decode("utf-8", "replace"), after.decode("utf-8", "replace")


def _both_secrets(content: Config, before: bytes, after: bytes) -> set[str]:
    one, other = _shown(content, before, after)
    return _secrets(content, one) | _secrets(content, other)


def _secrets(content: Config, found: str) -> set[str]:
    """By the format where the text has it; a text that has not is masked by its lines alone (`show.masked`)."""
    try:
        form: Format = format_of(content)
        return {one for secret in form.secrets(found) for one in (secret, secret.strip()) if one} if found.strip() else set()
    except TaskProblem:
        return set()


def _dress(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)


def _sums(before: bytes | None, after: bytes | None) -> Result:
    return {"sha256_before": _sum(before), "sha256_after": _sum(after)}


def _sum(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()
