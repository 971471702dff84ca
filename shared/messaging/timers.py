"""Durable timers: a row says when, the database's clock says now, one transaction holds the handler and the removal.

Any number of workers may look; SKIP LOCKED gives each due timer to one of them.
"""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from opentelemetry.context import Context
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.failures import reason_of
from shared.messaging.handlers import OnTimer, Timer
from shared.messaging.waiting import woken
from shared.runtime import telemetry
from shared.runtime.database import Database

log = logging.getLogger("tsunagari.messaging")

LOOK_EVERY = 1.0
#: between two looks while another worker holds what is due
NOT_BEFORE = 0.1

_STORE = """
insert into timer (kind, key, due_at, household, try_at) values ($1, $2, $3, $4, $3)
on conflict (kind, key) do update set due_at = excluded.due_at, household = excluded.household, try_at = excluded.try_at,
    attempts = 0, last_error = null
"""
_CANCEL = "delete from timer where kind = $1 and key = $2"
_NEXT = "select extract(epoch from min(try_at) - clock_timestamp())::float8 as seconds from timer where kind = any($1::text[])"
#: `materialized`: as a subquery of the delete it may be run once per row, and then claims and loses every timer that is due.
_CLAIM = """
with due as materialized (
    select kind, key from timer where kind = any($1::text[]) and try_at <= clock_timestamp() order by try_at limit 1 for update skip locked)
delete from timer t using due where t.kind = due.kind and t.key = due.key
returning t.kind, t.key, t.due_at, t.household, clock_timestamp() as now
"""
#: 1, 2, 4 … seconds, at most ten minutes; a failing timer is never dropped
_LATER = """
update timer set attempts = attempts + 1, last_error = $3,
    try_at = clock_timestamp() + make_interval(secs => least(power(2, least(attempts, 12)), 600)) where kind = $1 and key = $2
"""


async def store(connection: AsyncConnection, kind: str, key: str, due_at: datetime, household_id: UUID | None) -> None:
    """Sets or moves (kind, key)."""
    await sql.run(connection, _STORE, kind, key, due_at, household_id)


async def cancel(connection: AsyncConnection, kind: str, key: str) -> None:
    await sql.run(connection, _CANCEL, kind, key)


class Timers:
    def __init__(self, db: Database, handlers: Mapping[str, OnTimer], wake: asyncio.Event) -> None:
        self._db, self._handlers, self._wake = db, handlers, wake
        self._kinds = sorted(handlers)
        self._stopping = False
        self.fired = 0
        self.failed = 0
        self.overdue_seconds = 0.0

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """A timer of this process fires on time; one set by another process is seen within a second."""
        while self._kinds and not self._stopping:
            self._wake.clear()
            seconds = await self._next()
            while seconds <= 0 and not self._stopping and await self._fire():
                seconds = await self._next()
            await woken(self._wake, min(max(seconds, NOT_BEFORE), LOOK_EVERY))

    async def _next(self) -> float:
        """Seconds until the next timer is due, negative when overdue."""
        async with self._db.read() as rd:
            seconds = (await sql.rows(rd.connection, _NEXT, self._kinds))[0].seconds
        self.overdue_seconds = max(0.0, -seconds) if seconds is not None else 0.0
        return LOOK_EVERY if seconds is None else float(seconds)

    async def _fire(self) -> bool:
        """One timer; False when another worker has what is due."""
        timer: Timer | None = None
        try:
            with telemetry.tracer().start_as_current_span("timer", context=Context(), record_exception=False) as span:
                async with self._db.transaction() as tx:
                    rows = await sql.rows(tx.connection, _CLAIM, self._kinds)
                    if not rows:
                        return False
                    row = rows[0]
                    timer = Timer(row.kind, row.key, row.due_at, row.household)
                    span.update_name(f"timer {timer.kind}")
                    tx.now = row.now
                    await self._handlers[timer.kind](tx, timer)
        except Exception as error:
            if timer is None:
                raise
            await self._put_off(timer, error)
            return True
        self.fired += 1
        return True

    async def _put_off(self, timer: Timer, error: Exception) -> None:
        self.failed += 1
        log.error("timer_failed kind=%s reason=%s", timer.kind, reason_of(error))
        async with self._db.transaction() as tx:
            await sql.run(tx.connection, _LATER, timer.kind, timer.key, reason_of(error))
