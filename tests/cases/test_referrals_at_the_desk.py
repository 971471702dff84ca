"""C1・C7: つなぎが届き、返事をする。二人が同時に押しても受理は一度。"""

import asyncio
from uuid import uuid4

import pytest

from shared.contracts.consultation import ConsultationWithdrawn
from shared.contracts.event import LegalBasis
from shared.contracts.referral import DeclineReason, ReferralAccepted, ReferralMade
from tests.cases.builders import HOUSEHOLD, TODAY, made
from tests.cases.desk import ITO, MOTHER_NAME, SATO, TOLD, DeskUnderTest


async def arrived(desk: DeskUnderTest, **changes: object) -> ReferralMade:
    event = made(to=desk.code, **changes)
    await desk.hear_family()
    await desk.hear(event)
    return event


async def test_an_arrived_referral_stands_at_the_top_and_its_name_is_being_asked(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    page = (await elderly.get("/")).text
    assert "届いたつなぎ 1件" in page
    assert "氏名を受付に照会中" in page
    assert "82歳ごろ" in page
    assert "介護のこと" in page
    (intent,) = await elderly.rows("select kind, key, payload::text as payload from intent")
    assert (intent.kind, intent.key) == ("disclosure", str(event.referral_id))
    assert "INTERNAL_69_2_2" in intent.payload


async def test_with_the_copy_of_the_identity_the_desk_needs_intake_no_more(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    await elderly.told_who(event.referral_id)
    page = (await elderly.get("/referrals")).text
    assert MOTHER_NAME in page
    assert TOLD in page
    case = (await elderly.get(await elderly.accepted(event.referral_id))).text
    assert MOTHER_NAME in case
    assert "昭和19年4月10日" in case


async def test_accepting_opens_a_case_and_says_so_without_a_name(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    await elderly.told_who(event.referral_id)
    await elderly.accepted(event.referral_id)
    assert await elderly.said() == ["referral.accepted.v1", "case.opened.v1"]
    said = await elderly.payloads()
    assert not any(word in said for word in (MOTHER_NAME, "見本", TOLD, "0558", "佐藤"))


async def test_two_caseworkers_press_at_once_and_the_second_is_told_who_was_first(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    path = f"/referrals/{event.referral_id}/accept"
    answers = await asyncio.gather(elderly.send(path, SATO, version=1), elderly.send(path, ITO, version=1))
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert (first.status_code, second.status_code) == (303, 409)
    assert "さんが先に受理しました" in second.text
    assert await elderly.said() == ["referral.accepted.v1", "case.opened.v1"]


async def test_pressing_twice_leads_to_the_same_case(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    assert await elderly.accepted(event.referral_id) == await elderly.accepted(event.referral_id)
    assert len(await elderly.rows("select 1 from case_file")) == 1


async def test_a_second_referral_for_the_household_joins_the_open_case(elderly: DeskUnderTest) -> None:
    first = await arrived(elderly)
    second = made(topics=("06",), urgency="B")
    await elderly.hear(second)
    paths = await asyncio.gather(elderly.accepted(first.referral_id), elderly.accepted(second.referral_id, ITO))
    assert len(set(paths)) == 1
    assert (await elderly.said()).count("case.opened.v1") == 1


async def test_declining_needs_a_reason_and_destroys_the_copied_identity(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    await elderly.told_who(event.referral_id)
    assert (await elderly.send(f"/referrals/{event.referral_id}/decline", version=1)).status_code == 422
    assert (await elderly.send(f"/referrals/{event.referral_id}/decline", version=1, reason=DeclineReason.NOT_OURS.value)).status_code == 303
    assert await elderly.said() == ["referral.declined.v1"]
    assert await elderly.rows("select 1 from identity union all select 1 from disclosure") == []
    assert MOTHER_NAME not in (await elderly.get("/referrals?tab=done")).text


async def test_declining_one_of_two_referrals_keeps_the_name_for_the_other(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    other = made()
    await elderly.hear(other)
    await elderly.told_who(event.referral_id)
    await elderly.send(f"/referrals/{other.referral_id}/decline", version=1, reason="not_ours")
    assert MOTHER_NAME in (await elderly.get("/")).text


async def test_holding_keeps_it_waiting_and_shows_who_holds_it(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly)
    await elderly.send(f"/referrals/{event.referral_id}/hold", version=1, back="referrals")
    page = (await elderly.get("/referrals", ITO)).text
    assert "保留中" in page
    assert "佐藤 花子" in page
    assert await elderly.said() == ["referral.held.v1"]


async def test_a_withdrawn_consultation_takes_the_waiting_referral_and_the_name_away(elderly: DeskUnderTest) -> None:
    event = await arrived(elderly, consultation_id=uuid4())
    await elderly.told_who(event.referral_id)
    assert event.consultation_id
    withdrawn = ConsultationWithdrawn(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, consultation_id=event.consultation_id)
    await elderly.hear(withdrawn, times=2)
    assert "届いたつなぎ 1件" not in (await elderly.get("/")).text
    assert (await elderly.send(f"/referrals/{event.referral_id}/accept", version=2)).status_code == 409
    assert await elderly.rows("select 1 from identity") == []


async def test_a_referral_to_another_desk_cannot_be_answered_here(elderly: DeskUnderTest) -> None:
    event = made(to="cases-poverty")
    await elderly.hear(event)
    assert (await elderly.send(f"/referrals/{event.referral_id}/accept", version=1)).status_code == 404


@pytest.mark.parametrize("times", [1, 3])
async def test_hearing_a_referral_again_changes_nothing(elderly: DeskUnderTest, times: int) -> None:
    event = made()
    await elderly.hear(event, times=times)
    assert len(await elderly.rows("select 1 from referral")) == 1
    assert len(await elderly.rows("select 1 from intent")) == 1
    await elderly.accepted(event.referral_id)
    await elderly.hear(event, times=times)
    (row,) = await elderly.rows("select state from referral")
    assert row.state == "accepted"


async def test_the_answer_of_another_desk_may_overtake_the_referral(elderly: DeskUnderTest) -> None:
    """Intake made it, poverty accepted it, and we hear poverty first: it must not stand as unanswered for ever."""
    event = made(to="cases-poverty")
    accepted = ReferralAccepted(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, referral_id=event.referral_id, accepted_on=TODAY)
    await elderly.hear(accepted, "cases-poverty")
    await elderly.hear(event)
    (row,) = await elderly.rows("select unit, since, until from involvement")
    assert (row.unit, row.since, row.until) == ("cases-poverty", TODAY, TODAY)


async def test_a_cancelled_reception_ends_the_waiting_of_the_other_desks_it_went_to(elderly: DeskUnderTest) -> None:
    consultation, other = uuid4(), made(to="cases-children", consultation_id=uuid4())
    for unit in ("cases-poverty", "outreach"):
        await elderly.hear(made(to=unit, consultation_id=consultation))
    await elderly.hear(other)
    withdrawn = ConsultationWithdrawn(household_id=HOUSEHOLD, legal_basis=LegalBasis.INTERNAL_69_2_2, consultation_id=consultation)
    await elderly.hear(withdrawn, times=2)
    assert [row.unit for row in await elderly.rows("select unit from involvement where until is null")] == ["cases-children"]
