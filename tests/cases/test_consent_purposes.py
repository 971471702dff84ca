"""同意は目的を限る: 統計の同意は何も開かず、相談支援の同意は窓口の支援だけを開く。目的を限らずに聞いた言葉は、いままでどおり。"""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.contracts.consultation import ConsentState
from shared.contracts.event import LegalBasis
from tests.cases.builders import HOUSEHOLD, MOTHER, TODAY, made
from tests.cases.desk import DeskUnderTest
from tests.cases.test_consent import agreed_to, ground, names, said
from tests.cases.test_withdrawal import ANNOUNCED, given

EVERYBODY = ("cases-elderly", "cases-center", "outreach")


def fact(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"fact_id": uuid4(), "member_id": MOTHER, "kind": "care_level", "value": "care2", "since": "", "as_of": "今日"}
    return values | {"confidence": "confirmed", "legal_basis": "CONSENT", "evidence": ""} | changes


async def at_work(desk: DeskUnderTest) -> str:
    """A case nobody agreed to."""
    await desk.hear_family()
    event = made()
    await desk.hear(event)
    return await desk.accepted(event.referral_id)


@pytest.mark.parametrize("purpose", ["statistics", "outreach", "participation"])
async def test_a_consent_for_something_else_opens_nothing_and_the_refusal_says_which_purpose_is_missing(elderly: DeskUnderTest, purpose: str) -> None:
    case = await at_work(elderly)
    await elderly.hear(given(purposes=(purpose,)))
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")
    answer = await elderly.send(f"{case}/facts", **fact())
    assert answer.status_code == 422
    assert "目的の「相談支援」か「多機関協働のプラン」が入っていません。受付で、目的を足した同意を取り直せます" in answer.text
    assert (await elderly.send(f"{case}/facts", **fact(legal_basis="INTERNAL_69_2_2"))).status_code == 303, "another ground stays open"


@pytest.mark.parametrize("purposes", [("consultation",), ("plan",), ("statistics", "consultation")])
async def test_a_consent_for_the_support_is_a_ground_for_facts(elderly: DeskUnderTest, purposes: tuple[str, ...]) -> None:
    case = await at_work(elderly)
    await elderly.hear(given(purposes=purposes))
    assert await ground(elderly) == ("given", "CONSENT")
    assert (await elderly.send(f"{case}/facts", **fact())).status_code == 303


async def test_nobody_asked_is_told_as_before_and_not_as_a_missing_purpose(elderly: DeskUnderTest) -> None:
    answer = await elderly.send(f"{await at_work(elderly)}/facts", **fact())
    assert (answer.status_code, "この人の同意はまだありません" in answer.text, "目的の" in answer.text) == (422, True, False)


async def test_a_referral_to_the_outreach_needs_its_own_purpose(elderly: DeskUnderTest) -> None:
    case = await at_work(elderly)
    async with elderly.db.transaction() as tx:
        await tx.execute(ANNOUNCED, {"unit": "outreach"})
    form: dict[str, Any] = {"to": "outreach", "topics": ["12"], "urgency": "C", "legal_basis": "CONSENT"}
    await elderly.hear(given(recipients=EVERYBODY))
    answer = await elderly.send(f"{case}/referrals", referral_id=uuid4(), **form)
    assert (answer.status_code, "目的の「参加支援」か「アウトリーチ・見守り」が入っていません" in answer.text) == (422, True)
    await elderly.hear(given(recipients=EVERYBODY, purposes=("consultation", "outreach"), valid_from=TODAY + timedelta(days=1)))
    assert (await elderly.send(f"{case}/referrals", referral_id=uuid4(), **form)).status_code == 303


async def test_a_row_from_before_the_purposes_stands_as_it_did(elderly: DeskUnderTest) -> None:
    case = await at_work(elderly)
    await elderly.hear(given())
    async with elderly.db.transaction() as tx:
        await tx.execute(text("update consent set purposes = null"))  # as the migration leaves it
    assert (await elderly.send(f"{case}/facts", **fact())).status_code == 303


async def test_the_word_beside_a_referral_does_not_widen_the_purposes(elderly: DeskUnderTest) -> None:
    await elderly.hear_family()
    await elderly.hear(given(purposes=("statistics",)))
    await elderly.hear(made(consent=ConsentState.GIVEN, legal_basis=LegalBasis.CONSENT))
    assert [row.purposes for row in await elderly.rows("select purposes from consent")] == [["statistics"]]


async def test_the_fact_of_the_same_consent_before_or_after_it_leaves_its_purposes(elderly: DeskUnderTest) -> None:
    for first_the_fact in (True, False):
        one = given(purposes=("outreach",))
        both = [said("given", fact_id=one.consent_id, as_of=one.valid_from), one]
        for event in both if first_the_fact else reversed(both):
            await elderly.hear(event)
        assert [row.purposes for row in await elderly.rows("select purposes from consent")] == [["outreach"]]


async def test_a_newer_consent_without_the_purpose_is_a_loss(elderly: DeskUnderTest) -> None:
    """The ground changes and the owner of the names is asked again, on the ground that is gone."""
    event = await agreed_to(elderly)
    await elderly.accepted(event.referral_id)
    asked = len(await elderly.rows("select 1 from intent"))
    await elderly.hear(given(purposes=("statistics",), valid_from=TODAY + timedelta(days=1)))
    assert await ground(elderly) == ("not_asked", "INTERNAL_69_2_2")
    assert (await names(elderly), len(await elderly.rows("select 1 from intent"))) == (2, asked + 1)


async def test_the_list_of_referrals_says_it_as_the_case_does(elderly: DeskUnderTest) -> None:
    await agreed_to(elderly)
    assert "同意はまだ" not in (await elderly.get("/referrals")).text
    await elderly.hear(given(purposes=("statistics",), valid_from=TODAY + timedelta(days=1)))
    assert "同意はまだ" in (await elderly.get("/referrals")).text


async def test_the_other_household_is_not_touched(elderly: DeskUnderTest) -> None:
    await elderly.hear(given(purposes=("statistics",)))
    (row,) = await elderly.rows("select household_id, state, purposes from consent")
    assert (row.household_id, row.state, row.purposes) == (HOUSEHOLD, "given", ["statistics"])
