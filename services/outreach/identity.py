"""The copy of the identity (shared/runtime/copies.py) stands on a waiting referral or a running watch, and goes with them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, func, select

from services.outreach import consents, tables
from services.outreach.referral import ReferralState
from shared.contracts.disclosure import Asking, Question, asking_of
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime.copies import Copies, Person
from shared.runtime.database import Read, Transaction

d, r, w = tables.disclosure, tables.referral, tables.watch
COPIES = Copies(d, tables.identity, r, consents.WORDS)
_WAITING = [state.value for state in ReferralState if state.waiting]


@dataclass(frozen=True, slots=True)
class Identity:
    asking: Asking
    people: dict[MemberId, Person]
    address: str | None
    told: tuple[str, ...]


def _standing(household_id: HouseholdId) -> Select[Any]:
    """照会のうち、返事を待つつなぎか、続いている見守りのもの。"""
    asked = select(d).outerjoin(r, r.c.referral_id == d.c.referral_id).outerjoin(w, w.c.plan_id == func.coalesce(r.c.plan_id, d.c.question_id))
    running = w.c.plan_id.is_not(None) & w.c.ended_on.is_(None)
    return asked.where(d.c.household_id == household_id, r.c.state.in_(_WAITING) | running)


async def standing_questions(handle: Read, household_id: HouseholdId) -> list[Question]:
    return [_question(row) for row in await handle.rows(_standing(household_id).order_by(d.c.question_id))]


async def of_household(handle: Read, household_id: HouseholdId) -> Identity:
    questions, people = await COPIES.of_household(handle, household_id)
    return Identity(
        asking=asking_of({row.state for row in questions}),
        people=people,
        address=next((row.address for row in reversed(questions) if row.address), None),
        told=tuple(row.consultation_text for row in questions if row.consultation_text),
    )


async def newest_question(handle: Read, household_id: HouseholdId) -> Question | None:
    """いちばん新しい照会。"""
    return await _newest(handle, d.c.household_id == household_id)


async def newest_told(handle: Read, household_id: HouseholdId) -> Question | None:
    """いちばん新しい、氏名を聞いた照会。尋ね直しの返事を待つあいだも。"""
    return await _newest(handle, (d.c.household_id == household_id) & ((d.c.state == Asking.RECEIVED.value) | (func.cardinality(d.c.member_ids) > 0)))


async def _newest(handle: Read, wanted: ColumnElement[bool]) -> Question | None:
    row = await handle.row(select(d).where(wanted).order_by(d.c.asked_at.desc(), d.c.question_id).limit(1))
    return _question(row) if row else None


def _question(row: Row[tuple[object, ...]]) -> Question:
    return Question(row.question_id, row.household_id, LegalBasis(row.legal_basis), row.referral_id)


async def forget(tx: Transaction, household_id: HouseholdId, *, gone: UUID | None = None) -> None:
    """不受理にした、取り消されたつなぎで聞いたことを消す。返事待ちのつなぎも続いている見守りもなくなれば、氏名の写しも消す。"""
    if gone:
        await COPIES.forget(tx, gone, household_id)
    waiting = select(r.c.referral_id).where(r.c.household_id == household_id, r.c.state.in_(_WAITING)).limit(1)
    running = select(w.c.plan_id).where(w.c.household_id == household_id, w.c.ended_on.is_(None)).limit(1)
    if await tx.row(waiting) is None and await tx.row(running) is None:
        await COPIES.forget_all(tx, household_id)
