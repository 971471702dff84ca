"""Shared commits: many in one transaction, and nobody pays for another's failure."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.contracts.event import HouseholdId
from shared.runtime import telemetry
from shared.runtime.database import Database, Transaction
from shared.runtime.problems import NotFound
from tests.conftest import unit_of
from tests.shared.messaging.town import ALPHA, household, retracted

Work = Callable[[Transaction], Awaitable[Any]]
TABLE = text("create table seen (n bigint generated always as identity, who int unique deferrable initially immediate)")
SEEN = text("insert into seen (who) values (:who)")
OTHERS_END = text("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
TRANSACTION = text("select pg_current_xact_id()::text")


@pytest.fixture
async def db(databases: Callable[..., Awaitable[Database]]) -> Database:
    db = await databases(ALPHA)
    async with db.transaction() as tx:
        await tx.execute(TABLE)
    return db


def sees(who: int, *, home: HouseholdId | None = None) -> Work:
    async def work(tx: Transaction) -> str:
        await tx.execute(SEEN, {"who": who})
        if home:
            tx.publish(retracted(home))
        return str(await tx.scalar(TRANSACTION))

    return work


async def refuses(tx: Transaction) -> None:
    await tx.execute(SEEN, {"who": -1})
    raise NotFound


async def seen(db: Database) -> list[int]:
    async with db.read() as rd:
        return [row.who for row in await rd.rows(text("select who from seen order by n"))]


async def all_of(db: Database, *works: Work) -> list[Any]:
    return await asyncio.gather(*(db.together(work) for work in works), return_exceptions=True)


async def test_those_who_come_during_a_commit_share_the_next(db: Database) -> None:
    transactions = await all_of(db, *(sees(who) for who in range(20)))
    assert len(set(transactions)) == 1
    assert await seen(db) == list(range(20))


async def test_one_who_fails_is_told_so_and_the_others_are_saved(db: Database) -> None:
    results = await all_of(db, sees(1), refuses, sees(2))
    assert isinstance(results[1], NotFound)
    assert [type(results[0]), type(results[2])] == [str, str]
    assert await seen(db) == [1, 2]


async def test_one_who_breaks_the_transaction_and_keeps_silent_hurts_nobody(db: Database) -> None:
    async def silent(tx: Transaction) -> None:
        try:
            await tx.execute(text("select 1 / 0"))
        except DBAPIError:
            pass

    await all_of(db, sees(1), silent)
    assert await seen(db) == [1]


async def test_a_constraint_that_is_looked_at_only_by_the_commit_fails_its_member(db: Database) -> None:
    async def late(tx: Transaction) -> None:
        await tx.execute(text("set constraints all deferred"))
        await tx.execute(SEEN, {"who": 1})

    results = await all_of(db, sees(1), late, sees(2))
    assert isinstance(results[1], IntegrityError)
    assert await seen(db) == [1, 2]


async def test_a_connection_lost_before_the_commit_costs_only_who_lost_it(db: Database) -> None:
    async def lost(tx: Transaction) -> None:
        await tx.execute(text("select pg_terminate_backend(pg_backend_pid())"))

    results = await all_of(db, sees(1), lost, sees(2))
    assert isinstance(results[1], DBAPIError)
    assert await seen(db) == [1, 2]


async def test_when_the_commit_itself_fails_nothing_is_done_again(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes between the last statement and the COMMIT: whether it happened is not known to the client."""
    runs: list[int] = []
    original = type(db._together)._write

    async def write_and_lose(self: Any, connection: Any, worked: Any) -> None:
        await original(self, connection, worked)
        (await connection.get_raw_connection()).driver_connection.terminate()

    async def work(tx: Transaction) -> None:
        runs.append(1)
        await tx.execute(SEEN, {"who": len(runs)})

    monkeypatch.setattr(type(db._together), "_write", write_and_lose)
    results = await all_of(db, work, work)
    assert all(isinstance(result, Exception) for result in results)
    assert len(runs) == 2
    monkeypatch.undo()
    assert await db.together(sees(9))  # and it goes on


async def test_one_who_left_before_the_turn_is_left_out_and_one_who_leaves_later_disturbs_nobody(db: Database) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> None:
        begun.set()
        await go_on.wait()
        await tx.execute(SEEN, {"who": 1})

    leaves_late = asyncio.create_task(db.together(slow))
    await begun.wait()
    leaves_early, stays = asyncio.create_task(db.together(sees(2))), asyncio.create_task(db.together(sees(3)))
    await asyncio.sleep(0)
    leaves_early.cancel()
    leaves_late.cancel()
    go_on.set()
    await stays
    assert await seen(db) == [1, 3]


async def test_work_that_cancels_itself_is_alone_with_that(db: Database) -> None:
    async def cancels(tx: Transaction) -> None:
        raise asyncio.CancelledError

    results = await all_of(db, sees(1), cancels, sees(2))
    assert isinstance(results[1], RuntimeError)
    assert await seen(db) == [1, 2]


async def test_a_household_hears_its_events_in_the_order_they_were_said(db: Database) -> None:
    home, said = household(), []

    def says(number: int) -> Work:
        async def work(tx: Transaction) -> None:
            event = retracted(home)
            tx.publish(event)
            if number == 7:
                raise NotFound
            said.append((number, event.fact_id))

        return work

    await all_of(db, *(says(number) for number in range(10)))
    async with db.read() as rd:
        rows = await rd.rows(text("select seq, convert_from(payload, 'UTF8')::json ->> 'fact_id' as fact from outbox order by pos"))
    last = {number: str(fact) for number, fact in said}  # the run that counted
    assert [row.fact for row in rows] == [last[number] for number in range(10) if number != 7]
    assert [row.seq for row in rows] == list(range(1, 10))


async def test_each_event_carries_its_own_callers_trace(db: Database, test_settings: Callable[..., Any]) -> None:
    telemetry.start(unit_of("intake"), test_settings())

    async def call(who: int) -> str | None:
        with telemetry.span("call"):
            await db.together(sees(who, home=household()))
            return telemetry.context_headers()[0]

    called = await asyncio.gather(*(call(who) for who in range(3)))
    async with db.read() as rd:
        assert [row.traceparent for row in await rd.rows(text("select traceparent from outbox order by pos"))] == called


async def test_a_commit_wakes_the_worker_and_calls_back(db: Database) -> None:
    called: list[int] = []

    async def work(tx: Transaction) -> None:
        tx.on_commit(lambda: called.append(1))
        tx.publish(retracted(household()))

    await db.together(work)
    assert (called, db.wake.is_set()) == ([1], True)


async def test_what_is_written_later_is_written_once_and_fails_its_own_member(db: Database) -> None:
    def writes(who: int) -> Work:
        async def work(tx: Transaction) -> str:
            tx.later(SEEN, {"who": who})
            return str(await tx.scalar(TRANSACTION))

        return work

    results = await all_of(db, writes(1), writes(1), writes(2))
    assert isinstance(results[1], IntegrityError)
    assert await seen(db) == [1, 2]
    assert len(set(await all_of(db, writes(3), writes(4)))) == 1
    assert await seen(db) == [1, 2, 3, 4]


async def test_what_is_written_later_is_there_after_a_transaction_of_ones_own(db: Database) -> None:
    async with db.transaction() as tx:
        for who in (3, 1, 2):
            tx.later(SEEN, {"who": who})
        assert await tx.scalar(text("select count(*) from seen")) == 0
    assert await seen(db) == [3, 1, 2]


async def test_connections_that_the_server_closed_are_not_handed_out(db: Database) -> None:
    async with db.transaction(), db.transaction() as tx:  # two connections are in the pool afterwards
        await tx.execute(text("select 1"))
    async with db.transaction() as tx:
        await tx.execute(
            text("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        )
        await asyncio.sleep(0.1)
    async with db.transaction(), db.transaction() as tx:
        await tx.execute(SEEN, {"who": 1})
    assert await seen(db) == [1]
