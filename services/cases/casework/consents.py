"""What each member said about sharing. When it changes, the ground of the case follows and the owner of the names is asked again."""

from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import case as cases
from services.cases.casework import disclosure, store, tables
from services.cases.casework.case import Case
from services.cases.casework.consent import Consents, Said
from services.cases.casework.profile import Profile
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId
from shared.runtime.database import Read, Transaction

t = tables.consent


async def of_household(handle: Read, household_id: HouseholdId) -> Consents:
    return {row.member_id: ConsentState(row.state) for row in await handle.rows(select(t).where(t.c.household_id == household_id))}


async def say(tx: Transaction, said: Said) -> bool:
    """The newest word counts, whichever way it came. False when it is known already or a newer one is."""
    values = {"state": said.state.value, "as_of": said.as_of, "said_at": said.said_at, "source_id": said.source_id}
    statement = insert(t).values(household_id=said.household_id, member_id=said.member_id, **values)
    newer = tuple_(t.c.as_of, t.c.said_at) <= tuple_(statement.excluded.as_of, statement.excluded.said_at)
    changed = statement.on_conflict_do_update(
        index_elements=["household_id", "member_id"], set_=values, where=newer & (t.c.source_id != statement.excluded.source_id)
    )
    return bool(await tx.execute(changed))


async def take_back(tx: Transaction, *source_ids: UUID) -> bool:
    """The word was a mistake: what was before does not come back, the person has to be asked."""
    mistaken = t.c.source_id.in_(source_ids) & (t.c.state != ConsentState.NOT_ASKED.value)
    return bool(await tx.execute(update(t).where(mistaken).values(state=ConsentState.NOT_ASKED.value)))


async def follow(tx: Transaction, case: Case, profile: Profile) -> None:
    await store.save_ground(tx, cases.agreed(case, await of_household(tx, case.household_id), otherwise=profile.basis))


async def settle(tx: Transaction, case: Case | None, household_id: HouseholdId, profile: Profile, *, why: UUID) -> None:
    """Lock the case before the consent is written (`case` is the open one, locked), so that nobody opens or changes it on what was said before."""
    if case:
        await follow(tx, case, profile)
    for referral in await store.standing_referrals(tx, household_id, profile.unit):
        await disclosure.ask(tx, referral, why=str(why))
