"""Once an hour: tomorrow's partition is made, days past the retention are dropped."""

import asyncio
from contextlib import suppress
from datetime import date, timedelta

from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError

from deploy.console import store
from deploy.console.parameters import retention_days
from shared.runtime.database import Transaction
from shared.runtime.settings import Settings
from shared.runtime.telemetry import log

EVERY = 3600.0  # seconds


def oldest_kept(today: date, settings: Settings) -> date:
    return today - timedelta(days=retention_days(today, settings.city_parameters))


async def tidy(tx: Transaction, settings: Settings) -> None:
    today = tx.now.date()
    await store.make_days(tx, (today, today + timedelta(days=1)))
    dropped = await store.forget_before(tx, oldest_kept(today, settings))
    if dropped:
        log.info("trace_days_dropped", days=len(dropped))


async def _hourly(app: FastAPI) -> None:
    while True:
        try:
            async with app.state.db.transaction() as tx:
                await tidy(tx, app.state.settings)
        except (DBAPIError, OSError) as error:
            log.warning("housekeeping_put_off", kind=type(error).__name__)
        await asyncio.sleep(EVERY)


async def begin(app: FastAPI) -> None:
    app.state.housekeeping = asyncio.create_task(_hourly(app))


async def end(app: FastAPI) -> None:
    app.state.housekeeping.cancel()
    with suppress(asyncio.CancelledError):
        await app.state.housekeeping
