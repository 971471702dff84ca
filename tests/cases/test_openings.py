"""緊急閲覧は、受け持ちの人にすぐ知らされる。ほかの人には出ず、管理者が点検すれば消える (domain.md §1.5)。"""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from shared.contracts.access import BreakGlassOpened, BreakGlassReason, BreakGlassReviewed, Verdict
from shared.contracts.event import LegalBasis
from tests.cases.builders import HOUSEHOLD, made
from tests.cases.desk import ITO, SATO, DeskUnderTest

TOLD = "緊急閲覧がありました"
ABOUT: dict[str, Any] = {"household_id": HOUSEHOLD, "legal_basis": LegalBasis.INTERNAL_69_2_2}


def an_opening(staff: str, access_id: UUID) -> BreakGlassOpened:
    return BreakGlassOpened(
        **ABOUT, access_id=access_id, staff=staff, second="hogo-1", reason=BreakGlassReason.LIFE, until=datetime.now(UTC) + timedelta(hours=1)
    )


async def test_whoever_looks_after_the_household_is_told_of_a_break_glass_until_it_is_reviewed(elderly: DeskUnderTest) -> None:
    referral = made(to=elderly.code)
    await elderly.hear(referral)
    case, access = await elderly.accepted(referral.referral_id, SATO), uuid4()
    assert TOLD not in (await elderly.get("/", SATO)).text
    await elderly.hear(an_opening("uketsuke-9", access), "intake")
    page = (await elderly.get("/", SATO)).text
    assert TOLD in page
    assert f'href="{elderly.base}{case}"' in page
    for word in ("uketsuke-9", "hogo-1", BreakGlassReason.LIFE.label):
        assert word in page
    assert TOLD in (await elderly.get(case, SATO)).text
    assert TOLD not in (await elderly.get("/", ITO)).text, "a colleague's case"
    await elderly.hear(BreakGlassReviewed(**ABOUT, access_id=access, by="kanri-1", verdict=Verdict.JUSTIFIED), "intake")
    for path in ("/", case):
        assert TOLD not in (await elderly.get(path, SATO)).text


async def test_nobody_is_told_of_an_opening_of_their_own(elderly: DeskUnderTest) -> None:
    referral = made(to=elderly.code)
    await elderly.hear(referral)
    await elderly.accepted(referral.referral_id, SATO)
    await elderly.hear(an_opening(SATO.sub, uuid4()), "intake")
    assert TOLD not in (await elderly.get("/", SATO)).text
