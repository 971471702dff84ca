"""The relay: carries committed outbox rows to the unit's stream, in order, and never gives up.

One relay is active per database (lease with an epoch); any number may stand by. One batch is in flight at a time.
Rows stay after publishing: they are the record if the broker loses something.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanKind, set_span_in_context
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from shared.messaging import sql
from shared.messaging.envelope import stamp
from shared.messaging.leases import Leases
from shared.messaging.link import AWAY, BrokerError, Disconnected, Link
from shared.messaging.own_stream import OwnStream
from shared.messaging.publish import DUPLICATE_IN_BATCH, FULL, NO_BATCH, Message, Unacceptable, publish_batch, publish_one
from shared.messaging.waiting import paced, unless, woken
from shared.runtime import telemetry
from shared.runtime.unit import Unit

log = logging.getLogger("tsunagari.messaging")

LEASE = "relay"
BATCH = 500
#: rows of one look, published in several batches: looking again costs time for every row that was marked since the last vacuum
READ = 4 * BATCH
MAX_BYTES = 4 * 1024 * 1024
MAX_LINKS = 128
POLL_FIRST, POLL_LAST = 0.05, 0.25

_PENDING = """
select pos, household, seq, type, subject, headers::text as headers, payload, traceparent, tracestate, created_at, copy
from outbox o
where published_at is null and not exists (
    select from outbox b where b.household = o.household and b.published_at is null and b.blocked_reason is not null)
order by pos limit $1
"""
#: the bounds let PostgreSQL look into the pieces that matter and no other
_MARK = """
with marked as (
    update outbox o set published_at = clock_timestamp(), stream_seq = p.stream_seq, incarnation = $4
    from unnest($1::bigint[], $2::bigint[]) as p(pos, stream_seq)
    where o.pos = p.pos and o.pos between $6 and $7 and o.published_at is null
      and exists (select from worker_lease where name = 'relay' and epoch = $3)
    returning o.pos, o.stream_seq
), known as (
    update outbox_stream s set last_seq = greatest(s.last_seq, m.seq), last_pos = greatest(s.last_pos, m.pos)
    from (select max(stream_seq) as seq, max(pos) as pos from marked) m where s.stream = $5 and m.seq is not null
)
select count(*) as events from marked
"""
_BLOCK = "update outbox set blocked_reason = $2 where pos = $1"

Rows = Sequence[Row[Any]]


class Relay:
    """`state`: standby, idle, publishing, retrying (broker away), full (back-pressure), older (the database is older than the stream)."""

    def __init__(self, unit: Unit, engine: AsyncEngine, link: Link, leases: Leases, wake: asyncio.Event) -> None:
        self._stream = unit.stream
        self._engine = engine
        self._link = link
        self._leases = leases
        self._wake = wake
        self._stopping = asyncio.Event()
        self.own = OwnStream(unit, link)
        self.state = "standby"
        self.oldest_pending: datetime | None = None
        self.published = 0
        self.fallbacks = 0
        self.blocked = 0

    @property
    def pending_seconds(self) -> float:
        """Age of the oldest event that has not reached the broker."""
        return (datetime.now(UTC) - self.oldest_pending).total_seconds() if self.oldest_pending else 0.0

    def stop(self) -> None:
        """The batch in flight is finished, no other is started."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Leads whenever the lease can be had, until `stop`. The caller restarts it when the database goes away."""
        while not self._stopping.is_set():
            self.state = "standby"
            epoch = await unless(self._stopping, self._leases.led(LEASE))
            if epoch is not None:
                async with self._engine.connect() as connection:
                    await connection.execution_options(isolation_level="AUTOCOMMIT")  # each statement is one round trip
                    await self._lead(connection, epoch)

    async def _lead(self, connection: AsyncConnection, epoch: int) -> None:
        poll = POLL_FIRST
        self.own.begin()
        while self._leases.epoch(LEASE) == epoch and not self._stopping.is_set():
            self._wake.clear()
            right = await self.own.is_right(connection)
            rows = await sql.rows(connection, _PENDING, READ)
            self.oldest_pending = rows[0].created_at if rows else None
            if right and rows:
                poll = POLL_FIRST
                began = time.monotonic()
                await self._publish_all(connection, rows, epoch)
                await (asyncio.sleep(0) if len(rows) >= BATCH else paced(began, len(rows)))
                continue
            if right:
                await self.own.sing(connection)
            self.state = self.own.state
            if not await woken(self._wake, poll):
                poll = min(poll * 1.5, POLL_LAST)

    async def _publish_all(self, connection: AsyncConnection, rows: Rows, epoch: int) -> None:
        """Batch by batch, until one is not published as a whole: what comes after it must not overtake it."""
        while rows:
            batch = _within(rows[:BATCH], MAX_BYTES)
            rows = rows[len(batch) :] if await self._publish(connection, batch, epoch) else []

    async def _publish(self, connection: AsyncConnection, rows: Rows, epoch: int) -> bool:
        """The same rows again and again until the broker has them, the lease is lost, or we stop. True when all are published and marked."""
        self.state = "publishing"
        retrying = AsyncRetrying(
            retry=retry_if_exception_type((BrokerError, *AWAY)),
            wait=wait_exponential_jitter(multiplier=0.05, max=5),
            stop=lambda _: self._stopping.is_set() or self._leases.epoch(LEASE) != epoch or not self.own.is_known,
            sleep=self._rest,
            before_sleep=self._note,
            reraise=True,
        )
        try:
            stored: list[tuple[int, int]] = await retrying(self._send, connection, rows)
        except (BrokerError, *AWAY):
            return False
        if not stored:
            return False
        positions, sequences = [pos for pos, _ in stored], [seq for _, seq in stored]
        bounds = (positions[0], positions[-1])
        touched = int((await sql.rows(connection, _MARK, positions, sequences, epoch, self.own.created, self._stream, *bounds))[0].events)
        self.published += touched
        if not touched:  # fenced: a successor leads and finds these rows itself
            await self._leases.forget(LEASE)
        return touched == len(rows)

    async def _send(self, connection: AsyncConnection, rows: Rows) -> list[tuple[int, int]]:
        if not self.own.is_known:
            raise Disconnected("the stream behind a new connection is looked at before anything is published")
        with _send_span(self._stream, rows) as traceparent:
            messages = [_message(row, traceparent) for row in rows]
            try:
                if len(messages) == 1:
                    return [(rows[0].pos, await self._single(connection, messages[0]))]
                sequences = await publish_batch(self._link, messages)
                await self.own.noticed(connection, sequences[0], sequences[-1])
                return list(zip([row.pos for row in rows], sequences, strict=True))
            except Unacceptable:
                pass
            except BrokerError as error:
                if error.code != DUPLICATE_IN_BATCH and error.code not in NO_BATCH:
                    raise
            self.fallbacks += 1
            return await self._one_by_one(connection, rows, messages)

    async def _one_by_one(self, connection: AsyncConnection, rows: Rows, messages: list[Message]) -> list[tuple[int, int]]:
        """Same ids, same order; what an earlier attempt stored comes back as a duplicate with its sequence."""
        stored: list[tuple[int, int]] = []
        blocked = set()
        for row, message in zip(rows, messages, strict=True):
            if row.household in blocked:
                continue
            try:
                stored.append((row.pos, await self._single(connection, message)))
            except Unacceptable as error:  # append refuses such events; should one get through, only its household waits
                blocked.add(row.household)
                self.blocked += 1
                log.error("outbox_row_blocked pos=%s type=%s reason=%s", row.pos, row.type, error)
                await sql.run(connection, _BLOCK, row.pos, str(error))
        return stored

    async def _single(self, connection: AsyncConnection, message: Message) -> int:
        stored = await publish_one(self._link, message)
        if not stored.duplicate:
            await self.own.noticed(connection, stored.seq, stored.seq)
        return stored.seq

    def _note(self, attempt: RetryCallState) -> None:
        error = attempt.outcome.exception() if attempt.outcome else None
        self.state = "full" if isinstance(error, BrokerError) and error.code in FULL else "retrying"
        if attempt.attempt_number in (1, 10) or attempt.attempt_number % 100 == 0:
            log.warning("relay_waits state=%s attempt=%s error=%s %s", self.state, attempt.attempt_number, type(error).__name__, error)

    async def _rest(self, seconds: float) -> None:
        """Back-off that ends early when the broker is back or we stop."""
        if self._link.up.is_set():
            await unless(self._stopping, asyncio.sleep(seconds))
        else:
            await unless(self._stopping, self._link.up.wait())


def _within(rows: Rows, limit: int) -> Rows:
    """The first rows that fit the limit together; always at least one."""
    total = 0
    for count, row in enumerate(rows):
        total += len(row.payload) + len(row.headers) + 512
        if count and total > limit:
            return rows[:count]
    return rows


def _message(row: Row[Any], transport: str | None) -> Message:
    headers = stamp(json.loads(row.headers), seq=row.seq, pos=row.pos, traceparent=row.traceparent, tracestate=row.tracestate, copy=row.copy)
    if transport:
        headers["traceparent"] = transport
    return Message(row.subject, row.payload, headers)


@contextmanager
def _send_span(stream: str, rows: Rows) -> Iterator[str | None]:
    """One span per batch, linked to what created each event. When all come from one trace it is drawn inside that trace."""
    if not telemetry.recording():
        yield None
        return
    links = [link for row in rows[:MAX_LINKS] if (link := telemetry.link(row.traceparent, row.tracestate))]
    one_trace = len(links) == len(rows) and len({link.context.trace_id for link in links}) == 1
    context = set_span_in_context(NonRecordingSpan(links[0].context), Context()) if one_trace else Context()
    attributes: dict[str, str | int] = {
        "messaging.system": "nats",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": stream,
        "messaging.batch.message_count": len(rows),
    }
    with telemetry.tracer().start_as_current_span(f"send {stream}", context=context, kind=SpanKind.CLIENT, links=links, attributes=attributes):
        yield telemetry.context_headers()[0]
