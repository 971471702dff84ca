"""The outbox: events become rows of the transaction that made them true.

`append` runs as the last statements before COMMIT. Per (channel, household) it takes a row lock that lasts until the
commit and draws both numbers under it, so for one household position order = sequence order = commit order.
"""

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.contracts.event import Event
from shared.messaging import sql
from shared.messaging.envelope import MAX_DATA, Envelope, EnvelopeError, encode, subject_of
from shared.messaging.older import DatabaseOlderThanStream
from shared.runtime.telemetry import context_headers

_DERIVED = UUID("0b6f6f0e-3a57-4f7e-9f0e-5f3f6c2f7a11")
_SUBJECT = re.compile(r"evt\.[a-z][a-z0-9-]{1,30}\.[a-z0-9_-]{1,40}\.[a-z0-9_-]{1,60}\.v[1-9][0-9]?\.[0-9a-f]")

#: One statement, one round trip. What a handler publishes again after its database was restored is known by its id and left out; an outbox
#: that is older than its stream writes nothing. `drawn` locks households in sorted order (no deadlock between two writers); the join
#: hands out a row, and with it the next identity value, only for a household whose lock is held.
_APPEND = """
with event as (
    select * from unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[], $10::bool[])
        with ordinality as e(channel, household, event_id, type, subject, headers, payload, traceparent, tracestate, derived, n)
    where not (derived and exists (select from outbox o where o.event_id = e.event_id))
      and not exists (select from outbox_stream where older_since is not null)
), wanted as (
    select channel, household, count(*) as events from event group by channel, household
), drawn as (
    insert into outbox_sequence as s (channel, household, seq)
    select channel, household, events from wanted order by household, channel
    on conflict (channel, household) do update set seq = s.seq + excluded.seq
    returning channel, household, seq
)
insert into outbox (channel, household, seq, event_id, type, subject, headers, payload, traceparent, tracestate)
select e.channel, e.household, d.seq - w.events + row_number() over (partition by e.channel, e.household order by e.n),
       e.event_id, e.type, e.subject, e.headers::jsonb, e.payload, e.traceparent, e.tracestate
from event e join wanted w using (channel, household) join drawn d using (channel, household)
order by e.n
returning pos, seq
"""


@dataclass(frozen=True, slots=True)
class _Row:
    channel: str
    household: UUID
    event_id: UUID
    type: str
    subject: str
    headers: str
    payload: bytes
    traceparent: str | None
    tracestate: str | None
    derived: bool


#: (traceparent, tracestate)
Span = tuple[str | None, str | None]


async def append(
    connection: AsyncConnection, unit: str, events: Sequence[tuple[Event, Envelope | None]], now: datetime, spans: Sequence[Span] | None = None
) -> list[int]:
    """Writes the events with what caused them; gives each its sequence within (channel, household), in order.

    `spans`: who created each event, when it was not the current span (a shared commit).
    Raises DatabaseOlderThanStream, and EnvelopeError (too_large, wrong_subject) before anything is written: an event the broker would refuse
    must fail in front of the person who caused it, not an hour later in the relay.
    """
    if not events:
        return []
    rows = _rows(unit, events, now, spans or [context_headers()] * len(events))
    columns = [[getattr(row, name) for row in rows] for name in _Row.__slots__]
    written = await sql.rows(connection, _APPEND, *columns)
    if len(written) < sum(not row.derived for row in rows):
        raise DatabaseOlderThanStream
    return [row.seq for row in sorted(written, key=lambda row: row.pos)]


def _rows(unit: str, events: Sequence[tuple[Event, Envelope | None]], now: datetime, spans: Sequence[Span]) -> list[_Row]:
    derived: dict[UUID, int] = {}
    rows = []
    for (event, cause), here in zip(events, spans, strict=True):
        index = derived.get(cause.id, 0) if cause else 0
        if cause:
            derived[cause.id] = index + 1
        rows.append(_row(unit, event, cause, index, now, here))
    return rows


def _row(unit: str, event: Event, cause: Envelope | None, index: int, now: datetime, here: Span) -> _Row:
    event_id = derived_id(unit, cause.id, index) if cause else new_id(now)
    subject, payload = subject_of(unit, event), event.model_dump_json().encode()
    if not _SUBJECT.fullmatch(subject):
        raise EnvelopeError("wrong_subject")
    if len(payload) > MAX_DATA:
        raise EnvelopeError("too_large")
    headers = encode(
        event,
        id=event_id,
        source=unit,
        now=now,
        correlation_id=cause.correlation_id if cause else event_id,
        causation_id=cause.id if cause else None,
    )
    # A handler's events are appended when its batch commits; by then its span is over, so it was noted in the envelope.
    traceparent, tracestate = (cause.handled_in, None) if cause and cause.handled_in else here
    kind = type(event)
    text = json.dumps(headers)
    return _Row(kind.channel, event.household_id, event_id, kind.type_name(), subject, text, payload, traceparent, tracestate, cause is not None)


def derived_id(consumer: str, causation_id: UUID, index: int) -> UUID:
    """The same cause gives the same ids, however often a handler is run."""
    return uuid5(_DERIVED, f"{consumer}/{causation_id}/{index}")


def new_id(now: datetime) -> UUID:
    """UUIDv7: ordered by time at a millisecond, random otherwise."""
    milliseconds = int(now.timestamp() * 1000) & (1 << 48) - 1
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 7 << 76
    return UUID(int=value & ~(0x3 << 62) | 2 << 62)
