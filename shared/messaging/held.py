"""Events set aside: `held` wait for an earlier one or for a person, `dead` could not be handled. Nothing is ever dropped.

What a person sees here are identifiers, types and reasons; the payload has no names in it, but is still shown to nobody by default.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.delivery import Delivery, kept
from shared.runtime.database import Read, Transaction

_HOLD = """
insert into held_event (source, channel, household, seq, outbox_pos, type, subject, headers, payload, reason, stream_seq)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11) on conflict do nothing
"""
_HELD = """
select channel, seq, type, subject, headers::text as headers, payload, stream_seq from held_event
where source = $1 and household = $2 order by outbox_pos, stream_seq
"""
_FORGET = "delete from held_event where source = $1 and household = $2 and channel = $3 and seq = $4"
_PARK = """
insert into dead_event (source, channel, household, seq, outbox_pos, type, subject, headers, payload, reason, stream_seq)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11)
"""
_NEXT = """
select h.source, h.channel, h.household, h.seq, h.type, h.subject, h.headers::text as headers, h.payload, h.stream_seq
from held_event h left join consumer_subject s using (source, household, channel)
where h.source = $1 and h.household = $2 and h.seq <= coalesce(s.last_seq, 0) + 1
  and not exists (select from consumer_subject q where q.source = $1 and q.household = $2 and q.state <> 'ok')
order by h.outbox_pos, h.stream_seq limit 1
"""


def _delivery(row: Row[Any], source: str) -> Delivery:
    return kept(source, row.subject, json.loads(row.headers), row.payload, row.stream_seq)


def _json(headers: dict[str, str]) -> str:
    """jsonb takes any text but NUL, and what stands in an unreadable header must not stop it from being set aside."""
    return json.dumps(headers).replace("\\u0000", "\\ufffd")


async def hold(connection: AsyncConnection, source: str, delivery: Delivery, reason: str) -> None:
    envelope = delivery.envelope
    assert envelope is not None
    await sql.run(
        connection,
        _HOLD,
        source,
        envelope.channel,
        envelope.subject,
        envelope.seq,
        envelope.outbox_pos,
        envelope.type,
        delivery.subject,
        _json(delivery.headers),
        delivery.data,
        reason,
        delivery.stream_seq,
    )


async def held_of(connection: AsyncConnection, source: str, household: UUID) -> list[Delivery]:
    """In the order in which they were published, over all channels."""
    return [_delivery(row, source) for row in await sql.rows(connection, _HELD, source, household)]


async def next_held(connection: AsyncConnection, source: str, household: UUID) -> Delivery | None:
    """The first held event of a household that nothing stands in the way of."""
    rows = await sql.rows(connection, _NEXT, source, household)
    return _delivery(rows[0], source) if rows else None


async def forget(connection: AsyncConnection, source: str, delivery: Delivery) -> None:
    envelope = delivery.envelope
    assert envelope is not None
    await sql.run(connection, _FORGET, source, envelope.subject, envelope.channel, envelope.seq)


async def park(connection: AsyncConnection, source: str, delivery: Delivery, reason: str) -> None:
    envelope = delivery.envelope
    await sql.run(
        connection,
        _PARK,
        source,
        envelope.channel if envelope else None,
        delivery.household,
        envelope.seq if envelope else None,
        envelope.outbox_pos if envelope else None,
        envelope.type if envelope else None,
        delivery.subject,
        _json(delivery.headers),
        delivery.data,
        reason,
        delivery.stream_seq,
    )


_RETRY = text(
    """
    with again as (
        update dead_event set state = 'retried', settled_at = clock_timestamp()
        where source = :source and household = :household and state = 'parked' and seq is not null returning *
    )
    insert into held_event (source, channel, household, seq, outbox_pos, type, subject, headers, payload, reason, stream_seq)
    select source, channel, household, seq, outbox_pos, type, subject, headers, payload, 'released', stream_seq from again
    on conflict do nothing
    """
)
_SKIP = text(
    """
    with skipped as (
        update dead_event set state = 'skipped', settled_at = clock_timestamp()
        where source = :source and household = :household and state = 'parked' and seq is not null returning channel, seq
    ), past as (select channel, max(seq) as seq from skipped group by channel)
    insert into consumer_subject (source, household, channel, last_seq) select :source, :household, channel, seq from past
    on conflict (source, household, channel) do update set last_seq = greatest(consumer_subject.last_seq, excluded.last_seq)
    """
)
_RELEASING = text("update consumer_subject set state = 'releasing' where source = :source and household = :household and state = 'quarantined'")


async def request_release(tx: Transaction, source: str, household: UUID, *, skip: bool = False) -> None:
    """A person has looked: try the failed event again (after a repair), or `skip` it, then go on with what was held, in order.

    Only the request is written here; the worker that leads this consumer does it within about two seconds."""
    which = {"source": source, "household": household}
    await tx.execute(_SKIP if skip else _RETRY, which)
    await tx.execute(_RELEASING, which)


_SETTLE = text(
    """
    update dead_event set state = case when :skip then 'skipped' else 'retried' end, settled_at = clock_timestamp()
    where id = :id and state = 'parked' and (household is null or seq is null) returning source, household
    """
)
_STILL_PARKED = text("select 1 from dead_event where source = :source and household = :household and state = 'parked' limit 1")


async def settle_unreadable(tx: Transaction, dead_id: int, *, skip: bool) -> bool:
    """A message without a readable number, perhaps of nobody known: `skip` it, or note that it is tried again (rewind the consumer to it).

    When it is known whose it is and nothing else of that household failed, the household goes on. False: there is no such message."""
    row = await tx.row(_SETTLE, {"id": dead_id, "skip": skip})
    if row is None:
        return False
    which = {"source": row.source, "household": row.household}
    if row.household is not None and not await tx.rows(_STILL_PARKED, which):
        await tx.execute(_RELEASING, which)
    return True


@dataclass(frozen=True)
class SetAside:
    #: household None: so unreadable that nobody knows whose event it was
    source: str
    household: UUID | None
    reason: str
    held: int
    dead: int


_SET_ASIDE = text(
    """
    select source, household, coalesce(max(reason), 'gap') as reason, sum(held)::int as held, sum(dead)::int as dead from (
        select source, household, reason, 0 as held, 0 as dead from consumer_subject where state <> 'ok'
        union all select source, household, null, 1, 0 from held_event
        union all select source, household, reason, 0, 1 from dead_event where state = 'parked'
    ) as aside group by source, household order by source, household
    """
)


async def set_aside(rd: Read) -> Sequence[SetAside]:
    """Households whose events wait, for the operators' screen."""
    return [SetAside(row.source, row.household, row.reason, row.held, row.dead) for row in await rd.rows(_SET_ASIDE)]
