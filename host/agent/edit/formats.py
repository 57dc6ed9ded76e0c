"""Which format a file has, and its module: only the one that is needed is loaded."""

from __future__ import annotations

import os

from host.agent.edit.base import Format
from host.agent.tasks.base import TaskProblem
from host.wire.tasks.config import FORMATS, Config

ENDINGS = {
    **dict.fromkeys((".yaml", ".yml"), "yaml"),
    **dict.fromkeys((".json", ".jsonc", ".json5"), "json"),
    ".toml": "toml",
    **dict.fromkeys((".ini", ".cfg", ".cnf", ".desktop", ".repo", ".service", ".socket", ".timer", ".mount", ".network"), "ini"),
    ".properties": "properties",
    **dict.fromkeys((".xml", ".xsl", ".config", ".svg"), "xml"),
    **dict.fromkeys((".txt", ".conf", ".list", ".rules"), "text"),
}


def format_of(content: Config) -> Format:
    """Raises TaskProblem A4006 where the file's ending says nothing."""
    name = content.format
    if name == "auto":
        ending = os.path.splitext(content.file)[1].lower()
        if ending not in ENDINGS:
            known = ", ".join(FORMATS[1:])
            raise TaskProblem("A4006", f"the ending {ending!r} of {content.file} does not tell its format", f"set format to one of {known}")
        name = ENDINGS[ending]
    if name == "yaml":
        from host.agent.edit.yaml_text import Yaml

        return Yaml(content.document)
    if name == "json":
        from host.agent.edit.json_text import Json

        return Json()
    if name == "toml":
        from host.agent.edit.toml_text import Toml

        return Toml()
    if name == "xml":
        from host.agent.edit.xml_text import Xml

        return Xml(content.namespaces)
    if name == "ini":
        from host.agent.edit.ini import Ini

        return Ini(content.inline_comments)
    if name == "properties":
        from host.agent.edit.properties import Properties

        return Properties(ascii_only=content.encoding == "latin-1")
    from host.agent.edit.plain import Plain

    return Plain()
