"""同意が変わったとき、この窓口で改まるもの: 開いているケースの根拠、つなぎごとの氏名の照会、同意で知らせた記録。"""

from dataclasses import dataclass
from uuid import UUID

from services.cases.casework import case as cases
from services.cases.casework import consents, disclosure, identity, records, store
from services.cases.casework.profile import Profile
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.desk.wareki import japan_day
from shared.runtime.agreements import Agreements
from shared.runtime.database import Transaction


@dataclass(frozen=True, slots=True)
class OpenCase:
    """その世帯の同意の上に立つ、開いているケース。"""

    profile: Profile

    async def hold(self, tx: Transaction, household_id: HouseholdId) -> None:
        await store.open_case_of(tx, household_id)

    async def other_ground(self, tx: Transaction, household_id: HouseholdId) -> LegalBasis | None:
        case = await store.held_case_of(tx, household_id)
        return case.legal_basis if case and case.legal_basis is not LegalBasis.CONSENT else None

    async def follow(self, tx: Transaction, household_id: HouseholdId) -> None:
        if case := await store.held_case_of(tx, household_id):
            known = await consents.WORDS.of_household(tx, household_id)
            await store.save_ground(tx, cases.agreed(case, known, otherwise=self.profile.basis))

    async def ask_again(self, tx: Transaction, household_id: HouseholdId, why: UUID) -> None:
        for referral in await store.standing_referrals(tx, household_id, self.profile.unit):
            await disclosure.ask(tx, referral, why=str(why))

    async def hide(self, tx: Transaction, household_id: HouseholdId, member_id: MemberId) -> int:
        return await records.hide_shared(tx, household_id, member_id, japan_day(tx.now))

    async def keeps_records(self, tx: Transaction, household_id: HouseholdId) -> bool:
        return await records.keeps_file(tx, household_id)


def agreements(profile: Profile) -> Agreements:
    return Agreements(profile.unit, consents.WORDS, identity.COPIES, OpenCase(profile))
