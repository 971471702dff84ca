"""同意は一人ずつのもの。なくなれば、見守りの知らせの根拠を改め、氏名をもう一度受付に尋ねる（断られれば写しは消える）。"""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach import disclosure, identity, store, tables
from services.outreach.referral import Referral
from shared.contracts.case import FactRecorded
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime.database import Read, Transaction

KIND = "consent"
#: 同意がないときの根拠: 庁内の内部利用
OTHERWISE = LegalBasis.INTERNAL_69_2_2
t = tables.consent


@dataclass(frozen=True, slots=True)
class Said:
    """ある人の同意について聞いたこと一つ。`source_id` は、もとになった事実かつなぎ。"""

    source_id: UUID
    household_id: HouseholdId
    member_id: MemberId
    state: ConsentState
    as_of: date
    said_at: datetime


def by_fact(event: FactRecorded, at: datetime) -> Said | None:
    """撤回は「同意なし」と同じに扱う。同意のほかの事実は、この窓口では使わない。"""
    if event.kind != KIND or event.member_id is None:
        return None
    state = ConsentState.REFUSED if event.value == "withdrawn" else ConsentState(event.value)
    return Said(event.fact_id, event.household_id, event.member_id, state, event.as_of, at)


def by_referral(referral: Referral, at: datetime) -> tuple[Said, ...]:
    """受付のつなぎでは相談した人（先頭）だけの同意。窓口のつなぎの「同意あり」は、支える人みんなのもの。"""
    whose = referral.member_ids[:1]
    if referral.from_unit != "intake":
        whose = referral.member_ids if referral.consent is ConsentState.GIVEN or len(referral.member_ids) == 1 else ()
    if referral.consent is ConsentState.NOT_ASKED:
        whose = ()  # that nobody asked takes back nothing that was said before
    return tuple(Said(referral.referral_id, referral.household_id, member, referral.consent, referral.made_on, at) for member in whose)


async def say(tx: Transaction, said: Said) -> bool:
    """The newest word counts, whichever way it came. False when it is known already or a newer one is."""
    values = {"state": said.state.value, "as_of": said.as_of, "said_at": said.said_at, "source_id": said.source_id}
    statement = insert(t).values(household_id=said.household_id, member_id=said.member_id, **values)
    newer = tuple_(t.c.as_of, t.c.said_at) <= tuple_(statement.excluded.as_of, statement.excluded.said_at)
    changed = statement.on_conflict_do_update(
        index_elements=["household_id", "member_id"], set_=values, where=newer & (t.c.source_id != statement.excluded.source_id)
    )
    return bool(await tx.execute(changed))


async def take_back(tx: Transaction, source_id: UUID) -> bool:
    """The word was a mistake: what was before does not come back, the person has to be asked."""
    mistaken = (t.c.source_id == source_id) & (t.c.state != ConsentState.NOT_ASKED.value)
    return bool(await tx.execute(update(t).where(mistaken).values(state=ConsentState.NOT_ASKED.value)))


async def of_household(handle: Read, household_id: HouseholdId) -> dict[MemberId, ConsentState]:
    return {row.member_id: ConsentState(row.state) for row in await handle.rows(select(t).where(t.c.household_id == household_id))}


async def basis_for(handle: Read, household_id: HouseholdId, member_ids: tuple[MemberId, ...], basis: LegalBasis) -> LegalBasis:
    """「同意」は、その全員が同意しているときだけの根拠。だれのことか決まっていなければ、同意ではない。"""
    known = await of_household(handle, household_id)
    agreed = bool(member_ids) and all(known.get(member) is ConsentState.GIVEN for member in member_ids)
    return OTHERWISE if basis is LegalBasis.CONSENT and not agreed else basis


async def settle(tx: Transaction, household_id: HouseholdId, *, why: UUID) -> None:
    """Watches that stood on the consent of somebody who takes it back stand on internal use from now on; the owner of the names is asked again."""
    for watch in await store.watches_to_change(tx, household_id):
        members = (watch.member_id,) if watch.member_id else await store.watched_for(tx, watch)
        await store.save_ground(tx, watch.plan_id, await basis_for(tx, household_id, members, watch.legal_basis))
    for question in await identity.standing_questions(tx, household_id):
        await disclosure.ask(tx, question, why=str(why))
