"""The relay: in order, never twice in effect, never giving up."""

import asyncio

from deploy.onebox.broker import EmbeddedNats
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, registered, retracted


async def stored(town: Town) -> int:
    client = await town.client()
    return int((await client.jetstream().stream_info("EVT_ALPHA")).state.messages)


async def test_a_batch_is_stored_in_the_order_of_the_outbox(town: Town) -> None:
    await town.provision()
    homes = [household() for _ in range(5)]
    for _ in range(20):
        await town.say(ALPHA, *(registered(home) for home in homes))
    relay = (await town.worker(ALPHA)).relay
    await town.until_published(ALPHA)
    rows = await town.rows(ALPHA, "select pos, stream_seq from outbox order by pos")
    assert [row.stream_seq for row in rows] == list(range(1, 101))
    assert (relay.published, relay.fallbacks) == (100, 0)


async def test_a_crash_between_publishing_and_marking_has_no_second_effect(town: Town) -> None:
    await town.provision()
    await town.worker(BETA)
    first = await town.worker(ALPHA)
    home = household()
    await town.say(ALPHA, *(registered(home) for _ in range(6)))
    await town.until_published(ALPHA)
    await first.stop()
    async with (await town.db(ALPHA)).transaction() as tx:  # as a crash would have left it: stored, not marked
        await tx.connection.exec_driver_sql("update outbox set published_at = null, stream_seq = null where seq > 2")
    await town.say(ALPHA, registered(home))
    second = await town.worker(ALPHA)
    await town.until_published(ALPHA)
    assert second.relay.fallbacks == 1
    assert [row.stream_seq for row in await town.rows(ALPHA, "select stream_seq from outbox order by pos")] == list(range(1, 8))
    await town.until_effects(BETA, 7)
    assert await town.effects(BETA, home) == [("household", seq) for seq in range(1, 8)]


async def test_beyond_the_broker_s_memory_a_copy_is_stored_and_skipped_by_its_sequence(town: Town) -> None:
    await town.provision()
    client = await town.client()
    info = (await client.jetstream().stream_info("EVT_ALPHA")).config
    info.duplicate_window = 0.1
    await client.jetstream().update_stream(info)
    worker = await town.worker(ALPHA)
    await town.worker(BETA)
    home = household()
    await town.say(ALPHA, registered(home), retracted(home))
    await town.until_effects(BETA, 2)
    await asyncio.sleep(0.3)  # the window itself is a length of time
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.connection.exec_driver_sql("update outbox set published_at = null")
    await town.until_published(ALPHA)
    assert worker.relay.published == 4
    assert await stored(town) == 4
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 3)
    assert await town.effects(BETA, home) == [("household", 1), ("fact", 1), ("household", 2)]


async def test_where_batches_are_not_enabled_it_publishes_one_by_one(town: Town) -> None:
    client = await town.client()
    await client.jetstream().add_stream(name="EVT_ALPHA", subjects=["evt.alpha.>"])
    home = household()
    await town.say(ALPHA, *(registered(home) for _ in range(5)))
    worker = await town.worker(ALPHA)
    await town.until_published(ALPHA)
    assert (worker.relay.fallbacks, await stored(town)) == (1, 5)


async def test_a_full_stream_is_waited_for_and_loses_nothing(town: Town) -> None:
    await town.provision()
    client = await town.client()
    config = (await client.jetstream().stream_info("EVT_ALPHA")).config
    config.max_bytes = 2000
    await client.jetstream().update_stream(config)
    home = household()
    worker = await town.worker(ALPHA)
    await town.say(ALPHA, *(registered(home) for _ in range(10)))
    await eventually(lambda: worker.relay.state == "full")
    config.max_bytes = 10_000_000
    await client.jetstream().update_stream(config)
    await town.until_published(ALPHA)
    assert await stored(town) == 10


async def test_a_row_nobody_can_publish_holds_back_one_household(town: Town) -> None:
    await town.provision()
    stuck, other = household(), household()
    await town.say(ALPHA, registered(stuck), registered(other), registered(stuck), registered(other))
    async with (await town.db(ALPHA)).transaction() as tx:  # append refuses this; a disk error or an older version might not
        await tx.connection.exec_driver_sql("update outbox set payload = convert_to(repeat('x', 70000), 'UTF8') where pos = 1")
    worker = await town.worker(ALPHA)
    await eventually(lambda: worker.relay.published == 2)
    rows = await town.rows(ALPHA, "select household, blocked_reason from outbox where published_at is null order by pos")
    assert [(row.household, bool(row.blocked_reason)) for row in rows] == [(stuck, True), (stuck, False)]


async def test_events_said_while_the_broker_is_away_arrive_when_it_is_back(town: Town, own_nats: EmbeddedNats) -> None:
    await town.provision()
    worker = await town.worker(ALPHA)
    await town.worker(BETA)
    home = household()
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 1)
    own_nats.stop()
    await town.say(ALPHA, registered(home), registered(home))
    await eventually(lambda: worker.relay.state == "retrying")
    assert not worker.status()["ready"]
    own_nats.start()
    await town.until_effects(BETA, 3)
    assert await town.effects(BETA, home) == [("household", 1), ("household", 2), ("household", 3)]
    assert await stored(town) == 3


async def test_a_broker_that_is_away_at_start_is_waited_for(town: Town, own_nats: EmbeddedNats) -> None:
    own_nats.stop()
    worker = await town.worker(ALPHA)
    await town.say(ALPHA, registered(household()))
    assert worker.status()["reasons"] == ["no connection to NATS"]
    own_nats.start()
    await town.provision()
    await town.until_published(ALPHA)
    await eventually(lambda: worker.status()["ready"])


async def test_a_zombie_relay_cannot_mark_what_its_successor_publishes(town: Town) -> None:
    await town.provision()
    worker = await town.worker(ALPHA)
    await eventually(lambda: worker.relay.state == "idle")
    async with (await town.db(ALPHA)).transaction() as tx:
        await tx.connection.exec_driver_sql("update worker_lease set epoch = epoch + 1, owner = 'other', until = now() + interval '1 minute'")
    await town.say(ALPHA, registered(household()))
    await eventually(lambda: worker.relay.state == "standby")
    assert worker.relay.published == 0
    assert [row.published_at for row in await town.rows(ALPHA, "select published_at from outbox")] == [None]
