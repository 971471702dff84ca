"""同意は一人ずつ: なくなれば見守りの根拠が改まり、氏名の写しは根拠とともになくなる。取り消された受付には返事がいらない。"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.outreach import identity
from shared.contracts.case import FactRecorded, FactRetracted
from shared.contracts.consent import ConsentGiven
from shared.contracts.consultation import ConsultationWithdrawn
from shared.contracts.disclosure import Disclosure, Refused
from shared.contracts.event import MemberId
from tests.outreach.builders import HOUSEHOLD, MOTHER, SON, TODAY, made
from tests.outreach.conftest import MOTHER_NAME, OutreachDesk


def said(value: str, member: MemberId = MOTHER, **changes: Any) -> FactRecorded:
    values: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": "INTERNAL_69_2_2", "fact_id": uuid4(), "member_id": member, "kind": "consent",
                              "value": value, "as_of": TODAY, "confidence": "confirmed"}  # fmt: skip
    return FactRecorded(**values | changes)


def given(**changes: Any) -> ConsentGiven:
    values: dict[str, Any] = {
        "household_id": HOUSEHOLD, "legal_basis": "CONSENT", "consent_id": uuid4(), "member_id": MOTHER, "purposes": ("outreach",),
        "recipients": ("outreach",), "form": "oral", "valid_from": TODAY, "valid_to": TODAY + timedelta(days=99),
    }  # fmt: skip
    return ConsentGiven(**values | changes)


async def refused(desk: OutreachDesk, question: Any, why: str) -> None:
    async with desk.db.transaction() as tx:
        await identity.COPIES.keep(tx, question, Disclosure(household_id=HOUSEHOLD, refused=why))


async def grounds(desk: OutreachDesk) -> list[str]:
    return [row.legal_basis for row in await desk.rows("select legal_basis from watch order by planned_on")]


@pytest.mark.parametrize("value", ["refused", "withdrawn"])
async def test_a_consent_taken_back_changes_the_ground_and_asks_the_owner_once_more(desk: OutreachDesk, value: str) -> None:
    await desk.watched()
    assert await grounds(desk) == ["CONSENT"]
    no = said(value)
    await desk.hear(no, times=2)
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
    asked = await desk.rows("select key, payload::text as payload from intent order by created_at")
    assert len(asked) == 2
    assert all("CONSENT" in row.payload for row in asked)


async def test_other_facts_and_the_consent_of_others_leave_the_watch_alone(desk: OutreachDesk) -> None:
    await desk.watched()
    await desk.hear(said("refused", SON))
    await desk.hear(said("yes", kind="dementia"))
    assert await grounds(desk) == ["CONSENT"]


async def test_a_consent_that_was_a_mistake_is_no_consent(desk: OutreachDesk) -> None:
    await desk.watched()
    yes = given()
    await desk.hear(yes)
    await desk.hear(FactRetracted(household_id=HOUSEHOLD, legal_basis="CONSENT", fact_id=yes.consent_id), times=2)
    assert await grounds(desk) == ["INTERNAL_69_2_2"]


async def test_the_same_consent_said_again_with_an_earlier_end_ends_earlier_and_a_mistake_stays_one(desk: OutreachDesk) -> None:
    await desk.watched()
    one, sooner = given(), TODAY + timedelta(days=9)
    await desk.hear(one)
    await desk.hear(one.model_copy(update={"valid_to": sooner}))
    assert [row.until for row in await desk.rows("select until from consent")] == [sooner]
    await desk.hear(FactRetracted(household_id=HOUSEHOLD, legal_basis="CONSENT", fact_id=one.consent_id))
    await desk.hear(one, times=2)
    assert [row.state for row in await desk.rows("select state from consent")] == ["not_asked"]


async def test_what_the_reception_heard_for_another_desk_is_no_consent_here(desk: OutreachDesk) -> None:
    """Who is meant is said by the consent of the same number; a fact names nobody."""
    await desk.arrived(consent="not_asked", legal_basis="INTERNAL_69_2_2")
    elsewhere = said("given")
    await desk.hear(elsewhere)
    await desk.hear(given(consent_id=elsewhere.fact_id, recipients=("cases-poverty",)))
    assert ">同意あり" not in (await desk.get("/referrals")).text


async def test_a_no_that_comes_with_another_referral_changes_the_ground_and_takes_the_name(desk: OutreachDesk) -> None:
    await desk.watched()
    (first,) = await desk.rows("select question_id from disclosure")
    await desk.hear(made(consent="refused", legal_basis="INTERNAL_69_2_2", made_on=TODAY + timedelta(days=1)), "cases-elderly", times=2)
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
    assert len(await desk.rows("select 1 from intent")) == 3, "the first, the new one, and the first once more"
    await desk.told_who(first.question_id)
    assert MOTHER_NAME not in [row.name for row in await desk.rows("select name from identity")]


async def test_the_consent_of_the_one_who_came_is_not_that_of_the_others(desk: OutreachDesk) -> None:
    event = await desk.arrived(member_ids=(MOTHER, SON))
    assert ">同意あり" not in (await desk.get("/referrals")).text
    await desk.send(f"/referrals/{event.referral_id}/accept", version=1, plan_id=uuid4(), member_id=SON, tier="B")
    assert await grounds(desk) == ["INTERNAL_69_2_2"]
    assert '"legal_basis":"CONSENT"' not in (await desk.payloads()).replace(": ", ":")


@pytest.mark.parametrize("why", [Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED])
async def test_when_the_ground_is_gone_the_copy_of_the_names_goes(desk: OutreachDesk, why: Refused) -> None:
    path = await desk.watched()
    (asked,) = await desk.rows("select question_id from disclosure")
    await refused(desk, asked.question_id, why)
    assert await desk.rows("select 1 from identity") == []
    assert MOTHER_NAME not in (await desk.get(path)).text


async def test_the_names_stay_when_another_referral_was_answered_with_them(desk: OutreachDesk) -> None:
    first, second = await desk.arrived(), await desk.arrived()
    await desk.told_who(first.referral_id)
    await desk.told_who(second.referral_id)
    await refused(desk, first.referral_id, Refused.CONSENT_MISSING)
    assert len(await desk.rows("select 1 from identity")) == 2
    await refused(desk, second.referral_id, Refused.CONSENT_MISSING)
    assert await desk.rows("select 1 from identity") == []


async def test_a_refusal_that_says_nothing_of_the_ground_keeps_the_copy(desk: OutreachDesk) -> None:
    await desk.watched()
    (asked,) = await desk.rows("select question_id from disclosure")
    await refused(desk, asked.question_id, Refused.PURPOSE_UNKNOWN)
    assert len(await desk.rows("select 1 from identity")) == 2


def withdrawn(event: Any) -> ConsultationWithdrawn:
    return ConsultationWithdrawn(household_id=HOUSEHOLD, legal_basis="INTERNAL_69_2_2", consultation_id=event.consultation_id)


async def test_a_cancelled_reception_takes_the_waiting_referral_and_the_name_away(desk: OutreachDesk) -> None:
    event = await desk.arrived(consultation_id=uuid4())
    await desk.told_who(event.referral_id)
    await desk.hear(withdrawn(event), times=2)
    assert [row.state for row in await desk.rows("select state from referral")] == ["withdrawn"]
    assert await desk.rows("select 1 from identity union all select 1 from disclosure") == []
    late = await desk.send(f"/referrals/{event.referral_id}/decline", version=2, reason="not_ours")
    assert (late.status_code, "取り消されました" in late.text) == (409, True)


async def test_a_cancelled_reception_leaves_the_other_referral_and_its_names(desk: OutreachDesk) -> None:
    event = await desk.arrived(consultation_id=uuid4())
    other = made(consultation_id=uuid4())
    await desk.hear(other)
    await desk.told_who(other.referral_id)
    await desk.hear(withdrawn(event))
    assert MOTHER_NAME in (await desk.get("/referrals")).text


async def test_a_declined_referral_takes_the_names_that_were_told_for_it_alone(desk: OutreachDesk) -> None:
    event, other = await desk.arrived(), made()
    await desk.told_who(event.referral_id)
    await desk.hear(other)
    await desk.send(f"/referrals/{event.referral_id}/decline", version=1, reason="not_ours")
    assert await desk.rows("select 1 from identity") == [], "the other question is not answered yet"
    await desk.told_who(other.referral_id)
    assert MOTHER_NAME in (await desk.get("/referrals")).text
