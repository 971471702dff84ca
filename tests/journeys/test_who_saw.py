"""T-22: who saw this household, asked of every desk at once; a desk that does not answer is named, and the asking leaves its own trace."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from shared.contracts.seen import SeenAnswer, SeenRequest, Why
from shared.desk.wareki import JST
from shared.messaging.names import REPAIR
from shared.messaging.requests import RequestRefused
from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.conftest import unit_of
from tests.journeys.conftest import COORDINATOR, Town
from tests.journeys.test_through_the_desks import ELDERLY, NAMES, POVERTY, RECEPTION, accept, take_consultation

AUDITOR = Staff("k1", "試験 監査", frozenset({"auditor"}))
MANAGER = Staff("m1", "試験 管理", frozenset({"manager"}))


async def seen(town: Town, about: object = "", *, by: Staff = AUDITOR, page: str = "/center/seen", **given: Any) -> Any:
    return await town.ask("cases-center", "POST", page, by, data={"about": str(about), "why": "breach", "first": "-90", "last": "今日"} | given)


@pytest.fixture
async def watched(town: Town) -> tuple[UUID, str]:
    """A household that three people looked at: (household, its case at the elderly desk)."""
    household = await take_consultation(town)
    case = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, household)
    assert (await town.ask("cases-elderly", "GET", case, ELDERLY)).status_code == 200
    assert (await town.ask("cases-elderly", "GET", case, COORDINATOR)).status_code == 200
    assert (await town.ask("intake", "GET", "/intake/", RECEPTION)).status_code == 200
    return household, case


async def test_every_desk_answers_what_its_manifest_says_it_serves(town: Town) -> None:
    """The broker lets a unit listen to what its manifest serves, and the center ask what its manifest asks: here nothing would notice a gap."""
    for code, app in town.apps.items():
        assert set(app.state.worker.handlers.responders) == {*unit_of(code).serves, REPAIR}, code


async def test_one_question_is_answered_by_every_desk_with_who_why_and_what_was_given(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    answer = await seen(town, household)
    assert answer.status_code == 200, answer.text
    page = answer.text
    assert "まだ答えていない窓口" not in page
    for said in ("e1", "ケースを見た", "ケースの支援", "c1", "つなぎ票を受理した", "r1", "受付を一覧で見た", "支援経過", "ケース担当"):
        assert said in page, said
    assert not [name for name in NAMES if name in page]


async def test_a_list_is_found_by_each_household_it_showed_and_does_not_name_the_others(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    other = await take_consultation(town)
    await town.ask("intake", "GET", "/intake/", RECEPTION)
    page = (await seen(town, household)).text
    assert "（ほか" in page
    assert str(other) not in page
    receipts = [row.receipt_no for row in await town.rows("intake", "select receipt_no from consultation where household_id = :h", h=other)]
    assert not [no for no in receipts if no in page]


async def test_a_receipt_number_or_a_person_of_the_household_leads_to_the_same(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    (row,) = await town.rows("intake", "select receipt_no from consultation where household_id = :h", h=household)
    assert "ケースを見た" in (await seen(town, row.receipt_no)).text
    (member, *_) = await eventually(lambda: town.rows("cases-center", "select member_id from member where household_id = :h", h=household))
    assert "ケースを見た" in (await seen(town, member.member_id)).text
    assert "この受付番号はありません" in (await seen(town, "R1-9999")).text


async def test_the_asking_is_recorded_at_every_desk_that_was_asked(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    await seen(town, household, by=MANAGER, why="own_data")
    for code in town.apps:
        found = await town.rows(code, "select actor, purpose from audit where action = 'ask_audit' and household_id = :h", h=household)
        assert [(row.actor, row.purpose) for row in found] == [("m1", "own_data")], code


async def test_a_desk_that_does_not_answer_is_named_and_the_others_answers_are_shown(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    await town.stop("outreach")
    try:
        page = (await seen(town, household)).text
        assert "まだ答えていない窓口" in page
        assert "訪問・見守り。" in page
        assert "ケースを見た" in page
    finally:
        await town.start("outreach")


async def test_only_auditors_and_managers_ask_and_a_refused_attempt_is_seen_too(town: Town, watched: tuple[UUID, str]) -> None:
    household, _case = watched
    assert (await town.ask("cases-center", "GET", "/center/seen", COORDINATOR)).status_code == 403
    assert (await seen(town, household, by=RECEPTION)).status_code == 403
    assert (await town.ask("cases-elderly", "GET", f"/d/elderly/households/{household}", POVERTY)).status_code == 403
    page = (await seen(town, household, actor="p1")).text
    assert "（断られた）" in page
    assert "<td>p1" in page
    assert "<td>e1" not in page, "the other's rows are not in an answer about one person"


async def test_the_desk_itself_refuses_a_question_from_somebody_who_may_not_ask(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    now = datetime.now(UTC)
    asked = SeenRequest(by="r1", roles=("reception",), why=Why.AUDIT, household_id=household, since=now - timedelta(days=1), until=now)  # type: ignore[arg-type]
    ask = town.apps["cases-center"].state.ask
    with pytest.raises(RequestRefused, match="not_allowed"):
        await ask("cases-elderly.seen", asked.model_dump_json().encode())
    allowed = asked.model_copy(update={"roles": ("auditor",)})
    assert SeenAnswer.model_validate_json(await ask("cases-elderly.seen", allowed.model_dump_json().encode())).entries
    for broken in (b"", b"{}", b"\xff", json.dumps({"by": "'; drop table audit --", "roles": [], "why": "audit"}).encode()):
        with pytest.raises(RequestRefused, match="unreadable"):
            await ask("cases-elderly.seen", broken)


async def test_the_breach_form_is_filled_with_who_when_and_what_and_its_deadlines(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    page = (await seen(town, household, page="/center/seen/breach")).text
    for said in ("漏えい等報告", "68条", "おおむね3〜5日", "30日以内", "60日以内", "要配慮個人情報", str(household), "e1", "氏名", "支援経過"):
        assert said in page, said
    assert not [name for name in NAMES if name in page]


async def test_the_month_s_unusual_readings_come_ranked_from_every_desk_and_say_no_name(town: Town, watched: tuple[UUID, str]) -> None:
    household, _ = watched
    cousin = Staff("r9", "合言葉 花江", frozenset({"reception"}))
    async with town.db("intake").transaction() as tx:
        sql = "insert into account values ('r9', '合言葉　花江', '', '{reception}', '{}', null, now(), now(), '見本町', '9001')"
        await tx.execute(text(sql))
        await tx.execute(text("update household set town = '見本町９００１番地３' where id = :h"), {"h": household})
    assert (await town.ask("intake", "GET", f"/intake/households/{household}", cousin)).status_code == 200
    assert (await town.ask("cases-elderly", "GET", f"/d/elderly/households/{household}", POVERTY)).status_code == 403
    month = datetime.now(JST).strftime("%Y-%m")
    answer = await town.ask("cases-center", "GET", f"/center/seen/unusual?month={month}", MANAGER)
    assert answer.status_code == 200, answer.text
    row = next(part for part in answer.text.split("<tr") if ">r9<" in part)
    assert "同じ姓の世帯" in row
    assert "自宅と同じ番地" in row
    assert "見本町" not in answer.text
    assert str(household) in row
    assert "見ようとして断られた" in next(part for part in answer.text.split("<tr") if ">p1<" in part)
    assert "まだ答えていない窓口" not in answer.text
    assert not [name for name in NAMES if name in answer.text]
    assert (await town.ask("cases-center", "GET", "/center/seen/unusual", COORDINATOR)).status_code == 403
    found = await town.rows("notify", "select actor, object_kind from audit where action = 'ask_audit' and object_kind = 'month'")
    assert {row.actor for row in found} == {"m1"}


@pytest.mark.parametrize("typed", [
    {"about": "合言葉 文子"}, {"about": "1' or '1'='1"}, {"about": str(uuid4()), "why": "because"}, {"actor": "合言葉"}, {"first": "R99.99.99"},
    {"first": "今日", "last": "-3"}, {"first": "-9999"},
])  # fmt: skip
async def test_a_question_that_cannot_be_read_is_given_back_and_asks_nobody(town: Town, typed: dict[str, str]) -> None:
    before = await town.rows("notify", "select count(*) as n from audit where action = 'ask_audit'")
    answer = await seen(town, **typed)
    assert answer.status_code == 422
    assert await town.rows("notify", "select count(*) as n from audit where action = 'ask_audit'") == before
