"""The services, as one value that doors and loops are given. Built in one place: server/app.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher

from server.config import Config
from server.db import Db
from server.keys import Keys
from server.service.approvals import Approvals
from server.service.attention import Attention
from server.service.audit import Audit
from server.service.command_files import CommandFiles
from server.service.commands import Commands
from server.service.enrolment import Enrolment
from server.service.files import Files
from server.service.groups import Groups
from server.service.health import Health
from server.service.kinds import Kinds
from server.service.logs import Logs
from server.service.metrics import Metrics
from server.service.node_edits import NodeEdits
from server.service.node_index import NodeIndex
from server.service.nodes import Nodes
from server.service.orders import Orders
from server.service.output import Output
from server.service.overview import Overviews
from server.service.people import People
from server.service.polls import Polls
from server.service.presence import Presence
from server.service.records import Teller
from server.service.reports import Reports
from server.service.rollups import Rollups
from server.service.selections import Selections
from server.telemetry import Telemetry
from server.wakeups import Wakeups


@dataclass(frozen=True)
class Services:
    config: Config
    clock: Callable[[], int]
    keys: Keys
    wakeups: Wakeups
    audit: Audit
    people: People
    enrolment: Enrolment
    approvals: Approvals
    index: NodeIndex
    nodes: Nodes
    selections: Selections
    groups: Groups
    edits: NodeEdits
    presence: Presence
    kinds: Kinds
    commands: Commands
    orders: Orders
    output: Output
    metrics: Metrics
    rollups: Rollups
    health: Health
    telemetry: Telemetry
    reports: Reports
    polls: Polls
    files: Files
    command_files: CommandFiles
    logs: Logs
    attention: Attention
    overviews: Overviews


def build(db: Db, config: Config, keys: Keys, clock: Callable[[], int], hasher: PasswordHasher | None = None) -> Services:
    """All services over one database. `hasher` sets what a password costs; the library's own choice by default."""
    wakeups = Wakeups()
    audit = Audit(db, keys.audit, keys.folder / "audit.checkpoint")
    index = NodeIndex(db)
    nodes = Nodes(db, audit, wakeups, index)
    enrolment = Enrolment(db, audit, keys, index, config.certificate_days)
    presence = Presence(db, config.offline_after, clock())
    kinds = Kinds(db)
    files = Files(db, audit, config.file_days, config.file_max_bytes, config.files_max_bytes)
    command_files = CommandFiles(db, files)
    commands = Commands(db, audit, keys, wakeups, kinds, command_files, config.command_ttl)
    output = Output(db, commands, wakeups)
    metrics = Metrics(db)
    rollups, telemetry = Rollups(db), Telemetry()
    reports = Reports(db, Teller(db, commands, kinds, output), wakeups, config.metrics_days)
    attention = Attention(db, audit, rollups, config.certificate_days, lambda: telemetry.failing, lambda: reports.waiting)
    return Services(
        config=config,
        clock=clock,
        keys=keys,
        wakeups=wakeups,
        audit=audit,
        people=People(db, audit, keys.seals, config.session_hours, hasher or PasswordHasher()),
        enrolment=enrolment,
        approvals=Approvals(db, audit, enrolment, nodes, config.approval),
        index=index,
        nodes=nodes,
        selections=Selections(db, audit),
        groups=Groups(db, audit),
        edits=NodeEdits(db, audit, index),
        presence=presence,
        kinds=kinds,
        commands=commands,
        orders=Orders(db, audit, commands, nodes, wakeups),
        output=output,
        metrics=metrics,
        rollups=rollups,
        health=Health(db),
        telemetry=telemetry,
        reports=reports,
        polls=Polls(db, commands, nodes, presence, wakeups, config.poll_wait, clock),
        files=files,
        command_files=command_files,
        logs=Logs(db),
        attention=attention,
        overviews=Overviews(db, nodes, attention),
    )
