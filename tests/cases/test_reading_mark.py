"""ふだんと違う閲覧の確認: だれが・いつ付けた印か次に開いたときに見え、先に付いた印は黙って消えず、自分の閲覧には付けられない。"""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.cases.center.reading_mark import Line, Mark, Outcome
from services.cases.center.unusual_pages import _months
from shared.contracts.unusual import Sign, Unusual, UnusualAnswer, UnusualRequest
from shared.desk.wareki import JST
from shared.runtime.auth import Staff
from tests.cases.desk import NOGUCHI, RECEPTION, SATO, DeskUnderTest

OSAMU, TADASHI = Staff("kanri-1", "見本 おさむ", frozenset({"manager"})), Staff("kansa-1", "見本 ただし", frozenset({"auditor"}))
NEXT = Staff("kanri-2", "見本 つぐ", frozenset({"manager"}))
MONTH = _months(datetime.now(JST).date())[1]
WHEN = datetime.fromisoformat(f"{MONTH}-20T10:00:00+09:00")


def entry(household: UUID, actor: str = "uketsuke-1", last: datetime = WHEN) -> Unusual:
    signs = (Sign.ADDRESS, Sign.OFF_HOURS)
    return Unusual(actor=actor, roles=("reception",), household_id=household, times=2, first=WHEN, last=last, signs=signs, score=5)


class Intake:
    """Answers as the intake desk would; everybody else has nothing to tell."""

    def __init__(self, *entries: Unusual) -> None:
        self.entries = entries

    async def __call__(self, subject: str, request: bytes, timeout: float = 5.0) -> bytes:
        UnusualRequest.model_validate_json(request)
        entries = self.entries if subject == "intake.unusual" else ()
        return UnusualAnswer(entries=entries, readings=9, people=3).model_dump_json().encode()


@pytest.fixture
async def center(desks: Any) -> DeskUnderTest:
    desk: DeskUnderTest = await desks("cases-center")
    async with desk.db.transaction() as tx:
        await tx.connection.exec_driver_sql(
            "insert into announced_unit (unit, title, base, accepts_referrals, navigation, version, announced_at) "
            "values ('intake', '受付', '/intake', false, '[]', '1', now()) on conflict do nothing"
        )
    desk.app.state.ask = Intake(entry(uuid4()))
    return desk


async def the_list(center: DeskUnderTest, staff: Staff = OSAMU, month: str = MONTH) -> str:
    answer = await center.get(f"/seen/unusual?month={month}", staff)
    assert answer.status_code == 200, answer.text
    return answer.text


async def put(center: DeskUnderTest, outcome: str = "confirmed", staff: Staff = OSAMU, seen: int = 0, **more: Any) -> Any:
    one = center.app.state.ask.entries[0]
    form = {"month": MONTH, "unit": "intake", "actor": one.actor, "household_id": one.household_id, "seen": seen, "outcome": outcome}
    came_from = {"referer": f"http://desk.test/center/seen/unusual?month={MONTH}&name=x"}
    return await center.send("/seen/unusual", staff, came_from, **form | more)


def counted(page: str) -> dict[str, int]:
    return {name: int(re.search(rf"{name}\D*?(\d+)", page)[1]) for name in ("まだ見ていない", "照会中", "確認済")}  # type: ignore[index]


async def test_an_entry_nobody_looked_at_is_counted_at_the_top_until_somebody_does(center: DeskUnderTest) -> None:
    assert counted(await the_list(center)) == {"まだ見ていない": 1, "照会中": 0, "確認済": 0}
    answer = await put(center, "asked")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/center/seen/unusual?month={MONTH}")
    assert counted(await the_list(center)) == {"まだ見ていない": 0, "照会中": 1, "確認済": 0}
    assert (await put(center, seen=1, found="slip")).status_code == 303
    page = await the_list(center, TADASHI)
    assert counted(page) == {"まだ見ていない": 0, "照会中": 0, "確認済": 1}
    assert "確認済（開きまちがい）" in page
    assert "kanri-1" in page


async def test_the_mark_belongs_to_this_month_this_desk_this_reader_and_this_household(center: DeskUnderTest) -> None:
    await put(center)
    (first,) = center.app.state.ask.entries
    others = (first.model_copy(update={"actor": "uketsuke-2"}), entry(uuid4()))
    center.app.state.ask = Intake(first, *others)
    before = _months(datetime.now(JST).date())[2]
    assert counted(await the_list(center))["まだ見ていない"] == 2
    assert counted(await the_list(center, month=before))["まだ見ていない"] == 3
    assert (await put(center, month=before)).status_code == 303
    assert (counted(await the_list(center))["確認済"], counted(await the_list(center, month=before))["確認済"]) == (1, 1)


async def test_every_mark_is_kept_with_who_and_when_and_stands_in_the_audit_without_a_reading(center: DeskUnderTest) -> None:
    await put(center, "asked")
    await put(center, "confirmed", NEXT, seen=1, found="warned")
    kept = await center.rows("select nth, outcome, reason, marked_by, marked_at from reading_mark order by nth")
    marks = [(one.nth, one.outcome, one.reason, one.marked_by) for one in kept]
    assert marks == [(1, "asked", None, "kanri-1"), (2, "confirmed", "warned", "kanri-2")]
    assert datetime.now(UTC) - kept[0].marked_at < timedelta(minutes=1)
    rows = await center.rows("select * from audit where object_kind = 'reading' order by at")
    (one,) = center.app.state.ask.entries
    assert [(row.actor, row.action, row.object_id, row.households) for row in rows] == [
        ("kanri-1", "ask_reader", "uketsuke-1", [one.household_id]), ("kanri-2", "confirm_reading", "uketsuke-1", [one.household_id])
    ]  # fmt: skip
    assert {row.household_id for row in rows} == {None}, "whoever marks has not worked on the household"
    assert await center.said() == []


async def test_of_two_supervisors_the_second_is_shown_the_first_mark_and_may_then_put_another(center: DeskUnderTest) -> None:
    await put(center, "asked")
    refused = await put(center, "confirmed", NEXT, found="duty")
    assert refused.status_code == 409
    for said in ("先に付いた印があります", "照会", "kanri-1", "確認済（業務で必要だった）"):
        assert said in refused.text, said
    assert '<a class="button" data-kind="primary" href="/center/seen/unusual">元の画面を開き直す</a>' in refused.text
    assert counted(await the_list(center))["照会中"] == 1
    assert (await put(center, "confirmed", NEXT, seen=1, found="duty")).status_code == 303
    assert (await put(center, "asked", seen=7)).status_code == 409, "a mark nobody has put was not seen"
    assert counted(await the_list(center))["確認済"] == 1


async def test_two_at_the_same_moment_leave_one_mark(center: DeskUnderTest) -> None:
    answers = await asyncio.gather(*(put(center, staff=staff) for staff in (OSAMU, NEXT, TADASHI)))
    assert sorted(answer.status_code for answer in answers) == [303, 409, 409]
    assert len(await center.rows("select 1 from reading_mark")) == 1


async def test_nobody_confirms_the_own_reading(center: DeskUnderTest) -> None:
    center.app.state.ask = Intake(entry(uuid4(), actor=OSAMU.sub))
    page = await the_list(center)
    assert "自分の閲覧なので" in page
    assert 'name="outcome"' not in page
    refused = await put(center)
    assert refused.status_code == 403
    assert "自分の閲覧には" in refused.text
    assert (await put(center, staff=NEXT)).status_code == 303


@pytest.mark.parametrize("staff", [NOGUCHI, SATO, RECEPTION], ids=lambda staff: staff.sub)
async def test_others_neither_see_nor_mark(center: DeskUnderTest, staff: Staff) -> None:
    assert (await put(center, staff=staff)).status_code == 403
    assert await center.rows("select 1 from reading_mark") == []


@pytest.mark.parametrize("wrong", [
    {"outcome": "fine"}, {"found": "he is my cousin"}, {"seen": -1}, {"seen": "x"}, {"month": "2026-13"}, {"month": "1999-01"},
    {"actor": "見本 はな"}, {"household_id": "'"}, {"unit": "' or 1=1"}, {"seen": "9" * 30},
])  # fmt: skip
async def test_what_is_no_mark_is_not_kept(center: DeskUnderTest, wrong: dict[str, Any]) -> None:
    answer = await put(center, **wrong)
    assert answer.status_code in (404, 422)
    assert await center.rows("select 1 from reading_mark") == []


async def test_marks_of_months_that_are_no_longer_listed_go_away(center: DeskUnderTest) -> None:
    old, oldest = "2020-01", _months(datetime.now(JST).date())[-1]
    async with center.db.transaction() as tx:
        for month in (old, oldest):
            await tx.connection.exec_driver_sql(
                "insert into reading_mark values ($1, 'intake', 'a', $2, 1, 'asked', null, now(), 'kanri-1')", (month, uuid4())
            )
    await put(center)
    assert {row.month for row in await center.rows("select month from reading_mark")} == {oldest, MONTH}


def test_looking_again_after_the_mark_opens_the_entry_again() -> None:
    mark = Mark(1, Outcome.CONFIRMED, None, WHEN, OSAMU.sub)
    line = Line("intake", entry(uuid4(), last=WHEN), mark)
    assert (line.waits, line.again) == (False, False)
    later = replace(line, entry=entry(uuid4(), last=WHEN + timedelta(seconds=1)))
    assert (later.waits, later.again, later.asked) == (True, True, False)
    assert replace(line, mark=None).waits
