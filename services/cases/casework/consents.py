"""What each member said about sharing. When it changes, the ground of the case follows and the owner of the names is asked again."""

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, tuple_, update
from sqlalchemy import case as case_when
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import case as cases
from services.cases.casework import consent, disclosure, identity, store, tables
from services.cases.casework.case import Case
from services.cases.casework.consent import Change, Consents, Said
from services.cases.casework.profile import Profile
from shared.contracts.consent_uses import Use, use_of, wanted
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.desk.wareki import japan_day
from shared.runtime.database import Read, Transaction

t = tables.consent
#: 同意を限るもの。つなぎに添えられた言葉では変わらない
_LIMITS = ("until", "recipients", "purposes")


async def of_household(handle: Read, household_id: HouseholdId, use: Use = Use.SUPPORT) -> Consents:
    """`use` に効く同意。ほかの目的の同意は「まだ」。"""
    on = japan_day(handle.now)
    return {row.member_id: _state(row, use, on) for row in await handle.rows(select(t).where(t.c.household_id == household_id))}


async def for_other_purposes(handle: Read, household_id: HouseholdId, use: Use = Use.SUPPORT) -> set[MemberId]:
    """同意はあるが、目的に `use` が入っていない人。"""
    given = select(t).where(t.c.household_id == household_id, t.c.state == ConsentState.GIVEN.value)
    on = japan_day(handle.now)
    return {MemberId(row.member_id) for row in await handle.rows(given) if _state(row, use, on) is not ConsentState.GIVEN}


def _state(row: Row[Any], use: Use, on: date) -> ConsentState:
    state = ConsentState(row.state)
    return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and not wanted(use, on).met_by(row.purposes) else state


async def say(tx: Transaction, said: Said) -> Change:
    """The newest word counts, whichever way it came. NOTHING when it is known already or a newer one is."""
    values: dict[str, Any] = {"state": said.state.value, "as_of": said.as_of, "said_at": said.said_at, "source_id": said.source_id}
    values |= {"until": said.until, "recipients": _listed(said.recipients), "purposes": _listed(said.purposes)}
    whose = (t.c.household_id == said.household_id, t.c.member_id == said.member_id)
    before = await tx.row(select(t).where(*whose).with_for_update())
    statement = insert(t).values(household_id=said.household_id, member_id=said.member_id, **values)
    newer = tuple_(t.c.as_of, t.c.said_at) <= tuple_(statement.excluded.as_of, statement.excluded.said_at)
    if said.state is ConsentState.GIVEN and said.beside:
        values |= {name: case_when((t.c.state == ConsentState.GIVEN.value, t.c[name]), else_=None) for name in _LIMITS}
    other = t.c.source_id != statement.excluded.source_id
    if said.recipients is not None:  # the fact of the same consent came first, or there is one recipient more
        other |= t.c.recipients.is_distinct_from(statement.excluded.recipients)
    changed = statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values, where=newer & other)
    if not await tx.execute(changed):
        return Change.NOTHING
    now = await tx.row(select(t).where(*whose))
    return Change.LOST if _counts(tx, before) and not _counts(tx, now) else Change.CHANGED


def _counts(tx: Transaction, row: Row[Any] | None) -> bool:
    """この窓口の支援に効くか。目的が変わって効かなくなれば、なくなったのと同じ。"""
    return row is not None and _state(row, Use.SUPPORT, japan_day(tx.now)) is ConsentState.GIVEN


def _listed(limit: Collection[str] | None) -> list[str] | None:
    return None if limit is None else list(limit)


async def for_target(handle: Read, case: Case, to: str) -> ConsentState:
    """`to` につなぐときの同意。目的か相手を限って同意した人がいて、`to` が入っていなければ「まだ」。"""
    use = use_of(to, japan_day(handle.now))
    state = case.consent if use is Use.SUPPORT else consent.of_all(await of_household(handle, case.household_id, use), case.member_ids)
    limited = (t.c.household_id == case.household_id, t.c.member_id.in_(case.member_ids), t.c.recipients.is_not(None))
    rows = await handle.rows(select(t.c.recipients).where(*limited))
    return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and any(to not in row.recipients for row in rows) else state


async def lacks(handle: Read, household_id: HouseholdId, members: Collection[MemberId], use: Use = Use.SUPPORT) -> str:
    """`members` の同意に足りない目的（画面の言葉）。足りないのが目的でなければ空。"""
    missing = await for_other_purposes(handle, household_id, use) & set(members)
    return wanted(use, japan_day(handle.now)).words if missing else ""


async def take_back(tx: Transaction, *source_ids: UUID) -> Change:
    """The word was a mistake: what was before does not come back, the person has to be asked."""
    mistaken = t.c.source_id.in_(source_ids) & (t.c.state != ConsentState.NOT_ASKED.value)
    before = [row.state for row in await tx.rows(select(t.c.state).where(mistaken).with_for_update())]
    if not await tx.execute(update(t).where(mistaken).values(state=ConsentState.NOT_ASKED.value, until=None)):
        return Change.NOTHING
    return Change.LOST if ConsentState.GIVEN in before else Change.CHANGED


async def ended(tx: Transaction, household_id: HouseholdId, on: date) -> list[MemberId]:
    """期間の過ぎた同意は「まだ」に戻る。だれのものだったか。"""
    over = (t.c.household_id == household_id, t.c.state == ConsentState.GIVEN.value, t.c.until < on)
    gone = update(t).where(*over).values(state=ConsentState.NOT_ASKED.value, until=None).returning(t.c.member_id)
    return [MemberId(row.member_id) for row in await tx.rows(gone)]


async def follow(tx: Transaction, case: Case, profile: Profile) -> None:
    await store.save_ground(tx, cases.agreed(case, await of_household(tx, case.household_id), otherwise=profile.basis))


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
