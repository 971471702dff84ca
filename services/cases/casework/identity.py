"""Who the household is, as intake disclosed it for a referral, for the pages of this desk (the copy itself: shared/runtime/copies.py)."""

from dataclasses import dataclass

from sqlalchemy import select

from services.cases.casework import consents, tables
from services.cases.casework.household import Household
from shared.contracts.disclosure import Asking, asking_of
from shared.contracts.event import HouseholdId, MemberId, ReferralId
from shared.runtime.copies import Copies, Person
from shared.runtime.database import Read, Transaction

COPIES = Copies(tables.disclosure, tables.identity, tables.referral, consents.WORDS)


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


async def of_household(handle: Read, household_id: HouseholdId) -> Identity:
    """まだ照会が一つもなければ、これから尋ねる。"""
    questions, people = await COPIES.of_household(handle, household_id)
    return Identity(
        asking=Asking.RECEIVED if people else asking_of([row.state for row in questions], Asking.ASKED),
        people=people,
        address=next((row.address for row in reversed(questions) if row.address), None),
        told=tuple(Told(row.receipt_no, row.consultation_text) for row in questions if row.consultation_text),
        refused=next((row.referral_id for row in questions if row.state == Asking.REFUSED), None),
    )


async def known_referral_of(tx: Transaction, household_id: HouseholdId) -> ReferralId | None:
    """The newest referral under which this desk had an answer about them; None when it never had one."""
    d = tables.disclosure
    newest = select(d.c.referral_id).where(d.c.household_id == household_id, d.c.answered_at.is_not(None)).order_by(d.c.answered_at.desc())
    found: ReferralId | None = await tx.scalar(newest.limit(1))
    return found
