"""撤回を聞いた窓口: 同意だけで持っていた写しを消し、ほかの根拠のあるものは残し、受領を一度だけ返す。"""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text

from services.cases.casework import identity
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn
from shared.contracts.disclosure import Disclosure
from shared.contracts.event import LegalBasis, MemberId, ReferralId
from shared.messaging import Timer
from shared.runtime.auth import Staff
from tests.cases.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.cases.desk import MOTHER_NAME, NOGUCHI, SON_NAME, DeskUnderTest, disclosed
from tests.cases.test_consent import agreed_to, ground, names, said

ANNOUNCED = text(
    "insert into announced_unit (unit, title, base, accepts_referrals, navigation, version, announced_at) "
    "values (:unit, :unit, '/' || :unit, true, '[]', '1', now()) on conflict do nothing"
)
ABUSE, INTERNAL = LegalBasis.ABUSE_ELDER, LegalBasis.INTERNAL_69_2_2


def withdrawn(member: MemberId = MOTHER, *recipients: str, **changes: Any) -> ConsentWithdrawn:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": INTERNAL, "withdrawal_id": uuid4(), "consent_id": uuid4(), "member_id": member,
        "recipients": recipients or ("cases-elderly",), "withdrawn_on": TODAY + timedelta(days=1), "reason": "person_asked",
    }  # fmt: skip
    return ConsentWithdrawn(**values | changes)


def given(member: MemberId = MOTHER, until: date = TODAY + timedelta(days=364), **changes: Any) -> ConsentGiven:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": "CONSENT", "consent_id": uuid4(), "member_id": member, "purposes": ("consultation",),
        "recipients": ("cases-elderly",), "form": "written", "valid_from": TODAY, "valid_to": until,
    }  # fmt: skip
    return ConsentGiven(**values | changes)


async def receipts(desk: DeskUnderTest) -> list[dict[str, Any]]:
    sql = "select convert_from(payload, 'UTF8') as body from outbox where channel = 'receipt' order by pos"
    return [json.loads(row.body) for row in await desk.rows(sql)]


async def told(desk: DeskUnderTest) -> list[Any]:
    return await desk.rows("select 1 from disclosure where address is not null or consultation_text is not null")


async def test_what_rested_on_the_consent_is_removed_and_one_receipt_says_how_much(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    gone = withdrawn()
    await elderly.hear(gone, times=2)
    assert (await names(elderly), await told(elderly)) == (0, [])
    assert MOTHER_NAME not in (await elderly.get(case)).text
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")
    (receipt,) = await receipts(elderly)
    assert receipt["withdrawal_id"] == str(gone.withdrawal_id)
    assert (receipt["removed"], receipt["kept_under"]) == (4, ["CASE_RECORD"])  # two names, the address, what was told


async def test_a_case_opened_after_the_withdrawal_does_not_stand_on_the_consent(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.hear(withdrawn())
    board = (await elderly.get("/")).text
    assert "氏名の照会は受付に断られました" in board
    assert "照会中" not in board
    await elderly.accepted(event.referral_id)
    assert await ground(elderly) == ("refused", "INTERNAL_69_2_2")
    (opened,) = await elderly.rows("select convert_from(payload, 'UTF8') as body from outbox where channel = 'case' order by pos")
    assert json.loads(opened.body)["legal_basis"] == "INTERNAL_69_2_2"


async def test_a_withdrawal_that_names_others_is_not_ours(elderly: DeskUnderTest) -> None:
    await agreed_to(elderly)
    await elderly.hear(withdrawn(MOTHER, "cases-poverty"))
    assert (await names(elderly), await receipts(elderly)) == (2, [])


async def test_a_desk_that_knows_nothing_of_them_answers_with_nothing_removed(elderly: DeskUnderTest) -> None:
    await elderly.hear(withdrawn())
    (receipt,) = await receipts(elderly)
    assert (receipt["removed"], receipt["kept_under"]) == (0, [])


async def test_an_abuse_report_keeps_the_names_and_says_so_and_is_asked_again_on_that_ground(elderly: DeskUnderTest) -> None:
    report = made(legal_basis=ABUSE)
    await elderly.hear_family()
    await elderly.hear(report)
    await elderly.accepted(report.referral_id)
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    await elderly.hear(withdrawn())
    assert await names(elderly) == 2
    assert (await receipts(elderly))[0]["kept_under"] == ["ABUSE_ELDER", "CASE_RECORD"]
    await elderly.hear(said("refused", SON, as_of=TODAY + timedelta(days=2)))
    rows = await elderly.rows("select payload::text as payload from intent order by created_at desc limit 2")
    assert all("ABUSE_ELDER" in row.payload for row in rows)


async def test_names_do_not_come_back_on_internal_use_after_the_case_itself_moved_to_it(elderly: DeskUnderTest) -> None:
    """A caseworker records the withdrawal first: the case is on internal use by the time intake's own word arrives."""
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    fact = {"fact_id": uuid4(), "member_id": MOTHER, "kind": "consent", "value": "withdrawn", "since": "", "as_of": "今日", "confidence": "confirmed",
            "legal_basis": "INTERNAL_69_2_2", "evidence": ""}  # fmt: skip
    assert (await elderly.send(f"{case}/facts", **fact)).status_code == 303
    await elderly.hear(withdrawn(withdrawal_id=fact["fact_id"]))
    assert await names(elderly) == 0
    assert (await receipts(elderly))[0]["kept_under"] == ["CASE_RECORD"]


async def test_an_answer_that_was_on_its_way_brings_nothing_back(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.hear(withdrawn())
    await elderly.told_who(event.referral_id)
    assert [row.name for row in await elderly.rows("select name from identity")] == [SON_NAME]  # his own answer, on his own consent
    assert not await elderly.rows("select 1 from disclosure where consultation_text is not null")


async def test_the_other_member_stays_on_a_consent_of_his_own(elderly: DeskUnderTest) -> None:
    await agreed_to(elderly)
    await elderly.hear(given(SON))
    await elderly.hear(withdrawn())
    assert [row.name for row in await elderly.rows("select name from identity")] == [SON_NAME]
    assert not await elderly.rows("select 1 from disclosure where consultation_text is not null")


async def test_facts_that_were_told_on_the_consent_are_taken_back_from_everybody(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    about = {"since": "", "as_of": "今日", "confidence": "confirmed", "evidence": "", "kind": "dementia", "value": "suspected"}
    await elderly.hear(given(SON))
    for member, basis in ((MOTHER, "CONSENT"), (SON, "INTERNAL_69_2_2")):
        sent = await elderly.send(f"{case}/facts", fact_id=uuid4(), member_id=member, legal_basis=basis, **about)
        assert sent.status_code == 303, sent.text
    await elderly.hear(withdrawn(), times=2)
    assert [row.member_id for row in await elderly.rows("select member_id from fact where is_current")] == [SON]
    assert (await elderly.said()).count("fact.retracted.v1") == 1
    again = await elderly.send(f"{case}/facts", fact_id=uuid4(), member_id=MOTHER, legal_basis="CONSENT", **about)
    assert (again.status_code, "同意を得て" in again.text) == (422, True)


async def test_a_consent_given_again_after_the_withdrawal_stands(elderly: DeskUnderTest) -> None:
    await agreed_to(elderly)
    await elderly.hear(given(valid_from=TODAY + timedelta(days=2)))
    await elderly.hear(withdrawn())
    assert await names(elderly) == 2
    assert (await receipts(elderly))[0]["kept_under"] == ["CONSENT"]


async def ends(desk: DeskUnderTest, at: datetime) -> None:
    (row,) = await desk.rows("select kind, key, due_at, household from timer where kind = 'consent_ends'")
    async with desk.db.transaction(at) as tx:
        await desk.handlers.timers["consent_ends"](tx, Timer(row.kind, row.key, row.due_at, row.household))


async def test_when_a_consent_ends_by_its_date_the_copies_go_without_anybody_being_asked(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    await elderly.hear(given(until=TODAY + timedelta(days=9)))
    (row,) = await elderly.rows("select due_at from timer where kind = 'consent_ends'")
    assert row.due_at == datetime(2026, 12, 2, 15, tzinfo=UTC)  # midnight in Japan after the last day
    await ends(elderly, row.due_at)
    assert (await names(elderly), await told(elderly)) == (0, [])
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")


async def test_a_consent_that_was_taken_again_in_time_keeps_the_copies(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    first = given(until=TODAY + timedelta(days=9))
    await elderly.hear(first)
    await elderly.hear(made(consent="given", legal_basis="CONSENT", made_on=TODAY + timedelta(days=1)))  # a word without a period changes no date
    await ends(elderly, datetime(2026, 12, 1, tzinfo=UTC))
    assert await names(elderly) == 2
    await elderly.hear(given(until=TODAY + timedelta(days=400), valid_from=TODAY + timedelta(days=3), consent_id=first.consent_id))
    await elderly.hear(given(until=TODAY + timedelta(days=400), valid_from=TODAY + timedelta(days=3)))
    async with elderly.db.transaction(datetime(2026, 12, 3, tzinfo=UTC)) as tx:
        await elderly.handlers.timers["consent_ends"](tx, Timer("consent_ends", str(first.consent_id), tx.now, HOUSEHOLD))
    assert await names(elderly) == 2


async def test_a_narrower_answer_takes_the_place_of_the_wider_one(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    whole = disclosed()
    mother = whole.members[0].model_copy(update={"phone": None, "birth": None})
    narrow = whole.model_copy(update={"members": (mother,), "address": None, "consultation_text": None})
    await _kept(elderly, event.referral_id, narrow)
    (row,) = await elderly.rows("select name, phone, birth from identity")
    assert (row.name, row.phone, row.birth) == (MOTHER_NAME, None, None)
    assert await told(elderly) == []


async def _kept(desk: DeskUnderTest, referral_id: UUID, answer: Disclosure) -> None:
    async with desk.db.transaction() as tx:
        await identity.COPIES.keep(tx, ReferralId(referral_id), answer)


async def test_no_receipt_and_no_event_holds_a_name(elderly: DeskUnderTest) -> None:
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    await elderly.hear(withdrawn())
    assert not [word for word in (MOTHER_NAME, SON_NAME, "見本町", "0558") if word in await elderly.payloads()]


async def test_a_consent_that_names_its_recipients_carries_no_referral_to_another(elderly: DeskUnderTest) -> None:
    async with elderly.db.transaction() as tx:
        for unit in ("cases-poverty", "cases-center"):
            await tx.execute(ANNOUNCED, {"unit": unit})
    event = await agreed_to(elderly)
    case = await elderly.accepted(event.referral_id)
    await elderly.hear(given(recipients=("cases-elderly", "cases-poverty"), valid_from=TODAY + timedelta(days=1)))
    form: dict[str, Any] = {"topics": ["12"], "urgency": "C", "legal_basis": "CONSENT"}
    refused = await elderly.send(f"{case}/referrals", referral_id=uuid4(), to="cases-center", **form)
    assert (refused.status_code, "同意を得て" in refused.text) == (422, True)
    assert (await elderly.send(f"{case}/referrals", referral_id=uuid4(), to="cases-poverty", **form)).status_code == 303
    internal = form | {"legal_basis": "INTERNAL_69_2_2"}
    assert (await elderly.send(f"{case}/referrals", referral_id=uuid4(), to="cases-center", **internal)).status_code == 303
    sent = {row.to_unit: row.consent for row in await elderly.rows("select to_unit, consent from referral where from_unit = 'cases-elderly'")}
    assert sent == {"cases-poverty": "given", "cases-center": "not_asked"}


HARM = "架空の学校にも守秘の義務がある"


async def test_giving_to_another_office_needs_the_check_for_harm_and_its_reason_and_keeps_them(desks: Any) -> None:
    children = await desks("cases-children")
    staff = Staff("kodomo", "試験 子", frozenset({"caseworker"}), frozenset({"children"}))
    event = made(to="cases-children")
    await children.hear_family()
    await children.hear(event)
    case = await children.accepted(event.referral_id, staff)
    fact: dict[str, Any] = {"member_id": MOTHER, "kind": "consent", "value": "refused", "since": "", "as_of": "今日", "confidence": "confirmed",
                            "evidence": "", "legal_basis": "EXTERNAL_69_2_3"}  # fmt: skip
    refused = await children.send(f"{case}/facts", staff, fact_id=uuid4(), **fact)
    assert (refused.status_code, "おそれがないことを確かめ" in refused.text) == (422, True)
    ticked = await children.send(f"{case}/facts", staff, fact_id=uuid4(), harm_checked="1", harm_note="　 ", **fact)
    assert (ticked.status_code, "おそれがないと考えたわけを" in ticked.text) == (422, True), "a tick alone is no check"
    unticked = await children.send(f"{case}/facts", staff, fact_id=uuid4(), harm_note=HARM, **fact)
    assert (unticked.status_code, HARM in unticked.text) == (422, True), "what was written is not lost"
    assert (await children.send(f"{case}/facts", staff, fact_id=uuid4(), harm_checked="1", harm_note=HARM, **fact)).status_code == 303
    async with children.db.transaction() as tx:
        await tx.execute(ANNOUNCED, {"unit": "cases-center"})
    refer: dict[str, Any] = {"to": "cases-center", "topics": ["12"], "urgency": "C", "legal_basis": "EXTERNAL_69_2_3", "harm_checked": "1"}
    assert (await children.send(f"{case}/referrals", staff, referral_id=uuid4(), **refer)).status_code == 422
    assert (await children.send(f"{case}/referrals", staff, referral_id=uuid4(), harm_note=HARM, **refer)).status_code == 303
    for kept in ("fact", "referral"):
        assert (True, HARM) in await children.rows(f"select harm_checked, harm_note from {kept}"), kept
    said = await children.rows("select convert_from(payload, 'UTF8') as payload, headers::text from outbox")
    assert not any("架空の学校" in row.payload + row.headers for row in said), "the words stay in the unit"
    for tab in ("facts", "referrals"):
        assert HARM in (await children.get(f"{case}?tab={tab}", staff)).text
        of_the_center = await children.get(f"{case}?tab={tab}", NOGUCHI)
        assert (of_the_center.status_code, HARM in of_the_center.text) == (200, False)
