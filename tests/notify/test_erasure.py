"""消去: 世帯の知識と気づきは世帯とともに消える。だれも確認しなかった気づきは 90日で消え、数が残る。"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.notify import erasure
from shared.contracts.retention import HoldPlaced, HoldReason
from shared.messaging import Handlers
from shared.runtime import erasure as erasures
from shared.runtime.database import Database
from shared.runtime.retention import periods_on
from tests.conftest import unit_of
from tests.erasing import erased, found_in, hear_at, is_declared, receipts, with_erasures
from tests.notify.heard import REGISTRY, Ears, fire_due, rows
from tests.notify.town import TODAY, Household, mother_and_son

HANDLERS: Handlers = with_erasures(REGISTRY, unit_of("notify"))
PERIODS = periods_on(TODAY)


@pytest.fixture
async def db(databases: Any) -> Database:
    database: Database = await databases("notify")
    return database


async def an_alert(db: Database) -> tuple[Household, UUID]:
    """8050 の世帯の、まだ確認されていない気づき。"""
    home, _, son = mother_and_son()
    home.fact("cases-disability", son, "withdrawn", "3", as_of=TODAY)
    await Ears(db).hears(home)
    (found,) = await rows(db, "select id from alert where household_id = :h", h=home.id)
    return home, found.id


async def age(db: Database, days: int) -> None:
    """Lets the alerts have been raised so many days ago."""
    async with db.transaction() as tx:
        await tx.execute(text("update alert set raised_at = raised_at - make_interval(days => :days)"), {"days": days})


async def swept(db: Database) -> int:
    async with db.transaction() as tx:
        return await erasure.sweep(tx, erasures.day_of(tx.now), PERIODS)


async def test_nothing_of_an_erased_household_is_left_but_the_count(db: Database) -> None:
    home, alert_id = await an_alert(db)
    count = len(await rows(db, "select 1 from alert"))
    async with db.transaction() as tx:
        tx.schedule("judge", str(home.id), tx.now, home.id)
        tx.schedule("review_day", "all", tx.now, home.id)
    await hear_at(db, HANDLERS, erased(home.id, TODAY), TODAY)
    assert {table for table in await found_in(db, [str(home.id), str(alert_id)]) if not is_declared("notify", table)} == set()
    assert sum(row.alerts for row in await rows(db, "select alerts from alert_counted")) == count
    left = {row.kind for row in await rows(db, "select kind from timer")}
    assert left == {"review_day", erasures.AGAIN}, "the walk over all households goes on, nothing of this one is judged"
    (said,) = await receipts(db)
    assert (said.removed > 0, said.kept_under, said.kept_until) == (True, (), None)


async def test_an_alert_nobody_confirmed_goes_after_ninety_days_and_is_counted(db: Database) -> None:
    _, alert_id = await an_alert(db)
    raised = len(await rows(db, "select 1 from alert"))
    await age(db, 90)
    assert await swept(db) == 0
    await age(db, 1)
    assert await swept(db) == raised
    assert set(await found_in(db, [str(alert_id)])) <= {"outbox_p0", "outbox"}
    counted = await rows(db, "select state, alerts from alert_counted")
    assert {row.state for row in counted} == {"raised"}
    assert sum(row.alerts for row in counted) == raised


async def test_an_alert_somebody_confirmed_stays(db: Database) -> None:
    await an_alert(db)
    async with db.transaction() as tx:
        await tx.execute(text("update alert set state = 'acknowledged'"))
    await age(db, 400)
    assert await swept(db) == 0


async def test_a_held_household_keeps_its_unconfirmed_alert(db: Database) -> None:
    home, _ = await an_alert(db)
    await age(db, 200)
    placed = HoldPlaced(household_id=home.id, legal_basis="INTERNAL_69_2_2", hold_id=uuid4(), reason=HoldReason.DISCLOSURE_REQUEST, placed_on=TODAY)
    await hear_at(db, HANDLERS, placed, TODAY)
    assert await swept(db) == 0
    async with db.read() as rd:
        found = await erasures.plan(rd, HANDLERS.keepers, erasures.day_of(rd.now), PERIODS)
    assert {one.blocked for one in found} == {("legal_hold",)}


async def test_the_nightly_round_sets_its_own_next_clock(db: Database) -> None:
    await an_alert(db)
    await age(db, 200)
    async with db.transaction() as tx:
        tx.schedule("retention_day", "all", tx.now)
    assert "retention_day" in await fire_due(db, datetime.now(UTC) + timedelta(seconds=1))
    assert await rows(db, "select 1 from alert") == []
    (clock,) = await rows(db, "select (due_at at time zone 'Asia/Tokyo')::time as at from timer where kind = 'retention_day'")
    assert clock.at.isoformat() == "00:20:00"
