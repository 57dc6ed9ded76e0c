"""Deletes what is past its time: samples, roll-ups, log lines, events, changes of state, answers, deliveries; retires the long gone."""

from __future__ import annotations

from server.service.rollups import COARSE, FINE
from server.services import Services

EVERY = 3600.0


async def tick(services: Services, now: int) -> None:
    config = services.config
    before = now - config.metrics_days * 86_400_000
    by_day = await services.partitions.used()
    # A chart reads roll-ups where samples are too many: there are some for as long as there are samples (ranges.py).
    keep = {tier: max(days, config.metrics_days) for tier, days in ((FINE, config.rollup_days), (COARSE, config.rollup_hour_days))}
    await services.rollups.forget(keep if by_day else {1: config.metrics_days, **keep}, now)
    if not by_day:
        await services.metrics.forget_plugins(before)
    await services.reports.forget(before)
    await services.nodes.forget_states(before)
    await services.deliveries.forget(now - config.deliveries_days * 86_400_000, now)
    await services.alerts.forget(now - config.alert_days * 86_400_000)
    await services.approvals.forget(now)
    await services.once.forget(now)
    await services.standing.forget(now)
    await services.nodes.retire_long_gone(config.retire_after_days, now)
