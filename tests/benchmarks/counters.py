"""What is counted and comes out the same on every machine: statements, round trips, commits, fsyncs, bytes. It fails the command when it rises."""

import asyncio
from collections.abc import Awaitable
from uuid import uuid4

import asyncpg

from shared.contracts.event import HouseholdId
from shared.messaging.pull import BATCH as PULLED
from shared.messaging.relay import BATCH
from shared.runtime.database import Transaction
from tests.benchmarks.contenders.ours import EFFECT
from tests.benchmarks.figures import Section
from tests.benchmarks.servers import Servers, servers
from tests.benchmarks.town import ALPHA, BETA, Pair, Seen, pair, retracted, until

#: (statements, round trips) of a request that writes a row and says one event; the same for 32 that share a commit
REQUEST, SHARED = (2, 4), (2, 4)
TOGETHER, EVENTS, SERIAL = 32, 1000, 50
STREAM_BYTES, OUTBOX_BYTES, SUBJECT_BYTES = 950, 900, 80
_FSYNCS = "select sum(fsyncs)::int from pg_stat_io where object = 'wal' and backend_type = 'client backend'"


def measure(section: Section) -> None:
    with servers() as own:
        asyncio.run(_measure(section, own))


async def _measure(section: Section, own: Servers) -> None:
    async with pair(own) as town:
        admin = await asyncpg.connect(town.servers.postgres.dsn())
        await _requests(section, town, admin)
        await _flow(section, town)
        await _bytes(section, town)
        await admin.close()


async def _save(tx: Transaction) -> None:
    mark = uuid4()
    tx.later(EFFECT, {"event": mark})
    tx.publish(retracted(HouseholdId(uuid4())))


async def _one(town: Pair) -> None:
    async with town.alpha.transaction() as tx:
        await _save(tx)


async def _together(town: Pair) -> None:
    """The first one of a quiet moment goes alone; those who come meanwhile share. All come at once here, so they are one transaction."""
    await asyncio.gather(*(town.alpha.together(_save) for _ in range(TOGETHER)))


async def _requests(section: Section, town: Pair, admin: asyncpg.Connection) -> None:
    await _one(town)  # the driver asks for types once
    seen = Seen.on(town.alpha)
    for what, work, events, wanted in (("one event", _one, 1, REQUEST), (f"{TOGETHER} shared", _together, TOGETHER, SHARED)):
        await work(town)
        seen.clear()
        await work(town)
        got = (len(seen.statements), seen.round_trips)
        told, limit = f"{got[0]} / {got[1]} / {seen.commits} for {events} ({'; '.join(seen.statements)})", f"{wanted[0]} / {wanted[1]} / 1"
        section.add(f"request, {what}: statements / round trips / commits", told, limit, got <= wanted and seen.commits <= 1, gated=True)
        before = await _fsyncs(town, admin)
        for _ in range(SERIAL):
            await work(town)
        each = (await _fsyncs(town, admin) - before) / SERIAL
        section.add(f"request, {what}: fsyncs of the WAL a commit / an event", f"{each:.2f} / {each / events:.2f}", "1", each <= 1.1, gated=True)


async def _fsyncs(town: Pair, admin: asyncpg.Connection) -> int:
    """A backend tells its counts when it goes, so the pool is emptied first; what the server does by itself is left to a moment of rest."""
    await town.alpha.engine.dispose()
    await asyncio.sleep(0.3)
    await admin.execute("select pg_stat_clear_snapshot()")
    return int(await admin.fetchval(_FSYNCS) or 0)


async def _flow(section: Section, town: Pair) -> None:
    await town.say(*(HouseholdId(uuid4()) for _ in range(EVENTS)))
    waiting = int(await town.scalar(ALPHA, "select count(*) from outbox where published_at is null"))
    seen = Seen.on(town.alpha)
    async with town.relaying():
        await until(lambda: _not(town.pending()), 60, 0.2)
    batches, needed = sum(one in ("update outbox", "with outbox") for one in seen.statements), -(-waiting // BATCH)
    told = f"{batches} for {waiting:,} events"
    section.add(
        "relay of a backlog: batches to the broker, each with one statement to mark it", told, f"≤ {needed + 1}", batches <= needed + 1, gated=True
    )
    heard = Seen.on(town.beta)
    async with town.hearing():
        await until(lambda: _is(town.heard >= waiting), 60, 0.05)
    loads, saves = (heard.statements.count(one) for one in ("select consumer_subject", "with consumer_cursor"))
    most = -(-waiting // PULLED) + 4  # the first and the last are not full
    good = 0 < saves <= most and loads <= most
    section.add("consumer of a backlog: fences / saves", f"{loads} / {saves} for {town.heard:,} events", f"≤ {most}", good, gated=True)


async def _bytes(section: Section, town: Pair) -> None:
    stream = await town.stream()
    each = stream["bytes"] / stream["messages"]
    section.add("bytes of an event in the stream", f"{each:.0f}", f"≤ {STREAM_BYTES}", each <= STREAM_BYTES, gated=True)
    row = float(await town.scalar(ALPHA, "select avg(pg_column_size(o.*)) from outbox o"))
    section.add("bytes of an event in the outbox (its row)", f"{row:.0f}", f"≤ {OUTBOX_BYTES}", row <= OUTBOX_BYTES, gated=True)
    subject = float(await town.scalar(BETA, "select avg(pg_column_size(s.*)) from consumer_subject s"))
    section.add("bytes of a household at a consumer (its row)", f"{subject:.0f}", f"≤ {SUBJECT_BYTES}", subject <= SUBJECT_BYTES, gated=True)


async def _not(asked: Awaitable[bool]) -> bool:
    return not await asked


async def _is(value: bool) -> bool:
    return value
