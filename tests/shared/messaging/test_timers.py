"""Durable timers: once, on time, by the database's clock, in one transaction with what they do."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import text

from shared.messaging import Handlers, Timer
from shared.runtime.database import Database, Transaction
from shared.runtime.testing import eventually
from tests.shared.messaging.town import ALPHA, Town, household, registered


def firing(late: list[float], *, failing: list[int] | None = None) -> Handlers:
    handlers = Handlers()

    @handlers.timer("watch_due")
    async def watch_due(tx: Transaction, due: Timer) -> None:
        late.append((tx.now - due.due_at).total_seconds())
        await tx.execute(
            text("insert into effect (source, channel, seq, household) values ('timer', :key, 1, :home)"), {"key": due.key, "home": due.household_id}
        )
        if failing and failing[0]:
            failing[0] -= 1
            raise RuntimeError

    return handlers


async def schedule(db: Database, key: str, seconds: float) -> datetime:
    due = datetime.now(UTC) + timedelta(seconds=seconds)
    async with db.transaction() as tx:
        tx.schedule("watch_due", key, due, household())
    return due


async def fired(town: Town) -> list[str]:
    return [row.channel for row in await town.rows(ALPHA, "select channel from effect order by n")]


async def test_two_workers_fire_each_timer_once(town: Town) -> None:
    db = await town.db(ALPHA)
    late: list[float] = []
    for n in range(30):
        await schedule(db, f"t{n:02}", -30 + n)
    await town.worker(ALPHA, firing(late))
    await town.worker(ALPHA, firing(late))
    await eventually(lambda: len(late) >= 30)
    assert sorted(await fired(town)) == [f"t{n:02}" for n in range(30)]
    assert await town.rows(ALPHA, "select 1 from timer") == []


async def test_no_timer_is_lost_when_the_planner_believes_the_table_to_be_small(town: Town) -> None:
    """Found by the fault suite: statistics from a moment with one row made one claim delete every timer that was due."""
    db = await town.db(ALPHA)
    await schedule(db, "t00", -30)
    async with db.transaction() as tx:
        await tx.execute(text("analyze timer"))
    for n in range(1, 12):
        await schedule(db, f"t{n:02}", -30 + n)
    late: list[float] = []
    await town.worker(ALPHA, firing(late))
    await eventually(lambda: len(late) >= 12)
    assert sorted(await fired(town)) == [f"t{n:02}" for n in range(12)]


async def test_a_timer_fires_soon_after_it_is_due_and_never_before(town: Town) -> None:
    late: list[float] = []
    await town.worker(ALPHA, firing(late))
    await schedule(await town.db(ALPHA), "soon", 0.6)
    await eventually(lambda: late)
    assert 0 <= late[0] < 0.5


async def test_a_timer_set_by_another_process_is_seen_too(town: Town) -> None:
    late: list[float] = []
    await town.worker(ALPHA, firing(late))
    other = Database((await town.db(ALPHA)).engine.url.render_as_string(hide_password=False), "alpha")
    await schedule(other, "theirs", 0.0)
    await other.close()
    await eventually(lambda: late)
    assert late[0] < 1.5


async def test_a_moved_timer_fires_at_its_new_time_and_a_cancelled_one_never(town: Town) -> None:
    db = await town.db(ALPHA)
    late: list[float] = []
    await schedule(db, "moved", -5)
    await schedule(db, "cancelled", -5)
    due = await schedule(db, "moved", 0.3)
    async with db.transaction() as tx:
        tx.cancel("watch_due", "cancelled")
    await town.worker(ALPHA, firing(late))
    await eventually(lambda: late)
    assert await fired(town) == ["moved"]
    assert datetime.now(UTC) >= due


async def test_a_handler_may_set_its_own_timer_again(town: Town) -> None:
    handlers, times = Handlers(), []

    @handlers.timer("watch_due")
    async def again(tx: Transaction, due: Timer) -> None:
        times.append(due.due_at)
        if len(times) < 3:
            tx.schedule(due.kind, due.key, due.due_at + timedelta(days=1), due.household_id)

    db = await town.db(ALPHA)
    first = await schedule(db, "weekly", -10 * 86_400)
    await town.worker(ALPHA, handlers)
    await eventually(lambda: len(times) == 3)
    assert times == [first, first + timedelta(days=1), first + timedelta(days=2)]


async def test_a_failing_timer_leaves_nothing_behind_and_is_tried_again(town: Town) -> None:
    late: list[float] = []
    await schedule(await town.db(ALPHA), "stubborn", -1)
    worker = await town.worker(ALPHA, firing(late, failing=[1]))
    await eventually(lambda: worker.timers.fired == 1)
    assert (await fired(town), worker.timers.failed) == (["stubborn"], 1)


async def test_what_a_timer_says_is_said_with_its_removal(town: Town) -> None:
    handlers = Handlers()

    @handlers.timer("watch_due")
    async def speak(tx: Transaction, due: Timer) -> None:
        assert due.household_id
        tx.publish(registered(due.household_id))  # type: ignore[arg-type]

    await schedule(await town.db(ALPHA), "speaking", -1)
    await town.worker(ALPHA, handlers)
    await eventually(lambda: town.rows(ALPHA, "select 1 from outbox"))
    assert await town.rows(ALPHA, "select 1 from timer") == []
