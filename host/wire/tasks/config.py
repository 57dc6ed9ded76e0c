"""`config`: look at or change a configuration file (A3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from host.wire.schema import fact
from host.wire.tasks.limits import Limits

ACTIONS = ("read", "set", "remove", "backup", "restore", "diff")
FORMATS = ("auto", "yaml", "json", "toml", "ini", "properties", "xml", "text")
ENCODINGS = ("utf-8", "utf-16", "latin-1", "gb18030")
CHANGES = ["set", "remove", "restore"]


@dataclass(frozen=True)
class Config(Limits):
    """`path` names what is read, set or removed: a dotted path or JSONPath, section.key, a key, an XPath, or a line.
    `validate`: a program and its arguments, no shell; `{}` among them is the new file, see docs/agent.md."""

    KIND: ClassVar[str] = "config"
    LABEL: ClassVar[str] = "Configuration file"
    HELP: ClassVar[str] = "Read or change one setting of a file; everything else in it stays as it is."

    action: str = field(metadata=fact("Action", choices=list(ACTIONS)))
    file: str = field(metadata=fact("File", "Its absolute path on the host.", type="path"))
    format: str = field(default="auto", metadata=fact("Format", "auto: by the file's ending.", choices=list(FORMATS)))
    path: str = field(
        default="",
        metadata=fact(
            "Setting",
            "a.b[0] or JSONPath; section.key; a key; XPath; for plain text a line's number or a regular expression.",
            only={"action": ["read", "set", "remove"]},
        ),
    )
    value: object = field(
        default=None,
        metadata=fact(
            "Value",
            "Text, number, true, false, null, or JSON.",
            type="value",
            required=True,
            only={"action": ["set"], "secret_value": [""]},
        ),
    )
    secret_value: str = field(
        default="", metadata=fact("Secret value", "Instead of the value: never shown.", secret=True, only={"action": ["set"]})
    )
    all: bool = field(
        default=False,
        metadata=fact("All matches", "Otherwise several matches are an error.", only={"action": ["read", "set", "remove"]}),
    )
    after: str = field(
        default="", metadata=fact("Insert after", "Plain text: the last line that this expression finds.", only={"action": ["set"]})
    )
    create: bool = field(default=False, metadata=fact("Create", "Make the file if it is missing.", only={"action": ["set"]}))
    mode: str = field(default="0644", metadata=fact("Mode", "Of a file that is made, octal.", only={"action": ["set"]}))
    missing_ok: bool = field(default=False, metadata=fact("May be missing", "Nothing to remove is no error.", only={"action": ["remove"]}))
    document: int = field(default=1, metadata=fact("Document", "Of a YAML file with several, from 1.", least=1, most=10_000))
    inline_comments: bool = field(
        default=False, metadata=fact("Comments behind values", "INI: ' ;' and ' #' begin a comment, which stays.")
    )
    namespaces: dict[str, str] = field(default_factory=dict, metadata=fact("Namespaces", "XML: prefix and address."))
    encoding: str = field(default="utf-8", metadata=fact("Encoding", choices=list(ENCODINGS)))
    backup: str = field(default="", metadata=fact("Backup", "Its name; empty: the newest.", only={"action": ["restore", "diff"]}))
    text: str = field(default="", metadata=fact("Compare with", "Instead of a backup.", type="block", only={"action": ["diff"]}))
    backups: str = field(
        default="agent", metadata=fact("Backups are kept", "By the agent, or beside the file.", choices=["agent", "beside"])
    )
    validate: list[str] = field(
        default_factory=list,
        metadata=fact("Check", "Program and arguments; {} is the new file. When it fails the old file stays.", only={"action": CHANGES}),
    )
    validate_timeout: int = field(
        default=30, metadata=fact("Time limit of the check", least=1, most=3600, unit="s", only={"action": CHANGES})
    )
    reveal: bool = field(
        default=False, metadata=fact("Show secrets", "Values whose key looks secret are shown.", only={"action": ["read"]})
    )
    dry_run: bool = field(default=False, metadata=fact("Dry run", "Show the difference and change nothing.", only={"action": CHANGES}))

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.file.startswith("/") or self.file.endswith("/"):
            raise ValueError(f"file: {self.file[:200]!r} is not the absolute path of a file")
        if "\0" in self.file + self.path + self.backup + "".join(self.validate):
            raise ValueError("file: a NUL byte cannot be part of a path or an argument")
        if self.action in ("set", "remove") and not self.path and not (self.action == "set" and self.after):
            raise ValueError("path: is missing; it names what is to be changed")
        if not 3 <= len(self.mode) <= 4 or not set(self.mode) <= set("01234567"):
            raise ValueError(f"mode: {self.mode[:16]!r} is not octal like 0644")
        if "/" in self.backup:
            raise ValueError(f"backup: {self.backup[:200]!r} is not the name of a backup; it has no '/'")
        if self.validate and not self.validate[0].startswith("/"):
            raise ValueError(f"validate: {self.validate[0][:200]!r} is not the absolute path of a program")
