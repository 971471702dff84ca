"""付けまちがえた写しの取消し: 一人が求め、もう一人が確かめる。中身は消え、消したことは残る。"""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.runtime.auth import Staff
from tests.erasing import found_in
from tests.intake.conftest import CASEWORKER, COLLEAGUE, COORDINATOR, MANAGER, RECEPTION, Desk
from tests.intake.papers import pdf, png
from tests.intake.test_consent_scan_at_the_desk import BREAK, OFFICER, OUTREACH, PHRASE, PROTECT, Sheet, happens, written

LIST = "/intake/scan-removals"
SECOND_OFFICER = Staff("d2", "試験 次席", frozenset({"dv_officer"}))
WAITS = "取消しの確認待ち"


@pytest.fixture
async def sheet(desk: Desk) -> Sheet:
    found = await written(desk)
    assert (await found.send(pdf(PHRASE))).status_code == 303
    return found


async def ask(sheet: Sheet, staff: Staff = RECEPTION, **more: str) -> Any:
    (row, *_) = await sheet.kept()
    return await sheet.desk.post(f"{sheet.path}/removals", {"scan_id": str(row.id), "reason": "wrong_person"} | more, staff)


async def removals(sheet: Sheet) -> list[Any]:
    return await sheet.desk.rows("select * from consent_scan_removal order by asked_at, id")


async def settle(sheet: Sheet, what: str, staff: Staff) -> Any:
    (row, *_) = await removals(sheet)
    return await sheet.desk.post(f"{LIST}/{row.id}/{what}", {}, staff)


async def test_until_a_second_confirms_the_scan_stays_and_says_what_it_waits_for(sheet: Sheet) -> None:
    for _ in range(2):
        assert (await ask(sheet)).status_code == 303
    assert (await ask(sheet, COLLEAGUE, reason="unreadable")).status_code == 303
    page = (await sheet.desk.get(sheet.path)).text
    assert WAITS in page
    assert "別の人の紙を付けた" in page
    assert [(row.asked_by, row.state) for row in await removals(sheet)] == [("r1", "waiting")], "one question, however often it is asked"
    assert (await sheet.desk.get(await sheet.only())).content == pdf(PHRASE)


async def test_after_the_confirmation_the_bytes_are_gone_and_the_fact_stays(sheet: Sheet) -> None:
    (scan,) = await sheet.kept()
    await ask(sheet)
    listed = (await sheet.desk.get(LIST, MANAGER)).text
    assert ("見本 文子" in listed, PHRASE in listed) == (True, False)
    said = await sheet.desk.payloads()
    assert (await settle(sheet, "confirm", MANAGER)).status_code == 303
    assert await sheet.kept() == []
    assert await found_in(sheet.desk.db, [PHRASE]) == {}, "in no table at all"
    assert await sheet.desk.payloads() == said, "nobody is told: nobody else ever had it"
    assert (await sheet.desk.get(f"{sheet.path}/{scan.id}")).status_code == 404
    (row,) = await removals(sheet)
    assert (row.consent_id, row.sha256, row.reason, row.asked_by, row.settled_by) == (sheet.consent, scan.sha256, "wrong_person", "r1", "m1")
    page = (await sheet.desk.get(sheet.path)).text
    for word in ("取り消した（中身は消えた）", "別の人の紙を付けた", "試験 受付", "試験 管理", scan.sha256[:12]):
        assert word in page
    audited = await sheet.desk.rows("select actor, action, object_id, purpose from audit where action in ('ask_removal', 'remove') order by at")
    assert [(one.actor, one.action, one.purpose) for one in audited] == [("r1", "ask_removal", "wrong_person"), ("m1", "remove", "wrong_person")]
    assert audited[1].object_id == f"{scan.id} sha256:{scan.sha256}"
    assert "決めるのを待つ取消しはありません" in (await sheet.desk.get(LIST, MANAGER)).text


async def test_who_decides_may_look_at_that_paper_until_it_is_decided(sheet: Sheet) -> None:
    await ask(sheet)
    (row,) = await removals(sheet)
    paper = f"{LIST}/{row.id}/paper"
    assert paper in (await sheet.desk.get(LIST, MANAGER)).text
    answer = await sheet.desk.get(paper, MANAGER)
    assert (answer.status_code, answer.content, answer.headers["cache-control"]) == (200, pdf(PHRASE), "no-store")
    (seen,) = await sheet.desk.rows("select actor, object_id, purpose from audit where action = 'view' and object_kind = 'consent_scan'")
    assert (seen.actor, seen.object_id, seen.purpose) == ("m1", str(row.scan_id), "wrong_person")
    assert (await sheet.desk.get(f"{sheet.path}/{row.scan_id}", MANAGER)).status_code == 403, "no other way to it"
    await settle(sheet, "keep", MANAGER)
    assert (await sheet.desk.get(paper, MANAGER)).status_code == 404


async def test_nobody_confirms_what_the_same_account_asked_for(sheet: Sheet) -> None:
    both = Staff("m1", "試験 管理", frozenset({"manager", "reception"}))
    await ask(sheet, both)
    assert "自分で求めた取消しです" in (await sheet.desk.get(LIST, both)).text
    for what in ("confirm", "keep"):
        answer = await settle(sheet, what, both)
        assert (answer.status_code, "自分で求めた取消しを、自分で決めることはできません" in answer.text) == (403, True)
        assert (await settle(sheet, what, MANAGER)).status_code == 403, "the account decides, not the role it has today"
    assert len(await sheet.kept()) == 1


async def test_a_refused_removal_keeps_the_scan_and_may_be_asked_again(sheet: Sheet) -> None:
    await ask(sheet)
    assert (await settle(sheet, "keep", MANAGER)).status_code == 303
    page = (await sheet.desk.get(sheet.path)).text
    assert (WAITS in page, "取り消さなかった" in page) == (False, True)
    for what in ("confirm", "keep"):
        assert (await settle(sheet, what, MANAGER)).status_code == 409
    assert (await ask(sheet)).status_code == 303
    assert [row.state for row in await removals(sheet)] == ["kept", "waiting"]
    assert len(await sheet.kept()) == 1


async def test_two_who_decide_at_once_are_one_decision(sheet: Sheet) -> None:
    await ask(sheet)
    other = Staff("m2", "試験 次長", frozenset({"manager"}))
    answers = await asyncio.gather(settle(sheet, "confirm", MANAGER), settle(sheet, "keep", other))
    assert sorted(one.status_code for one in answers) == [303, 409]
    (row,) = await removals(sheet)
    assert len(await sheet.kept()) == (1 if row.state == "kept" else 0)


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"reason": ""}, "取り消すわけを選んでください"),
        ({"reason": "<b>"}, "取り消すわけを選んでください"),
        ({"scan_id": "架空"}, "取り消す写しを選んでください"),
    ],
)
async def test_what_is_missing_is_told_at_the_field(sheet: Sheet, form: dict[str, str], sentence: str) -> None:
    answer = await ask(sheet, **form)
    assert (answer.status_code, sentence in answer.text, await removals(sheet)) == (422, True, [])


async def test_a_scan_of_another_consent_cannot_be_named(sheet: Sheet) -> None:
    other = await written(sheet.desk, form_key=str(uuid4()))
    await other.send(png())
    answer = await ask(Sheet(sheet.desk, other.household, other.consent))
    assert (answer.status_code, await removals(sheet)) == (422, [])


@pytest.mark.parametrize("staff", [CASEWORKER, MANAGER, OUTREACH], ids=lambda staff: next(iter(staff.roles)))
async def test_who_does_not_receive_does_not_ask(sheet: Sheet, staff: Staff) -> None:
    assert ((await ask(sheet, staff)).status_code, await removals(sheet)) == (403, [])


@pytest.mark.parametrize("staff", [RECEPTION, COORDINATOR, CASEWORKER, OUTREACH], ids=lambda staff: next(iter(staff.roles)))
async def test_who_is_no_manager_does_not_decide(sheet: Sheet, staff: Staff) -> None:
    await ask(sheet, COLLEAGUE)
    assert {(await settle(sheet, what, staff)).status_code for what in ("confirm", "keep")} == {403}
    assert (await sheet.desk.get(LIST, staff)).status_code == 403
    assert len(await sheet.kept()) == 1


async def test_a_protected_household_is_settled_by_another_officer_and_broken_glass_does_not_help(sheet: Sheet) -> None:
    await happens(sheet, PROTECT)
    assert (await ask(sheet)).status_code == 404
    await ask(sheet, OFFICER)
    assert "決めるのを待つ取消しはありません" in (await sheet.desk.get(LIST, MANAGER)).text
    assert (await settle(sheet, "confirm", MANAGER)).status_code == 404
    (row,) = await removals(sheet)
    assert (await sheet.desk.get(f"{LIST}/{row.id}/paper", MANAGER)).status_code == 404
    assert (await sheet.desk.get(f"{LIST}/{row.id}/paper", SECOND_OFFICER)).content == pdf(PHRASE)
    await happens(sheet, BREAK, text(str(BREAK).replace("'c1'", "'m1'")))
    assert (await ask(sheet, COORDINATOR, reason="unreadable")).status_code == 403
    assert (await settle(sheet, "confirm", MANAGER)).status_code == 403
    assert len(await sheet.kept()) == 1
    assert (await settle(sheet, "confirm", SECOND_OFFICER)).status_code == 303
    assert await sheet.kept() == []


async def test_a_legal_hold_keeps_the_scan_until_it_is_lifted(sheet: Sheet) -> None:
    columns = "hold_id, household_id, reason, placed_on"
    hold = text(f"insert into legal_hold ({columns}) values (gen_random_uuid(), :home, 'dispute', current_date)")
    await ask(sheet)
    await happens(sheet, hold)
    answer = await settle(sheet, "confirm", MANAGER)
    assert (answer.status_code, "消去の停止" in answer.text) == (409, True)
    await happens(sheet, text("update legal_hold set lifted_on = current_date where household_id = :home"))
    assert (await settle(sheet, "confirm", MANAGER)).status_code == 303


async def test_the_record_of_a_removal_goes_with_the_household(sheet: Sheet) -> None:
    await ask(sheet)
    await settle(sheet, "confirm", MANAGER)
    await happens(sheet, text("delete from consent where household_id = :home"))
    assert await removals(sheet) == []
