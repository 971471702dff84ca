"""From a batch to its effects: one transaction when all goes well, one event at a time when a handler fails.

Failing means: what passes by itself is repeated for as long as it takes, what is unknown a few times, the rest is set aside
together with its household. Everyone else's events flow on.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from sqlalchemy import text
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from shared.messaging import held, positions
from shared.messaging.delivery import Delivery
from shared.messaging.failures import Failure, classify, reason_of
from shared.messaging.inbox import Counts, Inbox
from shared.messaging.positions import Fenced
from shared.messaging.waiting import unless
from shared.runtime.database import Database

log = logging.getLogger("tsunagari.messaging")
T = TypeVar("T")

UNKNOWN_TRIES = 5

_SET_ASIDE = text(
    """
    select distinct household, state from consumer_subject
    where source = :source and (state = 'releasing' or (state = 'quarantined' and reason = 'unknown_type'))
    """
)
_FIRST_HELD = text("select channel, type from held_event where source = :source and household = :household order by outbox_pos, stream_seq limit 1")
_OK = text("update consumer_subject set state = 'ok', reason = null where source = :source and household = :household")


class Settling:
    def __init__(self, db: Database, inbox: Inbox, stopping: asyncio.Event, turn: asyncio.Lock) -> None:
        self._db, self._inbox, self._stopping, self._turn = db, inbox, stopping, turn
        self.counts = Counts()

    async def take(self, epoch: int, deliveries: list[Delivery]) -> None:
        """When it returns, every delivery is applied, held or parked, and the position is past it. Raises Fenced."""
        try:
            self.counts += await self._repeat(1, self._batch, epoch, deliveries)
        except Fenced:
            raise
        except Exception as error:
            if classify(error) is Failure.TRANSIENT:
                raise  # told to stop while repeating
            for delivery in deliveries:
                await self._or_park(epoch, delivery)
                if delivery.household is not None:
                    await self._drain(epoch, delivery.household)

    async def release(self, epoch: int) -> None:
        """Goes on with households a person released, and with those whose unknown event type this version knows."""
        async with self._db.read() as rd:
            rows = await rd.rows(_SET_ASIDE, {"source": self._inbox.source})
        for row in rows:
            if row.state == "releasing" or await self._knows_now(row.household):
                await self._repeat(UNKNOWN_TRIES, self._put_right, epoch, row.household)
                await self._drain(epoch, row.household)

    async def _drain(self, epoch: int, household: UUID) -> None:
        while waiting := await self._repeat(UNKNOWN_TRIES, self._next_held, household):
            await self._or_park(epoch, waiting)

    async def _or_park(self, epoch: int, delivery: Delivery) -> None:
        try:
            self.counts += await self._repeat(UNKNOWN_TRIES, self._single, epoch, delivery)
        except Fenced:
            raise
        except Exception as error:
            if classify(error) is Failure.TRANSIENT:
                raise
            reason = reason_of(error)
            log.error("event_parked consumer=%s stream_seq=%s reason=%s", self._inbox.name, delivery.stream_seq, reason)
            self.counts += await self._repeat(UNKNOWN_TRIES, self._park, epoch, delivery, reason)

    async def _batch(self, epoch: int, deliveries: list[Delivery]) -> Counts:
        # Batches of several sources touch the same households in different orders: side by side they would deadlock, one after the other not.
        async with self._turn, self._db.transaction() as tx:
            return await self._inbox.take(tx, epoch, deliveries, drain=True)

    async def _single(self, epoch: int, delivery: Delivery) -> Counts:
        async with self._db.transaction() as tx:
            if delivery.held:
                return await self._inbox.take_held(tx, epoch, delivery)
            return await self._inbox.take(tx, epoch, [delivery], drain=False)

    async def _park(self, epoch: int, delivery: Delivery, reason: str) -> Counts:
        async with self._db.transaction() as tx:
            return await self._inbox.park(tx, epoch, delivery, reason)

    async def _next_held(self, household: UUID) -> Delivery | None:
        async with self._db.read() as rd:
            found = await held.next_held(rd.connection, self._inbox.source, household)
        return found if found and self._inbox.knows(found) else None

    async def _knows_now(self, household: UUID) -> bool:
        async with self._db.read() as rd:
            first = await rd.row(_FIRST_HELD, {"source": self._inbox.source, "household": household})
        return first is not None and self._inbox.handlers.knows(first.channel, first.type)

    async def _put_right(self, epoch: int, household: UUID) -> None:
        async with self._db.transaction() as tx:
            await positions.load(tx.connection, self._inbox.name, self._inbox.source, epoch, set())
            await tx.execute(_OK, {"source": self._inbox.source, "household": household})

    async def _repeat(self, unknown_tries: int, work: Callable[..., Awaitable[T]], *values: object) -> T:
        def again(error: BaseException) -> bool:
            return isinstance(error, Exception) and not isinstance(error, Fenced) and classify(error) is not Failure.PERMANENT

        def enough(attempt: RetryCallState) -> bool:
            error = attempt.outcome.exception() if attempt.outcome else None
            unknown = error is not None and classify(error) is Failure.UNKNOWN
            return self._stopping.is_set() or (unknown and attempt.attempt_number >= unknown_tries)

        def note(attempt: RetryCallState) -> None:
            error = attempt.outcome.exception() if attempt.outcome else None
            if error is not None and (attempt.attempt_number in (1, 10) or attempt.attempt_number % 100 == 0):
                log.warning("consumer_repeats consumer=%s attempt=%s reason=%s", self._inbox.name, attempt.attempt_number, reason_of(error))

        retrying = AsyncRetrying(
            retry=retry_if_exception(again),
            stop=enough,
            wait=wait_random_exponential(multiplier=0.05, max=2),
            sleep=lambda seconds: unless(self._stopping, asyncio.sleep(seconds)),
            before_sleep=note,
            reraise=True,
        )
        return await retrying(work, *values)
