"""本人の利益による提供、窓口から窓口へ: 承認されるまで何も動かず、承認されれば、つないだ先が、その根拠で氏名を受け取る。"""

from typing import Any
from uuid import UUID, uuid4

from shared.runtime.auth import Staff
from shared.runtime.testing import eventually
from tests.journeys.conftest import Town
from tests.journeys.test_through_the_desks import ELDERLY, SHEET, accept, take_consultation

CHIEF = Staff("m1", "試験 課長", frozenset({"manager"}))
DISABILITY = Staff("s1", "試験 障子", frozenset({"caseworker"}), frozenset({"disability"}))
BENEFIT: dict[str, Any] = {
    "legal_basis": "BENEFIT_69_2_4", "harm_checked": "1", "harm_note": "伝えるのは区分だけ", "why_not_asked": "意識がない",
}  # fmt: skip


async def approved(town: Town, request: UUID) -> None:
    answer = await town.ask("cases-elderly", "POST", f"/d/elderly/approvals/{request}/approve", CHIEF)
    assert answer.status_code == 303, answer.text


async def test_what_a_supervisor_approved_is_told_on_that_ground_all_the_way(town: Town) -> None:
    household = await take_consultation(town)
    case = await accept(town, "cases-elderly", "/d/elderly", ELDERLY, household)
    referral = uuid4()
    form = {"referral_id": str(referral), "to": "cases-disability", "topics": ["12"], "urgency": "B"} | BENEFIT
    answer = await town.ask("cases-elderly", "POST", f"{case}/referrals", ELDERLY, data=form)
    assert answer.status_code == 303, answer.text
    await eventually(town.quiet)
    assert await town.rows("cases-disability", "select 1 from referral where household_id = :h", h=household) == []
    await approved(town, referral)
    named = "select 1 from identity where household_id = :h and name = :name"
    await eventually(lambda: town.rows("cases-disability", named, h=household, name=SHEET["name"]))
    (told,) = await town.rows("intake", "select legal_basis from disclosure where household_id = :h and asker = 'cases-disability'", h=household)
    assert told.legal_basis == "BENEFIT_69_2_4"
    taken = await accept(town, "cases-disability", "/d/disability", DISABILITY, household)
    page = await town.ask("cases-disability", "GET", taken, DISABILITY)
    assert SHEET["name"] in page.text
