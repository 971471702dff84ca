"""E2・E3・つなぎ: 受けて、計画して、確かめて、終える。二度押しも、二人同時も、打ちまちがいも。"""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.desk.wareki import short
from tests.outreach.builders import HOUSEHOLD, MOTHER, SON
from tests.outreach.conftest import AYUMU, CENTER, KEI, MEMO, MOTHER_NAME, RECEPTION, TOLD, OutreachDesk, hidden


async def test_the_way_in_leads_to_the_list_and_the_list_says_what_to_do(desk: OutreachDesk) -> None:
    assert (await desk.get("/")).headers["location"] == "/outreach/watch"
    page = (await desk.get("/watch")).text
    assert "見守りはまだありません" in page
    assert "期限切れはありません" in (await desk.get("/watch?show=overdue")).text


async def test_a_referral_is_accepted_with_a_plan_and_exactly_this_is_said(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    assert "氏名を受付に照会中" in (await desk.get("/referrals")).text
    await desk.told_who(event.referral_id)
    page = (await desk.get(f"/referrals/{event.referral_id}/plan")).text
    assert MOTHER_NAME in page
    assert TOLD in page
    plan_id = hidden(page, "plan", "plan_id")
    answer = await desk.send(f"/referrals/{event.referral_id}/accept", version=1, plan_id=plan_id, member_id=MOTHER, tier="B")
    assert answer.headers["location"] == f"/outreach/watch/{plan_id}"
    assert await desk.said() == ["referral.accepted.v1", "watch.planned.v1"]
    assert "返信待ちのつなぎはありません" in (await desk.get("/referrals")).text


async def test_the_second_tap_of_accept_leads_to_the_same_watch(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    form: dict[str, Any] = {"version": 1, "plan_id": uuid4(), "member_id": MOTHER, "tier": "A"}
    first, second = await asyncio.gather(*(desk.send(f"/referrals/{event.referral_id}/accept", **form) for _ in range(2)))
    assert first.headers["location"] == second.headers["location"] == f"/outreach/watch/{form['plan_id']}"
    assert await desk.said() == ["referral.accepted.v1", "watch.planned.v1"]


async def test_two_workers_accept_at_once_and_the_second_is_told_who_was_first(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    form: dict[str, Any] = {"version": 1, "member_id": MOTHER, "tier": "A"}
    both = [desk.send(f"/referrals/{event.referral_id}/accept", who, plan_id=uuid4(), **form) for who in (AYUMU, KEI)]
    first, second = sorted(await asyncio.gather(*both), key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code) == (303, 409)
    assert "さんが先に「受理」" in second.text
    assert len(await desk.rows("select 1 from watch")) == 1


async def test_a_plan_without_a_tier_comes_back_with_what_was_chosen(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    answer = await desk.send(f"/referrals/{event.referral_id}/accept", version=1, plan_id=uuid4(), member_id=SON)
    assert answer.status_code == 422
    assert "段階を選んでください" in answer.text
    assert f'value="{SON}" checked' in answer.text
    assert await desk.said() == []


async def test_declining_needs_a_reason_and_forgets_the_name(desk: OutreachDesk) -> None:
    event = await desk.arrived()
    await desk.told_who(event.referral_id)
    path = f"/referrals/{event.referral_id}"
    asked = await desk.send(path + "/decline", version=1)
    assert (asked.status_code, "不受理の理由を選んでください" in asked.text) == (422, True)
    assert (await desk.send(path + "/hold", version=1)).status_code == 303
    assert (await desk.send(path + "/decline", version=2, reason="no_capacity")).status_code == 303
    assert await desk.said() == ["referral.held.v1", "referral.declined.v1"]
    assert await desk.rows("select 1 from identity") == await desk.rows("select 1 from disclosure") == []


async def test_a_double_tap_is_one_check_in(desk: OutreachDesk) -> None:
    path = await desk.watched()
    form: dict[str, Any] = {"version": 1, "check_in_id": uuid4(), "outcome": "met", "memo": MEMO}
    answers = await asyncio.gather(*(desk.send(f"{path}/check-ins", **form) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {303}
    assert len(await desk.rows("select 1 from check_in")) == 1
    assert (await desk.said())[2:] == ["watch.checked_in.v1"]


async def test_neither_name_nor_memo_nor_reason_leaves_the_desk(desk: OutreachDesk) -> None:
    path = await desk.watched()
    await desk.check_in(path, "met", memo=MEMO)
    assert MEMO in (await desk.get(path)).text
    await desk.send(f"{path}/end", version=2, reason="施設に入所した")
    assert await desk.said() == ["referral.accepted.v1", "watch.planned.v1", "watch.checked_in.v1", "watch.ended.v1"]
    said = await desk.payloads()
    assert not any(word in said for word in (MOTHER_NAME, "模擬原", TOLD, MEMO, "施設", "0558", "見本", "あゆむ"))


async def test_the_page_shows_who_and_when_next_in_japanese_years(desk: OutreachDesk) -> None:
    path = await desk.watched("C")
    (row,) = await desk.rows("select next_due from watch")
    for page in ((await desk.get(path)).text, (await desk.get("/watch")).text):
        assert MOTHER_NAME in page
        assert "モギハラ トミ" in page
        assert "あと31日" in page
        assert f"令和{row.next_due.year - 2018}年" in page
        assert "17:15" in page


async def test_something_alarming_shows_whom_to_call_before_it_is_recorded(desk: OutreachDesk) -> None:
    path = await desk.watched()
    asked = await desk.check_in(path, "alarming", memo=MEMO)
    assert asked.status_code == 422
    assert "119・110・センターへ先に連絡" in asked.text
    assert 'href="tel:119"' in asked.text
    assert MEMO in asked.text
    assert (await desk.check_in(path, "alarming", memo=MEMO, called="1")).status_code == 303
    assert "安否が分かったら、もう一度記録" in (await desk.get(f"{path}?saved=true")).text
    assert "期限切れ" in (await desk.get("/watch?show=overdue")).text


async def test_known_away_asks_until_when_and_keeps_what_was_typed(desk: OutreachDesk) -> None:
    path = await desk.watched()
    asked = await desk.check_in(path, "known_away", memo=MEMO)
    assert (asked.status_code, "いつまで不在か" in asked.text, MEMO in asked.text) == (422, True, True)
    wrong = await desk.check_in(path, "known_away", until="らいしゅう")
    assert (wrong.status_code, "らいしゅう" in wrong.text) == (422, True)
    assert (await desk.check_in(path, "known_away", until="+3")).status_code == 303
    (row,) = await desk.rows("select c.until, w.next_due from check_in c join watch w using (plan_id)")
    assert short(row.next_due) == short(row.until + timedelta(days=1))


async def test_a_check_in_of_the_future_is_refused_at_its_field(desk: OutreachDesk) -> None:
    path = await desk.watched()
    answer = await desk.check_in(path, "met", on="明日", clock="10:00")
    assert (answer.status_code, "これからの時刻は記録できません" in answer.text, "明日" in answer.text) == (422, True, True)


async def test_two_workers_on_the_same_page_the_second_sees_both_records(desk: OutreachDesk) -> None:
    path = await desk.watched()
    first = await desk.send(f"{path}/check-ins", AYUMU, version=1, check_in_id=uuid4(), outcome="absent")
    second = await desk.send(f"{path}/check-ins", KEI, version=1, check_in_id=uuid4(), outcome="met", headers={"hx-request": "true"})
    assert (first.status_code, second.status_code) == (303, 409)
    assert "見本 あゆむさんが先に更新しました" in second.text
    assert "不在（" in second.text
    assert (await desk.said()).count("watch.checked_in.v1") == 1


async def test_ending_forgets_the_name_and_an_ended_watch_takes_nothing_more(desk: OutreachDesk) -> None:
    path = await desk.watched()
    missing = await desk.send(f"{path}/end", version=1)
    assert (missing.status_code, "終える理由を書いてください" in missing.text) == (422, True)
    assert (await desk.send(f"{path}/end", version=1, reason="転出した")).status_code == 303
    assert await desk.rows("select 1 from identity") == []
    assert (await desk.send(f"{path}/check-ins", version=2, check_in_id=uuid4(), outcome="met")).status_code == 409
    assert "転出した" in (await desk.get("/watch?show=ended")).text
    assert MOTHER_NAME not in (await desk.get(path)).text


async def test_somebody_else_of_the_household_is_watched_without_a_new_referral(desk: OutreachDesk) -> None:
    await desk.watched()
    page = (await desk.get(f"/households/{HOUSEHOLD}/plan")).text
    form: dict[str, Any] = {"plan_id": hidden(page, "plan", "plan_id"), "member_id": SON, "tier": "C"}
    answers = [await desk.send(f"/households/{HOUSEHOLD}/plan", **form) for _ in range(2)]
    assert {answer.headers["location"] for answer in answers} == {f"/outreach/watch/{form['plan_id']}"}
    again = await desk.send(f"/households/{HOUSEHOLD}/plan", **form | {"plan_id": uuid4()})
    assert (again.status_code, "もう計画されています" in again.text) == (409, True)
    assert (await desk.said())[1:] == ["watch.planned.v1", "watch.planned.v1"]


async def test_a_change_of_tier_is_said(desk: OutreachDesk) -> None:
    path = await desk.watched("D")
    assert (await desk.send(f"{path}/tier", version=1, tier="A")).status_code == 303
    assert "あと2日" in (await desk.get("/watch")).text
    assert (await desk.said())[2:] == ["watch.planned.v1"]


async def test_the_center_reads_and_does_not_write_and_the_reception_does_neither(desk: OutreachDesk) -> None:
    path = await desk.watched()
    page = await desk.get(path, CENTER)
    assert (page.status_code, "記録する" in page.text) == (200, False)
    assert (await desk.send(f"{path}/check-ins", CENTER, version=1, check_in_id=uuid4(), outcome="met")).status_code == 403
    for where in ("/watch", path, "/referrals"):
        assert (await desk.get(where, RECEPTION)).status_code == 403
    assert (await desk.client.get("/outreach/watch")).headers["location"].startswith("/auth/login")


async def test_looking_and_writing_are_recorded(desk: OutreachDesk) -> None:
    path = await desk.watched()
    await desk.get(path, CENTER)
    await desk.check_in(path, "voice")
    rows = await desk.rows("select actor, action, household_id from audit where household_id is not null order by at, id")
    assert ("center-1", "view", HOUSEHOLD) in [tuple(row) for row in rows]
    assert [row.action for row in rows if row.action not in ("view", "list")] == ["accept", "plan", "check_in"]


async def test_the_filters_show_what_is_late_and_what_is_due_today(desk: OutreachDesk) -> None:
    path = await desk.watched("A")
    assert "今日が期限の見守りはありません" in (await desk.get("/watch?show=today")).text
    async with desk.db.transaction() as tx:
        await tx.execute(text("update watch set next_due = now() - interval '50 hours'"))
    late = (await desk.get("/watch?show=overdue")).text
    assert path in late
    assert "日超過" in late


@pytest.mark.parametrize("path", ["/watch/", "/referrals/"])
async def test_what_is_not_there_is_said_in_japanese(desk: OutreachDesk, path: str) -> None:
    answer = await desk.get(f"{path}{uuid4()}" + ("/plan" if "referrals" in path else ""))
    assert (answer.status_code, "見つかりません" in answer.text) == (404, True)
