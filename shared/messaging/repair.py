"""Publishing again: what an operator orders, and what a consumer misses.

A consumer that holds events behind a gap asks the source (`svc.<source>.repair.<asker>`); the source puts just those rows back to
pending. They travel under their own ids and sequences, so whoever had them already skips them.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, TypeAdapter

from shared.messaging import sql
from shared.messaging.handlers import WorkerContext
from shared.messaging.link import AWAY
from shared.messaging.names import REPAIR
from shared.messaging.requests import RequestFailed, RequestRefused
from shared.messaging.waiting import unless
from shared.runtime.database import Database, Transaction
from shared.runtime.problems import Refusal

log = logging.getLogger("tsunagari.messaging")

#: a gap usually closes by itself: the messages before are on their way
PATIENCE = 5.0
LOOK_EVERY, ASK_AGAIN, ASK_LAST = 2.0, 5.0, 60.0
#: gaps in one question, events in one gap: a larger hole is filled in several rounds
AT_ONCE, WIDEST = 100, 1000

_AGAIN = """
update outbox set published_at = null, stream_seq = null, incarnation = null, copy = copy + 1
where published_at is not null and pos >= $1 and pos <= $2
"""
#: What was published a moment ago is on its way; asking again must not multiply it.
_WANTED = """
update outbox o set published_at = null, stream_seq = null, incarnation = null, copy = copy + 1
from unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) as w(channel, household, first, last)
where o.channel = w.channel and o.household = w.household and o.seq between w.first and w.last
  and o.published_at < clock_timestamp() - make_interval(secs => 5)
"""
_KNOWN = """
select count(*)::int as known from outbox o join unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[]) as w(channel, household, first, last)
on o.channel = w.channel and o.household = w.household and o.seq between w.first and w.last
"""
_GAPS = """
select h.source, h.channel, h.household, coalesce(s.last_seq, 0) + 1 as first, least(min(h.seq) - 1, coalesce(s.last_seq, 0) + $2) as last,
       extract(epoch from clock_timestamp() - min(h.first_seen))::float8 as seconds
from held_event h left join consumer_subject s using (source, household, channel)
where not exists (select from consumer_subject q where q.source = h.source and q.household = h.household and q.state <> 'ok')
group by h.source, h.channel, h.household, s.last_seq
having min(h.seq) > coalesce(s.last_seq, 0) + 1 and min(h.first_seen) < clock_timestamp() - make_interval(secs => $1)
order by min(h.first_seen)
"""


@dataclass(frozen=True, slots=True)
class Gap:
    """Sequences `first` to `last` of a household have not come although a later one has, for `seconds`."""

    source: str
    channel: str
    household: UUID
    first: int
    last: int
    seconds: float


class NotAQuestion(Refusal):
    status = 422
    code = "not_a_repair_question"


@dataclass(frozen=True)
class Wanted:
    channel: Annotated[str, Field(max_length=40)]
    household: UUID
    first: Annotated[int, Field(ge=1)]
    last: Annotated[int, Field(ge=1)]

    @property
    def upto(self) -> int:
        return min(self.last, self.first + WIDEST - 1)

    def __len__(self) -> int:
        return max(0, self.upto - self.first + 1)


_QUESTION = TypeAdapter(list[Wanted])


async def republish(tx: Transaction, *, from_pos: int, to_pos: int | None = None) -> int:
    """Everything published from this outbox position on (to `to_pos`) is published again, in order. Gives how many events."""
    return await sql.run(tx.connection, _AGAIN, from_pos, to_pos if to_pos is not None else 2**62)


async def gaps(db: Database, *, older_than: float = PATIENCE) -> list[Gap]:
    """What this unit misses, the longest wait first. `older_than` in seconds."""
    async with db.read() as rd:
        return [Gap(*tuple(row)) for row in await sql.rows(rd.connection, _GAPS, older_than, WIDEST)]


async def answer(request: bytes, context: WorkerContext, asker: str) -> bytes:
    """The source's side: publishes again what is asked for. Says how much of it exists, so that nobody waits for what never was."""
    try:
        wanted = _QUESTION.validate_json(request)[:AT_ONCE]
    except ValueError:
        raise NotAQuestion from None
    columns = [one.channel for one in wanted], [one.household for one in wanted], [one.first for one in wanted], [one.upto for one in wanted]
    async with context.db.transaction() as tx:
        again = await sql.run(tx.connection, _WANTED, *columns)
        unknown = sum(map(len, wanted)) - (await sql.rows(tx.connection, _KNOWN, *columns))[0].known
        tx.on_commit(context.db.wake.set)
    log.warning("repair_asked asker=%s gaps=%s published_again=%s unknown=%s", asker, len(wanted), again, unknown)
    return json.dumps({"published_again": again, "unknown": unknown}).encode()


class Gaps:
    """The consumer's side: looks for gaps, asks their sources, less often the longer nothing helps. `longest` is for readiness, in seconds."""

    def __init__(self, context: WorkerContext) -> None:
        self._context = context
        self._ask_at: dict[str, float] = {}
        self._pause: dict[str, float] = {}
        self.count, self.longest = 0, 0.0
        self.asked = 0
        #: events that a source said it never published
        self.unknown = 0

    async def run(self) -> None:
        while not self._context.stopping.is_set():
            await self.look()
            await unless(self._context.stopping, asyncio.sleep(LOOK_EVERY))

    async def look(self) -> None:
        found = await gaps(self._context.db)
        self.count, self.longest = len(found), max((gap.seconds for gap in found), default=0.0)
        sources = {gap.source for gap in found}
        self._pause = {source: pause for source, pause in self._pause.items() if source in sources}
        for source in sources:
            if asyncio.get_running_loop().time() >= self._ask_at.get(source, 0.0):
                await self._ask(source, [gap for gap in found if gap.source == source])

    async def _ask(self, source: str, missing: Sequence[Gap]) -> None:
        pause = self._pause[source] = min(2 * self._pause.get(source, ASK_AGAIN / 2), ASK_LAST)
        self._ask_at[source] = asyncio.get_running_loop().time() + pause
        body = [{key: value for key, value in asdict(gap).items() if key not in ("source", "seconds")} for gap in missing[:AT_ONCE]]
        try:
            told: Mapping[str, Any] = json.loads(await self._context.request(f"{source}.{REPAIR}", json.dumps(body, default=str).encode()))
        except (RequestRefused, RequestFailed, *AWAY) as error:
            log.info("repair_not_answered source=%s error=%s", source, type(error).__name__)
            return
        self.asked += 1
        self.unknown = int(told["unknown"])
        log.warning("repair_asked_of source=%s gaps=%s published_again=%s unknown=%s", source, len(missing), told["published_again"], told["unknown"])
