"""Several workers of one unit: one leads, another takes over, and whoever comes back late changes nothing."""

import asyncio
import math

import pytest

from shared.contracts.household import HouseholdRegistered
from shared.messaging import Envelope, Handlers, Worker, leases, positions, pull
from shared.messaging.positions import Fenced, Start, take_over
from shared.runtime.database import Transaction
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, note, registered

NAME = "beta--alpha--p0"


@pytest.fixture(autouse=True)
def _short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TTL", 1.0)
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.2)
    monkeypatch.setattr(pull, "EXPIRES", 1.0)
    monkeypatch.setattr(pull, "HEARTBEAT", 0.4)


def leads(worker: Worker) -> bool:
    return NAME in worker.consumers and worker.consumers[NAME].state == "consuming"


async def seqs(town: Town, home: object) -> list[int]:
    return [seq for _, seq in await town.effects(BETA, home)]  # type: ignore[arg-type]


def freeze(worker: Worker) -> None:
    """It stops renewing and does not notice."""
    task = next(task for task in worker._carrying if task.get_name() == "beta/leases")
    task.cancel()
    worker.leases._good_until = math.inf


async def test_one_leads_and_gives_its_place_back_when_it_stops(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    home = household()
    first = await town.worker(BETA)
    await eventually(lambda: leads(first))
    second = await town.worker(BETA)
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 1)
    assert second.consumers[NAME].state == "standby"
    await first.stop()
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 2)
    assert (await seqs(town, home), leads(second)) == ([1, 2], True)


async def test_after_a_crash_the_next_takes_over_by_the_database_s_clock(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    first = await town.worker(BETA)
    await eventually(lambda: leads(first))
    second = await town.worker(BETA)
    for task in first._working | first._carrying:  # no farewell: the leases stay as they are
        task.cancel()
    await first.link.client.close()
    home = household()
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 1)
    assert leads(second)


async def test_a_zombie_that_still_pulls_is_fenced_and_steals_nothing(town: Town) -> None:
    await town.provision()
    homes = [household() for _ in range(20)]
    first = await town.worker(BETA)
    await eventually(lambda: leads(first))
    freeze(first)
    second = await town.worker(BETA)
    await eventually(lambda: leads(second))
    await town.worker(ALPHA)
    for _ in range(10):
        await town.say(ALPHA, *(registered(home) for home in homes))
    await town.until_effects(BETA, 200)
    for home in homes:
        assert await seqs(town, home) == list(range(1, 11))
    assert first.consumers[NAME].counts.applied == 0


async def test_a_successor_waits_for_the_transaction_in_hand(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    entered, go_on, home = asyncio.Event(), asyncio.Event(), household()
    first = await town.worker(BETA, slow(entered, go_on))
    await town.say(ALPHA, registered(home), registered(home))
    await asyncio.wait_for(entered.wait(), 10)
    freeze(first)
    second = await town.worker(BETA)
    await eventually(lambda: second.leases.epoch(NAME))
    go_on.set()
    await eventually(lambda: leads(second))
    await town.say(ALPHA, registered(home))
    await town.until_effects(BETA, 3)
    assert await seqs(town, home) == [1, 2, 3]


async def test_a_process_frozen_inside_its_transaction_does_not_block_its_successor(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(positions, "FROZEN_AFTER", "500ms")
    await town.provision()
    await town.worker(ALPHA)
    entered, go_on, home = asyncio.Event(), asyncio.Event(), household()
    first = await town.worker(BETA, slow(entered, go_on))
    await town.say(ALPHA, registered(home))
    await asyncio.wait_for(entered.wait(), 10)
    freeze(first)
    await town.worker(BETA)
    await town.until_effects(BETA, 1)
    go_on.set()
    await eventually(lambda: first.consumers[NAME].state != "consuming")
    assert await seqs(town, home) == [1]


async def test_an_older_epoch_can_neither_take_over_nor_commit(town: Town) -> None:
    async with (await town.db(BETA)).transaction() as tx:
        assert await take_over(tx.connection, NAME, "alpha", 5, "1@now", 0) == Start(0)
    async with (await town.db(BETA)).transaction() as tx:
        with pytest.raises(Fenced):
            await take_over(tx.connection, NAME, "alpha", 4, "1@now", 0)
        with pytest.raises(Fenced):
            await positions.load(tx.connection, NAME, "alpha", 4, set())
        assert (await positions.load(tx.connection, NAME, "alpha", 5, set())).stream_seq == 0


def slow(entered: asyncio.Event, go_on: asyncio.Event) -> Handlers:
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        entered.set()
        await go_on.wait()
        await note(tx, envelope)

    return handlers
