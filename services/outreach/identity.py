"""The copy of the identity: who the household is, as intake disclosed it. It stands on a waiting referral or a running watch, and goes with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from services.outreach import tables
from services.outreach.referral import ReferralState
from shared.contracts.consultation import ConsentState
from shared.contracts.disclosure import Disclosure, Refused
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, ReferralId
from shared.runtime import rights
from shared.runtime.database import Read, Transaction

d, i, r, w = tables.disclosure, tables.identity, tables.referral, tables.watch
_WAITING = [state.value for state in ReferralState if state.waiting]
#: Refusals that say the ground is gone: what was copied on it goes, too. Any other refusal leaves the copy as it is.
GROUND_GONE = frozenset({Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED})


class Asking(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"

    @property
    def sentence(self) -> str:
        """氏名の写しがないときに、氏名の代わりに出す言葉。"""
        return {
            "asked": "氏名を受付に照会中", "received": "氏名の開示なし", "refused": "氏名の照会は受付に断られました", "not_asked": "氏名の写しなし",
        }[self.value]  # fmt: skip


def asking_of(states: set[str]) -> Asking:
    """世帯についての照会がいくつもあれば、まだ返事を待つもの、届いたもの、断られたものの順に言う。"""
    return next((state for state in (Asking.ASKED, Asking.RECEIVED, Asking.REFUSED) if state.value in states), Asking.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class Question:
    """受付への照会一つ。根拠にしたつなぎ（なければ見守り）ごとに一つ。"""

    question_id: UUID
    household_id: HouseholdId
    legal_basis: LegalBasis
    referral_id: ReferralId | None = None


@dataclass(frozen=True, slots=True)
class Person:
    member_id: MemberId
    name: str
    kana: str
    birth: date | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    asking: Asking
    people: dict[MemberId, Person]
    address: str | None
    told: tuple[str, ...]


async def asked(tx: Transaction, question: Question) -> None:
    values = {"state": Asking.ASKED.value, "asked_at": tx.now, "refused": None}
    about = {"question_id": question.question_id, "household_id": question.household_id, "referral_id": question.referral_id}
    statement = insert(d).values(about | {"legal_basis": question.legal_basis.value} | values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["question_id"], set_=values))


async def is_wanted(handle: Read, question_id: UUID) -> bool:
    """Whether there still is a question: a declined referral or an ended watch takes it away."""
    return await handle.scalar(select(d.c.question_id).where(d.c.question_id == question_id)) is not None


async def keep(tx: Transaction, question_id: UUID, answer: Disclosure) -> None:
    """Keeps what was disclosed, in the place of what was before, unless the ground for it went while the question was under way."""
    question = await tx.row(select(d).where(d.c.question_id == question_id).with_for_update())
    if question is None:
        return
    if answer.refused:
        await _refused(tx, question_id, answer)
        return
    said_no = await _who_said_no(tx, answer.household_id) if question.legal_basis == LegalBasis.CONSENT else frozenset()
    people = [person for person in answer.members if person.member_id not in said_no]
    values = {
        "state": Asking.RECEIVED.value,
        "refused": None,
        "address": answer.address if people else None,
        "consultation_text": answer.consultation_text if len(people) == len(answer.members) else None,
        "member_ids": [person.member_id for person in people],
    }
    await tx.execute(update(d).where(d.c.question_id == question_id).values(values))
    for person in people:
        known = {"name": person.name, "kana": person.kana, "birth": person.birth, "phone": person.phone}
        statement = insert(i).values(household_id=answer.household_id, member_id=person.member_id, **known)
        await tx.execute(statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=known))
    await _prune(tx, answer.household_id)
    if await rights.is_protected(tx, answer.household_id):  # declared while the answer was under way
        await forget_place(tx, answer.household_id)


async def forget_place(tx: Transaction, household_id: HouseholdId) -> None:
    """Address and telephone of a protected household go; who looks after it asks the officer for protection."""
    await tx.execute(update(d).where(d.c.household_id == household_id).values(address=None))
    await tx.execute(update(i).where(i.c.household_id == household_id).values(phone=None))


async def _who_said_no(tx: Transaction, household_id: HouseholdId) -> frozenset[MemberId]:
    """An answer may be on its way while the withdrawal arrives: it must not bring back what was just removed."""
    t = tables.consent
    rows = await tx.rows(select(t.c.member_id).where(t.c.household_id == household_id, t.c.state == ConsentState.REFUSED.value))
    return frozenset(row.member_id for row in rows)


async def _refused(tx: Transaction, question_id: UUID, answer: Disclosure) -> None:
    values: dict[str, Any] = {"state": Asking.REFUSED.value, "refused": answer.refused}
    if answer.refused in GROUND_GONE:
        values |= {"address": None, "consultation_text": None, "member_ids": []}
    await tx.execute(update(d).where(d.c.question_id == question_id).values(values))
    await _prune(tx, answer.household_id)


async def _prune(tx: Transaction, household_id: HouseholdId) -> int:
    """Names stay only while a question of this desk was answered with them."""
    told = select(func.unnest(d.c.member_ids)).where(d.c.household_id == household_id)
    return await tx.execute(delete(i).where(i.c.household_id == household_id, i.c.member_id.not_in(told)))


async def move_ground(tx: Transaction, household_id: HouseholdId, basis: LegalBasis) -> None:
    on_consent = (d.c.household_id == household_id, d.c.legal_basis == LegalBasis.CONSENT.value)
    await tx.execute(update(d).where(*on_consent).values(legal_basis=basis.value))


async def release(tx: Transaction, household_id: HouseholdId, gone: MemberId, consents: Mapping[MemberId, ConsentState]) -> int:
    """Removes what rested on the consent of `gone`: name, address, what was told at reception. How many copies.

    Those who were named beside them stay only on a consent of their own."""
    held = select(d, r.c.member_ids.label("referred")).outerjoin(r, r.c.referral_id == d.c.referral_id)
    on_consent = (d.c.household_id == household_id, d.c.legal_basis == LegalBasis.CONSENT.value)
    removed = 0
    for row in await tx.rows(held.where(*on_consent).with_for_update(of=d)):
        left = [member for member in row.member_ids if member != gone and consents.get(member) is ConsentState.GIVEN]
        if gone in row.member_ids or gone in (row.referred or ()):
            removed += await _strip(tx, row, left, theirs=gone in (row.referred or ())[:1])
    return removed + await _prune(tx, household_id)


async def _strip(tx: Transaction, row: Row[Any], left: list[MemberId], *, theirs: bool) -> int:
    """`theirs`: what was told at reception was told by the one who takes the consent back."""
    values: dict[str, Any] = {"member_ids": left}
    if not left:
        values |= {"state": Asking.REFUSED.value, "refused": Refused.CONSENT_MISSING.value, "address": None}
    if not left or theirs:
        values["consultation_text"] = None
    await tx.execute(update(d).where(d.c.question_id == row.question_id).values(values))
    return sum(getattr(row, name) is not None and name in values for name in ("address", "consultation_text"))


async def grounds_of(handle: Read, household_id: HouseholdId, member_id: MemberId) -> tuple[LegalBasis, ...]:
    """その人の氏名を、いま何を根拠に持っているか。"""
    rows = await handle.rows(
        select(d.c.legal_basis).where(d.c.household_id == household_id, literal(member_id, Uuid) == any_(d.c.member_ids)).distinct()
    )
    return tuple(sorted(LegalBasis(row.legal_basis) for row in rows))


def _standing(household_id: HouseholdId) -> Select[Any]:
    """照会のうち、返事を待つつなぎか、続いている見守りのもの。"""
    asked = select(d).outerjoin(r, r.c.referral_id == d.c.referral_id).outerjoin(w, w.c.plan_id == func.coalesce(r.c.plan_id, d.c.question_id))
    running = w.c.plan_id.is_not(None) & w.c.ended_on.is_(None)
    return asked.where(d.c.household_id == household_id, r.c.state.in_(_WAITING) | running)


async def standing_questions(handle: Read, household_id: HouseholdId) -> list[Question]:
    return [_question(row) for row in await handle.rows(_standing(household_id).order_by(d.c.question_id))]


async def of_household(handle: Read, household_id: HouseholdId) -> Identity:
    questions = await handle.rows(select(d).where(d.c.household_id == household_id).order_by(d.c.asked_at))
    people = await handle.rows(select(i).where(i.c.household_id == household_id))
    return Identity(
        asking=asking_of({row.state for row in questions}),
        people={row.member_id: Person(row.member_id, row.name, row.kana, row.birth, row.phone) for row in people},
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
        await tx.execute(delete(d).where(d.c.question_id == gone))
        await _prune(tx, household_id)
    waiting = select(r.c.referral_id).where(r.c.household_id == household_id, r.c.state.in_(_WAITING)).limit(1)
    running = select(w.c.plan_id).where(w.c.household_id == household_id, w.c.ended_on.is_(None)).limit(1)
    if await tx.row(waiting) is None and await tx.row(running) is None:
        for table in (d, i):
            await tx.execute(delete(table).where(table.c.household_id == household_id))
