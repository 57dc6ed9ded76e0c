"""Deletes samples, roll-ups, log lines, events and alerts past their time; drops hosts that stopped asking; retires nodes long gone."""

from __future__ import annotations

from server.service.rollups import COARSE, FINE
from server.services import Services

EVERY = 3600.0


async def tick(services: Services, now: int) -> None:
    config = services.config
    before = now - config.metrics_days * 86_400_000
    await services.rollups.forget({1: config.metrics_days, FINE: config.rollup_days, COARSE: config.rollup_hour_days}, now)
    await services.metrics.forget_plugins(before)
    await services.reports.forget(before)
    await services.alerts.forget(now - config.alert_days * 86_400_000)
    await services.approvals.forget(now)
    await services.nodes.retire_long_gone(config.retire_after_days, now)
