"""A projection made again from the events: equal when nothing was wrong, right again when something was, and nobody notices."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from nats.aio.client import Client
from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event
from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers, Kept
from shared.messaging.delivery import Delivery, kept
from shared.messaging.envelope import encode, stamp, subject_of
from shared.messaging.held import request_release
from shared.messaging.link import Link
from shared.messaging.provision import api_of
from shared.messaging.rebuild import EffectInProjection, Progress, RebuildFailed, Rebuilt, rebuild
from shared.runtime.database import Transaction
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, note, registered, retracted
from tests.shared.messaging.wire import Wire

_TABLE = text(
    """
    create table known (
        household uuid primary key, events int not null, last uuid not null, heard_at timestamptz not null default clock_timestamp())
    """
)
_KNOW = text(
    """
    insert into known (household, events, last) values (:household, 1, :event)
    on conflict (household) do update set events = known.events + 1, last = excluded.last
    """
)
SICK: set[UUID] = set()


def knowing() -> Handlers:
    """Keeps a count per household (the projection) and notes every event (an effect that must not happen twice)."""
    handlers = Handlers()
    known = handlers.projection("known", Kept("known", beside=("heard_at",)))

    @handlers.on(HouseholdRegistered, FactRetracted)
    @known.fed_by(HouseholdRegistered, FactRetracted)
    async def learned(tx: Transaction, event: Event, envelope: Envelope) -> None:
        if envelope.subject in SICK:
            raise KeyError("sick")
        await tx.execute(_KNOW, {"household": event.household_id, "event": envelope.id})

    @handlers.on(HouseholdRegistered, FactRetracted)
    async def raised(tx: Transaction, event: Event, envelope: Envelope) -> None:
        await note(tx, envelope)
        tx.schedule("alarm", str(envelope.id), tx.now)

    @handlers.timer("alarm")
    async def alarm(tx: Transaction, due: object) -> None: ...

    return handlers


@dataclass
class Rebuilder:
    town: Town
    link: Link
    client: Client

    async def __call__(self, *, swap: bool = True, handlers: Handlers | None = None) -> Rebuilt:
        return await rebuild(await self.town.db(BETA), self.link, api_of(self.client), handlers or knowing(), "known", swap=swap)

    async def known(self) -> list[tuple[UUID, int, UUID]]:
        rows = await self.town.rows(BETA, "select household, events, last from known order by household")
        return [tuple(row) for row in rows]

    async def change(self, statement: str) -> None:
        async with (await self.town.db(BETA)).transaction() as tx:
            await tx.execute(text(statement))


@pytest.fixture
async def again(town: Town) -> AsyncIterator[Rebuilder]:
    await town.provision()
    async with (await town.db(BETA)).transaction() as tx:
        await tx.execute(_TABLE)
    link = Link("beta", town.settings(BETA, database=await town.db(BETA), nats_url=town.url))
    keeping = asyncio.create_task(link.keep())
    await link.up.wait()
    yield Rebuilder(town, link, await town.client())
    SICK.clear()
    keeping.cancel()
    await link.close()


async def told(town: Town, homes: list, rounds: int = 3) -> None:  # type: ignore[type-arg]
    """Both workers run; every household has `rounds` events and one fact."""
    await town.worker(ALPHA)
    await town.worker(BETA, knowing())
    for _ in range(rounds):
        await town.say(ALPHA, *(registered(home) for home in homes))
    await town.say(ALPHA, *(retracted(home) for home in homes))
    await town.until_effects(BETA, len(homes) * (rounds + 1))


async def test_when_nothing_was_wrong_both_checksums_are_equal_and_nothing_changes(town: Town, again: Rebuilder) -> None:
    await told(town, [household() for _ in range(20)])
    before = await again.known()
    done = await again()
    assert (done.equal, done.events) == (True, 80)
    assert (done.tables[0].before.rows, done.tables[0].added, done.tables[0].changed, done.tables[0].removed) == (20, 0, 0, 0)
    assert await again.known() == before
    assert len(await town.effects(BETA)) == 80


async def test_a_corrupted_projection_has_another_checksum_and_is_right_again_afterwards(town: Town, again: Rebuilder) -> None:
    await told(town, [household() for _ in range(20)])
    right = await again.known()
    await again.change("delete from known where household in (select household from known order by household limit 2)")
    await again.change("update known set events = 99 where household in (select household from known order by household desc limit 3)")
    await again.change("insert into known (household, events, last) values (gen_random_uuid(), 1, gen_random_uuid())")
    wrong = await again.known()
    checked = await again(swap=False)
    assert not checked.equal
    assert await again.known() == wrong
    done = await again()
    table = done.tables[0]
    assert (table.before, table.after) == (checked.tables[0].before, checked.tables[0].after)
    assert (table.added, table.changed, table.removed) == (2, 3, 1)
    assert await again.known() == right
    assert (await again()).equal
    assert len(await town.effects(BETA)) == 80


async def test_columns_that_are_not_made_from_events_stay_as_they_are(town: Town, again: Rebuilder) -> None:
    await told(town, [household()])
    await again.change("update known set heard_at = '2001-01-01', events = 7")
    await again()
    row = (await town.rows(BETA, "select events, extract(year from heard_at)::int as year from known"))[0]
    assert (row.events, row.year) == (4, 2001)


async def test_events_that_arrive_during_a_rebuild_are_neither_lost_nor_counted_twice(town: Town, again: Rebuilder) -> None:
    homes = [household() for _ in range(30)]
    await told(town, homes)
    await again.change("update known set events = 0")
    speaking = True

    async def speak() -> int:
        said = 0
        while speaking:
            await town.say(ALPHA, *(registered(home) for home in homes))
            said += len(homes)
            await asyncio.sleep(0.05)
        return said

    talk = asyncio.create_task(speak())
    await asyncio.sleep(0.3)
    done = await again()
    await asyncio.sleep(0.2)
    speaking = False
    said = await talk
    await town.until_effects(BETA, 120 + said, timeout=60)
    assert not done.equal
    assert [events for _, events, _ in await again.known()] == [4 + said // 30] * 30
    assert (await again()).equal


async def test_what_a_household_waits_for_is_not_told_to_the_projection_before_its_time(town: Town, again: Rebuilder) -> None:
    well, sick = household(), household()
    SICK.add(sick)
    await town.worker(ALPHA)
    await town.worker(BETA, knowing())
    await town.say(ALPHA, registered(well), registered(sick), registered(sick))
    await eventually(lambda: town.rows(BETA, "select 1 from dead_event"), 15)
    await town.until_effects(BETA, 1)
    SICK.clear()
    assert (await again()).equal
    assert [home for home, _, _ in await again.known()] == [well]
    async with (await town.db(BETA)).transaction() as tx:
        await request_release(tx, "alpha", sick, skip=True)
    await town.until_effects(BETA, 2)
    done = await again()
    assert (done.equal, done.events) == (True, 2)


async def test_a_stream_that_lacks_applied_events_changes_nothing(town: Town, again: Rebuilder) -> None:
    await told(town, [household()])
    before = await again.known()
    await again.client.jetstream()._jsm.delete_msg("EVT_ALPHA", 2)  # type: ignore[attr-defined]
    with pytest.raises(RebuildFailed, match="incomplete 1"):
        await again()
    assert await again.known() == before
    assert await town.rows(BETA, "select 1 from pg_namespace where nspname like 'rebuild%'") == []
    names = await again.client.jetstream().consumers_info("EVT_ALPHA")
    assert [one.name for one in names if "rebuild" in one.name] == []


async def test_copies_and_disorder_in_the_stream_do_no_harm(town: Town, again: Rebuilder) -> None:
    wire, home = Wire(again.client), household()
    await town.worker(BETA, knowing())
    for seq in (1, 1, 3, 2, 4, 2):
        await wire.put(registered(home), seq)
    await town.until_effects(BETA, 4)
    done = await again()
    assert (done.equal, done.events) == (True, 4)


async def test_a_feed_that_does_more_than_keeping_is_refused(town: Town, again: Rebuilder) -> None:
    await told(town, [household()])
    handlers = knowing()

    @handlers.projections["known"].fed_by(HouseholdRegistered)
    async def says(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        tx.publish(registered(event.household_id))

    before = await again.known()
    with pytest.raises(EffectInProjection):
        await again(handlers=handlers)
    assert await again.known() == before


async def test_what_a_unit_said_itself_belongs_into_its_projection(town: Town, again: Rebuilder) -> None:
    own, other = household(), household()
    handlers = knowing()
    handlers.projections["known"].own = True
    await told(town, [other], rounds=1)
    async with (await town.db(BETA)).transaction() as tx:
        tx.publish(retracted(own))
    event = (await town.rows(BETA, "select event_id from outbox"))[0].event_id
    await again.change(f"insert into known (household, events, last) values ('{own}', 1, '{event}')")
    done = await again(handlers=handlers)
    assert (done.equal, done.events, done.tables[0].after.rows) == (True, 3, 2)


async def test_two_operators_do_not_rebuild_the_same_projection_at_once(town: Town, again: Rebuilder) -> None:
    await told(town, [household() for _ in range(50)])
    results = await asyncio.gather(again(), again(), return_exceptions=True)
    assert sorted(type(one).__name__ for one in results) == ["RebuildFailed", "Rebuilt"]


def one(seq: int, home: UUID) -> tuple[str, Delivery]:
    event = registered(home)  # type: ignore[arg-type]
    headers = encode(event, id=uuid4(), source="alpha", now=datetime.now(UTC), correlation_id=uuid4())
    return "alpha", kept("alpha", subject_of("alpha", event), stamp(headers, seq=seq, pos=seq, traceparent=None, tracestate=None), b"{}", seq)


def test_only_what_live_has_applied_is_fed_in_order_once_and_without_what_was_skipped() -> None:
    home = uuid4()
    key = ("alpha", "household", home)
    progress = Progress()
    came = [one(seq, home) for seq in (1, 3, 2, 2, 1, 5, 4)]
    assert [found.envelope.seq for found in progress.next(came, {key: 4}, {(key, 3)}) if found.envelope] == [1, 2, 4]
    assert progress.done == {key: 4}
    assert [found.envelope.seq for found in progress.next(progress.left(), {key: 5}, set()) if found.envelope] == [5]
    assert progress.left() == []
