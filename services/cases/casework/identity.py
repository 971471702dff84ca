"""The copy of the identity: who the household is, as intake disclosed it for a referral. It goes when the ground for it goes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Uuid, any_, delete, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert

from services.cases.casework import tables
from services.cases.casework.household import Household
from shared.contracts.consultation import ConsentState
from shared.contracts.disclosure import Disclosure, Refused
from shared.contracts.event import HouseholdId, LegalBasis, MemberId, ReferralId
from shared.runtime import rights
from shared.runtime.database import Read, Transaction

d, i, r = tables.disclosure, tables.identity, tables.referral
#: Refusals that say the ground is gone: what was copied on it goes, too. Any other refusal leaves the copy as it is.
GROUND_GONE = frozenset({Refused.CONSENT_MISSING, Refused.WITHDRAWN, Refused.NOT_ADDRESSED})


class Asking(StrEnum):
    ASKED = "asked"
    RECEIVED = "received"
    REFUSED = "refused"

    @property
    def sentence(self) -> str:
        """氏名の写しがないときに、氏名の代わりに出す言葉。"""
        return {"asked": "氏名を受付に照会中", "received": "氏名の開示なし", "refused": "氏名の照会は受付に断られました"}[self.value]


def asking_of(states: Collection[str]) -> Asking:
    """世帯についての照会がいくつもあれば、まだ返事を待つもの、届いたもの、断られたものの順に言う。まだ一つもなければ、これから尋ねる。"""
    return next((state for state in Asking if state.value in states), Asking.ASKED)


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


async def asked(tx: Transaction, referral_id: ReferralId, household_id: HouseholdId, basis: LegalBasis) -> LegalBasis:
    """The ground a question was moved to (`move_ground`) stays, however often it is asked again."""
    about = {"referral_id": referral_id, "household_id": household_id, "legal_basis": basis.value}
    again = {"state": Asking.ASKED.value, "asked_at": tx.now, "refused": None}
    statement = insert(d).values(about | again).on_conflict_do_update(index_elements=["referral_id"], set_=again).returning(d.c.legal_basis)
    return LegalBasis(await tx.scalar(statement))


async def is_wanted(handle: Read, referral_id: ReferralId) -> bool:
    """Whether there still is a question: a declined or withdrawn referral takes it away."""
    return await handle.scalar(select(d.c.referral_id).where(d.c.referral_id == referral_id)) is not None


async def keep(tx: Transaction, referral_id: ReferralId, answer: Disclosure) -> None:
    """Keeps what was disclosed, in the place of what was before. Nothing is kept of a referral that was declined while the question was under way."""
    question = await tx.row(select(d).where(d.c.referral_id == referral_id).with_for_update())
    if question is None:
        return
    if answer.refused:
        await _refused(tx, referral_id, answer)
        return
    said_no = await _who_said_no(tx, answer.household_id) if question.legal_basis == LegalBasis.CONSENT else frozenset()
    people = [person for person in answer.members if person.member_id not in said_no]
    values = {
        "state": Asking.RECEIVED.value,
        "answered_at": tx.now,
        "disclosure_id": answer.disclosure_id,
        "refused": None,
        "address": answer.address if people else None,
        "consultation_text": answer.consultation_text if len(people) == len(answer.members) else None,
        "receipt_no": answer.receipt_no,
        "member_ids": [person.member_id for person in people],
    }
    await tx.execute(update(d).where(d.c.referral_id == referral_id).values(values))
    for person in people:
        await tx.execute(_upsert(answer.household_id, person.model_dump(mode="python") | {"role": person.role.value}, tx))
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


async def _refused(tx: Transaction, referral_id: ReferralId, answer: Disclosure) -> None:
    values: dict[str, Any] = {"state": Asking.REFUSED.value, "answered_at": tx.now, "refused": answer.refused}
    if answer.refused in GROUND_GONE:
        values |= {"address": None, "consultation_text": None, "member_ids": []}
    await tx.execute(update(d).where(d.c.referral_id == referral_id).values(values))
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
        concerned = gone in row.member_ids or gone in (row.referred or ())
        if concerned:
            removed += await _strip(tx, row, left, theirs=gone in (row.referred or ())[:1])
    return removed + await _prune(tx, household_id)


async def _strip(tx: Transaction, row: Row[Any], left: list[MemberId], *, theirs: bool) -> int:
    """`theirs`: what was told at reception was told by the one who takes the consent back."""
    values: dict[str, Any] = {"member_ids": left}
    if not left:
        values |= {"state": Asking.REFUSED.value, "refused": Refused.CONSENT_MISSING.value, "address": None}
    if not left or theirs:
        values["consultation_text"] = None
    await tx.execute(update(d).where(d.c.referral_id == row.referral_id).values(values))
    return sum(getattr(row, name) is not None and name in values for name in ("address", "consultation_text"))


async def grounds_of(handle: Read, household_id: HouseholdId, member_id: MemberId) -> tuple[LegalBasis, ...]:
    """その人の氏名を、いま何を根拠に持っているか。"""
    rows = await handle.rows(
        select(d.c.legal_basis).where(d.c.household_id == household_id, literal(member_id, Uuid) == any_(d.c.member_ids)).distinct()
    )
    return tuple(sorted(LegalBasis(row.legal_basis) for row in rows))


def _upsert(household_id: HouseholdId, values: dict[str, Any], tx: Transaction) -> Any:
    statement = insert(i).values(household_id=household_id, disclosed_at=tx.now, **values)
    fresh = {key: statement.excluded[key] for key in (*values, "disclosed_at") if key != "member_id"}
    return statement.on_conflict_do_update(index_elements=["household_id", "member_id"], set_=fresh)


async def of_household(handle: Read, household_id: HouseholdId) -> Identity:
    questions = await handle.rows(select(d).where(d.c.household_id == household_id).order_by(d.c.asked_at))
    people = {row.member_id: Person(row.member_id, row.name, row.kana, row.birth, row.phone) for row in await handle.rows(_people(household_id))}
    return Identity(
        asking=Asking.RECEIVED if people else asking_of([row.state for row in questions]),
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
    """不受理・取消: そのつなぎで聞いたことを消す。ほかのつなぎでも聞いた氏名は残る。"""
    await tx.execute(delete(d).where(d.c.referral_id == referral_id))
    await _prune(tx, household_id)
