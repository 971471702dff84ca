"""What becomes true by the passing of time alone is found without an event; a household that cannot be judged holds up nobody else."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from services.notify import handlers, review
from services.notify.app import create_app
from services.notify.deadlines import JST
from services.notify.parameters import parameters_on
from shared.messaging.timers import Timers
from shared.runtime.database import Database
from tests.notify.heard import REGISTRY, Ears, fire_due, rows
from tests.notify.town import Household, mother_and_son

NOW = datetime.now(UTC)
TODAY = NOW.date()
GIVEN = parameters_on(TODAY)


@pytest.fixture
async def ears(databases: Any) -> Ears:
    return Ears(await databases("notify"))


def without_work(months: int) -> Household:
    home, _, son = mother_and_son()
    first = date(TODAY.year - (TODAY.month <= months % 12) - months // 12, (TODAY.month - months - 1) % 12 + 1, 1)
    home.fact("cases-poverty", son, "employment", "not_seeking", since=f"{first:%Y-%m}", as_of=TODAY)
    return home


async def rules(db: Database) -> list[tuple[str, UUID]]:
    return [(row.rule_id, row.household_id) for row in await rows(db, "select rule_id, household_id from alert where is_open order by household_id")]


async def execute(db: Database, query: str, **values: Any) -> None:
    async with db.transaction() as tx:
        await tx.execute(text(query), values)


async def worked(db: Database) -> None:
    """The real timer worker, until nothing is due."""
    timers = Timers(db, REGISTRY.timers, asyncio.Event())
    while await timers._next() <= 0:
        await timers._fire()


async def test_eleven_months_without_work_are_nothing_and_the_sweep_a_month_later_finds_twelve(ears: Ears) -> None:
    home = without_work(11)
    await ears.hears(home)
    await review.begin(ears.db, NOW, GIVEN)
    await fire_due(ears.db, NOW)
    assert await rules(ears.db) == []
    assert await fire_due(ears.db, NOW + timedelta(days=31)) == ["review_day", "judge"]
    assert await rules(ears.db) == [("R-502", home.id)]


async def test_the_sweep_goes_through_everybody_in_batches_and_sleeps_until_after_midnight(ears: Ears, monkeypatch: pytest.MonkeyPatch) -> None:
    homes = [without_work(11) for _ in range(3)]
    for home in homes:
        await ears.hears(home)
    await ears.hears(mother_and_son()[0])  # nobody recorded anything about them: no rule can come true by time alone
    await review.begin(ears.db, NOW, GIVEN)
    monkeypatch.setattr(handlers, "AT_ONCE", 1)
    later = NOW + timedelta(days=31)
    assert (await fire_due(ears.db, later)).count("review_day") == 4
    assert {home_id for _, home_id in await rules(ears.db)} == {home.id for home in homes}
    [clock] = await rows(ears.db, "select due_at, household from timer where kind = 'review_day'")
    due = clock.due_at.astimezone(JST)
    assert (due.date(), f"{due:%H:%M}", clock.household) == (later.astimezone(JST).date() + timedelta(days=1), "00:10", None)


async def test_a_sweep_that_finds_nothing_new_says_and_locks_nothing(ears: Ears) -> None:
    await ears.hears(without_work(12))
    before = await rows(ears.db, "select * from household"), await rows(ears.db, "select * from alert")
    await review.begin(ears.db, NOW, GIVEN)
    assert await fire_due(ears.db, NOW + timedelta(days=2)) == ["review_day"]
    assert (await rows(ears.db, "select * from household"), await rows(ears.db, "select * from alert")) == before


async def test_starting_sets_the_first_review_and_starting_again_does_not_move_it(databases: Any, test_settings: Any) -> None:
    db = await databases("notify")
    app = create_app(test_settings("notify", database=db, roles="web"))
    for _ in range(2):
        async with app.router.lifespan_context(app):
            [clock] = await rows(db, "select due_at from timer where kind = 'review_day'")
        assert clock.due_at > NOW
        await execute(db, "update timer set due_at = due_at + interval '1 minute'")
    [moved] = await rows(db, "select due_at from timer where kind = 'review_day'")
    assert moved.due_at == clock.due_at + timedelta(minutes=1)


@pytest.mark.parametrize("late", [True, False])
async def test_a_household_that_cannot_be_judged_keeps_only_itself_waiting(ears: Ears, late: bool) -> None:
    """Old events of two households are settled, or two households are reviewed; what is kept of one of them has become unreadable."""
    sound, broken = without_work(12), without_work(12)
    for home in (sound, broken):
        await ears.hears(home, NOW - timedelta(days=100))
    await execute(ears.db, "update household set late_at = :at", at=NOW - timedelta(minutes=1) if late else None)
    await execute(ears.db, 'update household set facts = facts || \'{"area": "?"}\' where household_id = :id', id=broken.id)
    await execute(ears.db, "delete from timer")
    async with ears.db.transaction() as tx:
        tx.schedule(*(("settle", "all") if late else ("review_day", "all")), tx.now)
    await worked(ears.db)
    assert await rules(ears.db) == [("R-502", sound.id)]
    waiting = await rows(ears.db, "select household, last_error from timer where kind = 'judge'")
    assert [row.household for row in waiting] == [broken.id]
    assert waiting[0].last_error


async def test_mended_it_is_judged_by_its_own_timer(ears: Ears) -> None:
    home = without_work(12)
    await ears.hears(home, NOW - timedelta(days=100))
    [kept] = await rows(ears.db, "select facts->>'area' as area from household")
    await execute(ears.db, 'update household set late_at = :at, facts = facts || \'{"area": "?"}\'', at=NOW - timedelta(minutes=1))
    await execute(ears.db, "update timer set try_at = now(), due_at = now()")
    await worked(ears.db)
    await execute(ears.db, "update household set facts = jsonb_set(facts, '{area}', to_jsonb(cast(:area as text)))", area=kept.area)
    await execute(ears.db, "update timer set try_at = now() where kind = 'judge'")
    await worked(ears.db)
    assert await rules(ears.db) == [("R-502", home.id)]
    assert await rows(ears.db, "select * from household where late_at is not null") == []
