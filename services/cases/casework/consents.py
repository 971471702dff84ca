"""What each member said about sharing. When it changes, the ground of the case follows and the owner of the names is asked again."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import select

from services.cases.casework import case as cases
from services.cases.casework import disclosure, identity, store, tables
from services.cases.casework.case import Case
from services.cases.casework.profile import Profile
from shared.contracts import consent_said
from shared.contracts.consent_said import Change
from shared.contracts.consent_uses import Use, use_of, wanted
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.desk.wareki import japan_day
from shared.runtime.consents import NewestWords
from shared.runtime.database import Read, Transaction

WORDS = NewestWords(tables.consent, Use.SUPPORT)
t = WORDS.table


async def for_target(handle: Read, case: Case, to: str) -> ConsentState:
    """`to` につなぐときの同意。目的か相手を限って同意した人がいて、`to` が入っていなければ「まだ」。"""
    use = use_of(to, japan_day(handle.now))
    state = case.consent if use is Use.SUPPORT else consent_said.of_all(await WORDS.of_household(handle, case.household_id, use), case.member_ids)
    limited = (t.c.household_id == case.household_id, t.c.member_id.in_(case.member_ids), t.c.recipients.is_not(None))
    rows = await handle.rows(select(t.c.recipients).where(*limited))
    return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and any(to not in row.recipients for row in rows) else state


async def lacks(handle: Read, household_id: HouseholdId, members: Collection[MemberId], use: Use = Use.SUPPORT) -> str:
    """`members` の同意に足りない目的（画面の言葉）。足りないのが目的でなければ空。"""
    missing = await WORDS.for_other_purposes(handle, household_id, use) & set(members)
    return wanted(use, japan_day(handle.now)).words if missing else ""


async def follow(tx: Transaction, case: Case, profile: Profile) -> None:
    await store.save_ground(tx, cases.agreed(case, await WORDS.of_household(tx, case.household_id), otherwise=profile.basis))


async def lost(tx: Transaction, case: Case | None, household_id: HouseholdId) -> None:
    """Before the ground follows: when the case stood on another ground all along, the names it was told on consent stay on that ground."""
    if case and case.legal_basis is not LegalBasis.CONSENT:
        await identity.move_ground(tx, household_id, case.legal_basis)


async def settle(tx: Transaction, case: Case | None, household_id: HouseholdId, profile: Profile, change: Change, *, why: UUID) -> None:
    """Lock the case before the consent is written (`case` is the open one, locked), so that nobody opens or changes it on what was said before."""
    if change is Change.LOST:
        await lost(tx, case, household_id)
    if case:
        await follow(tx, case, profile)
    for referral in await store.standing_referrals(tx, household_id, profile.unit):
        await disclosure.ask(tx, referral, why=str(why))
