"""The services, as one value that doors and loops are given. Built in one place: server/app.py."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from argon2 import PasswordHasher

from server.alerting.states import Limits
from server.config import Config
from server.db import Db
from server.ids import new_id
from server.keys import Keys
from server.outbound.addresses import Policy, networks_of
from server.service.alert_commands import AlertCommands
from server.service.alert_outcomes import Outcomes
from server.service.alert_preview import AlertPreviews
from server.service.alert_readings import Readings
from server.service.alert_rules import AlertRules
from server.service.alert_watch import AlertWatch
from server.service.alerts import Alerts
from server.service.approvals import Approvals
from server.service.arrivals import Arrivals
from server.service.attention import Attention
from server.service.audit import Audit
from server.service.command_files import CommandFiles
from server.service.commands import Commands
from server.service.deliveries import Deliveries
from server.service.delivery_turns import DeliveryTurns
from server.service.details import Details
from server.service.enrolment import Enrolment
from server.service.files import Files
from server.service.groups import Groups
from server.service.health import Health
from server.service.holding import Holding
from server.service.kinds import Kinds
from server.service.logs import Logs
from server.service.marks import Marks
from server.service.metrics import Metrics
from server.service.node_edit import NodeEdit
from server.service.node_edits import NodeEdits
from server.service.node_export import NodeExport
from server.service.node_index import NodeIndex
from server.service.nodes import Nodes
from server.service.once import Once
from server.service.orders import Orders
from server.service.output import Output
from server.service.overview import Overviews
from server.service.partitions import Partitions
from server.service.people import People
from server.service.polls import Polls
from server.service.presence import Presence
from server.service.quarantine import Quarantine
from server.service.receivers import Receivers
from server.service.records import Teller
from server.service.reimage import Reimage
from server.service.reports import Reports
from server.service.rollups import Rollups
from server.service.selections import Selections
from server.service.sending import Sending
from server.service.standing import Standing
from server.service.timeline import Timelines
from server.service.windows import Windows
from server.telemetry import Telemetry
from server.wakeups import Wakeups


@dataclass(frozen=True)
class Services:
    config: Config
    clock: Callable[[], int]
    keys: Keys
    wakeups: Wakeups
    audit: Audit
    once: Once
    people: People
    enrolment: Enrolment
    arrivals: Arrivals
    approvals: Approvals
    quarantine: Quarantine
    index: NodeIndex
    nodes: Nodes
    selections: Selections
    groups: Groups
    edits: NodeEdits
    node_edit: NodeEdit
    presence: Presence
    kinds: Kinds
    commands: Commands
    orders: Orders
    output: Output
    metrics: Metrics
    details: Details
    marks: Marks
    node_export: NodeExport
    rollups: Rollups
    partitions: Partitions
    health: Health
    telemetry: Telemetry
    standing: Standing
    reports: Reports
    polls: Polls
    files: Files
    command_files: CommandFiles
    logs: Logs
    timelines: Timelines
    attention: Attention
    overviews: Overviews
    receivers: Receivers
    deliveries: Deliveries
    delivery_turns: DeliveryTurns
    alerts: Alerts
    windows: Windows
    holding: Holding
    alert_rules: AlertRules
    alert_previews: AlertPreviews
    alert_watch: AlertWatch
    alert_commands: AlertCommands


def build(db: Db, config: Config, keys: Keys, clock: Callable[[], int], hasher: PasswordHasher | None = None) -> Services:
    """All services over one database. `hasher` sets what a password costs; the library's own choice by default."""
    wakeups = Wakeups()
    audit = Audit(db, keys.audit, keys.folder / "audit.checkpoint")
    index = NodeIndex(db)
    nodes = Nodes(db, audit, wakeups, index)
    quarantine = Quarantine(db, audit, nodes, wakeups)
    arrivals = Arrivals(db)
    reimage = Reimage(db, nodes, quarantine)
    enrolment = Enrolment(db, audit, keys, index, quarantine, reimage, arrivals, config.certificate_days)
    presence = Presence(db, config.offline_after, clock())
    kinds = Kinds(db)
    files = Files(db, audit, config.file_days, config.file_max_bytes, config.files_max_bytes)
    command_files = CommandFiles(db, files)
    selections = Selections(db, audit, clock)
    windows = Windows(db, audit, selections)
    holding = Holding(db, windows, keys, wakeups, config.command_ttl * 1000)
    commands = Commands(db, audit, keys, wakeups, kinds, command_files, holding, config.command_ttl)
    output = Output(db, commands, wakeups)
    metrics, groups, edits = Metrics(db), Groups(db, audit), NodeEdits(db, audit, index)
    rollups, telemetry = Rollups(db), Telemetry()
    reports = Reports(db, Teller(db, commands, kinds, output), wakeups, config.metrics_days)
    # With its port: several managers may run on one host.
    named = f"{socket.gethostname()}:{config.web_listen.rpartition(':')[2]}"
    standing = Standing(db, new_id(clock()), named, lambda: telemetry.failing)
    attention = Attention(db, audit, rollups, config.certificate_days, lambda: telemetry.failing, standing, lambda: reports.waiting)
    policy = Policy(networks_of(config.receiver_networks), config.receiver_http)
    deliveries = Deliveries(db, audit, selections)
    receivers = Receivers(db, audit, keys.seals, selections, policy)
    sending = Sending(policy, config.pages_url, config.public_names[0])
    people = People(db, audit, keys.seals, config.session_hours, hasher or PasswordHasher())
    readings, alerts = Readings(db), Alerts(db, audit, deliveries.enqueue, windows.silencing)
    alert_rules = AlertRules(db, audit, keys.seals, alerts, selections, kinds, readings)
    outcomes = Outcomes(db, alerts, config.alert_storm_nodes, config.alert_remind_hours * 3_600_000)
    flapping = Limits(config.alert_flapping_opens, config.alert_flapping_minutes * 60_000)
    return Services(
        config=config,
        clock=clock,
        keys=keys,
        wakeups=wakeups,
        audit=audit,
        once=Once(db, keys.seals),
        people=people,
        enrolment=enrolment,
        arrivals=arrivals,
        approvals=Approvals(db, audit, enrolment, nodes, quarantine, reimage, config.approval),
        quarantine=quarantine,
        index=index,
        nodes=nodes,
        selections=selections,
        groups=groups,
        edits=edits,
        node_edit=NodeEdit(db, audit, index),
        presence=presence,
        kinds=kinds,
        commands=commands,
        orders=Orders(db, audit, commands, nodes, wakeups),
        output=output,
        metrics=metrics,
        details=Details(db, config, rollups.details),
        marks=Marks(db, windows),
        node_export=NodeExport(nodes, groups, edits, metrics),
        rollups=rollups,
        partitions=Partitions(db),
        health=Health(db),
        telemetry=telemetry,
        standing=standing,
        reports=reports,
        polls=Polls(db, commands, nodes, presence, wakeups, config.poll_wait, clock),
        files=files,
        command_files=command_files,
        logs=Logs(db),
        timelines=Timelines(db, nodes, config.metrics_days, config.alert_days),
        attention=attention,
        overviews=Overviews(db, nodes, alerts, attention),
        receivers=receivers,
        deliveries=deliveries,
        delivery_turns=DeliveryTurns(db, audit, receivers, sending, clock),
        windows=windows,
        holding=holding,
        alerts=alerts,
        alert_rules=alert_rules,
        alert_previews=AlertPreviews(db, selections, readings, flapping),
        alert_watch=AlertWatch(db, selections, readings, outcomes, flapping),
        alert_commands=AlertCommands(db, audit, alert_rules, commands, people),
    )
