"""The consumer: copies do nothing, holes are waited for, poison isolates one household, nothing is ever dropped."""

import asyncio
from uuid import UUID

import pytest
from nats.aio.client import Client
from sqlalchemy import text

from shared.contracts.case import FactRetracted
from shared.contracts.event import Event
from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers
from shared.messaging.held import request_release, set_aside
from shared.messaging.positions import rewind
from shared.runtime.database import Transaction
from shared.runtime.problems import Refusal
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, note, noting, registered, retracted
from tests.shared.messaging.wire import Wire

_DEAD = "select household, channel, seq, reason, state from dead_event order by id"
_HELD = "select household, channel, seq, reason from held_event order by outbox_pos"


@pytest.fixture
async def wire(town: Town) -> Wire:
    await town.provision()
    client: Client = await town.client()
    return Wire(client)


def failing_for(home: UUID, error: Exception, *, broken: list[bool]) -> Handlers:
    """Notes every event; for `home` it fails while broken[0]."""
    handlers = Handlers()

    @handlers.on(HouseholdRegistered, FactRetracted)
    async def heard(tx: Transaction, event: Event, envelope: Envelope) -> None:
        await note(tx, envelope)
        if envelope.subject == home and broken[0]:
            raise error

    return handlers


async def test_copies_holes_and_disorder_become_one_effect_each_in_order(town: Town, wire: Wire) -> None:
    h1, h2, h3 = household(), household(), household()
    for seq in (1, 1, 2, 4, 5, 2, 3, 3, 6):
        await wire.put(registered(h1), seq)
    for seq in (3, 2, 1):
        await wire.put(registered(h2), seq)
    for seq in (1, 3, 4):
        await wire.put(registered(h3), seq)
    await town.worker(BETA)
    await town.until_effects(BETA, 10)
    assert [seq for _, seq in await town.effects(BETA, h1)] == [1, 2, 3, 4, 5, 6]
    assert [seq for _, seq in await town.effects(BETA, h2)] == [1, 2, 3]
    assert [seq for _, seq in await town.effects(BETA, h3)] == [1]
    held = await town.rows(BETA, _HELD)
    assert [(row.household, row.seq, row.reason) for row in held] == [(h3, 3, "gap"), (h3, 4, "gap")]


async def test_a_hole_is_filled_while_the_consumer_runs(town: Town, wire: Wire) -> None:
    home = household()
    await town.worker(BETA)
    await wire.put(registered(home), 1)
    await wire.put(registered(home), 3)
    await eventually(lambda: town.rows(BETA, _HELD))
    await wire.put(retracted(home), 1)
    await wire.put(registered(home), 2)
    await town.until_effects(BETA, 4)
    assert await town.effects(BETA, home) == [("household", 1), ("fact", 1), ("household", 2), ("household", 3)]
    assert await town.rows(BETA, _HELD) == []


async def test_reading_the_stream_again_from_its_beginning_changes_nothing(town: Town, wire: Wire) -> None:
    home = household()
    for seq in (1, 2, 3):
        await wire.put(registered(home), seq)
    worker = await town.worker(BETA)
    await town.until_effects(BETA, 3)
    consumer = worker.consumers["beta--alpha--p0"]
    async with (await town.db(BETA)).transaction() as tx:
        assert await rewind(tx, consumer.name, 0)
        assert not await rewind(tx, "beta--nobody--p0", 0)
    await eventually(lambda: consumer.counts.duplicates == 3)
    await wire.put(registered(home), 4)
    await town.until_effects(BETA, 4)
    assert [seq for _, seq in await town.effects(BETA, home)] == [1, 2, 3, 4]


async def test_a_stream_that_was_made_again_is_read_from_its_beginning(town: Town, wire: Wire) -> None:
    home = household()
    for seq in (1, 2, 3):
        await wire.put(registered(home), seq)
    first = await town.worker(BETA)
    await town.until_effects(BETA, 3)
    await first.stop()
    await wire.client.jetstream().delete_stream("EVT_ALPHA")
    await town.provision()
    await wire.put(registered(home), 3)
    await wire.put(registered(home), 4)
    await town.worker(BETA)
    await town.until_effects(BETA, 4)
    assert [seq for _, seq in await town.effects(BETA, home)] == [1, 2, 3, 4]


async def test_poison_isolates_one_household(town: Town, wire: Wire) -> None:
    sick, well = household(), household()
    for seq in (1, 2, 3):
        await wire.put(registered(sick), seq)
        await wire.put(registered(well), seq)
    await wire.put(retracted(sick), 1)
    await wire.put(retracted(well), 1)
    worker = await town.worker(BETA, failing_for(sick, KeyError("a name that must not be written down"), broken=[True]))
    await eventually(lambda: worker.status()["consumers"].get("beta--alpha--p0", {}).get("position") == 8)
    assert await town.effects(BETA, sick) == []
    assert await town.effects(BETA, well) == [("household", 1), ("household", 2), ("household", 3), ("fact", 1)]
    dead = await town.rows(BETA, _DEAD)
    assert [(row.household, row.seq) for row in dead] == [(sick, 1)]
    assert dead[0].reason.startswith("KeyError at shared/messaging/test_consume.py:")
    assert [(row.channel, row.seq) for row in await town.rows(BETA, _HELD)] == [("household", 2), ("household", 3), ("fact", 1)]


async def test_a_released_household_goes_on_in_order(town: Town, wire: Wire) -> None:
    home, broken = household(), [True]
    for seq in (1, 2):
        await wire.put(registered(home), seq)
    await wire.put(retracted(home), 1)
    await town.worker(BETA, failing_for(home, ValueError(), broken=broken))
    await eventually(lambda: town.rows(BETA, "select 1 from held_event where channel = 'fact'"))
    broken[0] = False
    async with (await town.db(BETA)).transaction() as tx:
        assert [(aside.household, aside.held, aside.dead) for aside in await set_aside(tx)] == [(home, 2, 1)]
        await request_release(tx, "alpha", home)
    await town.until_effects(BETA, 3)
    assert await town.effects(BETA, home) == [("household", 1), ("household", 2), ("fact", 1)]
    assert [row.state for row in await town.rows(BETA, _DEAD)] == ["retried"]
    await wire.put(registered(home), 3)
    await town.until_effects(BETA, 4)


async def test_a_skipped_event_lets_the_rest_of_its_household_pass(town: Town, wire: Wire) -> None:
    home, broken = household(), [True]
    await town.worker(BETA, failing_for(home, Refusal(), broken=broken))
    await wire.put(registered(home), 1)
    await eventually(lambda: town.rows(BETA, _DEAD))
    broken[0] = False
    await wire.put(registered(home), 2)
    await eventually(lambda: town.rows(BETA, _HELD))
    async with (await town.db(BETA)).transaction() as tx:
        await request_release(tx, "alpha", home, skip=True)
    await town.until_effects(BETA, 1)
    assert await town.effects(BETA, home) == [("household", 2)]
    assert [(row.reason.split(" ")[0], row.state) for row in await town.rows(BETA, _DEAD)] == [("Refusal:refused", "skipped")]


async def test_a_release_that_fails_again_is_set_aside_again(town: Town, wire: Wire) -> None:
    home = household()
    await town.worker(BETA, failing_for(home, Refusal(), broken=[True]))
    for seq in (1, 2):
        await wire.put(registered(home), seq)
    await eventually(lambda: town.rows(BETA, _HELD))
    async with (await town.db(BETA)).transaction() as tx:
        await request_release(tx, "alpha", home)
    await eventually(lambda: town.rows(BETA, "select 1 from dead_event where state = 'parked' and id > 1"))
    assert [row.state for row in await town.rows(BETA, _DEAD)] == ["retried", "parked"]
    assert [row.seq for row in await town.rows(BETA, _HELD)] == [2]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": b"\xff\x00"}, "bad_payload"),
        ({"ce_datacontenttype": "text/html"}, "wrong_content_type"),
        ({"ce_subjectseq": ""}, "missing_header:ce-subjectseq"),
        ({"ce_source": "/gamma"}, "foreign_source"),
        ({"subject": "evt.alpha.household.registered.v1.g"}, "wrong_subject"),
    ],
)
async def test_an_unreadable_event_isolates_its_household_and_stops_nobody(town: Town, wire: Wire, changes: dict[str, str], reason: str) -> None:
    sick, well = household(), household()
    await wire.put(registered(sick), 1, **changes)  # type: ignore[arg-type]
    await wire.put(registered(sick), 2)
    await wire.put(registered(well), 1)
    await town.worker(BETA)
    await town.until_effects(BETA, 1)
    assert await town.effects(BETA) == [("household", 1)]
    assert [(row.household, row.reason) for row in await town.rows(BETA, _DEAD)] == [(sick, reason)]
    assert [(row.household, row.seq, row.reason) for row in await town.rows(BETA, _HELD)] == [(sick, 2, "quarantined")]


async def test_a_doubled_header_on_the_wire_is_noticed(town: Town, wire: Wire) -> None:
    await town.worker(BETA)
    home = household()
    await wire.put(registered(home), 1, CE_ID=str(home))  # nats-py sends both spellings; the second pair has one spelling
    raw = b"NATS/1.0\r\nce-subject: " + str(home).encode() + b"\r\nce-subject: " + str(home).encode() + b"\r\n\r\n"
    await wire.client._send_command(b"HPUB evt.alpha.household.registered.v1.0 %d %d\r\n" % (len(raw), len(raw) + 2) + raw + b"{}\r\n")
    await wire.client.flush()
    await eventually(lambda: town.rows(BETA, "select 1 from dead_event having count(*) = 2"))
    assert [row.reason for row in await town.rows(BETA, _DEAD)] == ["duplicate_header:ce-id", "duplicate_header:ce-subject"]


async def test_an_unknown_type_is_held_until_a_version_that_knows_it_starts(town: Town, wire: Wire) -> None:
    home, other = household(), household()
    old = Handlers()

    @old.on(HouseholdRegistered)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await note(tx, envelope)

    await wire.put(registered(home), 1, pos=1)
    await wire.put(retracted(home), 1, pos=2)
    await wire.put(registered(home), 2, pos=3)
    await wire.put(registered(other), 1)
    worker = await town.worker(BETA, old)
    await town.until_effects(BETA, 2)
    assert [(row.channel, row.reason) for row in await town.rows(BETA, _HELD)] == [("fact", "unknown_type"), ("household", "quarantined")]
    await worker.stop()
    await town.worker(BETA, noting())
    await town.until_effects(BETA, 4)
    assert await town.effects(BETA, home) == [("household", 1), ("fact", 1), ("household", 2)]


async def test_a_known_and_ignored_type_is_passed_by(town: Town, wire: Wire) -> None:
    handlers, home = Handlers(), household()
    handlers.ignore("fact")

    @handlers.on(HouseholdRegistered)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await note(tx, envelope)

    await town.worker(BETA, handlers)
    await wire.put(retracted(home), 1)
    await wire.put(registered(home), 1)
    await town.until_effects(BETA, 1)
    assert await town.rows(BETA, _HELD) == []


async def test_what_passes_by_itself_is_repeated_and_nobody_is_set_aside(town: Town, wire: Wire) -> None:
    failures, home = [0], household()
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        await note(tx, envelope)
        if failures[0] < 6:
            failures[0] += 1
            await tx.execute(text("do $$ begin raise exception using errcode = '40001'; end $$"))

    await wire.put(registered(home), 1)
    await town.worker(BETA, handlers)
    await town.until_effects(BETA, 1)
    assert (failures[0], await town.rows(BETA, _DEAD)) == (6, [])


async def test_a_unit_that_was_down_catches_up(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    homes = [household() for _ in range(10)]
    first = await town.worker(BETA)
    await town.say(ALPHA, *(registered(home) for home in homes))
    await town.until_effects(BETA, 10)
    await first.stop()
    for _ in range(40):
        await town.say(ALPHA, *(registered(home) for home in homes))
    await town.worker(BETA)
    await town.until_effects(BETA, 410)
    for home in homes:
        assert [seq for _, seq in await town.effects(BETA, home)] == list(range(1, 42))


async def test_what_a_handler_publishes_commits_with_its_effect_and_names_its_cause(town: Town) -> None:
    await town.provision()
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def answer(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        tx.publish(retracted(event.household_id))
        await note(tx, envelope)

    await town.worker(ALPHA)
    await town.worker(BETA, handlers)
    await town.say(ALPHA, registered(household()), registered(household()))
    await town.until_published(ALPHA)
    await eventually(lambda: town.rows(BETA, "select 1 from outbox having count(published_at) = 2"))
    causes = {row.headers["ce-causationid"] for row in await town.rows(BETA, "select headers from outbox")}
    assert causes == {str(row.event_id) for row in await town.rows(ALPHA, "select event_id from outbox")}


async def test_a_new_source_is_heard_without_restarting(town: Town) -> None:
    await town.provision(BETA)
    worker = await town.worker(BETA)
    await asyncio.wait_for(worker.link.up.wait(), 5)
    await town.provision()
    await town.worker(ALPHA)
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1)
