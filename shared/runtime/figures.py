"""Figures that only the database knows, asked for by /readyz and /metrics: one statement, at most one under way."""

import asyncio
import time
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.runtime.database import Database

#: seconds: what a probe waits for, how long an answer is used again, when a question without an answer is given up
WITHIN, FRESH, GIVEN_UP = 0.8, 0.5, 15.0
#: no table is counted further than this
MOST = 10_000

_CLOCK = "select extract(epoch from clock_timestamp())::float8 as now"
_COUNTED = {
    "blocked": "outbox where published_at is null and blocked_reason is not null",
    "unknown_types": "consumer_subject where state <> 'ok' and reason = 'unknown_type'",
    "set_aside": "consumer_subject where state <> 'ok'",
    "held": "held_event",
    "dead": "dead_event where state = 'parked'",
    "timers_overdue": "timer where try_at < clock_timestamp() - interval '1 second'",
    "intents_waiting": "intent where state in ('unknown', 'given_up')",
}
_COUNTS = "".join(f", (select count(*) from (select from {what} limit {MOST}) as {name}) as {name}" for name, what in _COUNTED.items())  # noqa: S608


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts end at `MOST` and are None in a unit without a backbone. `clock_difference`: seconds by which the database's clock is ahead of ours."""

    clock_difference: float
    blocked: int | None = None
    unknown_types: int | None = None
    set_aside: int | None = None
    held: int | None = None
    dead: int | None = None
    timers_overdue: int | None = None
    intents_waiting: int | None = None


class Probe:
    """Never more than one question to the database, whoever asks and however long it hangs."""

    def __init__(self, speaks: bool) -> None:
        self._statement = text(_CLOCK + (_COUNTS if speaks else ""))
        self._asking: asyncio.Task[Figures] | None = None
        self._asked = float("-inf")

    async def look(self, database: Database) -> Figures | None:
        """None when the database does not answer within `WITHIN`."""
        task = self._task(database)
        await asyncio.wait({task}, timeout=WITHIN)
        if not task.done() or task.cancelled() or isinstance(task.exception(), SQLAlchemyError | OSError | TimeoutError):
            return None
        return task.result()

    def _task(self, database: Database) -> "asyncio.Task[Figures]":
        age = time.monotonic() - self._asked
        if self._asking and not self._asking.done():
            if age > GIVEN_UP:
                self._asking.cancel()
            return self._asking
        if self._asking is None or age > FRESH:
            self._asked = time.monotonic()
            self._asking = asyncio.create_task(self._ask(database), name="probe")
        return self._asking

    async def _ask(self, database: Database) -> Figures:
        async with database.read() as rd:
            before = time.time()
            row = await rd.row(self._statement)
            assert row is not None
            counts = dict(row._mapping)
            return Figures(clock_difference=counts.pop("now") - (before + time.time()) / 2, **counts)

    async def close(self) -> None:
        if self._asking and not self._asking.done():
            self._asking.cancel()
            await asyncio.wait({self._asking}, timeout=1)
