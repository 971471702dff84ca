"""The copy of the identity: who the household is, as intake disclosed it. It is held under the ground it was asked on, and goes with that ground.

Every desk keeps it in two tables of its own: its questions to intake, with what was told of the household, and the people it was told of.
What makes a question stand (a waiting referral, an open case, a running watch) is for the desk to say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Table, Uuid, any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.contracts.consultation import ConsentState
from shared.contracts.disclosure import GROUND_GONE, Asking, Disclosure, MemberIdentity, Question, Refused
from shared.contracts.event import HouseholdId, LegalBasis, MemberId
from shared.runtime import rights
from shared.runtime.consents import NewestWords
from shared.runtime.database import Read, Transaction


@dataclass(frozen=True, slots=True)
class Person:
    member_id: MemberId
    name: str
    kana: str
    birth: date | None
    phone: str | None


class Copies:
    """`questions`: one key, household_id, referral_id, legal_basis, state, asked_at, refused, address, consultation_text, member_ids; `people`:
    household_id, member_id (its key), name, kana, birth, phone. Of what else intake tells, a desk keeps what its tables have a column for."""

    def __init__(self, questions: Table, people: Table, referral: Table, words: NewestWords) -> None:
        self._d, self._i, self._r, self._words = questions, people, referral, words
        (self._key,) = questions.primary_key.columns

    async def asked(self, tx: Transaction, question: Question) -> LegalBasis:
        """The ground a question was moved to (`move_ground`) stays, however often it is asked again: it is the one to ask on."""
        about = {"household_id": question.household_id, "referral_id": question.referral_id, "legal_basis": question.legal_basis.value}
        again = {"state": Asking.ASKED.value, "asked_at": tx.now, "refused": None}
        statement = insert(self._d).values(about | {self._key.name: question.question_id} | again)
        kept = statement.on_conflict_do_update(index_elements=[self._key], set_=again).returning(self._d.c.legal_basis)
        return LegalBasis(await tx.scalar(kept))

    async def is_wanted(self, handle: Read, question_id: UUID) -> bool:
        """Whether there still is a question: who declines a referral or ends a watch takes it away."""
        return await handle.scalar(select(self._key).where(self._key == question_id)) is not None

    async def keep(self, tx: Transaction, question_id: UUID, answer: Disclosure) -> None:
        """Keeps what was disclosed, in the place of what was before. Nothing is kept when the question was taken away while it was under way."""
        question = await tx.row(select(self._d).where(self._key == question_id).with_for_update())
        if question is None:
            return
        if answer.refused:
            await self._change(tx, question_id, _refusal(answer.refused) | {"answered_at": tx.now})
        else:
            people = await self._to_keep(tx, LegalBasis(question.legal_basis), answer)
            await self._change(tx, question_id, _told(answer, people) | {"answered_at": tx.now})
            for person in people:
                await self._put(tx, answer.household_id, person)
        await self._prune(tx, answer.household_id)
        if await rights.is_protected(tx, answer.household_id):  # declared while the answer was under way
            await self.forget_place(tx, answer.household_id)

    async def _to_keep(self, tx: Transaction, basis: LegalBasis, answer: Disclosure) -> list[MemberIdentity]:
        """An answer may be on its way while the withdrawal arrives: it must not bring back what was just removed."""
        said_no = await self._words.who_said_no(tx, answer.household_id) if basis is LegalBasis.CONSENT else frozenset()
        return [person for person in answer.members if person.member_id not in said_no]

    async def _put(self, tx: Transaction, household_id: HouseholdId, person: MemberIdentity) -> None:
        told = person.model_dump(mode="python") | {"role": person.role.value, "disclosed_at": tx.now}
        fresh = {name: value for name, value in told.items() if name in self._i.c and name != "member_id"}
        statement = insert(self._i).values(household_id=household_id, member_id=person.member_id, **fresh)
        await tx.execute(statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=fresh))

    async def _change(self, tx: Transaction, question_id: UUID, values: Mapping[str, Any]) -> None:
        kept = {name: value for name, value in values.items() if name in self._d.c}
        await tx.execute(update(self._d).where(self._key == question_id).values(kept))

    async def _prune(self, tx: Transaction, household_id: HouseholdId) -> int:
        """Names stay only while a question of this desk was answered with them."""
        told = select(func.unnest(self._d.c.member_ids)).where(self._d.c.household_id == household_id)
        return await tx.execute(delete(self._i).where(self._i.c.household_id == household_id, self._i.c.member_id.not_in(told)))

    async def forget(self, tx: Transaction, question_id: UUID, household_id: HouseholdId) -> None:
        """不受理・取消: その照会で聞いたことを消す。ほかの照会でも聞いた氏名は残る。"""
        await tx.execute(delete(self._d).where(self._key == question_id))
        await self._prune(tx, household_id)

    async def forget_all(self, tx: Transaction, household_id: HouseholdId) -> None:
        """The questions first: an answer that arrives now finds nowhere to go."""
        for table in (self._d, self._i):
            await tx.execute(delete(table).where(table.c.household_id == household_id))

    async def forget_place(self, tx: Transaction, household_id: HouseholdId) -> None:
        """Address and telephone of a protected household go; who looks after it asks the officer for protection."""
        await tx.execute(update(self._d).where(self._d.c.household_id == household_id).values(address=None))
        await tx.execute(update(self._i).where(self._i.c.household_id == household_id).values(phone=None))

    async def move_ground(self, tx: Transaction, household_id: HouseholdId, basis: LegalBasis) -> None:
        await tx.execute(update(self._d).where(*self._on_consent(household_id)).values(legal_basis=basis.value))

    async def release(self, tx: Transaction, household_id: HouseholdId, gone: MemberId) -> int:
        """Removes what rested on the consent of `gone`: name, address, what was told at reception. How many copies.

        Those who were named beside them stay only on a consent of their own."""
        agreed = {one for one, state in (await self._words.of_household(tx, household_id)).items() if state is ConsentState.GIVEN}
        held = select(self._d, self._r.c.member_ids.label("referred")).outerjoin(self._r, self._r.c.referral_id == self._d.c.referral_id)
        removed = 0
        for row in await tx.rows(held.where(*self._on_consent(household_id)).with_for_update(of=self._d)):
            if gone in row.member_ids or gone in (row.referred or ()):
                left = [member for member in row.member_ids if member != gone and member in agreed]
                removed += await self._strip(tx, row, left, theirs=gone in (row.referred or ())[:1])
        return removed + await self._prune(tx, household_id)

    def _on_consent(self, household_id: HouseholdId) -> tuple[Any, ...]:
        return (self._d.c.household_id == household_id, self._d.c.legal_basis == LegalBasis.CONSENT.value)

    async def _strip(self, tx: Transaction, row: Row[Any], left: list[MemberId], *, theirs: bool) -> int:
        """`theirs`: what was told at reception was told by the one who takes the consent back."""
        values: dict[str, Any] = {"member_ids": left}
        if not left:
            values |= _refusal(Refused.CONSENT_MISSING)
        if theirs:
            values["consultation_text"] = None
        await self._change(tx, row._mapping[self._key.name], values)
        return sum(getattr(row, name) is not None and name in values for name in ("address", "consultation_text"))

    async def grounds_of(self, handle: Read, household_id: HouseholdId, member_id: MemberId) -> tuple[LegalBasis, ...]:
        """その人の氏名を、いま何を根拠に持っているか。"""
        theirs = (self._d.c.household_id == household_id, literal(member_id, Uuid) == any_(self._d.c.member_ids))
        return tuple(sorted(LegalBasis(row.legal_basis) for row in await handle.rows(select(self._d.c.legal_basis).where(*theirs).distinct())))

    async def of_household(self, handle: Read, household_id: HouseholdId) -> tuple[Sequence[Row[Any]], dict[MemberId, Person]]:
        """The questions, the oldest first, and the people."""
        questions = await handle.rows(select(self._d).where(self._d.c.household_id == household_id).order_by(self._d.c.asked_at))
        people = await handle.rows(select(self._i).where(self._i.c.household_id == household_id))
        return questions, {row.member_id: Person(row.member_id, row.name, row.kana, row.birth, row.phone) for row in people}


def _told(answer: Disclosure, people: Sequence[MemberIdentity]) -> dict[str, Any]:
    return {
        "state": Asking.RECEIVED.value,
        "disclosure_id": answer.disclosure_id,
        "refused": None,
        "address": answer.address if people else None,
        "consultation_text": answer.consultation_text if len(people) == len(answer.members) else None,
        "receipt_no": answer.receipt_no,
        "member_ids": [person.member_id for person in people],
    }


def _refusal(why: str) -> dict[str, Any]:
    values: dict[str, Any] = {"state": Asking.REFUSED.value, "refused": why}
    return values | {"address": None, "consultation_text": None, "member_ids": []} if why in GROUND_GONE else values
