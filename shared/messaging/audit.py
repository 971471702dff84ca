"""The audit: does the broker still have every event that this database published, and nothing that it did not?

A consumer of headers only reads the unit's own stream. What the broker lost in the middle (a damaged block, a deleted message) is
published again at the end, where household sequences put it into place; what the database does not know is shown to an operator.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, fields
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.delivery import Delivery
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.names import audit_name
from shared.messaging.pull import Interrupted, Puller, Stolen
from shared.messaging.waiting import unless
from shared.runtime.database import Database
from shared.runtime.unit import Unit

log = logging.getLogger("tsunagari.messaging")

#: seconds between two audits of what is new, and of everything
EVERY, WHOLE_EVERY = 60.0, 86_400.0
#: an operator and the worker may audit at the same time; whoever loses messages to the other begins again
TRIES = 5

_COMPARE = """
with seen as (select * from unnest($1::bigint[], $2::uuid[], $3::bigint[]) as s(stream_seq, event_id, pos))
select s.stream_seq, s.pos, o.pos is not null as known, coalesce(o.stream_seq = s.stream_seq, false) as current
from seen s left join outbox o on o.pos = s.pos and o.event_id = s.event_id
"""
#: What was marked with a position of this range and did not come. A row that waits (a repair under way) is not a hole.
_HOLES = """
update outbox set published_at = null, stream_seq = null, incarnation = null, copy = copy + 1
where stream_seq > $1 and stream_seq <= $2 and published_at < clock_timestamp() - make_interval(secs => 10)
  and split_part(incarnation, '@', -1) = $3 and not stream_seq = any($4::bigint[])
"""
_WHERE = """
select case when whole_audit_at > clock_timestamp() - make_interval(secs => $2) then audited_seq + 1 else 1 end as first
from outbox_stream where stream = $1
"""
_AUDITED = """
update outbox_stream set audited_seq = greatest(audited_seq, $2), audited_at = clock_timestamp(), holes = holes + $3, strangers = strangers + $4,
    whole_audit_at = case when $5 then clock_timestamp() else whole_audit_at end
where stream = $1
"""


@dataclass
class AuditReport:
    """`holes`: lost by the broker, being published again. `copies`: older deliveries of an event that was published again (harmless).
    `foreign`: messages that this database never said."""

    messages: int = 0
    holes: int = 0
    copies: int = 0
    foreign: int = 0

    def __iadd__(self, other: "AuditReport") -> "AuditReport":
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))
        return self


async def audit_stream(db: Database, link: Link, unit: Unit, *, from_seq: int = 1) -> AuditReport:
    """Reads the stream from `from_seq` to its present end and mends what is missing. Raises BrokerError or one of AWAY."""
    report, after, (created, last) = AuditReport(), from_seq - 1, await link.state(unit.stream)
    async for batch in own_messages(link, unit, from_seq, last):
        async with db.transaction() as tx:
            report += await _compare(tx.connection, created, after, batch[-1].stream_seq, batch)
        after = batch[-1].stream_seq
    async with db.transaction() as tx:
        report += await _compare(tx.connection, created, after, last, [])
        await sql.run(tx.connection, _AUDITED, unit.stream, last, report.holes, report.foreign, from_seq == 1)
    if report.holes or report.foreign:
        log.error("audit_found stream=%s holes=%s foreign=%s", unit.stream, report.holes, report.foreign)
    if report.holes:
        db.wake.set()
    return report


async def knows_all_that_it_said(connection: AsyncConnection, link: Link, unit: Unit, *, after: int, last: int, last_pos: int) -> bool:
    """False when the stream has events beyond what this database ever published: the database is older than the stream.

    Only what comes after the newest confirmed message is read; an event that was published and not yet marked is known by its id."""
    async for batch in own_messages(link, unit, after + 1, last):
        strangers, _ = await _strangers(connection, batch)
        if any(pos > last_pos for pos in strangers):
            return False
    return True


async def own_messages(link: Link, unit: Unit, first: int, last: int) -> AsyncIterator[Sequence[Delivery]]:
    """The unit's own messages, headers only, from sequence `first` to `last`. Raises Interrupted, BrokerError or one of AWAY."""
    for attempt in range(TRIES):
        try:
            async for batch in _pulled(link, unit, first, last):
                yield batch
                first = batch[-1].stream_seq + 1
            return
        except Stolen:
            if attempt == TRIES - 1:
                raise
            await asyncio.sleep(0.2 * 2**attempt)


async def _pulled(link: Link, unit: Unit, first: int, last: int) -> AsyncIterator[Sequence[Delivery]]:
    if first > last:
        return
    async with Puller(link, unit.stream, audit_name(unit.code), unit.code) as puller:
        pending = await puller.start(first)
        while pending:
            deliveries = await puller.next()
            await puller.acknowledge(deliveries[-1])
            if wanted := [delivery for delivery in deliveries if delivery.stream_seq <= last]:
                yield wanted
            if deliveries[-1].stream_seq >= last:
                return
            pending = deliveries[-1].pending


async def _compare(connection: AsyncConnection, created: str, after: int, upto: int, batch: Sequence[Delivery]) -> AuditReport:
    strangers, copies = await _strangers(connection, batch)
    holes = await sql.run(connection, _HOLES, after, upto, created, [delivery.stream_seq for delivery in batch])
    return AuditReport(len(batch), holes, copies, len(strangers))


async def _strangers(connection: AsyncConnection, batch: Sequence[Delivery]) -> tuple[list[int], int]:
    """(outbox positions that messages claim and this database does not know, count of copies). An unreadable one claims position 0."""
    said = [delivery for delivery in batch if delivery.canary is None]
    seen = [(one.stream_seq, one.envelope.id, one.envelope.outbox_pos) if one.envelope else (one.stream_seq, UUID(int=0), 0) for one in said]
    if not seen:
        return [], 0
    rows = await sql.rows(connection, _COMPARE, *map(list, zip(*seen, strict=True)))
    return [row.pos for row in rows if not row.known], sum(row.known and not row.current for row in rows)


class Auditor:
    """Part of a worker: audits what is new every minute and the whole stream once a day, while this worker leads the relay."""

    def __init__(self, db: Database, link: Link, unit: Unit, leads: Callable[[], bool], stopping: asyncio.Event) -> None:
        self._db, self._link, self._unit, self._leads, self._stopping = db, link, unit, leads, stopping
        self.total = AuditReport()

    async def run(self) -> None:
        while not self._stopping.is_set():
            if await unless(self._stopping, _slept(EVERY)) and self._leads():
                await self.look()

    async def look(self) -> None:
        try:
            self.total += await audit_stream(self._db, self._link, self._unit, from_seq=await self._first())
        except (BrokerError, Interrupted, *AWAY) as error:
            log.info("audit_put_off stream=%s error=%s", self._unit.stream, type(error).__name__)

    async def _first(self) -> int:
        async with self._db.read() as rd:
            rows = await sql.rows(rd.connection, _WHERE, self._unit.stream, WHOLE_EVERY)
        return int(rows[0].first) if rows else 1


async def _slept(seconds: float) -> bool:
    await asyncio.sleep(seconds)
    return True
