"""消去: 写しは受付の消去とともに消え、ケースの記録は自分の期間が終わるまで残り、終われば自分で消える。"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from services.cases.casework import erasure, identity
from services.cases.center import erasure as center
from shared.contracts.alert import AlertRaised, Severity
from shared.contracts.case import CaseOpened, CaseState
from shared.contracts.event import CaseId, Lane, LegalBasis, ReferralId, StaffId
from shared.contracts.protection import ConflictDeclared, ConflictKind
from shared.contracts.retention import HoldLifted, HoldPlaced, HoldReason
from shared.messaging import Handlers
from shared.runtime import erasure as erasures
from shared.runtime.retention import periods_on
from tests.cases.builders import HOUSEHOLD, SON, TODAY, made
from tests.cases.conftest import Desks
from tests.cases.desk import DeskUnderTest, disclosed, hidden
from tests.erasing import at, erased, found_in, hear_at, is_declared, receipts, ring_at, with_erasures

NOTE, PRIVATE, EVIDENCE, NEXT = "（架空）金魚を三匹飼っている", "（架空）私見の金庫", "（架空）通帳の表紙", "（架空）次は縁側で"
#: what anybody at the desk wrote or was told
WORDS = ("見本 文子", "ミホン フミコ", "見本 一郎", "見本町", "八年ほど外に出ていない", NOTE, PRIVATE, EVIDENCE, NEXT)
#: the year in which a case that closes today may go
AFTER = date(2032, 4, 1)


@dataclass
class Kept:
    desk: DeskUnderTest
    handlers: Handlers
    referral: UUID

    async def erase(self, on: date, erasure_id: UUID | None = None) -> None:
        await hear_at(self.desk.db, self.handlers, erased(HOUSEHOLD, on, erasure_id), on)

    async def ring(self, on: date) -> None:
        await ring_at(self.desk.db, self.handlers, HOUSEHOLD, on)

    async def left(self) -> dict[str, set[str]]:
        return await found_in(self.desk.db, WORDS)

    async def tables(self) -> set[str]:
        return {table for table in await found_in(self.desk.db, [str(HOUSEHOLD), str(SON)]) if not is_declared(self.desk.code, table)}

    async def change(self, statement: str, **values: Any) -> None:
        async with self.desk.db.transaction() as tx:
            await tx.execute(text(statement), values)


async def a_kept_case(desk: DeskUnderTest, *, closed: bool = True) -> Kept:
    await desk.hear_family()
    event = made()
    await desk.hear(event)
    await desk.told_who(event.referral_id)
    await desk.hear(CaseOpened(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, case_id=CaseId(uuid4()), opened_on=TODAY,
                               state=CaseState.ACTIVE), "cases-poverty")  # fmt: skip
    case = await desk.accepted(event.referral_id)
    case_id = UUID(case.rsplit("/", 1)[1])
    kept = Kept(desk, with_erasures(desk.handlers, desk.app.state.unit), event.referral_id)
    await kept.change(
        """insert into note (note_id, case_id, happened_on, method, partner, shared, private, next_action, written_at, by_sub, by_name)
        values (gen_random_uuid(), :case, :day, 'visit', '本人', :note, :private, :next, now(), 'sato', '佐藤 花子')""",
        case=case_id, day=TODAY, note=NOTE, private=PRIVATE, next=NEXT,
    )  # fmt: skip
    await kept.change(
        """insert into fact (fact_id, household_id, case_id, member_id, kind, value, as_of, confidence, legal_basis, evidence, is_current,
        recorded_at, by_sub, by_name) values (gen_random_uuid(), :home, :case, :who, 'withdrawn', '3', :day, 'confirmed', 'INTERNAL_69_2_2',
        :evidence, true, now(), 'sato', '佐藤 花子')""",
        home=HOUSEHOLD, case=case_id, who=SON, day=TODAY, evidence=EVIDENCE,
    )  # fmt: skip
    if closed:
        version = hidden((await desk.get(case)).text, "close", "version")
        assert (await desk.send(f"{case}/close", version=version, close_reason="7")).status_code == 303
        await kept.change("update case_file set closed_on = :day, next_action = :next", day=TODAY, next=NEXT)
    return kept


@pytest.fixture
async def kept(elderly: DeskUnderTest) -> Kept:
    return await a_kept_case(elderly)


async def test_when_the_period_is_over_nothing_that_was_written_or_told_is_left(kept: Kept) -> None:
    assert set().union(*(await kept.left()).values()) == set(WORDS), "the test must have put every word somewhere"
    await kept.erase(AFTER)
    assert await kept.left() == {}
    assert await kept.tables() == set()
    (said,) = await receipts(kept.desk.db)
    assert said.removed >= 10
    assert (said.kept_under, said.kept_until, said.done_on) == ((), None, AFTER)


async def test_the_record_of_a_case_stays_for_its_own_period_and_then_goes_by_itself(kept: Kept) -> None:
    await kept.erase(AFTER - timedelta(days=1))
    left = set().union(*(await kept.left()).values())
    assert left == {NOTE, PRIVATE, EVIDENCE, NEXT}, "the names go at once"
    await kept.ring(AFTER)
    assert await kept.left() == {}
    assert await kept.tables() == set()
    first, second = await receipts(kept.desk.db)
    assert (first.kept_under, first.kept_until) == (("case",), AFTER - timedelta(days=1))
    assert (second.kept_under, second.kept_until, second.erasure_id) == ((), None, first.erasure_id)
    assert second.removed >= 4


async def test_who_may_not_see_the_record_still_may_not_while_it_is_kept(kept: Kept) -> None:
    conflict = ConflictDeclared(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, conflict_id=uuid4(), staff=StaffId("ito"), kind=ConflictKind.RELATIVE
    )
    await kept.desk.hear(conflict)
    await kept.erase(AFTER - timedelta(days=1))
    assert len(await kept.desk.rows("select 1 from conflict where staff = 'ito'")) == 1
    await kept.ring(AFTER)
    assert await kept.desk.rows("select 1 from conflict") == []


async def test_the_durable_timer_stands_at_the_first_day_after_the_period(kept: Kept) -> None:
    await kept.erase(AFTER - timedelta(days=30))
    (due,) = await kept.desk.rows("select due_at at time zone 'Asia/Tokyo' as at from timer where kind = 'erasure'")
    assert due.at.date() == AFTER


async def test_an_erasure_that_is_heard_twice_is_answered_once(kept: Kept) -> None:
    erasure_id = uuid4()
    await kept.erase(AFTER, erasure_id)
    await kept.erase(AFTER, erasure_id)
    await ring_at(kept.desk.db, kept.handlers, HOUSEHOLD, AFTER, erasures.AGAIN)
    assert len(await receipts(kept.desk.db)) == 1


async def test_what_was_written_in_the_moment_of_the_erasure_is_found_by_the_second_look(kept: Kept) -> None:
    await kept.erase(AFTER)
    await kept.desk.hear_family()  # as a batch that began before would commit it
    await ring_at(kept.desk.db, kept.handlers, HOUSEHOLD, AFTER, erasures.AGAIN)
    assert await kept.tables() == set()


async def test_an_answer_about_names_that_is_under_way_brings_nothing_back(kept: Kept) -> None:
    await kept.erase(AFTER)
    async with kept.desk.db.transaction() as tx:
        assert not await identity.COPIES.is_wanted(tx, ReferralId(kept.referral))
        await identity.COPIES.keep(tx, ReferralId(kept.referral), disclosed())
    assert await kept.left() == {}


async def test_an_open_case_is_kept_and_looked_at_again(elderly: DeskUnderTest) -> None:
    kept = await a_kept_case(elderly, closed=False)
    await kept.erase(AFTER)
    (said,) = await receipts(elderly.db)
    assert (said.kept_under, said.kept_until) == (("case_open",), None)
    await kept.ring(AFTER + timedelta(days=31))
    assert len(await receipts(elderly.db)) == 1, "nothing changed, nothing is said"
    await kept.change("update case_file set state = 'CLOSED', closed_on = :day", day=TODAY)
    await kept.ring(AFTER + timedelta(days=62))
    assert (await receipts(elderly.db))[-1].kept_under == ()
    assert await kept.left() == {}


async def test_a_child_case_waits_until_the_youngest_is_of_age_even_after_the_members_are_gone(kept: Kept) -> None:
    await kept.change("update case_file set legal_basis = 'ABUSE_CHILD'")
    await kept.change("update member set birth_month = '2020-05' where member_id = :son", son=SON)
    await kept.erase(AFTER)
    await kept.ring(date(2040, 5, 31))
    assert NOTE in set().union(*(await kept.left()).values())
    await kept.ring(date(2040, 6, 1))
    assert await kept.left() == {}
    first, last = await receipts(kept.desk.db)
    assert (first.kept_under, first.kept_until, last.kept_under) == (("child_abuse",), date(2040, 5, 31), ())


async def test_a_hold_keeps_everything_until_it_is_lifted(kept: Kept) -> None:
    hold, about = uuid4(), {"household_id": HOUSEHOLD, "legal_basis": LegalBasis.INTERNAL_69_2_2}
    await hear_at(kept.desk.db, kept.handlers, HoldPlaced(**about, hold_id=hold, reason=HoldReason.DISPUTE, placed_on=TODAY), TODAY)
    await kept.erase(AFTER)
    (first,) = await receipts(kept.desk.db)
    assert (first.removed, first.kept_under) == (0, ("legal_hold",))
    assert set().union(*(await kept.left()).values()) == set(WORDS)
    await hear_at(kept.desk.db, kept.handlers, HoldLifted(**about, hold_id=hold, lifted_on=AFTER), AFTER)
    assert await kept.left() == {}
    assert (await receipts(kept.desk.db))[-1].kept_under == ()


async def test_the_dry_run_tells_what_is_due_by_its_number_and_why_it_waits(kept: Kept) -> None:
    async with kept.desk.db.read() as rd:
        early = await erasures.plan(rd, kept.handlers.keepers, AFTER - timedelta(days=1), periods_on(TODAY))
        due = await erasures.plan(rd, kept.handlers.keepers, AFTER, periods_on(TODAY))
    assert early == []
    assert [(one.record_class, one.household_id, one.due_on, one.blocked) for one in due] == [("case", HOUSEHOLD, AFTER, ("awaits_erasure",))]
    assert not any(word in repr(due) for word in WORDS)


async def test_the_draft_of_a_conference_goes_with_the_household(desks: Desks) -> None:
    desk = await desks("cases-center")
    handlers = desk.handlers.copy()
    center.register(handlers, desk.settings)
    handlers = with_erasures(handlers, desk.app.state.unit)
    raised = AlertRaised(
        household_id=HOUSEHOLD, legal_basis=LegalBasis.ART106_6, alert_id=uuid4(), rule_id="R-502", rule_version="2024.1", severity=Severity.S3,
        to="cases-center", raised_at=at(TODAY), due=at(TODAY), domains=("cases-elderly", "cases-poverty"), lane=Lane.ART106_6,
    )  # fmt: skip
    await desk.hear(raised, "notify")
    assert len(await desk.rows("select 1 from conference_draft")) == 1
    await hear_at(desk.db, handlers, erased(HOUSEHOLD, AFTER), AFTER)
    assert await desk.rows("select 1 from conference_draft") == []
    assert [said.removed for said in await receipts(desk.db)] == [1]


def test_the_ground_of_a_record_decides_its_class() -> None:
    assert erasure.class_of(["INTERNAL_69_2_2"]) == "case"
    assert erasure.class_of(["CONSENT", "ABUSE_CHILD"]) == "child_abuse"
    assert erasure.class_of(["ABUSE_CHILD", "LIFE_EMERGENCY"]) == "child_abuse_serious"
