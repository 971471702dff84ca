"""The copy of the identity: who the household is, as intake disclosed it for a referral. It goes when the ground for it goes."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import tables
from services.cases.casework.household import Household
from services.cases.casework.referral import ReferralState
from shared.contracts.case import CaseState
from shared.contracts.disclosure import Disclosure, Refused
from shared.contracts.event import HouseholdId, MemberId, ReferralId
from shared.runtime import rights
from shared.runtime.database import Read, Transaction

d, i = tables.disclosure, tables.identity
#: Refusals that say the ground is gone: what was copied on it goes, too. Any other refusal leaves the copy as it is.
GROUND_GONE = frozenset({Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED})


class Asking(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Person:
    member_id: MemberId
    name: str
    kana: str
    birth: date | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """受付で書かれた相談の内容（つなぎ一つぶん）。"""

    receipt_no: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Identity:
    """`asking` は照会の様子。写しがあれば、受付が止まっていてもこれで続けられる。"""

    asking: Asking
    people: dict[MemberId, Person]
    address: str | None
    told: tuple[Told, ...]
    #: a referral whose question was refused, so that it can be asked again
    refused: ReferralId | None = None

    def first(self, members: tuple[MemberId, ...], household: Household) -> Person | None:
        """ケースの名前になる人: 主に支える人、いなければ顔ぶれの先頭。"""
        order = [*members, *(member.member_id for member in household.present)]
        return next((self.people[member] for member in order if member in self.people), None)


async def asked(tx: Transaction, referral_id: ReferralId, household_id: HouseholdId) -> None:
    statement = insert(d).values(referral_id=referral_id, household_id=household_id, state=Asking.ASKED.value, asked_at=tx.now)
    again = statement.on_conflict_do_update(index_elements=["referral_id"], set_={"state": Asking.ASKED.value, "asked_at": tx.now, "refused": None})
    await tx.execute(again)


async def is_wanted(handle: Read, referral_id: ReferralId) -> bool:
    """Whether there still is a question: a declined or withdrawn referral takes it away."""
    return await handle.scalar(select(d.c.referral_id).where(d.c.referral_id == referral_id)) is not None


async def keep(tx: Transaction, referral_id: ReferralId, answer: Disclosure) -> None:
    """Keeps what was disclosed. Nothing is kept of a referral that was declined while the question was under way."""
    values = {
        "state": (Asking.REFUSED if answer.refused else Asking.RECEIVED).value,
        "answered_at": tx.now,
        "disclosure_id": answer.disclosure_id,
        "refused": answer.refused,
        "address": answer.address,
        "consultation_text": answer.consultation_text,
        "receipt_no": answer.receipt_no,
    }
    if not await tx.execute(update(d).where(d.c.referral_id == referral_id).values(values)):
        return
    if answer.refused in GROUND_GONE:
        await _forget_people(tx, referral_id, answer.household_id)
    for person in answer.members:
        await tx.execute(_upsert(answer.household_id, person.model_dump(mode="python") | {"role": person.role.value}, tx))
    if await rights.is_protected(tx, answer.household_id):  # declared while the answer was under way
        await forget_place(tx, answer.household_id)


async def forget_place(tx: Transaction, household_id: HouseholdId) -> None:
    """Address and telephone of a protected household go; who looks after it asks the officer for protection."""
    await tx.execute(update(d).where(d.c.household_id == household_id).values(address=None))
    await tx.execute(update(i).where(i.c.household_id == household_id).values(phone=None))


async def _forget_people(tx: Transaction, refused: ReferralId, household_id: HouseholdId) -> None:
    """The names stay only while another referral that stands was answered with them. One that is being asked again brings them back."""
    r = tables.referral
    standing = [state.value for state in ReferralState if state.waiting or state is ReferralState.ACCEPTED]
    told = select(d.c.referral_id).join(r, r.c.referral_id == d.c.referral_id)
    other = told.where(d.c.household_id == household_id, d.c.referral_id != refused, d.c.state == Asking.RECEIVED.value, r.c.state.in_(standing))
    if await tx.row(other.limit(1)) is None:
        await tx.execute(delete(i).where(i.c.household_id == household_id))


def _upsert(household_id: HouseholdId, values: dict[str, Any], tx: Transaction) -> Any:
    statement = insert(i).values(household_id=household_id, disclosed_at=tx.now, **values)
    fresh = {key: statement.excluded[key] for key in (*values, "disclosed_at") if key != "member_id"}
    return statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=fresh)


async def of_household(handle: Read, household_id: HouseholdId) -> Identity:
    questions = await handle.rows(select(d).where(d.c.household_id == household_id).order_by(d.c.asked_at))
    people = {row.member_id: Person(row.member_id, row.name, row.kana, row.birth, row.phone) for row in await handle.rows(_people(household_id))}
    states = {row.state for row in questions}
    return Identity(
        asking=Asking.RECEIVED if people else Asking.REFUSED if states == {Asking.REFUSED} else Asking.ASKED,
        people=people,
        address=next((row.address for row in reversed(questions) if row.address), None),
        told=tuple(Told(row.receipt_no, row.consultation_text) for row in questions if row.consultation_text),
        refused=next((row.referral_id for row in questions if row.state == Asking.REFUSED), None),
    )


def _people(household_id: HouseholdId) -> Any:
    return select(i).where(i.c.household_id == household_id)


async def known_referral_of(tx: Transaction, household_id: HouseholdId) -> ReferralId | None:
    """The newest referral under which this desk had an answer about them; None when it never had one."""
    newest = select(d.c.referral_id).where(d.c.household_id == household_id, d.c.answered_at.is_not(None)).order_by(d.c.answered_at.desc())
    found: ReferralId | None = await tx.scalar(newest.limit(1))
    return found


async def forget(tx: Transaction, referral_id: ReferralId, household_id: HouseholdId) -> None:
    """不受理・取消: そのつなぎで聞いたことを消す。ほかのつなぎやケースが残る世帯なら、氏名は残す。"""
    await tx.execute(delete(d).where(d.c.referral_id == referral_id))
    r, c = tables.referral, tables.case_file
    waiting = [state.value for state in ReferralState if state.waiting]
    other = select(r.c.referral_id).where(r.c.household_id == household_id, r.c.referral_id != referral_id, r.c.state.in_([*waiting, "accepted"]))
    case = select(c.c.case_id).where(c.c.household_id == household_id, c.c.state != CaseState.CLOSED.value)
    if await tx.row(other) is None and await tx.row(case) is None:
        await tx.execute(delete(i).where(i.c.household_id == household_id))
