"""The worker as a whole: starts without waiting, says how it is by progress, stops with what is in hand finished."""

import asyncio

import pytest

from deploy.onebox.broker import EmbeddedNats
from shared.contracts.domain import DomainAnnounced
from shared.contracts.event import LegalBasis, desk_aggregate
from shared.contracts.household import HouseholdRegistered, MemberCorrected, MemberJoined, MemberLeft
from shared.messaging import Envelope, Handlers, link
from shared.runtime.announce import announced_units
from shared.runtime.database import Transaction
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, BETA, Town, household, note, registered, unit


async def test_stopping_finishes_the_event_in_hand_and_frees_the_leases(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    entered, go_on = asyncio.Event(), asyncio.Event()
    handlers = Handlers()

    @handlers.on(HouseholdRegistered)
    async def slow(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None:
        entered.set()
        await go_on.wait()
        await note(tx, envelope)

    worker = await town.worker(BETA, handlers)
    await town.say(ALPHA, registered(household()))
    await asyncio.wait_for(entered.wait(), 10)
    stopping = asyncio.create_task(worker.stop())
    go_on.set()
    await stopping
    assert len(await town.effects(BETA)) == 1
    assert await town.rows(BETA, "select 1 from worker_lease where until > now()") == []


async def test_ready_means_progress(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    await town.provision()
    worker = await town.worker(BETA)
    await eventually(lambda: worker.status()["ready"] and worker.consumers)
    consumer = worker.consumers["beta--alpha--p0"]
    await eventually(lambda: consumer.state == "consuming")
    consumer.lag, consumer.moved = 3, consumer.moved - 120
    assert worker.status()["reasons"] == ["beta--alpha--p0 stands still"]


async def test_a_consumer_that_was_deleted_is_missed_and_found_again(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    worker = await town.worker(BETA)
    await eventually(lambda: worker.consumers and worker.consumers["beta--alpha--p0"].state == "consuming")
    client = await town.client()
    await client.jetstream().delete_consumer("EVT_ALPHA", "beta--alpha--p0")
    await eventually(lambda: worker.consumers["beta--alpha--p0"].state == "retrying")
    await town.provision()
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1, timeout=15)


async def test_a_connection_closed_for_good_is_made_again(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    worker = await town.worker(BETA)
    await worker.link.up.wait()
    old = worker.link.client
    await old.close()
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1)
    assert worker.link.client is not old


async def test_a_connection_that_stays_down_is_thrown_away(town: Town, own_nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link.Link, "PATIENCE", 1.0)
    await town.provision()
    await town.worker(ALPHA)
    worker = await town.worker(BETA)
    await worker.link.up.wait()
    old = worker.link.client
    own_nats.stop()
    await eventually(lambda: worker.link._client is not old)
    own_nats.start()
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1)


async def test_every_worker_keeps_what_other_units_say_of_themselves(town: Town) -> None:
    listener = unit("beta", consumes=("*:domain",))
    await town.provision(ALPHA, listener)
    await town.worker(ALPHA)
    await town.worker(listener, Handlers())
    announced = DomainAnnounced(
        household_id=desk_aggregate("alpha"), legal_basis=LegalBasis.STAT, unit="alpha", title="総合相談", base="/alpha",
        accepts_referrals=True, version="1.0",
    )  # fmt: skip
    await town.say(ALPHA, announced)

    async def known() -> list[str]:
        async with (await town.db(BETA)).read() as rd:
            return [found.title for found in await announced_units(rd)]

    assert await eventually(known) == ["総合相談"]


async def test_a_database_that_goes_away_for_a_moment_costs_nothing(town: Town) -> None:
    await town.provision()
    await town.worker(ALPHA)
    await town.worker(BETA)
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 1)
    for of in (ALPHA, BETA):
        await town.rows(of, "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
    await town.say(ALPHA, registered(household()))
    await town.until_effects(BETA, 2)


def test_a_handler_for_an_event_nobody_defined_is_found_at_once() -> None:
    handlers = Handlers()
    handlers.events["jp.tsunagari.no.such.v1"] = []
    with pytest.raises(LookupError, match=r"no\.such"):
        handlers.check()


def test_what_a_unit_forgot_on_its_channels_is_named() -> None:
    handlers = Handlers()

    @handlers.on(HouseholdRegistered, MemberJoined, MemberCorrected)
    async def heard(tx: Transaction, event: HouseholdRegistered, envelope: Envelope) -> None: ...

    assert handlers.missing(["household"]) == ["jp.tsunagari.household.member_left.v1"]
    handlers.ignore(MemberLeft)
    assert handlers.missing(["household"]) == []


async def test_a_worker_that_is_stopped_while_it_connects_ends(town: Town) -> None:
    """nats-py swallows the cancellation then; the process would never have ended."""
    for moment in (0, 0.001, 0.002, 0.005, 0.01):
        worker = await town.worker(ALPHA)
        await asyncio.sleep(moment)
        async with asyncio.timeout(10):
            await worker.stop()
