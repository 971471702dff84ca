"""同意が変わったとき、この窓口で改まるもの: 続いている見守りの根拠と、氏名の照会。"""

from uuid import UUID

from services.outreach import consents, disclosure, identity, store
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime.agreements import Agreements
from shared.runtime.database import Transaction


class Watches:
    """その世帯の同意の上に立つ見守り。"""

    async def hold(self, tx: Transaction, household_id: HouseholdId) -> None:
        await store.watches_to_change(tx, household_id)  # a watch that is being planned is planned first

    async def other_ground(self, tx: Transaction, household_id: HouseholdId) -> LegalBasis | None:
        running = [watch.legal_basis for watch in await store.watches_to_change(tx, household_id) if watch.running]
        return next((basis for basis in running if basis is not LegalBasis.CONSENT), None)

    async def follow(self, tx: Transaction, household_id: HouseholdId) -> None:
        """Watches that stood on the consent of somebody who takes it back stand on internal use from now on."""
        for watch in await store.watches_to_change(tx, household_id):
            members = (watch.member_id,) if watch.member_id else await store.watched_for(tx, watch)
            await store.save_ground(tx, watch.plan_id, await consents.basis_for(tx, household_id, members, watch.legal_basis))

    async def ask_again(self, tx: Transaction, household_id: HouseholdId, why: UUID) -> None:
        for question in await identity.standing_questions(tx, household_id):
            await disclosure.ask(tx, question, why=str(why))

    async def hide(self, tx: Transaction, household_id: HouseholdId, member_id: MemberId) -> int:
        """この窓口の記録は、同意を根拠にほかへ知らせていない。"""
        return 0

    async def keeps_records(self, tx: Transaction, household_id: HouseholdId) -> bool:
        return await store.was_watched(tx, household_id)


AGREEMENTS = Agreements(consents.UNIT, consents.WORDS, identity.COPIES, Watches())
