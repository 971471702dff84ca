"""The unit's own stream as its database knows it: what the broker confirmed, whether the broker lost some of it, whether
the database itself is older than the stream.

PostgreSQL is the record. What the broker lost goes back to `pending` and is published again; a database restored from an older
copy must not write before an operator has taken over what it forgot, or the same sequence numbers would be given twice.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.messaging import audit, canary, partitions, sql
from shared.messaging.link import AWAY, BrokerError, Link
from shared.messaging.publish import publish_one
from shared.messaging.pull import Interrupted
from shared.runtime.unit import Unit

log = logging.getLogger("tsunagari.messaging")

#: seconds between two looks at the stream, and before another try when a look failed or there is nothing to hope for
LOOK_EVERY, LOOK_AGAIN, HOPELESS = 30.0, 0.5, 5.0

_KNOWN = "select * from outbox_stream where stream = $1"
#: Before the first look nothing is remembered but the rows themselves.
_BEGIN = """
with newest as (select split_part(incarnation, '@', -1) as created from outbox where published_at is not null order by pos desc limit 1)
insert into outbox_stream (stream, created, last_seq, last_pos)
select $1, coalesce((select created from newest), $2),
       coalesce(max(stream_seq) filter (where split_part(incarnation, '@', -1) = (select created from newest)), 0), coalesce(max(pos), 0)
from outbox where published_at is not null on conflict do nothing
"""
_LOST = """
with lost as (
    update outbox set published_at = null, stream_seq = null, incarnation = null, copy = copy + 1
    where published_at is not null and (split_part(incarnation, '@', -1) <> $2 or stream_seq > $3) returning 1
), seen as (
    update outbox_stream set created = $2, last_seq = $3, losses = losses + 1, lost_at = clock_timestamp(), audited_seq = least(audited_seq, $3),
           lost_events = lost_events + (select count(*) from lost), checked_at = clock_timestamp() where stream = $1
)
select count(*) as events from lost
"""
_CHECKED = "update outbox_stream set checked_at = clock_timestamp(), last_seq = greatest(last_seq, $2) where stream = $1"
_OLDER = "update outbox_stream set older_since = coalesce(older_since, clock_timestamp()) where stream = $1"


@dataclass(frozen=True, slots=True)
class Known:
    """`created`: when the broker made the stream that we published into; `last_seq`, `last_pos`: the newest it confirmed to us."""

    created: str
    last_seq: int
    last_pos: int
    older: bool

    @classmethod
    def of(cls, row: Row[Any]) -> "Known":
        return cls(row.created, row.last_seq, row.last_pos, row.older_since is not None)


async def known(connection: AsyncConnection, stream: str, created: str) -> Known:
    """What we know; begun from the outbox when this is the first look. `created` stands in while nothing was published."""
    if not (rows := await sql.rows(connection, _KNOWN, stream)):
        await sql.run(connection, _BEGIN, stream, created)
        rows = await sql.rows(connection, _KNOWN, stream)
    return Known.of(rows[0])


def regressed(has: Known, created: str, last_seq: int) -> bool:
    """The broker has another stream than the one that confirmed our events, or a shorter one."""
    return has.created != created or last_seq < has.last_seq


async def lost(connection: AsyncConnection, stream: str, created: str, last_seq: int) -> int:
    """Everything beyond `last_seq` of the stream made at `created` waits to be published again, under its own ids. Gives how many events."""
    events = int((await sql.rows(connection, _LOST, stream, created, last_seq))[0].events)
    log.error("stream_lost stream=%s last_seq=%s events_to_publish_again=%s", stream, last_seq, events)
    return events


async def checked(connection: AsyncConnection, stream: str, last_seq: int) -> None:
    await sql.run(connection, _CHECKED, stream, last_seq)


async def older(connection: AsyncConnection, stream: str) -> None:
    """From now on nothing is published here (`append` refuses) until `adopt-stream`."""
    await sql.run(connection, _OLDER, stream)
    log.error("database_older_than_stream stream=%s", stream)


class OwnStream:
    """What the relay asks before it publishes. `state` is why it does not: retrying (the broker cannot be asked), older, or idle."""

    def __init__(self, unit: Unit, link: Link) -> None:
        self._unit, self._link = unit, link
        self._generation, self._look_at, self._sing_at = -1, 0.0, 0.0
        self.created, self._last_seq = "", 0
        self.state = "retrying"
        self.older = False
        self.lost = 0

    def begin(self) -> None:
        """A new leader believes nothing."""
        self._generation, self._look_at = -1, 0.0
        self._sing_at = _clock() + canary.EVERY

    @property
    def is_known(self) -> bool:
        """Looked at through the connection that is there now, and nothing was wrong."""
        return self._generation == self._link.generation and not self.older

    async def is_right(self, connection: AsyncConnection) -> bool:
        """With every new connection and twice a minute: has the broker what it confirmed, and do we know what we said? False: publish nothing."""
        if _clock() < self._look_at and (self.is_known or self.state != "idle"):
            return self.is_known
        try:
            generation = self._link.generation
            await self._look(connection)
        except (BrokerError, Interrupted, *AWAY) as error:
            self._generation, self.state, self._look_at = -1, "retrying", _clock() + LOOK_AGAIN
            log.debug("stream_not_checked stream=%s error=%s", self._unit.stream, type(error).__name__)
            return False
        self._generation, self.state = generation, "older" if self.older else "idle"
        self._look_at = _clock() + (HOPELESS if self.older else LOOK_EVERY)
        return self.is_known

    async def _look(self, connection: AsyncConnection) -> None:
        await partitions.ensure(connection)
        created, last = await self._link.state(self._unit.stream)
        has = await known(connection, self._unit.stream, created)
        self.older = has.older or not await self._continues(connection, has, created, last)
        if not self.older:
            await checked(connection, self._unit.stream, last)
        self.created, self._last_seq = created, last

    async def _continues(self, connection: AsyncConnection, has: Known, created: str, last: int) -> bool:
        """False when the stream is ahead of the database. What the broker lost is put back to pending here."""
        if regressed(has, created, last):
            self.lost += await lost(connection, self._unit.stream, created, last)
        elif last > has.last_seq:
            said = await audit.knows_all_that_it_said(connection, self._link, self._unit, after=has.last_seq, last=last, last_pos=has.last_pos)
            if not said:
                await older(connection, self._unit.stream)
            return said
        return True

    async def noticed(self, connection: AsyncConnection, first: int, last: int) -> None:
        """The broker stored new messages there. A place that was confirmed for an older one: the stream lost its end, or was made again,
        while we were connected. Raises BrokerError or one of AWAY."""
        if first <= self._last_seq:
            self.created, _ = await self._link.state(self._unit.stream)
            self.lost += await lost(connection, self._unit.stream, self.created, first - 1)
        self._last_seq = last

    async def sing(self, connection: AsyncConnection) -> None:
        """The canary, when it is time for it."""
        if _clock() < self._sing_at:
            return
        self._sing_at = _clock() + canary.EVERY
        try:
            stored = await publish_one(self._link, canary.message(self._unit.code))
        except (BrokerError, *AWAY) as error:
            log.info("canary_not_sung stream=%s error=%s", self._unit.stream, type(error).__name__)
            return
        await self.noticed(connection, stored.seq, stored.seq)
        await checked(connection, self._unit.stream, stored.seq)


def _clock() -> float:
    return asyncio.get_running_loop().time()
