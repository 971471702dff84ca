"""B2 受付簿と一つの受付: つなぎの返事、訂正、取消、だれが読めるか。"""

import asyncio
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from services.intake.handlers import handlers
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consultation import ConsultationWithdrawn
from shared.contracts.event import LegalBasis
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralDeclined, ReferralHeld, ReferralMade
from tests.intake.conftest import CASEWORKER, COLLEAGUE, MANAGER, Desk, sheet
from tests.intake.test_reception import MOTHER_AND_SON


async def hear(desk: Desk, event: Any, source: str = "cases-elderly") -> None:
    for handler in handlers.events[event.type_name()]:
        async with desk.db.transaction() as tx:
            await handler(tx, event, SimpleNamespace(source=source))  # type: ignore[arg-type]


async def answer(desk: Desk, kind: Any, to: str, **more: Any) -> None:
    made = next(event for event in await desk.said() if isinstance(event, ReferralMade) and event.to == to)
    await hear(desk, kind(household_id=made.household_id, legal_basis=made.legal_basis, referral_id=made.referral_id, **more), source=to)


async def test_todays_list_shows_who_where_and_how_urgent(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON))
    page = (await desk.get("/intake/")).text
    for shown in ("R8-0001", "見本 文子", "修善寺", "ひきこもり・不登校", "高齢の窓口：返事待ち", "くらしの窓口：返事待ち"):
        assert shown in page


async def test_an_empty_day_says_what_to_do_next(desk: Desk) -> None:
    assert "本日の受付はまだありません。n キーで新しく受け付けます。" in (await desk.get("/intake/")).text


async def test_answers_of_the_desks_are_seen(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON))
    on = (await desk.said())[-1].made_on
    await answer(desk, ReferralAccepted, "cases-elderly", accepted_on=on)
    await answer(desk, ReferralHeld, "cases-poverty", held_on=on)
    page = (await desk.get("/intake/")).text
    assert "高齢の窓口：受理" in page
    assert "くらしの窓口：保留" in page
    await answer(desk, ReferralDeclined, "cases-poverty", reason=DeclineReason.NO_CAPACITY, declined_on=on)
    assert "不受理あり" in (await desk.get("/intake/")).text
    record = (await desk.get(f"/intake/consultations/{await only(desk)}")).text
    assert "受けられる体制がない" in record


async def test_only_the_desk_a_referral_names_answers_it(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(refer_to="cases-elderly"))
    made = (await desk.said())[-1]
    accepted = ReferralAccepted(household_id=made.household_id, legal_basis=made.legal_basis, referral_id=made.referral_id, accepted_on=made.made_on)
    await hear(desk, accepted, source="cases-poverty")
    assert [row.status for row in await desk.rows("select status from referral")] == ["made"]
    assert await desk.rows("select 1 from early_answer") == []
    await hear(desk, accepted, source="cases-elderly")
    assert [row.status for row in await desk.rows("select status from referral")] == ["accepted"]


async def test_a_corrected_consent_takes_the_place_of_the_one_told_before(desk: Desk) -> None:
    one = await desk.take(consent="given")
    for version, consent in (("1", "refused"), ("2", "given")):
        await desk.post(f"/intake/consultations/{one}/correct", {"version": version, "text": "内容", "urgency": "C", "consent": consent})
    told = [event for event in await desk.said() if isinstance(event, FactRecorded) and event.kind == "consent"]
    assert [event.value for event in told] == ["given", "refused", "given"]
    assert [event.supersedes for event in told] == [None, told[0].fact_id, told[1].fact_id]
    live = await desk.rows("select id from fact where kind = 'consent' and retracted_at is null")
    assert [row.id for row in live] == [told[2].fact_id]


async def test_a_later_referral_of_the_family_does_not_rest_on_the_consent_of_one(desk: Desk) -> None:
    one = await desk.take(**MOTHER_AND_SON | {"consent": "given", "refer_to": []})
    await desk.post(f"/intake/consultations/{one}/referrals", {"refer_to": "cases-poverty"})
    made = (await desk.said())[-1]
    assert isinstance(made, ReferralMade)
    assert (len(made.member_ids), made.legal_basis) == (2, LegalBasis.INTERNAL_69_2_2)


async def only(desk: Desk) -> UUID:
    found: UUID = (await desk.rows("select id from consultation"))[0].id
    return found


async def test_the_list_is_narrowed_by_period_and_state(desk: Desk) -> None:
    await desk.take()
    assert "R8-0001" in (await desk.get("/intake/?since=-30&until=今日")).text
    assert "この条件の受付はありません" in (await desk.get("/intake/?since=-30&until=-3")).text
    assert "この条件の受付はありません" in (await desk.get("/intake/?state=accepted")).text
    assert "日付として読めません" in (await desk.get("/intake/?since=いつか")).text
    assert (await desk.get("/intake/?page=999999&state=none")).status_code == 422


CONTENT = {"version": "1", "text": "書き直した内容", "topics": ["12"], "main_topic": "", "urgency": "B", "consent": "not_asked"}


async def test_a_correction_keeps_the_old_text(desk: Desk) -> None:
    one = await desk.take(text="初めの内容")
    answer = await desk.post(f"/intake/consultations/{one}/correct", CONTENT)
    assert answer.status_code == 303
    page = (await desk.get(f"/intake/consultations/{one}")).text
    assert "書き直した内容" in page
    assert "訂正の前の内容" in page
    assert "初めの内容" in page


async def test_the_second_to_save_sees_both_texts_and_loses_nothing(desk: Desk) -> None:
    one = await desk.take(text="初めの内容")
    path = f"/intake/consultations/{one}/correct"
    answers = await asyncio.gather(desk.post(path, CONTENT | {"text": "甲の訂正"}), desk.post(path, CONTENT | {"text": "乙の訂正"}, COLLEAGUE))
    assert sorted(answer.status_code for answer in answers) == [303, 409]
    conflict = next(answer.text for answer in answers if answer.status_code == 409)
    assert "さんが先に更新しました" in conflict
    assert "甲の訂正" in conflict
    assert "乙の訂正" in conflict
    assert '<input type="hidden" name="version" value="2">' in conflict
    again = await desk.post(path, CONTENT | {"text": "見比べた内容", "version": "2"})
    assert again.status_code == 303


async def test_a_correction_that_cannot_be_read_keeps_what_was_typed(desk: Desk) -> None:
    one = await desk.take()
    for wrong in ({"text": ""}, {"topics": ["77"]}, {"urgency": "Z"}, {"consent": ""}, {"text": "長" * 10_001}):
        answer = await desk.post(f"/intake/consultations/{one}/correct", CONTENT | wrong)
        assert answer.status_code == 422
        assert "入力を確かめてください" in answer.text
    assert (await desk.rows("select version from consultation"))[0].version == 1


async def test_consent_given_later_is_told(desk: Desk) -> None:
    one = await desk.take()
    await desk.post(f"/intake/consultations/{one}/correct", CONTENT | {"consent": "given"})
    event = (await desk.said())[-1]
    assert isinstance(event, FactRecorded)
    assert (event.kind, event.value) == ("consent", "given")


async def test_withdrawing_tells_it_and_takes_back_the_facts(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON))
    one = await only(desk)
    answer = await desk.post(f"/intake/consultations/{one}/withdraw", {"reason": "duplicate", "note": "同じ日に二度"})
    assert answer.status_code == 303
    said = await desk.said()
    assert isinstance(said[-5], ConsultationWithdrawn)
    assert [type(event) for event in said[-4:]] == [FactRetracted] * 4
    assert "この受付は取り消されています" in (await desk.get(f"/intake/consultations/{one}")).text
    assert "取消" in (await desk.get("/intake/")).text
    again = await desk.post(f"/intake/consultations/{one}/withdraw", {"reason": "mistake"})
    assert again.status_code == 409
    assert "同じ日に二度" not in await desk.payloads()


async def test_withdrawing_asks_for_a_reason(desk: Desk) -> None:
    one = await desk.take()
    answer = await desk.post(f"/intake/consultations/{one}/withdraw", {"reason": ""})
    assert answer.status_code == 422
    assert "取り消す理由を選んでください" in answer.text


async def test_a_referral_can_be_made_later(desk: Desk) -> None:
    one = await desk.take(employment="not_seeking")
    answer = await desk.post(f"/intake/consultations/{one}/referrals", {"refer_to": "cases-poverty"})
    assert answer.status_code == 303
    made = (await desk.said())[-1]
    assert isinstance(made, ReferralMade)
    assert (made.to, made.consultation_id, made.legal_basis) == ("cases-poverty", one, LegalBasis.INTERNAL_69_2_2)
    assert len(made.member_ids) == 1
    refused = await desk.post(f"/intake/consultations/{one}/referrals", {"refer_to": "cases-none"})
    assert refused.status_code == 422


async def test_a_referral_heard_twice_is_one(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(refer_to="cases-elderly"))
    made = (await desk.said())[-1]

    class Envelope:
        source = "cases-elderly"

    for _ in range(2):
        async with desk.db.transaction() as tx:
            await handlers.events[ReferralMade.type_name()][0](tx, made, Envelope())  # type: ignore[arg-type]
    assert len(await desk.rows("select 1 from referral")) == 1


async def test_reading_is_recorded(desk: Desk) -> None:
    one = await desk.take()
    await desk.get(f"/intake/consultations/{one}", COLLEAGUE)
    await desk.get("/intake/", COLLEAGUE)
    rows = await desk.rows("select action, object_kind, object_id from audit where actor = 'r2' order by id")
    assert [tuple(row) for row in rows] == [("view", "consultation", str(one)), ("list", "consultation", "R8-0001")]


async def test_a_manager_reads_the_register_and_changes_nothing(desk: Desk) -> None:
    one = await desk.take()
    assert (await desk.get("/intake/", MANAGER)).status_code == 200
    assert (await desk.post(f"/intake/consultations/{one}/correct", CONTENT, MANAGER)).status_code == 403
    assert (await desk.get("/intake/", CASEWORKER)).status_code == 403


async def test_what_does_not_exist_is_not_found(desk: Desk) -> None:
    assert (await desk.get(f"/intake/consultations/{uuid4()}")).status_code == 404
    assert (await desk.post(f"/intake/consultations/{uuid4()}/correct", CONTENT)).status_code == 404
