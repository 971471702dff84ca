"""消去: 氏名の写しは受付の消去とともに消え、見守りの記録は自分の期間が終わるまで残る。"""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.outreach import identity
from services.outreach.handlers import outreach_handlers
from shared.messaging import Handlers
from shared.runtime import erasure as erasures
from shared.runtime.retention import periods_on
from tests.conftest import unit_of
from tests.erasing import erased, found_in, hear_at, is_declared, receipts, ring_at, with_erasures
from tests.outreach.builders import HOUSEHOLD, SON, TODAY
from tests.outreach.conftest import MEMO, MOTHER_NAME, TOLD, OutreachDesk, disclosed

WORDS = (MOTHER_NAME, "モギハラ トミ", "模擬原 実", "見本町（架空）1-2", TOLD, MEMO)
AFTER = date(2032, 4, 1)


@pytest.fixture
def handlers() -> Handlers:
    return with_erasures(outreach_handlers(), unit_of("outreach"))


async def a_watch(desk: OutreachDesk, *, ended: bool = True) -> UUID:
    """見守りの途中で書いたメモと、照会で聞いた氏名。その照会の番号を返す。"""
    path = await desk.watched()
    assert (await desk.check_in(path, "met", memo=MEMO)).status_code == 303
    if ended:
        async with desk.db.transaction() as tx:
            await tx.execute(text("update watch set ended_on = :day, end_reason = 'other'"), {"day": TODAY})
    (question,) = await desk.rows("select question_id from disclosure")
    found: UUID = question.question_id
    return found


async def words(desk: OutreachDesk) -> set[str]:
    return set().union(*(await found_in(desk.db, WORDS)).values())


async def tables(desk: OutreachDesk) -> set[str]:
    return {table for table in await found_in(desk.db, [str(HOUSEHOLD), str(SON)]) if not is_declared("outreach", table)}


async def test_when_the_period_is_over_nothing_is_left(desk: OutreachDesk, handlers: Handlers) -> None:
    await a_watch(desk)
    assert await words(desk) == set(WORDS)
    await hear_at(desk.db, handlers, erased(HOUSEHOLD, AFTER), AFTER)
    assert await words(desk) == set()
    assert await tables(desk) == set()
    (said,) = await receipts(desk.db)
    assert (said.removed >= 8, said.kept_under, said.kept_until) == (True, (), None)


async def test_the_record_of_a_watch_stays_for_its_own_period(desk: OutreachDesk, handlers: Handlers) -> None:
    await a_watch(desk)
    erasure_id = uuid4()
    for _ in range(2):
        await hear_at(desk.db, handlers, erased(HOUSEHOLD, TODAY, erasure_id), AFTER - timedelta(days=1))
    assert await words(desk) == {MEMO}, "the names go at once, the memo waits"
    await ring_at(desk.db, handlers, HOUSEHOLD, AFTER)
    assert await words(desk) == set()
    assert await tables(desk) == set()
    first, second = await receipts(desk.db)
    assert (first.kept_under, first.kept_until, second.kept_under) == (("watch",), AFTER - timedelta(days=1), ())


async def test_a_running_watch_is_kept_and_said(desk: OutreachDesk, handlers: Handlers) -> None:
    await a_watch(desk, ended=False)
    await hear_at(desk.db, handlers, erased(HOUSEHOLD, AFTER), AFTER)
    (said,) = await receipts(desk.db)
    assert (said.kept_under, said.kept_until) == (("watch_open",), None)


async def test_an_answer_about_names_that_is_under_way_brings_nothing_back(desk: OutreachDesk, handlers: Handlers) -> None:
    question = await a_watch(desk)
    await hear_at(desk.db, handlers, erased(HOUSEHOLD, AFTER), AFTER)
    async with desk.db.transaction() as tx:
        await identity.COPIES.keep(tx, question, disclosed())
    assert await words(desk) == set()


async def test_the_dry_run_names_nobody(desk: OutreachDesk, handlers: Handlers) -> None:
    await a_watch(desk)
    async with desk.db.read() as rd:
        found: Any = await erasures.plan(rd, handlers.keepers, AFTER, periods_on(TODAY))
    assert [(one.record_class, one.due_on, one.blocked) for one in found] == [("watch", AFTER, ("awaits_erasure",))]
    assert not any(word in repr(found) for word in WORDS)
