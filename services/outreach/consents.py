"""同意は一人ずつのもの。なくなれば、見守りの知らせの根拠を改め、氏名をもう一度受付に尋ねる（断られれば写しは消える）。"""

from uuid import UUID

from services.outreach import disclosure, identity, store, tables
from shared.contracts.consent_said import Change
from shared.contracts.consent_uses import Use
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime.consents import NewestWords
from shared.runtime.database import Read, Transaction

UNIT = "outreach"
WORDS = NewestWords(tables.consent, Use.OUTREACH)
#: 同意がないときの根拠: 庁内の内部利用
OTHERWISE = LegalBasis.INTERNAL_69_2_2


async def basis_for(handle: Read, household_id: HouseholdId, member_ids: tuple[MemberId, ...], basis: LegalBasis) -> LegalBasis:
    """「同意」は、その全員が同意しているときだけの根拠。だれのことか決まっていなければ、同意ではない。"""
    known = await WORDS.of_household(handle, household_id)
    agreed = bool(member_ids) and all(known.get(member) is ConsentState.GIVEN for member in member_ids)
    return OTHERWISE if basis is LegalBasis.CONSENT and not agreed else basis


async def lost(tx: Transaction, household_id: HouseholdId) -> None:
    """Before the grounds follow: when a running watch stood on another ground all along, the names stay on that ground."""
    running = [watch for watch in await store.watches_to_change(tx, household_id) if watch.running]
    other = next((watch.legal_basis for watch in running if watch.legal_basis is not LegalBasis.CONSENT), None)
    if other:
        await identity.move_ground(tx, household_id, other)


async def follow(tx: Transaction, household_id: HouseholdId) -> None:
    """Watches that stood on the consent of somebody who takes it back stand on internal use from now on."""
    for watch in await store.watches_to_change(tx, household_id):
        members = (watch.member_id,) if watch.member_id else await store.watched_for(tx, watch)
        await store.save_ground(tx, watch.plan_id, await basis_for(tx, household_id, members, watch.legal_basis))


async def settle(tx: Transaction, household_id: HouseholdId, change: Change, *, why: UUID) -> None:
    """The grounds follow, and the owner of the names is asked again."""
    if change is Change.LOST:
        await lost(tx, household_id)
    await follow(tx, household_id)
    for question in await identity.standing_questions(tx, household_id):
        await disclosure.ask(tx, question, why=str(why))
