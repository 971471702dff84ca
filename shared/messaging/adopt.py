"""`adopt-stream`: a database that was restored from an older copy takes over from its own stream what it has forgotten saying.

The events become outbox rows again, under their own numbers; what was written since the restore and never left is numbered anew,
behind them. What cannot come back this way is the unit's own business state of those households: their ids are given to the operator.
"""

import base64
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import partitions, sql
from shared.messaging.audit import own_messages
from shared.messaging.envelope import Envelope, decode, header_lines
from shared.messaging.link import Link
from shared.runtime.database import Database
from shared.runtime.unit import Unit

log = logging.getLogger("tsunagari.messaging")

_KNOWN = "select last_seq, last_pos from outbox_stream where stream = $1 for update"
_IDS = "select event_id from outbox where event_id = any($1::uuid[])"
#: nobody draws a number or a position while numbers are given out anew
_LOCK = "lock table outbox_sequence in exclusive mode"
_TAKE_WAITING = "delete from outbox where published_at is null and not event_id = any($1::uuid[]) returning *"
_ADOPT = """
insert into outbox (pos, event_id, channel, household, seq, type, subject, headers, payload, traceparent, tracestate, created_at,
                    published_at, stream_seq, incarnation)
values ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, $10, $11, $12, clock_timestamp(), $13, $14)
"""
_NUMBERED = """
insert into outbox_sequence (channel, household, seq) values ($1, $2, $3)
on conflict (channel, household) do update set seq = greatest(outbox_sequence.seq, excluded.seq)
"""
_BACK = """
update outbox_sequence s set seq = coalesce((select max(seq) from outbox o where o.channel = s.channel and o.household = s.household), 0)
where channel = $1 and household = $2
"""
_AHEAD = "select setval('outbox_pos', greatest((select last_value from outbox_pos), $1::bigint))"
_AGAIN = """
with drawn as (
    insert into outbox_sequence as s (channel, household, seq) values ($1, $2, 1)
    on conflict (channel, household) do update set seq = s.seq + 1 returning seq
)
insert into outbox (event_id, channel, household, seq, type, subject, headers, payload, traceparent, tracestate, created_at)
select $3::uuid, $1::text, $2::uuid, seq, $4::text, $5::text, $6::jsonb, $7::bytea, $8::text, $9::text, $10::timestamptz from drawn
"""
_ADOPTED = """
update outbox_stream set older_since = null, created = $2, last_seq = $3, last_pos = greatest(last_pos, $4), audited_seq = least(audited_seq, $5)
where stream = $1
"""
#: drawn when the row is stored, not said by the event
_STAMPED = ("ce-subjectseq", "ce-outboxpos", "ce-traceparent", "ce-tracestate")


@dataclass(frozen=True)
class AdoptReport:
    """`adopted` events taken over, `renumbered` events that had never left, `households` whose business state a person must look at."""

    adopted: int
    renumbered: int
    households: tuple[UUID, ...]


@dataclass(frozen=True)
class _Said:
    envelope: Envelope
    subject: str
    headers: dict[str, str]
    data: bytes


async def adopt(db: Database, link: Link, unit: Unit) -> AdoptReport:
    """All or nothing. Doing it again changes nothing. Raises EnvelopeError for an unreadable message of our own, BrokerError or one of AWAY."""
    created, last = await link.state(unit.stream)
    async with db.read() as rd:
        rows = await sql.rows(rd.connection, _KNOWN.removesuffix(" for update"), unit.stream)
    if not rows:
        return AdoptReport(0, 0, ())
    after = int(rows[0].last_seq)
    ahead = [await _whole(link, unit, one.stream_seq) async for batch in own_messages(link, unit, after + 1, last) for one in batch if one.envelope]
    async with db.transaction() as tx:
        forgotten, waiting = await _sort(tx.connection, unit, ahead)
        for said in forgotten:
            await _store(tx.connection, said, created)
        for row in waiting:
            await _store_again(tx.connection, row)
        newest = max((said.envelope.outbox_pos for said in forgotten), default=0)
        await sql.run(tx.connection, _ADOPTED, unit.stream, created, last, newest, after)
        tx.on_commit(db.wake.set)
    log.warning("stream_adopted stream=%s events=%s renumbered=%s", unit.stream, len(forgotten), len(waiting))
    households = sorted({said.envelope.subject for said in forgotten})
    return AdoptReport(len(forgotten), len(waiting), tuple(households))


async def _whole(link: Link, unit: Unit, stream_seq: int) -> _Said:
    """A unit may read the messages of its own stream one by one."""
    message = (await link.api(f"STREAM.MSG.GET.{unit.stream}", {"seq": stream_seq}))["message"]
    headers = header_lines(base64.b64decode(message.get("hdrs", "")))
    data = base64.b64decode(message.get("data", ""))
    return _Said(decode(headers, data, stream_seq=stream_seq), message["subject"], headers, data)


async def _sort(connection: AsyncConnection, unit: Unit, ahead: Sequence[_Said]) -> tuple[list[_Said], Sequence[Row[Any]]]:
    """(what the database does not know, in the order of its positions; what it wrote since and nobody has heard)."""
    await sql.run(connection, _LOCK)
    await sql.rows(connection, _KNOWN, unit.stream)
    ids = [said.envelope.id for said in ahead]
    known = {row.event_id for row in await sql.rows(connection, _IDS, ids)}
    forgotten = sorted((said for said in ahead if said.envelope.id not in known), key=lambda said: said.envelope.outbox_pos)
    if not forgotten:
        return [], []
    await partitions.ensure(connection, forgotten[-1].envelope.outbox_pos)
    waiting = sorted(await sql.rows(connection, _TAKE_WAITING, ids), key=lambda row: row.pos)
    for channel, household in {(row.channel, row.household) for row in waiting}:
        await sql.run(connection, _BACK, channel, household)
    await sql.run(connection, _AHEAD, forgotten[-1].envelope.outbox_pos)
    return forgotten, waiting


async def _store(connection: AsyncConnection, said: _Said, created: str) -> None:
    e = said.envelope
    headers = {name: value for name, value in said.headers.items() if name.startswith("ce-") and name not in _STAMPED}
    await sql.run(
        connection, _ADOPT, e.outbox_pos, e.id, e.channel, e.subject, e.seq, e.type, said.subject, json.dumps(headers), said.data,
        e.traceparent, e.tracestate, e.recorded_at, e.stream_seq, created,
    )  # fmt: skip
    await sql.run(connection, _NUMBERED, e.channel, e.subject, e.seq)


async def _store_again(connection: AsyncConnection, row: Row[Any]) -> None:
    await sql.run(
        connection, _AGAIN, row.channel, row.household, row.event_id, row.type, row.subject,
        json.dumps(row.headers) if isinstance(row.headers, dict) else row.headers, row.payload, row.traceparent, row.tracestate, row.created_at,
    )  # fmt: skip
