"""受付 B1 through the real app and a real database: one save, one transaction, exactly these events."""

import asyncio
import re
from uuid import uuid4

from services.intake.receipt_number import fiscal_year
from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState, ConsultationReceived, Urgency
from shared.contracts.event import LegalBasis
from shared.contracts.household import HouseholdRegistered, MemberJoined, MemberRole
from shared.contracts.referral import ReferralMade
from tests.intake.conftest import CASEWORKER, Desk, sheet

MOTHER_AND_SON = {
    "name": "見本 文子",
    "kana": "みほん ふみこ",
    "birth": "S18.4.1",
    "sex": "2",
    "role": "head",
    "area": "SHUZENJI",
    "town": "架空町9001",
    "phone": "0558-00-0001",
    "care_level": "care2",
    "key_person": "lost",
    "member-0-role": "child",
    "member-0-name": "見本 健一",
    "member-0-age": "53",
    "member-0-withdrawn": "3",
    "member-0-employment": "not_seeking",
    "topics": ["12", "13"],
    "main_topic": "13",
    "refer_to": ["cases-elderly", "cases-poverty"],
    "text": "長男が八年ほど外に出ていない。年金で暮らしている。",
}


async def test_one_save_says_exactly_the_household_the_consultation_the_facts_and_the_referrals(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(**MOTHER_AND_SON))
    assert answer.status_code == 201
    said = await desk.said()
    kinds = [type(event) for event in said]
    assert kinds == [HouseholdRegistered, MemberJoined, MemberJoined, ConsultationReceived] + [FactRecorded] * 4 + [ReferralMade] * 2
    assert len({event.household_id for event in said}) == 1
    assert {event.legal_basis for event in said} == {LegalBasis.INTERNAL_69_2_2}


async def test_the_events_carry_the_codes_that_were_ticked(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON))
    _, mother, son, received, *rest = await desk.said()
    assert (mother.role, mother.birth_month) == (MemberRole.HEAD, "1943-04")
    assert son.role is MemberRole.CHILD
    assert (received.topics, received.main_topic, received.urgency) == (("12", "13"), "13", Urgency.C)
    facts = {(f.kind, f.value, f.member_id) for f in rest if isinstance(f, FactRecorded)}
    assert facts == {
        ("care_level", "care2", mother.member_id), ("withdrawn", "3", son.member_id), ("employment", "not_seeking", son.member_id),
        ("key_person", "lost", None),
    }  # fmt: skip
    referrals = [event for event in rest if isinstance(event, ReferralMade)]
    assert [event.to for event in referrals] == ["cases-elderly", "cases-poverty"]
    assert all(event.member_ids == (mother.member_id, son.member_id) for event in referrals)
    assert all(event.receipt_no == received.receipt_no for event in referrals)


async def test_no_name_place_phone_or_sentence_leaves_intake(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(**MOTHER_AND_SON, visitor_name="架空 太郎", visitor_relation="長女の夫"))
    everything = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", await desk.payloads())  # one in a thousand ids holds 9001
    for word in ("見本", "文子", "健一", "ミホン", "架空", "0558", "9001", "長男", "年金", "1943-04-01", "太郎"):
        assert word not in everything


async def test_consent_given_is_the_ground_of_every_event(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(consent="given", refer_to="cases-elderly"))
    said = await desk.said()
    assert {event.legal_basis for event in said} == {LegalBasis.CONSENT}
    assert isinstance(said[-1], ReferralMade)
    assert said[-1].consent is ConsentState.GIVEN


async def test_a_double_click_is_one_consultation_with_one_number(desk: Desk) -> None:
    form = sheet()
    answers = await asyncio.gather(*(desk.post("/intake/new", form) for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    numbers = [row.receipt_no for row in await desk.rows("select receipt_no from consultation")]
    assert len(numbers) == 1
    assert all(f"受付番号 {numbers[0]} で保存しました" in answer.text for answer in answers)
    assert len(await desk.rows("select 1 from household")) == 1


async def test_what_was_added_before_a_resend_is_neither_saved_twice_nor_lost(desk: Desk) -> None:
    """The answer of the first save was lost; the desk went on typing and pressed again."""
    form = sheet(text="初めの文章")
    await desk.post("/intake/new", form)
    added = form | {"text": "初めの文章。あとから書き足した。", "member-0-name": "見本 健一"}
    answer = await desk.post("/intake/new", added, htmx=True)
    assert answer.status_code == 422
    saved = (await desk.rows("select id, text from consultation"))[0]
    said = "この受付は受付番号 R8-0001 ですでに保存されています。書き足した内容はまだ保存されていません。受付を開いて訂正してください。"
    for shown in (said, f'href="/intake/consultations/{saved.id}"', "あとから書き足した。", "見本 健一", form["form_key"]):
        assert shown in answer.text
    assert "<html" not in answer.text
    assert (len(await desk.rows("select 1 from consultation")), saved.text) == (1, "初めの文章")
    again = (await desk.get("/intake/new")).text
    assert "あとから書き足した。" in again
    assert said in again


async def test_something_added_that_cannot_be_read_is_kept_as_well(desk: Desk) -> None:
    form = sheet()
    await desk.post("/intake/new", form)
    answer = await desk.post("/intake/new", form | {"birth": "S18.2.30"})
    assert answer.status_code == 422
    assert "ですでに保存されています" in answer.text
    assert "S18.2.30" in answer.text


async def test_concurrent_receipts_are_unique_and_without_gaps(desk: Desk) -> None:
    good = [desk.post("/intake/new", sheet()) for _ in range(12)]
    refused = [desk.post("/intake/new", sheet(text="")) for _ in range(4)]
    await asyncio.gather(*good, *refused)
    numbers = sorted(row.receipt_no for row in await desk.rows("select receipt_no from consultation"))
    year = numbers[0].split("-")[0]
    assert numbers == [f"{year}-{n:04d}" for n in range(1, 13)]


async def test_the_number_belongs_to_the_fiscal_year(desk: Desk) -> None:
    await desk.take()
    row = (await desk.rows("select receipt_no, received_at from consultation"))[0]
    assert row.receipt_no == f"R{fiscal_year(row.received_at) - 2018}-0001"


async def test_the_next_form_is_blank_and_keeps_the_route(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(route="5"))
    assert "で保存しました" in answer.text
    assert '<option value="5" selected>' in answer.text
    assert "架空 花子" not in answer.text


async def test_htmx_is_sent_on_to_the_blank_form_with_the_number(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(), htmx=True)
    assert answer.status_code == 204
    page = await desk.get(answer.headers["hx-redirect"])
    assert "受付番号 R" in page.text


async def test_a_mistake_keeps_everything_typed_and_says_what_to_do_at_the_field(desk: Desk) -> None:
    form = sheet(birth="S18.2.30", kana="高橋", text="相談の文章", **{"member-3-name": "架空 次郎😀", "member-3-role": "child"})
    answer = await desk.post("/intake/new", form)
    assert answer.status_code == 422
    for typed in ("S18.2.30", "相談の文章", "架空 次郎😀", form["form_key"]):
        assert typed in answer.text
    assert "2月30日という日はありません" in answer.text
    assert "フリガナはカタカナかひらがなで入れてください" in answer.text
    assert 'href="#f-member-0-name"' in answer.text
    assert 'id="f-member-0-name"' in answer.text
    assert await desk.rows("select 1 from consultation") == []
    assert await desk.said() == []


async def test_urgency_a_asks_once_for_confirmation(desk: Desk) -> None:
    form = sheet(urgency="A")
    assert "確かめた」に印" in (await desk.post("/intake/new", form)).text
    assert (await desk.post("/intake/new", form | {"urgency_confirmed": "1"})).status_code == 201


async def test_a_referral_waits_for_its_answer_as_long_as_the_urgency_allows(desk: Desk) -> None:
    await desk.post("/intake/new", sheet(urgency="A", urgency_confirmed="1", refer_to="cases-elderly"))
    made = (await desk.said())[-1]
    assert isinstance(made, ReferralMade)
    assert made.reply_due == made.made_on


async def test_linking_adds_only_the_people_who_are_new(desk: Desk) -> None:
    await desk.take(name="見本 文子", kana="ミホン フミコ", birth="S18.4.1")
    home = (await desk.rows("select id from household"))[0].id
    await desk.take(name="見本　文子", kana="みほん ふみこ", household_id=str(home), **{"member-0-name": "見本 健一", "member-0-role": "child"})
    assert len(await desk.rows("select 1 from household")) == 1
    names = [row.name for row in await desk.rows("select name from member order by joined_on, name desc")]
    assert sorted(names) == ["見本 健一", "見本 文子"]
    joined = [event for event in await desk.said() if isinstance(event, MemberJoined)]
    assert len(joined) == 2


async def test_a_household_that_is_gone_is_said_at_the_form(desk: Desk) -> None:
    answer = await desk.post("/intake/new", sheet(household_id=str(uuid4())))
    assert answer.status_code == 422
    assert "つなぐ世帯が見つかりません" in answer.text


async def test_without_a_sign_in_nobody_comes_in(desk: Desk) -> None:
    page = await desk.get("/intake/new", None)
    assert page.status_code == 303
    assert page.headers["location"].startswith("/auth/login?next=/intake/new")
    assert (await desk.post("/intake/_part/candidates", {}, None, htmx=True)).status_code == 401


async def test_a_caseworker_cannot_take_a_consultation(desk: Desk) -> None:
    for answer in (await desk.get("/intake/new", CASEWORKER), await desk.post("/intake/new", sheet(), CASEWORKER)):
        assert answer.status_code == 403
        assert "所属の管理者" in answer.text
    assert await desk.rows("select 1 from consultation") == []


async def test_taking_a_consultation_is_in_the_audit_without_a_name(desk: Desk) -> None:
    consultation = await desk.take()
    rows = await desk.rows("select actor, action, object_id from audit")
    assert ("r1", "create", str(consultation)) in [(row.actor, row.action, row.object_id) for row in rows]
    assert not any("花子" in row.object_id for row in rows)
