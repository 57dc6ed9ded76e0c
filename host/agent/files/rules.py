"""The places that this host's settings and policy allow, for tasks of files and for the API's files alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from host.agent.files.places import Places
from host.lib import policy_file
from host.lib.policy import Policy
from host.wire.tasks import File


def places_of(settings: Mapping[str, Any]) -> Places:
    """`settings`: `roots` and `refused` (folders), `policy_file`; see `host.agent.registry.file_settings`."""
    policy = Policy(Path(settings["policy_file"]), policy_file.read)
    return Places(settings["roots"], settings["refused"], lambda path: policy.reason((File.KIND,), paths=(path,)), policy.refused_below)
