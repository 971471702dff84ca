"""A projection is made again from the streams while its unit works: nothing is raised, sent or planned twice, nothing is missed.

The events are read from their beginning into shadow tables. What the live consumers have applied (`consumer_subject`) decides what
is applied here too: not one event more, not one less. Then the consumers are held still for a moment (their cursor rows are
locked), the last events follow, both sides are compared by checksum, and the live tables are put right in that transaction.
"""

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.delivery import Delivery, kept
from shared.messaging.envelope import Envelope, read_event, stamp
from shared.messaging.handlers import Handlers
from shared.messaging.link import Link
from shared.messaging.projection import Projection
from shared.messaging.reread import Api, Reader, ahead, readers
from shared.messaging.shadow import Shadow, TableRebuilt
from shared.runtime.database import Database, Transaction

Key = tuple[str, str, UUID]
#: how often the consumers may have moved on while we looked, before we give up
TRIES = 50

_APPLIED = """
select s.source, s.channel, s.household, s.last_seq from consumer_subject s
join (select distinct * from unnest($1::text[], $2::text[], $3::uuid[]) as k(source, channel, household)) k using (source, channel, household)
"""
_SKIPPED = "select source, channel, household, seq from dead_event where state = 'skipped' and seq is not null"
_HOLD_STILL = "select name, stream_seq from consumer_cursor where name = any($1::text[]) order by name for update"
_ALL_APPLIED = "select source, channel, household, last_seq from consumer_subject where source = any($1::text[]) and channel = any($2::text[])"
#: our own events, in the order of their positions; appends wait for the end of this transaction
_OWN_STILL = "lock table outbox_sequence in share mode"
_OWN = """
select pos, seq, subject, headers::text as headers, payload from outbox where channel = any($1::text[]) and pos > $2 order by pos limit 2000
"""
_ALONE = "select pg_try_advisory_lock(hashtextextended('rebuild ' || $1, 0)) as alone"
_NO_LONGER = "select pg_advisory_unlock(hashtextextended('rebuild ' || $1, 0))"


class RebuildFailed(Exception):
    """`code`: unknown_projection, rebuilding_already, incomplete (the streams lack events that were applied: republish them at
    their source first), never_still."""

    def __init__(self, code: str, count: int = 0) -> None:
        self.code, self.count = code, count
        super().__init__(f"{code} {count}" if count else code)


class EffectInProjection(RuntimeError):
    """A function that feeds a projection published, planned or scheduled something: it must be split (a defect of the unit)."""


@dataclass
class Feeding(Transaction):
    """What a feed gets: the shadow's tables, and no way to do anything else."""

    def publish(self, *events: object, causation: object = None) -> NoReturn:
        raise EffectInProjection("publish")

    def intend(self, kind: str, key: str, payload: dict[str, Any]) -> NoReturn:
        raise EffectInProjection("intend")

    def schedule(self, kind: str, key: str, due_at: datetime, household_id: UUID | None = None) -> NoReturn:
        raise EffectInProjection("schedule")

    def cancel(self, kind: str, key: str) -> NoReturn:
        raise EffectInProjection("cancel")


@dataclass(frozen=True)
class Rebuilt:
    """`equal`: live was what the events say. `events`: how many were fed."""

    projection: str
    events: int
    read: int
    seconds: float
    still_seconds: float
    tables: tuple[TableRebuilt, ...]

    @property
    def equal(self) -> bool:
        return all(table.before == table.after for table in self.tables)


@dataclass
class Progress:
    """Which events may be fed: the next of its household, once, and only when live has applied it. Pure."""

    done: dict[Key, int] = field(default_factory=dict)
    waiting: dict[Key, dict[int, Delivery]] = field(default_factory=dict)
    unreadable: int = 0

    def next(self, deliveries: Iterable[tuple[str, Delivery]], applied: dict[Key, int], skipped: set[tuple[Key, int]]) -> list[Delivery]:
        """In order. What came too early, or live has not applied, waits; what a person skipped is passed over."""
        chosen: list[Delivery] = []
        for source, delivery in deliveries:
            envelope = delivery.envelope
            if envelope is None:
                self.unreadable += 1
                continue
            key = (source, envelope.channel, envelope.subject)
            if envelope.seq > self.done.get(key, 0):
                self.waiting.setdefault(key, {})[envelope.seq] = delivery
                chosen += self._forward(key, applied.get(key, 0), skipped)
        return chosen

    def _forward(self, key: Key, applied: int, skipped: set[tuple[Key, int]]) -> list[Delivery]:
        waiting, seq, chosen = self.waiting[key], self.done.get(key, 0), []
        while seq < applied and (delivery := waiting.pop(seq + 1, None)):
            seq += 1
            if (key, seq) not in skipped:
                chosen.append(delivery)
        self.done[key] = seq
        if not waiting:
            del self.waiting[key]
        return chosen

    def left(self) -> list[tuple[str, Delivery]]:
        """What waits, taken out."""
        left = [(key[0], delivery) for key, found in self.waiting.items() for _, delivery in sorted(found.items())]
        self.waiting.clear()
        return left


async def rebuild(
    db: Database, link: Link, provisioner: Api, handlers: Handlers, name: str, *,
    swap: bool = True, in_the_same_transaction: Callable[[Transaction], Awaitable[None]] | None = None,
) -> Rebuilt:  # fmt: skip
    """`swap=False` only compares. Raises RebuildFailed, EffectInProjection, BrokerError or one of AWAY; live tables are then untouched.

    `in_the_same_transaction` runs in the transaction that changes the live tables (the audit row)."""
    projection = handlers.projections.get(name)
    if projection is None:
        raise RebuildFailed("unknown_projection")
    async with _alone(db, name):
        run = _Run(db, projection, swap, in_the_same_transaction)
        try:
            async with db.transaction() as tx:
                await run.shadow.create(tx.connection)
            async with readers(db.unit, projection.channels, link, provisioner) as sources:
                return await run.until_equal_in_time(sources)
        finally:
            async with db.transaction() as tx:
                await run.shadow.drop(tx.connection)


@asynccontextmanager
async def _alone(db: Database, name: str) -> AsyncIterator[None]:
    """One rebuild of a projection at a time; a crash lets go of it with its connection."""
    async with db.engine.connect() as guard:
        await guard.execution_options(isolation_level="AUTOCOMMIT")
        if not (await sql.rows(guard, _ALONE, name))[0].alone:
            raise RebuildFailed("rebuilding_already")
        try:
            yield
        finally:
            await sql.run(guard, _NO_LONGER, name)


class _Run:
    def __init__(self, db: Database, projection: Projection, swap: bool, together: Callable[[Transaction], Awaitable[None]] | None) -> None:
        self._db, self._projection, self._swap, self._together = db, projection, swap, together
        self.shadow = Shadow(projection)
        self._progress = Progress()
        self._began = time.monotonic()
        self._fed = self._read = 0

    async def until_equal_in_time(self, sources: Sequence[Reader]) -> Rebuilt:
        """Reads ahead of the consumers until, with them held still, there is nothing that they have and we do not."""
        for _ in range(TRIES):
            async with aclosing(ahead(sources)) as batches:
                async for batch in batches:
                    self._read += len(batch)
                    async with self._db.transaction() as tx:
                        await self._take(tx.connection, batch)
            async with self._db.transaction() as tx:
                if await self._hold_still(tx.connection, sources):
                    return await self._finish(tx, sources)
        raise RebuildFailed("never_still")

    async def _hold_still(self, connection: AsyncConnection, sources: Sequence[Reader]) -> bool:
        """Until this transaction ends no consumer of these sources commits. False: one had moved beyond what we read."""
        await sql.run(connection, "set local lock_timeout = '20s'")
        stands = {row.name: row.stream_seq for row in await sql.rows(connection, _HOLD_STILL, [one.live for one in sources])}
        return all(stands.get(one.live, 0) <= one.read_to for one in sources)

    async def _finish(self, tx: Transaction, sources: Sequence[Reader]) -> Rebuilt:
        still_since = time.monotonic()
        await self._take(tx.connection, self._progress.left())
        await self._check_complete(tx.connection, sources)
        if self._projection.own:
            await self._take_own(tx.connection)
        await self.shadow.pass_over_erased(tx.connection)
        tables = await (self.shadow.lay_over(tx.connection) if self._swap else self.shadow.compare(tx.connection))
        if self._together:
            await self._together(tx)
        now = time.monotonic()
        return Rebuilt(self._projection.name, self._fed, self._read, round(now - self._began, 2), round(now - still_since, 2), tuple(tables))

    async def _take(self, connection: AsyncConnection, batch: list[tuple[str, Delivery]]) -> None:
        applied = await _applied(connection, batch)
        skipped = {((row.source, row.channel, row.household), row.seq) for row in await sql.rows(connection, _SKIPPED)}
        await self._feed(connection, self._progress.next(batch, applied, skipped))

    async def _feed(self, connection: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
        """Plain table names mean the shadow while the feeds run."""
        before = (await sql.rows(connection, "select current_setting('search_path') as path"))[0].path
        await self.shadow.lead_into(connection)
        tx = Feeding(connection, datetime.now(UTC), self._db.unit)
        for feed, run in _runs(self._projection, deliveries):
            await feed(tx, run)
            self._fed += len(run)
        await sql.run(connection, "select set_config('search_path', $1, true)", before)

    async def _check_complete(self, connection: AsyncConnection, sources: Sequence[Reader]) -> None:
        rows = await sql.rows(connection, _ALL_APPLIED, [one.source for one in sources], sorted(self._projection.channels))
        done = self._progress.done
        if missing := sum(row.last_seq > done.get((row.source, row.channel, row.household), 0) for row in rows):
            raise RebuildFailed("incomplete", missing)

    async def _take_own(self, connection: AsyncConnection) -> None:
        await sql.run(connection, _OWN_STILL)
        after, channels, own = 0, sorted(self._projection.channels), self._db.unit
        while rows := await sql.rows(connection, _OWN, channels, after):
            said = [kept(own, row.subject, _headers(row), row.payload, 0) for row in rows]
            await self._feed(connection, said)
            after = rows[-1].pos


def _headers(row: Any) -> dict[str, str]:
    return stamp(json.loads(row.headers), seq=row.seq, pos=row.pos, traceparent=None, tracestate=None)


async def _applied(connection: AsyncConnection, batch: Sequence[tuple[str, Delivery]]) -> dict[Key, int]:
    """What live has applied of these households, now."""
    keys = {(source, delivery.envelope.channel, delivery.envelope.subject) for source, delivery in batch if delivery.envelope}
    if not keys:
        return {}
    rows = await sql.rows(connection, _APPLIED, *map(list, zip(*keys, strict=True)))
    return {(row.source, row.channel, row.household): row.last_seq for row in rows}


Run = Sequence[tuple[Any, Envelope]]


def _runs(projection: Projection, deliveries: Sequence[Delivery]) -> Iterable[tuple[Callable[[Transaction, Run], Awaitable[None]], Run]]:
    """Each feed with the events it gets at once: a run of neighbours where it takes many, one otherwise."""
    many, run = None, []
    for delivery in deliveries:
        envelope = delivery.envelope
        if envelope is None or not projection.hears(envelope.type):
            continue
        feed = projection.many.get(envelope.type)
        if many and feed is not many:
            yield many, run
            run = []
        many, seen = feed, (read_event(envelope, delivery.data), envelope)
        if feed:
            run.append(seen)
        else:
            yield _each(projection.feeds[envelope.type]), [seen]
    if many and run:
        yield many, run


def _each(feeds: Sequence[Callable[[Transaction, Any, Envelope], Awaitable[None]]]) -> Callable[[Transaction, Run], Awaitable[None]]:
    async def feed(tx: Transaction, run: Run) -> None:
        for event, envelope in run:
            for one in feeds:
                await one(tx, event, envelope)

    return feed
