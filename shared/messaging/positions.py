"""Where a consumer stands: position in the stream and sequence per household, read and written in the transaction of the effects."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import sql
from shared.messaging.decide import SubjectState
from shared.messaging.delivery import Delivery
from shared.runtime.database import Transaction

#: A frozen process keeps its row lock and would block its successor for ever; the database ends such a transaction.
FROZEN_AFTER = "10s"

_FIRST_TIME = "insert into consumer_cursor (name, source) values ($1, $2) on conflict do nothing"
_FENCE = "update consumer_cursor set epoch = $2 where name = $1 and epoch <= $2 returning stream_seq, incarnation, anchor_seq, anchor_id"
_BEGIN = """
update consumer_cursor set stream_seq = $3, incarnation = $4, anchor_seq = case when $3::bigint > 0 then anchor_seq end where name = $1 and epoch = $2
"""
#: A new epoch fences whoever consumes now. Then the lease is taken away, so that an idle one notices as well; not before,
#: or the wait for a batch in hand would keep all other leases from being renewed.
_REWIND = "update consumer_cursor set stream_seq = least(stream_seq, $2), anchor_seq = null, anchor_id = null, epoch = epoch + 1 where name = $1"
_TAKE_AWAY = "update worker_lease set epoch = epoch + 1, until = 'epoch' where name = $1"
_REWRITTEN = "update consumer_cursor set stream_seq = 0, anchor_seq = null, anchor_id = null where name = $1 and epoch = $2"
_LOAD = """
with fence as materialized (
    select stream_seq, set_config('idle_in_transaction_session_timeout', $5, true) from consumer_cursor
    where name = $1 and epoch = $2 for update
)
select f.stream_seq, s.household, s.channel, s.last_seq, s.state, s.reason,
       array(select e.household_id from erased_household e where e.household_id = any($4::uuid[])) as erased,
       exists (select from held_event h where h.source = s.source and h.household = s.household) as has_held
from fence f left join consumer_subject s on s.source = $3 and s.household = any($4::uuid[])
"""
_SAVE = """
with moved as (
    update consumer_cursor set stream_seq = greatest(stream_seq, $2), moved_at = clock_timestamp(),
        anchor_seq = coalesce($9::bigint, anchor_seq), anchor_id = coalesce($10::text, anchor_id),
        canary_sent = coalesce($11::timestamptz, canary_sent),
        canary_seen = case when $11::timestamptz is null then canary_seen else clock_timestamp() end
    where name = $1
)
insert into consumer_subject (source, household, channel, last_seq, state, reason)
select $3::text, * from unnest($4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::text[])
on conflict (source, household, channel) do update set last_seq = excluded.last_seq, state = excluded.state, reason = excluded.reason
"""


class Fenced(Exception):
    """Somebody else consumes with a newer epoch. Nothing of this transaction may be committed."""


@dataclass
class _Subject:
    last_seq: int = 0
    state: str = "ok"
    reason: str | None = None
    changed: bool = False


@dataclass
class Positions:
    """Of one transaction. Quarantine is per household and source, over all channels: they were one order when they were published."""

    name: str
    source: str
    stream_seq: int
    #: stream sequence and id of the newest event of this transaction, and when its newest canary was sung
    anchor: tuple[int, str] | None = None
    canary: datetime | None = None
    with_held: set[UUID] = field(default_factory=set)
    #: households whose records were erased: what still comes about them is passed over
    erased: set[UUID] = field(default_factory=set)
    _subjects: dict[tuple[UUID, str], _Subject] = field(default_factory=dict)
    _set_aside: set[UUID] = field(default_factory=set)

    def state(self, household: UUID, channel: str) -> SubjectState:
        known = self._subjects.get((household, channel))
        return SubjectState(known.last_seq if known else 0, household in self._set_aside)

    def applied(self, household: UUID, channel: str, seq: int) -> None:
        subject = self._subject(household, channel)
        subject.last_seq = SubjectState(subject.last_seq).applied(seq).last_seq

    def expect(self, household: UUID, channel: str) -> None:
        """A row must exist for whatever is held, so that the next load finds it."""
        self._subject(household, channel)
        self.with_held.add(household)

    def set_aside(self, household: UUID, channel: str, reason: str) -> None:
        subject = self._subject(household, channel)
        subject.state, subject.reason = "quarantined", reason
        self._set_aside.add(household)

    def _subject(self, household: UUID, channel: str) -> _Subject:
        subject = self._subjects.setdefault((household, channel), _Subject())
        subject.changed = True
        return subject

    def _add(self, household: UUID, channel: str, last_seq: int, state: str, reason: str | None) -> None:
        self._subjects[household, channel] = _Subject(last_seq, state, reason)
        if state != "ok":
            self._set_aside.add(household)

    def passed(self, delivery: Delivery) -> None:
        """The position moves on. An unreadable message or a canary is no anchor: the one has no id to be known by, the other will expire."""
        self.stream_seq = delivery.stream_seq
        if delivery.canary:
            self.canary = delivery.canary.sung_at
        elif delivery.envelope:
            self.anchor = (delivery.stream_seq, delivery.id)

    async def save(self, connection: AsyncConnection) -> None:
        changed = [(key, subject) for key, subject in sorted(self._subjects.items()) if subject.changed]
        await sql.run(
            connection,
            _SAVE,
            self.name,
            self.stream_seq,
            self.source,
            [household for (household, _), _ in changed],
            [channel for (_, channel), _ in changed],
            [subject.last_seq for _, subject in changed],
            [subject.state for _, subject in changed],
            [subject.reason for _, subject in changed],
            *(self.anchor or (None, None)),
            self.canary,
        )


async def load(connection: AsyncConnection, name: str, source: str, epoch: int, households: set[UUID]) -> Positions:
    """Takes the fence: the cursor row stays locked until commit, so a successor waits for us or we find its epoch. Raises Fenced."""
    rows = await sql.rows(connection, _LOAD, name, epoch, source, list(households), FROZEN_AFTER)
    if not rows:
        raise Fenced(name)
    positions = Positions(name, source, rows[0].stream_seq, erased=set(rows[0].erased))
    for row in rows:
        if row.household is not None:
            positions._add(row.household, row.channel, row.last_seq, row.state, row.reason)
            if row.has_held:
                positions.with_held.add(row.household)
    return positions


@dataclass(frozen=True, slots=True)
class Start:
    """Where a consumer begins: `position` is done; `anchor` is the last event that was, and must be found again at its place."""

    position: int
    anchor: tuple[int, str] | None = None

    @property
    def first(self) -> int:
        return self.anchor[0] if self.anchor else self.position + 1


async def take_over(connection: AsyncConnection, name: str, source: str, epoch: int, incarnation: str, last_seq: int) -> Start:
    """The position to continue after, under our epoch from now on. Raises Fenced.

    A stream that was made again or is shorter than we remember is read from its beginning: household sequences make that
    harmless, and a reset beyond the end would be accepted silently.
    """
    await sql.run(connection, _FIRST_TIME, name, source)
    rows = await sql.rows(connection, _FENCE, name, epoch)
    if not rows:
        raise Fenced(name)
    row = rows[0]
    if row.incarnation == incarnation and row.stream_seq <= last_seq:
        return Start(row.stream_seq, (row.anchor_seq, row.anchor_id) if row.anchor_seq else None)
    position = row.stream_seq if row.incarnation is None and row.stream_seq <= last_seq else 0
    await sql.run(connection, _BEGIN, name, epoch, position, incarnation)
    return Start(position)


async def rewritten(connection: AsyncConnection, name: str, epoch: int) -> None:
    """The stream does not have our anchor any more: it is read from its beginning. Raises Fenced."""
    if not await sql.run(connection, _REWRITTEN, name, epoch):
        raise Fenced(name)


async def rewind(tx: Transaction, consumer: str, to_seq: int) -> bool:
    """Reads again what comes after stream sequence `to_seq`; what was applied is skipped by its household sequence. False: no such consumer.

    Whoever consumes now is fenced and begins again from the new position, within about a second."""
    found = await sql.run(tx.connection, _REWIND, consumer, to_seq)
    await sql.run(tx.connection, _TAKE_AWAY, consumer)
    return bool(found)
