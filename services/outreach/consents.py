"""同意は一人ずつのもの。なくなれば、見守りの知らせの根拠を改め、氏名をもう一度受付に尋ねる（断られれば写しは消える）。"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, case, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach import disclosure, identity, store, tables
from services.outreach.referral import Referral
from shared.contracts.case import FactRecorded
from shared.contracts.consent import ConsentGiven, ConsentWithdrawn, Purpose
from shared.contracts.consent_uses import Use, wanted
from shared.contracts.consultation import ConsentState
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.desk.wareki import japan_day
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
    #: 最後の日。期間を限らずに聞いた同意なら None
    until: date | None = None
    #: 同意の目的。限らずに聞いた同意なら None
    purposes: tuple[Purpose, ...] | None = None


class Change(IntEnum):
    """言葉を聞いて、同意がどう変わったか。`LOST` は、あった同意がなくなった。"""

    NOTHING = 0
    CHANGED = 1
    LOST = 2


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


def by_consent(event: ConsentGiven, at: datetime) -> Said:
    """受付が書いた同意。相手にこの窓口があるときだけ、この窓口のもの。"""
    about = (event.consent_id, event.household_id, event.member_id)
    return Said(*about, ConsentState.GIVEN, event.valid_from, at, event.valid_to, event.purposes)


def by_withdrawal(event: ConsentWithdrawn, at: datetime) -> Said:
    return Said(event.withdrawal_id, event.household_id, event.member_id, ConsentState.REFUSED, event.withdrawn_on, at)


async def say(tx: Transaction, said: Said) -> Change:
    """The newest word counts, whichever way it came. NOTHING when it is known already or a newer one is."""
    values: dict[str, Any] = {"state": said.state.value, "as_of": said.as_of, "said_at": said.said_at, "source_id": said.source_id}
    values |= {"until": said.until, "purposes": list(said.purposes) if said.purposes is not None else None}
    whose = (t.c.household_id == said.household_id, t.c.member_id == said.member_id)
    before = await tx.row(select(t).where(*whose).with_for_update())
    statement = insert(t).values(household_id=said.household_id, member_id=said.member_id, **values)
    newer = tuple_(t.c.as_of, t.c.said_at) <= tuple_(statement.excluded.as_of, statement.excluded.said_at)
    if said.state is ConsentState.GIVEN and said.until is None:  # a word without limits does not make a limited consent endless
        values |= {name: case((t.c.state == ConsentState.GIVEN.value, t.c[name]), else_=None) for name in ("until", "purposes")}
    other = t.c.source_id != statement.excluded.source_id
    if said.purposes is not None:  # the fact of the same consent came first
        other |= t.c.purposes.is_distinct_from(statement.excluded.purposes)
    changed = statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=values, where=newer & other)
    if not await tx.execute(changed):
        return Change.NOTHING
    on = japan_day(tx.now)
    lost = before is not None and _state(before, on) is ConsentState.GIVEN
    now = await tx.row(select(t).where(*whose))
    return Change.LOST if lost and now is not None and _state(now, on) is not ConsentState.GIVEN else Change.CHANGED


async def is_said(handle: Read, source_id: UUID) -> bool:
    """この番号の言葉が、いまの言葉か。"""
    return await handle.scalar(select(t.c.source_id).where(t.c.source_id == source_id).limit(1)) is not None


async def take_back(tx: Transaction, source_id: UUID) -> Change:
    """The word was a mistake: what was before does not come back, the person has to be asked."""
    mistaken = (t.c.source_id == source_id) & (t.c.state != ConsentState.NOT_ASKED.value)
    before = await tx.scalar(select(t.c.state).where(mistaken).with_for_update())
    if not await tx.execute(update(t).where(mistaken).values(state=ConsentState.NOT_ASKED.value, until=None)):
        return Change.NOTHING
    return Change.LOST if before == ConsentState.GIVEN else Change.CHANGED


async def ended(tx: Transaction, household_id: HouseholdId, on: date) -> list[MemberId]:
    """期間の過ぎた同意は「まだ」に戻る。だれのものだったか。"""
    over = (t.c.household_id == household_id, t.c.state == ConsentState.GIVEN.value, t.c.until < on)
    gone = update(t).where(*over).values(state=ConsentState.NOT_ASKED.value, until=None).returning(t.c.member_id)
    return [MemberId(row.member_id) for row in await tx.rows(gone)]


async def of_household(handle: Read, household_id: HouseholdId) -> dict[MemberId, ConsentState]:
    """この窓口の使い道に効く同意。ほかの目的の同意は「まだ」。"""
    on = japan_day(handle.now)
    return {row.member_id: _state(row, on) for row in await handle.rows(select(t).where(t.c.household_id == household_id))}


def _state(row: Row[Any], on: date) -> ConsentState:
    state = ConsentState(row.state)
    return ConsentState.NOT_ASKED if state is ConsentState.GIVEN and not wanted(Use.OUTREACH, on).met_by(row.purposes) else state


async def basis_for(handle: Read, household_id: HouseholdId, member_ids: tuple[MemberId, ...], basis: LegalBasis) -> LegalBasis:
    """「同意」は、その全員が同意しているときだけの根拠。だれのことか決まっていなければ、同意ではない。"""
    known = await of_household(handle, household_id)
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
